"""An operator who has the wheel and nothing else of ours: pipx, then config, install and status."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.machine.site import Site
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "another way to the same command; tests/collection builds the same wheel"
)

PASSED_ON = ("LANG", "PIP_", "SSL_CERT", "REQUESTS_CA")


@pytest.fixture
def site(machine: Machine) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory))


def test_the_wheel_does_everything_away_from_the_checkout(site: Site, tmp_path: Path) -> None:
    desk = site.desk
    kept = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    environment = {
        **kept,
        "HOME": str(desk.home),
        "PATH": f"{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
    }

    def said(*command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=desk.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    said(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(ROOT))
    [wheel] = (tmp_path / "dist").glob("*.whl")
    said(sys.executable, "-m", "pipx", "install", str(wheel))
    assert (tmp_path / "man" / "man1" / "kai-ansible.1").exists()

    answers = desk.write("answers.yml", desk.answers(AGENT_BACKEND="codex"))
    said("kai-ansible", "config", "bot", "--answers", str(answers), "--no-input")
    assert json.loads(said("kai-ansible", "install", "--json"))["succeeded"]
    assert site.health()["status"] == "ok"
    status = json.loads(said("kai-ansible", "status", "--json"))
    assert status["hosts"]["bot"]["service"]["state"] == "active"
