"""The models of voice and speech are kept beside the releases, whatever happens to these."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.site import Site, mortal_python
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "tests/unit judges link, notes and removal; here an adopted host keeps its file"
)

MODEL = "/opt/kai/models/ggml-base.en.bin"
SEEN = "/opt/kai/current/models/ggml-base.en.bin"


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory), ansible_python_interpreter=mortal_python(machine))


def as_the_bot(site: Site) -> str:
    """Return the text of the model as the bot reads it below the directory that it runs from."""
    return site.machine.run(["runuser", "-u", "kai", "--", "cat", SEEN]).stdout


# these tests build on each other and run in this order


def test_a_missing_model_is_reported_with_its_command(site: Site) -> None:
    site.set(kai_install_voice_enabled=True)
    done = site.run("install")
    assert done.code == 0, done.text
    told = "".join(done.report["notes"])
    assert MODEL in told
    assert "curl --fail --location --output" in told
    assert any(problem["where"] == MODEL for problem in site.run("status").report["problems"])


def test_a_model_serves_every_release_and_is_kept(site: Site) -> None:
    site.machine.run(["install", "-m", "0644", "/dev/stdin", MODEL], input="model")
    assert as_the_bot(site) == "model"
    assert site.run("status").report["problems"] == []
    site.new_release("b")
    site.install()
    assert as_the_bot(site) == "model"
    done = site.run("rollback", "--yes")
    assert done.code == 0, done.text
    assert as_the_bot(site) == "model"


def test_an_uninstall_reports_that_it_stays_and_a_purge_removes_it(site: Site) -> None:
    done = site.run("uninstall", "--yes")
    assert any("/opt/kai/models" in line for line in done.report["left"]), done.text
    assert site.machine.run(["cat", MODEL]).stdout == "model"
    site.run("uninstall", "--yes", "--purge", "--no-backup")
    assert site.machine.run(["test", "-e", MODEL], check=False).returncode != 0
