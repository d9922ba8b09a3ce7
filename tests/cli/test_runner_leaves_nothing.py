"""A run of Ansible keeps its secrets to itself, and leaves nothing of it behind but its log."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kai_ansible.ansible.collection import contract
from kai_ansible.ansible.events import Event
from kai_ansible.ansible.playbooks import PROBE
from kai_ansible.ansible.reading import read
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import run_playbook
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.probe_requests import probe_request
from kai_ansible.rules.redact import MASK
from kai_ansible.secrets.vault_password import VaultPassword
from tests.waiting import until

# the runner starts processes from a thread
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

SPY = """\
#!/bin/sh
env >{seen}/environment
ls -ld "$TMPDIR"/kai-ansible-* >{seen}/directory
cat "$TMPDIR"/kai-ansible-*/vault-password-0 >{seen}/password
cat "$TMPDIR"/kai-ansible-*/become-passwords >{seen}/become
grep -rl 'nobody may see this' "$TMPDIR" >{seen}/leaks
ps axww >{seen}/processes
exec {python} "$@"
"""
# what hides results, selects tasks or changes the output
UNREAD = """\
[defaults]
no_log = True
force_color = True
stdout_callback = oneline
callback_result_format = yaml
display_traceback = always
strategy = free
any_errors_fatal = True
[inventory]
host_pattern_mismatch = error
[tags]
run = deploy
skip = always,all
"""


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Where the interpreter of the host notes what it sees of a run."""
    directory = tmp_path / "seen"
    directory.mkdir()
    return directory


@pytest.fixture
def run(tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A look at this very host, through an interpreter that is a spy."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("SECRET_TOKEN", "nobody may see this")
    monkeypatch.setenv("ANSIBLE_TIMEOUT", "7")
    spy = tmp_path / "python"
    spy.write_text(SPY.format(seen=seen, python=sys.executable), encoding="utf-8")
    spy.chmod(0o755)
    entry = {"ansible_connection": "local", "ansible_python_interpreter": str(spy)}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"localhost": entry}}}), "utf-8")
    rules = contract()
    request = probe_request(read_configuration(rules, {}))
    return Run(
        PROBE,
        inventory,
        ["localhost"],
        variables={"kai_probe_request": request, "kai_become": False},
        vault_password=VaultPassword(b"open sesame", None),
        become_passwords={"localhost": "{{ please }}"},
    )


def left_behind(run: Run) -> list[str]:
    """Return every file that is new at the operator's, but what the spy saw and the one log."""
    home = run.inventory.parent
    [log] = (home / ".local" / "state" / "kai-ansible" / "runs").iterdir()
    assert log.suffix == ".jsonl"
    assert log.stat().st_mode & 0o7777 == 0o600
    text = log.read_text(encoding="utf-8")
    secrets = ("open sesame", "nobody may see this", "{{ please }}")
    assert not [secret for secret in secrets if secret in text]
    known = {run.inventory, home / "python", log}
    return [
        str(path)
        for path in home.rglob("*")
        if path.is_file()
        and path not in known
        and path.parent != home / "seen"
        # a module that is killed leaves itself on the host, which is this one here
        and "_payload_" not in str(path)
    ]


def test_a_run_leaves_nothing_and_sees_what_the_operator_has(run: Run, seen: Path) -> None:
    before = dict(os.environ)
    phases: list[str] = []
    outcome = run_playbook(run, lambda event: phases.append(event["event"]))
    assert outcome.succeeded, outcome.failures
    # empty where no systemd runs, as in a container
    assert outcome.reports["localhost"]["platform"] in ("", "linux")
    assert "playbook_on_stats" in phases

    # while it ran there was a directory that only its owner may enter, with the password
    assert (seen / "directory").read_text().startswith("drwx------")
    assert (seen / "password").read_text() == "open sesame"
    assert "{{ please }}" in (seen / "become").read_text()
    processes = (seen / "processes").read_text()
    assert "ansible-playbook" in processes
    assert not [secret for secret in ("open sesame", "{{ please }}") if secret in processes]
    assert left_behind(run) == []

    lines = (seen / "environment").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines if "=" in line)
    # lookups, scripts of the inventory and of passwords may need any of it; no file has it
    assert environment["SECRET_TOKEN"] == "nobody may see this"
    assert (seen / "leaks").read_text() == ""
    assert environment["ANSIBLE_TIMEOUT"] == "7"
    assert "ANSIBLE_HOST_KEY_CHECKING" not in environment
    assert dict(os.environ) == before


