"""A secret stands in its vault and in its file on the host and nowhere else, whatever is run.

One of every kind is planted; commands succeed and fail; then everything that was written
meanwhile is searched, on the host and on the controller, with every process in between.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.conftest import ROOT, Contract
from tests.machine.fault_list import SWITCH
from tests.machine.secret_search import Search
from tests.machine.site import PATIENT, Site
from tests.machine.trial import Ansible
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("a search of whole hosts after runs that other files make as well")

SECONDS = 400
# it builds a release in a third of the time
UV = """
python3 -m venv /opt/tools
/opt/tools/bin/pip install --quiet uv
cp /opt/tools/bin/uv /usr/local/bin/uv
"""
# Python notes how every file begins that modules of Ansible make, and how its mode changes
WATCHED = "/usr/local/bin/watched-python"
_WATCHED = '#!/bin/sh\nPYTHONPATH=/usr/local/lib/watched exec /usr/bin/python3 "$@"\n'
_SITECUSTOMIZE = """
import builtins, io, json, os, stat, sys
plain_open, plain_os_open = io.open, os.open
def note(path, mode):
    if not isinstance(path, int) or path > 2:
        place = os.readlink(f'/proc/self/fd/{path}') if isinstance(path, int) else os.fspath(path)
        line = json.dumps([str(place), stat.S_IMODE(mode)]) + '\\n'
        log = plain_os_open('/run/made-files', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(log, line.encode())
        os.close(log)
def noting_os_open(path, flags, mode=0o777, *, dir_fd=None):
    descriptor = plain_os_open(path, flags, mode, dir_fd=dir_fd)
    if flags & os.O_CREAT:
        note(descriptor, os.fstat(descriptor).st_mode)
    return descriptor
def noting_open(file, mode='r', *arguments, **named):
    handle = plain_open(file, mode, *arguments, **named)
    if set(mode) & set('wax') and not isinstance(file, int):
        note(handle.fileno(), os.fstat(handle.fileno()).st_mode)
    return handle
os.open, io.open, builtins.open = noting_os_open, noting_open, noting_open
def hook(event, arguments):
    if event in ('os.chmod', 'os.mkdir'):
        note(arguments[0], arguments[1])
sys.addaudithook(hook)
"""
# whatever a module makes is for everybody unless it says otherwise
UMASK = "Defaults umask=0000\nDefaults umask_override\n"


@dataclass
class Treasury:
    """A site with every secret that there is, the search for them, and all that was said."""

    site: Site
    search: Search
    become: str
    environment: dict[str, str]
    said: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.site.desk.home

    def kai_ansible(self, *arguments: str) -> int:
        """Run a command of kai-ansible at a terminal, give the password for sudo, and listen."""
        child = self.site.desk.spawn(*arguments, "--ask-become-pass")
        child.timeout = SECONDS
        child.expect(r"\[sudo\] password for \S+: ")
        child.sendline(self.become)
        child.expect(pexpect.EOF)
        child.close()
        self.said.append(child.before)
        return int(child.exitstatus)

    def command(self, name: str, *arguments: str) -> list[str]:
        password = self.home / "become-password"
        return self.site.playbook(name, f"--become-password-file={password}", "-vvv", *arguments)

    def ansible(self, name: str, *arguments: str) -> int:
        """Run a playbook as talkatively as Ansible does, and listen."""
        done = subprocess.run(
            self.command(name, *arguments),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.said.append(done.stdout + done.stderr)
        return done.returncode

    def lock(self, **secrets: Any) -> None:
        """Change secrets in the vault as ansible-vault would."""
        desk = self.site.desk
        text = yaml.safe_dump({**desk.secrets("bot"), **secrets})
        key = VaultSecret(desk.password_file.read_bytes().strip())
        locked = VaultLib([("default", key)]).encrypt(text, secret=key)
        (desk.host_vars("bot") / "vault.yml").write_bytes(locked)


class Guarded(Site):
    """A site whose configuration has every secret of the contract."""

    answers: dict[str, Any]

    def configure(self) -> None:
        """Write host_vars and vault of the machine."""
        self.desk.given(self.answers)
        self.set(kai_install_health_timeout=20)


def everything(contract: Contract, search: Search) -> dict[str, Any]:
    """Return answers with every secret setting, and with people who need them all."""
    secrets = {key: search.secret(key) for key, spec in contract.settings.items() if spec.secret}
    secrets["TELEGRAM_BOT_TOKEN"] = f"123456789:{search.secret('token')}"
    goose = [
        {
            "telegram_id": number,
            "name": provider,
            "agent_backend": "goose",
            "llm_provider": provider,
        }
        for number, provider in enumerate(("anthropic", "openai", "google", "openrouter"), start=2)
    ]
    goose[-1]["model"] = "a/model"
    ada = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
    return {
        # nobody answers there
        "host": {"index_url": f"https://kai:{search.secret('index')}@127.0.0.1:1/"},
        "users": [ada, *goose],
        "settings": {
            "AGENT_BACKEND": "codex",
            "CODEX_AUTH_MODE": "api_key",
            "TELEGRAM_TRANSPORT": "webhook",
            "TELEGRAM_WEBHOOK_URL": "https://bot.example/hook",
            **secrets,
        },
    }


@pytest.fixture(scope="module")
def treasury(
    machine: Machine, contract: Contract, ansible_environment: dict[str, str]
) -> Iterator[Treasury]:
    """Everything was run once, and watched; what it left is there to be searched."""
    search = Search(machine)
    become = search.secret("become")
    machine.run(["chpasswd"], input=f"operator:{become}\n")
    rules = f"{UMASK}operator ALL=(ALL:ALL) ALL\n"
    machine.run(["install", "-m", "0440", "/dev/stdin", "/etc/sudoers.d/operator"], input=rules)
    for path, mode, text in (
        (WATCHED, "0755", _WATCHED),
        ("/usr/local/lib/watched/sitecustomize.py", "0644", _SITECUSTOMIZE),
    ):
        machine.run(["install", "-D", "-m", mode, "/dev/stdin", path], input=text)
    machine.run(["sh", "-ec", UV])
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as name:
        directory = Path(name)
        Guarded.answers = everything(contract, search)
        site = Guarded(
            machine, directory, ansible_user="operator", ansible_python_interpreter=WATCHED
        )
        scratch = directory / "tmp"
        scratch.mkdir()
        site.desk.variables["TMPDIR"] = str(scratch)
        site.desk.put("home/become-password", become)
        environment = {
            **ansible_environment,
            "HOME": str(site.desk.home),
            "TMPDIR": str(scratch),
            # arguments and modules travel as files, and everything that can be kept is
            "ANSIBLE_PIPELINING": "False",
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(directory / "facts"),
            "ANSIBLE_LOG_PATH": str(directory / "ansible.log"),
        }
        treasury = Treasury(site, search, become, environment)
        treasury.lock(kai_install_secret_extra_env={"OF_MY_OWN": search.secret("extra")})
        with search.watching():
            run_everything(treasury)
        yield treasury


def run_everything(treasury: Treasury) -> None:
    """Run every command, in ways that succeed and in ways that do not."""
    site, search = treasury.site, treasury.search
    # a build that does not get its packages
    assert treasury.ansible("install", "--diff") == 2
    assert "installing Kai failed" in treasury.said[-1]
    treasury.lock(kai_install_index_url="")
    assert treasury.kai_ansible("install", "--yes") == 0, treasury.said[-1]
    treasury.lock(kai_install_webhook_secret=search.secret("second"))
    assert treasury.ansible("install", "--check", "--diff") == 0, treasury.said[-1]
    # a bot that does not start, and a file that cannot be written
    site.fault(CRASH_AT_IMPORT="1")
    assert treasury.ansible("install", "--diff") == 2
    site.set(kai_install_extra_env=None, kai_install_health_timeout=PATIENT)
    held = Ansible(treasury.command("install", "--diff"), treasury.environment, SWITCH, 1)
    held.reach()
    site.machine.run(["mkdir", "/etc/kai/.env.kai-new"])
    code, text = held.go_on()
    site.machine.run(["rmdir", "/etc/kai/.env.kai-new"])
    treasury.said.append(text)
    assert (code, "/etc/kai/env" in text) == (2, True), text
    assert treasury.kai_ansible("install", "--yes") == 0, treasury.said[-1]
    for command in (["status"], ["logins"], ["rollback", "--yes"]):
        # a status of 3 tells that somebody is not logged in
        assert treasury.kai_ansible(*command) in (0, 3), treasury.said[-1]
    treasury.lock(kai_install_webhook_secret=f"{search.secret('refused')}\n")
    done = site.run("install")
    treasury.said.append(done.text)
    assert done.code == 2
    assert treasury.ansible("install") == 2


def test_no_secret_is_said(treasury: Treasury) -> None:
    assert [text for text in treasury.said if treasury.search.is_in(text)] == []


def test_no_process_can_be_seen_with_a_secret(treasury: Treasury) -> None:
    assert treasury.search.passes > 100
    # what builds the first release has the index in its environment, which is root's alone
    seen = {(kind, uid) for kind, uid, _program in treasury.search.processes}
    assert seen <= {("environ", 0)}, treasury.search.processes


def test_a_host_has_its_secrets_in_one_file_and_in_the_records_of_installs(
    treasury: Treasury,
) -> None:
    machine = treasury.site.machine
    looked, found = treasury.search.on_machine()
    assert looked > 1000
    assert "/etc/kai/env" in found
    kept = [path for path in found if path.startswith("/opt/kai/installs/")]
    assert set(found) == {"/etc/kai/env", *kept}
    shown = machine.run(["stat", "-c", "%a %U", "/opt/kai/installs", "/etc/kai/env", *kept]).stdout
    assert shown.splitlines() == ["700 root", *["600 root"] * (1 + len(kept))]
    assert len(kept) >= 2


def test_a_controller_has_its_secrets_in_its_vault(treasury: Treasury) -> None:
    directory = treasury.site.desk.directory.parent
    # no command writes the readings: the test bed keeps them
    left_out = [ROOT / ".git", ROOT / ".venv", treasury.site.desk.readings]
    looked, found = treasury.search.here([directory, ROOT], left_out)
    assert looked > 10
    assert (directory / "ansible.log").stat().st_size > 0
    assert found == [str(treasury.home / "become-password")]


def test_a_file_with_secrets_begins_private_whatever_the_umask_is(treasury: Treasury) -> None:
    text = treasury.site.machine.run(["cat", "/run/made-files"]).stdout
    made = [(path, mode) for path, mode in map(json.loads, text.splitlines())]
    places = ("/etc/kai/", "/opt/kai/installs", "/opt/kai/.snapshot")
    ours = {(path, mode) for path, mode in made if path.startswith(places)}
    assert ("/etc/kai/.env.kai-new", 0o600) in ours
    assert ("/opt/kai/installs", 0o700) in ours
    assert {(path, oct(mode)) for path, mode in ours if mode & 0o077} == set()
