"""The locked packages of development, and what is known against them.

OSV is on the network; a server of this test's stands in for it.
"""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tools import lint
from tools.audit import LOCK, NO_ANSWER

DIGEST = "0" * 64
LOCKED = f"good==1.0 --hash=sha256:{DIGEST}\nbad==2.0 --hash=sha256:{DIGEST}\n"


@contextlib.contextmanager
def osv(vulnerable: str) -> Iterator[str]:
    """Serve what OSV would say if one package were vulnerable; yield the address."""

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = asked["package"]
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}]
            known = {
                "id": "PYSEC-1",
                "details": "planted",
                "affected": [{"package": package, "ranges": ranges}],
            }
            self.send_response(200)
            self.end_headers()
            answer = {"vulns": [known]} if package["name"] == vulnerable else {}
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(name="locked")
def locked_file(tmp_path: Path) -> Path:
    """A lock of two packages."""
    path = tmp_path / "requirements.txt"
    path.write_text(LOCKED, encoding="utf-8")
    return path


def audit(
    monkeypatch: pytest.MonkeyPatch, locked: Path, url: str
) -> subprocess.CompletedProcess[str]:
    monkeypatch.setenv("OSV_URL", url)
    command = [sys.executable, "-m", "tools.audit", str(locked)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("vulnerable", "code", "said"),
    [("bad", 1, "bad 2.0: PYSEC-1, fixed in 2.1\n"), ("another", 0, "")],
)
def test_a_vulnerable_package_is_named_with_the_fix(
    monkeypatch: pytest.MonkeyPatch, locked: Path, vulnerable: str, code: int, said: str
) -> None:
    with osv(vulnerable) as url:
        done = audit(monkeypatch, locked, url)
    assert (done.returncode, done.stdout) == (code, said), done


def test_silence_is_not_taken_for_a_good_answer(
    monkeypatch: pytest.MonkeyPatch, locked: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = audit(monkeypatch, locked, f"http://127.0.0.1:{port}/")
    assert done.returncode == NO_ANSWER, done
    assert done.stdout.startswith("nobody answered: ")


@pytest.mark.parametrize(
    ("code", "verdict", "outcome"),
    [(0, "ok", 0), (1, "FAILED", 1), (NO_ANSWER, "not known", 0)],
)
def test_only_an_answer_fails_the_linters(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    verdict: str,
    outcome: int,
) -> None:
    script = f"print('what was said'); raise SystemExit({code})"
    monkeypatch.setattr(lint, "LINTERS", [("python", "-c", script)])
    assert lint.main() == outcome
    shown = capsys.readouterr().out
    assert shown.startswith(f"{verdict}: python")
    assert ("what was said\n" in shown.splitlines(keepends=True)) == bool(code)


def test_everything_that_development_asks_for_is_locked_with_its_hashes() -> None:
    locked: dict[str, str] = {}
    entries = LOCK.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for entry in entries:
        if entry and not entry.lstrip().startswith("#"):
            requirement, *hashes = entry.split(" --hash=")
            assert hashes, entry
            name, _equals, version = requirement.partition(";")[0].strip().partition("==")
            locked[canonicalize_name(name)] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(line for lines in project["project"]["optional-dependencies"].values() for line in lines),
    ]
    for line in asked:
        wanted = Requirement(line)
        if canonicalize_name(wanted.name) != project["project"]["name"]:
            assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)]), line
