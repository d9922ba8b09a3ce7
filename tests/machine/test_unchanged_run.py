"""A run that has nothing to change starts little on the host, and overlooks nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.playbooks import INSTALL, STATUS, Playbook
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import run_playbook
from kai_ansible.secrets.vault_password import single_password
from tests.machine.site import Site, Snapshot
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "how little an unchanged run starts; issue_486 shows that it changes nothing"
)

INSTALLED = True

# what Ansible does on the controller, without a process on the host
ON_CONTROLLER = {
    f"ansible.builtin.{name}"
    for name in ("assert", "debug", "include_tasks", "include_vars", "set_fact", "set_stats")
} | {"kai.bot.kai_plan", "kai.bot.kai_report", "kai.bot.kai_source"}
PEOPLE = [
    {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"},
    {"telegram_id": 2, "name": "Bob", "os_user": "bob"},
    {"telegram_id": 3, "name": "Carol", "os_user": "carol"},
]
STARTS = [f"the bot starts codex as {name}, and ends it" for name in ("alice", "bob", "carol")]
KILLS = [
    f"the bot may end all processes of a one-shot as {name}" for name in ("alice", "bob", "carol")
]
REST = "4 more checks succeeded earlier, and nothing on which they depend has changed"

# an install fixes each of these alone
DRIFT = """
chmod 0644 /etc/kai/env
chown kai /etc/kai/users.yaml
echo 'kai ALL=(ALL) NOPASSWD: ALL' >>/etc/sudoers.d/kai
rm /etc/kai/kai-ansible.json
chmod 0777 /var/lib/kai/memory/2
rm -r /var/lib/kai/preferences/3
systemctl disable --quiet kai.service
"""
REPAIRED = {
    "/etc/kai/env",
    "/etc/kai/users.yaml",
    "/etc/sudoers.d/kai",
    "/etc/kai/kai-ansible.json",
    "/var/lib/kai/memory/2",
    "/var/lib/kai/preferences/3",
    "kai.service at boot",
}


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        site.set(kai_install_users=PEOPLE, kai_install_health_timeout=60)
        assert {*STARTS, *KILLS} <= set(site.install()["verified"])
        yield site


def actions(site: Site, playbook: Playbook) -> list[str]:
    """Return what a run of a playbook started on the host, in its order."""
    events: list[Any] = []
    password = single_password(site.desk.password_file, site.desk.inventory)
    run = Run(playbook, site.desk.inventory, ["bot"], vault_password=password)
    outcome = run_playbook(run, events.append)
    assert outcome.succeeded, outcome.failures
    done = [event["event_data"] for event in events if event["event"] == "runner_on_ok"]
    found = [str(data["resolved_action"]) for data in done]
    return [action for action in found if action not in ON_CONTROLLER]


def test_an_unchanged_install_starts_two_modules_and_status_one(site: Site) -> None:
    assert actions(site, INSTALL) == [
        "kai.bot.kai_probe",
        "kai.bot.kai_proof",
        "ansible.builtin.raw",
    ]
    assert actions(site, STATUS) == ["kai.bot.kai_probe"]


def test_of_what_is_as_it_was_each_check_has_its_turn(site: Site) -> None:
    seen = []
    for _turn in STARTS:
        verified = site.install()["verified"]
        assert REST in verified
        seen += [check for check in (*STARTS, *KILLS) if check in verified]
    assert sorted(seen) == sorted([*STARTS, *KILLS])


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        ("echo '# another rule' >/etc/sudoers.d/other", [*STARTS, *KILLS]),
        (
            "usermod --append --groups games alice; usermod --append --groups games bob; "
            "usermod --append --groups games carol",
            [*STARTS, *KILLS],
        ),
        ("touch $(readlink --canonicalize /usr/local/bin/codex)", STARTS),
        ("touch $(readlink --canonicalize /bin/kill)", KILLS),
    ],
    ids=["policy", "groups", "agent", "kill"],
)
def test_when_what_a_check_depends_on_changes_it_is_made_again(
    site: Site, change: str, checks: list[str]
) -> None:
    assert REST in site.install()["verified"]
    site.machine.run(["sh", "-c", change])
    verified = site.install()["verified"]
    assert set(checks) <= set(verified)
    assert REST not in verified


def test_a_file_that_the_policy_includes_is_a_part_of_it(site: Site) -> None:
    include = (
        "install -d /etc/site-rules && echo '@includedir /etc/site-rules' >/etc/sudoers.d/site"
    )
    site.machine.run(["sh", "-c", include])
    site.install()
    assert REST in site.install()["verified"]
    site.machine.run(["sh", "-c", "echo '# another rule' >/etc/site-rules/more"])
    assert {*STARTS, *KILLS} <= set(site.install()["verified"])


def lasting(site: Site) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return everything that an install brings about, but for its own records."""
    files, service = site.state()
    kept = {path: state for path, state in files.items() if not path.startswith("/opt/")}
    return kept, service, site.data()


def test_drift_is_fixed(site: Site) -> None:
    before = lasting(site)
    site.machine.run(["sh", "-c", DRIFT])
    report = site.install()
    assert {change["path"] for change in report["changes"]} >= REPAIRED
    assert lasting(site) == before
    assert site.install()["changes"] == []


@pytest.mark.parametrize("drift", ["chmod 0777 /var/lib/kai/memory/2", "systemctl stop kai"])
def test_drift_is_fixed_where_there_is_no_other(site: Site, drift: str) -> None:
    site.machine.run(["sh", "-c", drift])
    assert site.install()["changes"] != []
    assert site.install()["changes"] == []
