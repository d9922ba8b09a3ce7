"""A host that reaches the index only through a proxy that wants a password is installed."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TESTS
from tests.machine.secret_search import Search
from tests.machine.site import Site, Snapshot

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("tests/unit/test_network_environment.py judges who gets a proxy")

INSTALLED = True
INDEX = ("pypi.org", "files.pythonhosted.org")
ARGUMENTS, NOTES = "/run/proxy.json", "/run/proxy-notes"
ADDRESSES = """
import json, socket, sys
print(json.dumps({name: socket.gethostbyname(name) for name in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def site(machine: "Machine", snapshot: Snapshot) -> Iterator[Site]:
    """An installed host, with a uv that a build does not find."""
    machine.run(["python3", "-m", "venv", "/opt/tools"])
    machine.run(["/opt/tools/bin/pip", "install", "--quiet", "uv"])
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory), snapshot)


@pytest.fixture(scope="module")
def search(site: Site) -> Search:
    """The search for the password of the proxy, through which alone the index can be reached."""
    found = Search(site.machine)
    password = found.secret("proxy")
    addresses = json.loads(site.python(ADDRESSES, *INDEX))
    site.machine.run(["tee", "/etc/hosts"], input=f"127.0.0.1 localhost {' '.join(INDEX)}\n")
    site.machine.push(TESTS / "forward_proxy.py", "/usr/local/lib/forward_proxy.py")
    given = {"login": f"kai:{password}", "notes": NOTES, "addresses": addresses}
    writing = ["install", "-m", "0600", "/dev/stdin", ARGUMENTS]
    site.machine.run(writing, input=json.dumps(given))
    service = ["systemd-run", "--unit=proxy", "--property=Type=notify", "python3"]
    site.machine.run([*service, "/usr/local/lib/forward_proxy.py", ARGUMENTS])
    environment = {"HTTPS_PROXY": f"http://kai:{password}@127.0.0.1:3128"}
    answers = site.desk.write("answers.yml", {"host": {"environment": environment}})
    done = site.run("config", "--no-input", "--no-probe", "--answers", str(answers))
    assert done.code == 0, done.text
    answers.unlink()
    return found


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_the_build_alone_uses_it_and_its_password_is_in_the_vault_alone(
    site: Site, search: Search, installer: str
) -> None:
    if installer == "uv":
        site.machine.run(["cp", "/opt/tools/bin/uv", "/usr/local/bin/uv"])
    site.machine.run(["install", "-m", "0600", "/dev/null", NOTES])
    site.new_release(installer)
    with search.watching():
        site.machine.run(["systemctl", "reset-failed"])
        done = site.run("install")
        assert done.code == 0, done.text
        notes = site.machine.run(["cat", NOTES]).stdout.splitlines()
        said = [site.run(*words) for words in (["restart"], ["status"], ["doctor"])]
    requests = [json.loads(line) for line in notes]
    assert {request["host"] for request in requests if request["login"]} == {*INDEX}
    # neither the bot nor an agent: they have other accounts, and would ask afterwards as well
    assert {request["who"] for request in requests if installer not in request["who"]} == set()
    assert site.machine.run(["cat", NOTES]).stdout.splitlines() == notes
    assert search.passes > 100
    assert {(kind, uid) for kind, uid, _program in search.processes} == {("environ", 0)}
    assert not [one for one in (done, *said) if search.is_in(one.text)]
    assert search.on_machine()[1] == [ARGUMENTS]
    assert search.here([site.desk.directory])[1] == []
