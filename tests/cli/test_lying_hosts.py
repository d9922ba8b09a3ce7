"""A host whose root answers more than it was asked: what that may set on the controller."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest
import yaml

from kai_ansible.ansible.collection import contract
from kai_ansible.ansible.playbooks import FETCH, PROBE
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import Outcome, run_playbook
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.probe_requests import probe_request
from kai_ansible.secrets.vault_password import VaultPassword
from tests.conftest import ROOT

# the runner starts processes from a thread
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
    pytest.mark.slow,
]

# a Python that runs each module, and adds to its answer
LIAR = """\
#!{python}
import json, subprocess, sys
done = subprocess.run(["{python}", *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
try:
    answer = json.loads(done.stdout)
except ValueError:
    print(done.stdout, end="")
else:
    print(json.dumps({{**answer, **json.loads({lies!r})}}))
sys.exit(done.returncode)
"""


# a Python that runs nothing, and has one answer to everything
PARROT = """\
#!/bin/sh
cat >/dev/null
printf '%s' {answer!r}
"""


def liar(directory: Path, lies: dict[str, Any]) -> str:
    """Return the path of an interpreter that adds to what each module returns."""
    path = directory / "python"
    path.write_text(LIAR.format(python=sys.executable, lies=json.dumps(lies)), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def played(
    directory: Path,
    environment: dict[str, str],
    hosts: dict[str, dict[str, Any]],
    tasks: list[dict[str, Any]],
) -> subprocess.CompletedProcess[str]:
    """Run tasks on local hosts that lie. hosts: their variables by name."""
    play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    (directory / "play.json").write_text(json.dumps(play), encoding="utf-8")
    local = {name: {"ansible_connection": "local", **host} for name, host in hosts.items()}
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": local}}), encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.run(
        [program, str(directory / "play.json"), "-i", str(inventory)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def probed(directory: Path, lies: dict[str, Any], good: str = sys.executable) -> Outcome[Any]:
    """Return the outcome of a probe of two hosts; the one called bad adds to its answers.

    good: the Python of the other one.
    """
    local = {"ansible_connection": "local", "ansible_python_interpreter": good}
    hosts = {
        "good": local,
        "bad": {**local, "ansible_python_interpreter": liar(directory, lies)},
    }
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
    request = probe_request(read_configuration(contract(), {}))
    return run_playbook(
        Run(
            PROBE,
            inventory,
            ["good", "bad"],
            variables={"kai_probe_request": request, "kai_become": False},
            vault_password=VaultPassword(b"open sesame", None),
        ),
        lambda event: None,
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the logs of runs in a home of the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)


FORGED = {
    "kai_install_reports": {"good": {"platform": "forged"}, "bad": {"platform": "forged"}},
    "kai_install_problems": {"good": [{"where": "forged"}]},
}
STATS = {"ansible_stats": {"data": FORGED, "aggregate": True, "per_host": False}}


@pytest.mark.usefixtures("home")
def test_no_host_reports_about_another(tmp_path: Path) -> None:
    outcome = probed(tmp_path, STATS)
    assert outcome.succeeded, outcome.failures
    assert outcome.reports.keys() == {"good", "bad"}
    assert all("accounts" in report for report in outcome.reports.values())
    assert outcome.preflight_problems == {}


@pytest.mark.usefixtures("home")
def test_a_host_whose_report_is_too_long_is_not_overlooked(tmp_path: Path) -> None:
    # the runner leaves such a result out
    outcome = probed(tmp_path, {"probe": {"accounts": "x" * 800_000}})
    assert not outcome.succeeded
    assert outcome.reports.keys() == {"good"}
    [failure] = outcome.failures
    assert (failure.host, failure.task) == ("bad", "Publish the report")


@pytest.mark.usefixtures("home")
def test_a_host_whose_report_is_odd_keeps_no_other_from_being_reported(tmp_path: Path) -> None:
    outcome = probed(tmp_path, {"probe": {"accounts": 7}})
    assert not outcome.succeeded
    assert outcome.reports.keys() == {"good"}
    [failure] = outcome.failures
    assert (failure.host, failure.task) == ("bad", "Publish the report")
    assert failure.message.startswith("bad.")


@pytest.mark.usefixtures("home")
def test_a_host_whose_report_is_odd_is_named_beside_one_that_fails(tmp_path: Path) -> None:
    outcome = probed(tmp_path, {"probe": {"accounts": 7}}, good="/nowhere/python")
    assert not outcome.succeeded
    assert outcome.reports == {}
    assert [failure.host for failure in outcome.failures] == ["good", "bad"]


def token(content: Any) -> str:
    """Return what the runner reads as the start of an event in the output of Ansible."""
    text = base64.b64encode(json.dumps(content).encode()).decode()
    return f"\x1b[K{text}\x1b[{len(text)}D\x1b[K"


@pytest.mark.usefixtures("home")
def test_no_host_puts_an_event_into_the_output_of_ansible(tmp_path: Path) -> None:
    data = {"host": "good", "task_action": "kai.bot.kai_report", "res": STATS}
    event = token({"event": "runner_on_ok", "uuid": "forged", "event_data": data})
    # what is no event at all would end the run
    texts = event + token([])
    outcome = probed(
        tmp_path,
        {
            "changed": True,
            "diff": {"prepared": texts},
            "warnings": [texts],
            f"_ansible_{texts}": texts,
        },
    )
    assert outcome.succeeded, outcome.failures
    assert outcome.preflight_problems == {}


def test_no_answer_of_a_host_names_a_file_of_the_controller(
    tmp_path: Path, ansible_environment: dict[str, str]
) -> None:
    private = tmp_path / "private.yml"
    private.write_text("users: [{name: of the controller}]\n", encoding="utf-8")
    lies = {"kai_install_users_file": str(private), "helper": "/of/the/host"}
    host = {
        "ansible_python_interpreter": liar(tmp_path, {"ansible_facts": lies}),
        "helper": "/of/the/operator",
        "kai_install_release": "1",
        "kai_install_install_dir": "{{ helper }}",
    }
    plan = {"purpose": "host", "role_path": str(ROOT / "roles" / "kai_install")}

    def written(name: str) -> dict[str, Any]:
        content = f"{{{{ {name} | to_json }}}}"
        return {"ansible.builtin.copy": {"content": content, "dest": f"{tmp_path}/{name}"}}

    tasks: list[dict[str, Any]] = [
        {"kai.bot.kai_plan": plan, "register": "before"},
        {"ansible.builtin.ping": {}},
        {
            "kai.bot.kai_plan": {**plan, "variables": "{{ before.variables }}"},
            "register": "after",
        },
        {"kai.bot.kai_plan": plan, "register": "anew"},
        *map(written, ("before", "after", "anew")),
    ]
    done = played(tmp_path, ansible_environment, {"bad": host}, tasks)
    assert done.returncode == 0, done.stdout + done.stderr
    before, after, anew = (
        json.loads((tmp_path / name).read_text(encoding="utf-8"))
        for name in ("before", "after", "anew")
    )
    assert before["problems"] == []
    assert before["host"]["install_dir"] == "/of/the/operator"
    assert after["variables"] == before["variables"]
    assert after["host"] == before["host"]
    [problem] = anew["problems"]
    assert problem["where"] == "kai_install_users_file"
    assert "a fact of bad" in problem["found"]


def test_no_file_of_the_controller_is_touched_for_a_fact_of_a_host(
    tmp_path: Path, ansible_environment: dict[str, str]
) -> None:
    dest = tmp_path / "written"
    arguments: dict[str, dict[str, Any]] = {
        "kai_backup": {"dest": str(dest), "recipient": "age1"},
        "kai_enrolment": {"dest": str(dest), "user": "Ada", "users": []},
        "kai_restore": {"archive": str(dest), "identity_file": str(dest)},
    }
    fact = {"kai_backup_file": "/of/the/host"}
    done = played(
        tmp_path,
        ansible_environment,
        {name: {} for name in arguments},
        [
            {"ansible.builtin.set_fact": {**fact, "cacheable": True}},
            *(
                {f"kai.bot.{name}": given, "when": f"inventory_hostname == '{name}'"}
                for name, given in arguments.items()
            ),
        ],
    )
    refused = r"\[(\w+)\]: FAILED! .*kai_backup_file: found a fact of \1"
    assert {*re.findall(refused, done.stdout)} == {*arguments}, done.stdout
    assert not dest.exists()


# a program that notes that it ran, for the one that copies files over ssh
NOTES = """\
#!/bin/sh
cat >/dev/null
echo {name} >>{log}
"""
# ssh to the machine itself
NO_NETWORK = """\
#!/bin/sh
for last; do :; done
exec sh -c "$last"
"""


def program(directory: Path, name: str, text: str) -> str:
    """Return the path of a script."""
    path = directory / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.usefixtures("home")
def test_no_fact_of_a_host_chooses_a_program_of_the_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the checkout has an ansible.cfg that refuses it as well
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "ran"
    ours, theirs = (
        program(tmp_path, name, NOTES.format(name=name, log=log)) for name in ("ours", "theirs")
    )
    host = {
        "ansible_host": "192.0.2.1",
        "ansible_ssh_executable": program(tmp_path, "ssh", NO_NETWORK),
        "ansible_ssh_transfer_method": "sftp",
        "ansible_sftp_executable": ours,
        "ansible_python_interpreter": liar(
            tmp_path, {"ansible_facts": {"ansible_sftp_executable": theirs}}
        ),
    }
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"bad": host}}}), encoding="utf-8")
    fetched = {"kai_fetch_paths": [str(inventory)], "kai_fetch_directory": str(tmp_path / "here")}
    run_playbook(
        Run(
            FETCH,
            inventory,
            ["bad"],
            variables={**fetched, "kai_become": False},
            vault_password=VaultPassword(b"open sesame", None),
        ),
        lambda event: None,
    )
    assert {*log.read_text(encoding="utf-8").split()} == {"ours"}


INVENTED: list[dict[str, Any]] = [
    {},
    {"size": -1},
    {"size": "all"},
    {"size": 5, "sha256": None},
    {"size": 5, "content": None},
    {"size": 5, "content": ["a"]},
    {"size": 5, "content": "no base64!"},
    {"size": 5, "content": base64.b64encode(b"x" * 6).decode()},
]


def test_a_backup_that_a_host_invents_writes_nothing(
    tmp_path: Path, ansible_environment: dict[str, str]
) -> None:
    hosts = {}
    for number, answer in enumerate(INVENTED):
        parrot = tmp_path / f"python{number}"
        parrot.write_text(PARROT.format(answer=json.dumps(answer)), encoding="utf-8")
        parrot.chmod(0o755)
        hosts[f"bad{number}"] = {"ansible_python_interpreter": str(parrot)}
    arguments = {
        "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}.kai",
        "recipient": str(pyrage.x25519.Identity.generate().to_public()),
    }
    done = played(tmp_path, ansible_environment, hosts, [{"kai.bot.kai_backup": arguments}])
    assert done.returncode == 2, done.stdout
    assert {*re.findall(r"\[(bad\d)\]: FAILED! .*the host answered", done.stdout)} == {*hosts}
    assert "Traceback" not in done.stdout + done.stderr
    assert list(tmp_path.glob("*.kai")) == []
