"""A Workshop without Telegram: ``config`` makes its first user, and one install lets them in.

Only Kai 2.1 makes a user by a plan. No whole tree of it was at hand, so this is the stand-in with
what single files of September 2026 say.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.rules.bootstrap_plan import decode
from kai_ansible.rules.principal_ids import principal_of_key
from tests.machine.site import PATIENT
from tests.machine.site_2 import AGENTS, Site2, become_kai_2_1
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "line 2 without Telegram; test_line_2.py walks the same way with it in every run"
)

PLAN = "kai_install_kai_workshop_bootstrap"
PROFILES = "/etc/kai/runtime-profiles.yaml"
CYD, OF_CYD = "rtp_" + "c" * 32, "prn_" + "c" * 32
# what Kai's own commands for a user of the Workshop leave behind
ADD_CYD = """
import sqlite3, sys, yaml
path, (profile, principal, account) = "/etc/kai/runtime-profiles.yaml", sys.argv[1:]
document = yaml.safe_load(open(path))
profiles = document["runtime_profiles"]
first = next(iter(profiles.values()))
profiles[profile] = {**first, "display_name": "Cyd", "os_user": account}
open(path, "w").write(yaml.safe_dump(document))
with sqlite3.connect("/var/lib/kai/kai.db") as database:
    for statement in (
        "INSERT OR IGNORE INTO principals VALUES (?, 'human', 'Cyd', 'now')",
        "INSERT OR IGNORE INTO channels VALUES ('chn_' || substr(?, 5), '', 'direct', '', 'now')",
        "INSERT OR IGNORE INTO channel_memberships "
        "SELECT 'm', 'chn_' || substr(?1, 5), ?1, 'owner', 'now'",
    ):
        database.execute(statement, (principal,))
    database.execute(
        "INSERT OR IGNORE INTO channel_agent_runtime_assignments "
        "VALUES ('a', 'chn_' || substr(?, 5), 'agt', ?, 'now')", (principal, profile))
database.close()
"""


class Alone(Site2):
    """A desk whose host_vars ``config`` writes. Ada runs codex as alice, and has no Telegram."""

    def configure(self) -> None:
        """Let ``config`` write the host_vars of the machine."""
        become_kai_2_1(self.desk.source)
        answers = self.desk.answers(
            KAI_ENABLED_ADAPTERS="workshop", DEFAULT_BACKEND="codex", CODEX_BIN=AGENTS["codex"]
        )
        del answers["settings"]["TELEGRAM_BOT_TOKEN"]
        del answers["users"][0]["telegram_id"]
        self.desk.given(answers)
        self.set(kai_install_health_timeout=PATIENT)


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Alone]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Alone(machine, Path(directory))


# these tests build on each other and run in this order


def test_one_install_makes_the_first_user_and_their_directories(site: Alone) -> None:
    report = site.install()
    plan = decode(site.desk.secrets("bot")[PLAN])
    assert site.workshop() == plan.workshop_id
    health = site.health()
    assert health["release"] == report["release"]
    assert list(health["profiles"]) == [plan.runtime_profile_id]
    assert "telegram" not in health["adapters"]
    principal = principal_of_key(plan.workshop_id, plan.provisioning_key)
    owner = ["stat", "-c", "%U %a", f"/var/lib/kai/home/{principal}"]
    assert site.machine.run(owner).stdout == "alice 700\n"
    assert "the bot starts codex as alice, and ends it" in report["verified"]


def test_the_first_user_is_let_in_and_answered(site: Alone) -> None:
    [user] = site.desk.settings("bot")["kai_install_users"]
    done = site.run("workshop", "enrol", user["name"], "--yes")
    assert done.code == 0, done.text
    assert site.say(done.report["token"])["status"] == "completed"


def test_a_second_run_changes_nothing(site: Alone) -> None:
    before = site.state(), site.data(), site.health()["pid"]
    site.install()
    assert (site.state(), site.data(), site.health()["pid"]) == before
    status = site.run("status")
    assert status.report["drift"] == [], status.text
    assert status.report["problems"] == [], status.text


def add_cyd(site: Alone, account: str) -> None:
    """Make a user whom host_vars do not name, with the bot stopped."""
    site.machine.run(["systemctl", "stop", "kai"])
    python = "/opt/kai/current/venv/bin/python"
    site.machine.run([python, "-c", ADD_CYD, CYD, OF_CYD, account])


def test_the_account_of_a_user_whom_only_the_host_knows_is_judged_before_a_change(
    site: Alone,
) -> None:
    add_cyd(site, "gone")
    before = site.state()
    done = site.run("install")
    assert done.code == 2, done.text
    [problem] = done.document["problems"]
    assert problem["where"] == f"{PROFILES}: {CYD}.os_user"
    assert problem["found"] == "'gone', which is no account on the host"
    assert site.state() == before


def test_the_directories_of_a_user_whom_only_the_host_knows_are_compared(site: Alone) -> None:
    add_cyd(site, "bob")
    site.machine.run(["systemctl", "start", "kai"])
    site.wait_for_health()
    home = f"/var/lib/kai/home/{OF_CYD}"
    drift = [one["where"] for one in site.run("status").report["drift"]]
    assert home in drift
    site.install()
    assert site.machine.run(["stat", "-c", "%U %a", home]).stdout == "bob 700\n"
    assert site.run("status").report["drift"] == []
    site.machine.run(["chmod", "755", home])
    assert [one["where"] for one in site.run("status").report["drift"]] == [home]
    site.install()
    assert site.machine.run(["stat", "-c", "%U %a", home]).stdout == "bob 700\n"
