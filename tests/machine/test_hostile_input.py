"""The corpus of hostile inputs through the whole role, judged by sudo, systemd and Kai's reader."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kai.protected import parse_env

from kai_ansible.inventory.yaml_edit import literally
from kai_ansible.rules.sudoers import commands_by_account
from tests.conftest import ROOT
from tests.hostile.corpus import entries
from tests.machine.site import Site
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "tests/hostile tries every input in the rules; here they reach a host"
)

ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
# what a path may hold at the most
INSTALL_DIR = "/srv/50%n a,b=c#d/~kai"
DATA_DIR = "/srv/%h d:a=t,a #é🦉/+data"
CODEX = "/srv/-x y:z/a, b=c#%n@d/codex -é"


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What evaluating any of the inputs would make, here or on the machine."""
    return tmp_path_factory.getbasetemp() / "evaluated"


@pytest.fixture(scope="module")
def site(machine: Machine, canary: Path) -> Iterator[Site]:
    machine.run(["mkdir", "-p", str(canary.parent)])
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory))


def set_literally(site: Site, **variables: Any) -> None:
    """Change kai.yml to values of which Ansible evaluates nothing."""
    path = site.desk.host_vars("bot") / "kai.yml"
    values = {**yaml.safe_load(path.read_text(encoding="utf-8")), **variables}
    path.write_text(literally(values), encoding="utf-8")


def is_evaluated(site: Site, canary: Path) -> bool:
    there = site.machine.run(["test", "-e", str(canary)], check=False)
    return canary.exists() or there.returncode == 0


def in_yaml(value: Any) -> bool:
    """Return whether a file in UTF-8 can hold an input at all."""
    return not (isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value))


def test_X2_everything_hostile_is_refused_by_name_before_any_change(
    site: Site, canary: Path, ansible_environment: dict[str, str]
) -> None:
    path = site.desk.host_vars("bot") / "kai.yml"
    text = path.read_text(encoding="utf-8")
    hostile = {
        "os_user": [e.value for e in entries("accounts", "refused", canary=str(canary))],
        "home_workspace": [e.value for e in entries("paths", "refused", canary=str(canary))],
        "name": [e.value for e in entries("values", "refused", canary=str(canary))],
    }
    users: list[dict[str, Any]] = [ADA]
    wanted = []
    for field, values in hostile.items():
        for value in filter(in_yaml, values):
            wanted.append(f"kai_install_users[{len(users)}].{field}")
            users.append({"telegram_id": len(users) + 1, "name": "x", field: value})
    evil = f"{{{{ lookup('pipe', 'touch {canary}') }}}}"
    single = {
        "kai_install_service_user": "alice, root) NOPASSWD: ALL #",
        "kai_install_install_dir": f"/opt/{evil}",
        "kai_install_codex_bin": "/usr/bin/codex\nkai ALL=(root) NOPASSWD: ALL",
        "kai_install_source": evil,
    }
    before = site.state()
    set_literally(site, kai_install_users=users, **single)
    done = site.run("install")
    assert done.code == 2
    told = {problem["where"] for problem in done.document["problems"]}
    assert {*wanted, *single} <= told
    # the role by itself, without this package
    alone = subprocess.run(
        site.playbook("install"),
        cwd=ROOT,
        env=ansible_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert alone.returncode == 2, alone.stdout + alone.stderr
    assert [place for place in (*wanted, *single) if f"{place}: found" not in alone.stdout] == []
    assert "changed=0" in alone.stdout
    assert site.state() == before
    assert not is_evaluated(site, canary)
    path.write_text(text, encoding="utf-8")


def test_what_is_accepted_arrives_as_it_was_given(
    site: Site, machine: Machine, canary: Path
) -> None:
    values = [entry.value for entry in entries("values", "unchanged", canary=str(canary))]
    extra = {f"KEY_{number}": value for number, value in enumerate(values)}
    lines = f"#jinja2: variable_start_string:'[['\n[[ lookup('pipe', 'touch {canary}') ]]"
    people = [
        {"telegram_id": number, "name": value, "note": {"a": [value, lines]}}
        for number, value in enumerate(values[-25:], start=2)
        if value.strip()
    ]
    machine.run(["mkdir", "-p", str(Path(CODEX).parent)])
    machine.run(["ln", "-s", "/usr/local/bin/codex", CODEX])
    set_literally(
        site,
        kai_install_users=[{**ADA, "name": values[0]}, *people],
        kai_install_extra_env=extra,
        kai_install_install_dir=INSTALL_DIR,
        kai_install_data_dir=DATA_DIR,
        kai_install_codex_bin=CODEX,
        kai_install_health_timeout=60,
    )
    site.install()
    assert not is_evaluated(site, canary)

    env = parse_env(machine.run(["sudo", "-n", "cat", "/etc/kai/env"], user="kai").stdout)
    assert {key: env.get(key) for key in extra} == extra
    assert env["CODEX_BIN"] == CODEX
    users = yaml.safe_load(machine.run(["cat", "/etc/kai/users.yaml"]).stdout)["users"]
    assert [(user["name"], user.get("note")) for user in users[1:]] == [
        (user["name"], user["note"]) for user in people
    ]
    health = site.health()
    told = {key: value for key, value in health["settings"].items() if key in extra}
    assert told == extra

    machine.run(["visudo", "--check"])
    machine.run(["systemd-analyze", "verify", "/etc/systemd/system/kai.service"])
    rules = machine.run(["cat", "/etc/sudoers.d/kai"]).stdout
    assert ("alice", CODEX) in commands_by_account(rules)
    shown = machine.run(
        ["systemctl", "show", "kai", "--property=WorkingDirectory,Environment,ExecStart,User"]
    ).stdout
    assert f"WorkingDirectory={INSTALL_DIR}/current\n" in shown
    assert f"path={INSTALL_DIR}/current/venv/bin/python ;" in shown
    process = machine.run(["systemctl", "show", "kai", "--property=MainPID", "--value"])
    environ = f"/proc/{process.stdout.strip()}/environ"
    environment = machine.run(["cat", environ], user="kai").stdout.split("\0")
    assert {f"KAI_DATA_DIR={DATA_DIR}", f"KAI_INSTALL_DIR={INSTALL_DIR}/current"} <= {*environment}


def test_what_lies_on_the_host_is_not_evaluated_either(
    site: Site, machine: Machine, canary: Path
) -> None:
    """A deployed environment, a drop-in and a unit are data of others."""
    evil = f"{{{{ lookup('pipe', 'touch {canary}') }}}}"
    machine.run(["tee", "-a", "/etc/kai/env"], input=f"{evil}={evil}\nEVIL={evil}\n")
    machine.run(
        ["tee", "-a", "/etc/sudoers.d/kai"],
        input=f"# {evil}\nkai ALL=(bob) NOPASSWD: /opt/{evil}/codex\n",
        check=False,
    )
    done = site.run("install")
    assert done.code == 2
    assert evil in json.dumps([problem["where"] for problem in done.document["problems"]])
    assert not is_evaluated(site, canary)


def test_X5_half_of_totp_is_refused(site: Site, machine: Machine) -> None:
    machine.run(["rm", "-f", "/etc/kai/totp.secret"])
    machine.run(["install", "-m", "0600", "/dev/stdin", "/etc/kai/totp.attempts"], input="{}")
    done = site.run("install")
    assert done.code == 2
    assert "/etc/kai/totp.secret" in [problem["where"] for problem in done.document["problems"]]