def test_settings_of_the_operator_hide_no_result_and_skip_no_task(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = run.inventory.parent / "ansible.cfg"
    configuration.write_text(UNREAD, encoding="utf-8")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(configuration))
    monkeypatch.delenv("ANSIBLE_STDOUT_CALLBACK", raising=False)
    events: list[Event] = []
    outcome = run_playbook(run, events.append)
    assert outcome.succeeded, outcome.failures
    assert outcome.reports["localhost"]["platform"] in ("", "linux")
    results = [event["event_data"]["res"] for event in events if event["event"] == "runner_on_ok"]
    assert results
    assert not [result for result in results if "censored" in result]


@pytest.mark.parametrize("plugins", ["host_list,ini", "ini,ansible.builtin.yaml"])
def test_the_sudo_password_of_a_host_needs_no_plugin_of_the_operator(
    run: Run, plugins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", plugins)
    # which no file of ours has
    monkeypatch.setenv("ANSIBLE_INVENTORY_PLUGIN_EXTS", ".inventory")
    home = run.inventory.parent
    hosts = home / "hosts.ini"
    # the run finds no interpreter without the password
    interpreter = f"{home}/{{{{ ansible_become_password }}}}"
    hosts.write_text(
        f"localhost ansible_connection=local ansible_python_interpreter='{interpreter}'\n",
        encoding="utf-8",
    )
    passwords, reading = {"localhost": "python"}, read(hosts, None)
    given = replace(run, inventory=hosts, become_passwords=passwords, reading=reading)
    outcome = run_playbook(given, lambda event: None)
    assert outcome.succeeded, outcome.failures


def test_a_failed_run_leaves_nothing_and_reports_why(run: Run) -> None:
    request = {**run.variables["kai_probe_request"], "port": "s3cret"}
    variables: Mapping[str, Any] = {"kai_become": False, "kai_probe_request": request}
    secrets = ["s3cret"]
    broken = Run(
        *(run.playbook, run.inventory, run.hosts), variables=variables, known_secrets=secrets
    )
    outcome = run_playbook(broken, lambda event: None)
    assert not outcome.succeeded
    (failure,) = outcome.failures
    assert failure.task == "Probe the host"
    assert "argument 'port'" in failure.message
    assert MASK in failure.message
    assert "s3cret" not in failure.message
    assert left_behind(run) == []


def test_an_inventory_that_ansible_refuses_is_reported(run: Run) -> None:
    run.inventory.write_text("all: [", encoding="utf-8")
    outcome = run_playbook(run, lambda event: None)
    assert not outcome.succeeded
    assert outcome.failures[0].message
    assert left_behind(run) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_a_run_that_is_cut_short_leaves_nothing(run: Run, error: type[BaseException]) -> None:
    before = dict(os.environ)

    def listener(event: Mapping[str, Any]) -> None:
        if event["event"] == "playbook_on_task_start":
            raise error

    if error is KeyboardInterrupt:
        outcome = run_playbook(run, listener)
        assert outcome.interrupted
        assert not outcome.succeeded
    else:
        with pytest.raises(error):
            run_playbook(run, listener)
    assert left_behind(run) == []
    assert dict(os.environ) == before


ALONE = """
import json, sys
from pathlib import Path
from kai_ansible.ansible.playbooks import PROBE
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import run_playbook
variables = json.loads(sys.argv[2])
run = Run(PROBE, Path(sys.argv[1]), ["localhost"], variables=variables)
run_playbook(run, lambda event: None)
"""
WAITS = "#!/bin/sh\n: >{seen}/begun\nexec sleep 3600\n"


def processes_of(inventory: Path) -> list[str]:
    """Return the command lines that name an inventory, of whatever has not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            found += [" ".join(map(os.fsdecode, words))] if bytes(inventory) in words else []
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it to Ansible")
def test_ansible_does_not_go_on_without_the_command_that_started_it(run: Run, seen: Path) -> None:
    (run.inventory.parent / "python").write_text(WAITS.format(seen=seen), encoding="utf-8")
    arguments = [str(run.inventory), json.dumps(run.variables)]
    command = subprocess.Popen([sys.executable, "-c", ALONE, *arguments])
    until((seen / "begun").exists)
    assert len(processes_of(run.inventory)) > 1
    command.kill()
    command.wait()
    until(lambda: processes_of(run.inventory) == [])
