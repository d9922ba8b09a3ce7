"""Status and logins on a real host, and an install that changes just what they name."""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from kai_ansible.rules.preflight import NOT_ROOT
from tests.cli.desk import exit_code
from tests.machine.site import TOKEN, Site, Snapshot
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("tests/unit judges what status says; here it is a host's")

INSTALLED = True

SECRET_FILES = ["/etc/kai/env", "/etc/kai/users.yaml", "/etc/sudoers.d/kai"]

# one of each kind: what an install writes, lays out and switches
PLANT = r"""
set -e
sed -i 's/^DEFAULT_MODEL=.*/DEFAULT_MODEL="gpt-5.4"/; /^TTS_ENABLED=/d' /etc/kai/env
echo 'KAI_STANDIN_EXTRA="planted-value"' >>/etc/kai/env
sed -i 's/role: admin/role: user/' /etc/kai/users.yaml
sed -i '/NOPASSWD/s/codex$/codex --version/' /etc/sudoers.d/kai
chmod 0400 /etc/sudoers.d/kai
sed -i 's/^RestartSec=5/RestartSec=50/' /etc/systemd/system/kai.service
rm /etc/kai/kai-ansible.json /var/lib/kai/home/1/.claude/CLAUDE.md
chown bob /var/lib/kai/memory/1
chmod 0777 /var/lib/kai/tmp
rm -r /var/lib/kai/preferences/1
"""


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        site.set(kai_install_health_timeout=30)
        site.install()
        yield site


def look(site: Site, code: int) -> dict[str, Any]:
    """Return the report of the host; the document contains no secret."""
    done = site.run("status")
    assert done.code == code, done.text
    for secret in site.desk.secrets("bot").values():
        assert str(secret) not in done.text
    return done.report


# these tests build on each other and run in this order


def test_O3_a_host_is_healthy_when_its_own_process_answers(site: Site) -> None:
    report = look(site, 0)
    assert report["healthy"]
    assert report["as_root"]
    health = site.health()
    service = report["service"]
    assert (service["pid"], service["health"]) == (health["pid"], 200)
    assert service["release"] == report["live"] == health["release"]
    assert re.fullmatch(r"\w+@\S+", report["last_install"]["by"])
    [backend] = report["backends"]
    assert backend["path"] == "/usr/local/bin/codex"
    assert re.fullmatch(r"\d+\.\d+\.\d+", backend["version"])
    assert backend["changed_by"] == []


def test_O5_what_an_install_would_change_is_what_status_calls_drift(site: Site) -> None:
    site.machine.run(["sh", "-c", PLANT])
    report = look(site, 3)
    assert not report["unknown"]
    found = {finding["where"] for finding in report["drift"]}
    assert {
        "/etc/kai/env: DEFAULT_MODEL",
        "/etc/kai/env: TTS_ENABLED",
        "/etc/kai/env: KAI_STANDIN_EXTRA",
        "/etc/kai/users.yaml: Ada (1): role",
        "/etc/sudoers.d/kai: kai ALL=(alice) NOPASSWD: /usr/local/bin/codex",
        "/etc/sudoers.d/kai: kai ALL=(alice) NOPASSWD: /usr/local/bin/codex --version",
        "/etc/sudoers.d/kai",
        "/etc/systemd/system/kai.service: RestartSec=5",
        "/etc/systemd/system/kai.service: RestartSec=50",
        "/etc/kai/kai-ansible.json",
        "/var/lib/kai/memory/1",
        "/var/lib/kai/tmp",
        "/var/lib/kai/preferences/1",
    } <= found
    assert "planted-value" not in str(report)
    # the install itself refuses a key that it does not know; that is told as well
    [problem] = [entry for entry in report["problems"] if "KAI_STANDIN_EXTRA" in entry["where"]]
    assert "null to drop it" in problem["fix"]
    site.machine.run(["sed", "-i", "/KAI_STANDIN_EXTRA/d", "/etc/kai/env"])
    drifted = {finding["where"].split(": ")[0] for finding in look(site, 3)["drift"]}
    check = site.run("install", "--check")
    assert check.code == 0, check.text
    planned = {change["path"] for change in check.report["changes"]}
    # the bot starts anew as well, and an install leaves a record of itself
    assert drifted == {path for path in planned if path.startswith(("/etc/", "/var/lib/kai/"))}
    site.install()
    assert look(site, 0)["healthy"]


# a drop-in of systemd, as systemctl edit makes one, and a file of variables
OVERRIDE = "/etc/systemd/system/kai.service.d/override.conf"
VARIABLES = "/etc/kai-variables"
OVERRIDES = f"""
set -e
install -D -m 0644 /dev/stdin {OVERRIDE} <<END
[Service]
Environment=DEFAULT_MODEL=gpt-5.4 \\
  "TELEGRAM_BOT_TOKEN=1:hidden"
MemoryMax=500M
EnvironmentFile={VARIABLES}
END
echo AGENT_TIMEOUT_SECONDS=77 >{VARIABLES}
systemctl daemon-reload
systemctl restart kai.service
"""


def test_what_systemd_gives_the_bot_is_named_with_its_file(site: Site) -> None:
    site.machine.run(["sh", "-c", OVERRIDES])
    site.wait_for_health()
    report = look(site, 3)
    named = {f"{OVERRIDE}: {name}" for name in ("DEFAULT_MODEL", "TELEGRAM_BOT_TOKEN")}
    found = {finding["where"] for finding in report["drift"]}
    assert found == {*named, f"{VARIABLES}: AGENT_TIMEOUT_SECONDS"}
    # a limit is the operator's own business, and no difference
    assert any("MemoryMax" in limit and OVERRIDE in limit for limit in report["limits"])
    assert "1:hidden" not in str(report)
    [timeout] = [entry for entry in report["drift"] if entry["where"].startswith(VARIABLES)]
    assert timeout["found"] == "'77', which the bot has instead of the one of host_vars"
    assert {person["model"] for person in report["users"]} == {"gpt-5.4"}
    check = site.run("install", "--check")
    assert all(any(where in note for note in check.report["notes"]) for where in found)

    # without it nobody knows what the bot has from it
    site.machine.run(["rm", VARIABLES])
    assert VARIABLES in {finding["where"] for finding in look(site, 3)["unknown"]}

    # an empty assignment drops what systemd had for the bot until then, also from the unit
    text = "[Service]\nEnvironment=WEBHOOK_PORT=9\nEnvironment=\n"
    site.machine.run(["tee", OVERRIDE], input=text)
    site.machine.run(["systemctl", "daemon-reload"])
    shown = site.machine.run(["systemctl", "show", "--property=Environment", "kai.service"])
    assert shown.stdout == "Environment=\n"
    named = {finding["where"] for finding in look(site, 3)["drift"]}
    assert {where for where in named if where.startswith(OVERRIDE)} == {f"{OVERRIDE}: Environment"}
    site.machine.run(["rm", "-r", str(Path(OVERRIDE).parent)])
    site.machine.run(["systemctl", "daemon-reload"])
    site.machine.run(["systemctl", "restart", "kai.service"])
    site.wait_for_health()
    look(site, 0)


def test_O4_an_account_without_privilege_learns_what_only_root_sees(site: Site) -> None:
    with site.without_privilege():
        report = look(site, 3)
    assert not report["as_root"]
    assert (report["service"]["health"], report["service"]["active"]) == (200, True)
    assert report["drift"] == []
    assert report["problems"] == [NOT_ROOT.as_dict()]
    unknown = {finding["where"] for finding in report["unknown"]}
    assert {*SECRET_FILES, "the records of installs", "the login of alice"} <= unknown
    # everybody may read a unit, so it was compared
    assert "/etc/systemd/system/kai.service" not in unknown
    assert report["releases"] is None


@pytest.mark.parametrize("columns", [80, 200])
def test_a_report_fits_its_terminal(site: Site, columns: int) -> None:
    child = site.desk.spawn("status", term="xterm", dimensions=(60, columns))
    child.expect(pexpect.EOF)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", str(child.before)).replace("\r\n", "\n")
    assert exit_code(child) == 0, text
    lines = [line.rpartition("\r")[2] for line in text.splitlines()]
    assert max(map(len, lines)) <= columns, text
    assert "/usr/local/bin/codex" in text
    # the answer comes first on the screen, from which the sign of progress is gone
    screen = pyte.Screen(columns, 200)
    pyte.Stream(screen).feed(str(child.before))
    assert next(line for line in screen.display if line.strip()).startswith("bot: healthy")


def test_a_watch_sees_what_happens_until_it_is_ended(site: Site) -> None:
    child = site.desk.spawn("status", "--watch", "--interval", "1")
    child.expect("bot: healthy")
    site.machine.run(["systemctl", "stop", "kai.service"])
    child.expect("found: +not running")
    site.machine.run(["systemctl", "start", "kai.service"])
    child.expect("Ctrl-C to stop")
    child.sendintr()
    child.expect(pexpect.EOF)
    assert exit_code(child) == 0


def test_a_page_is_private_and_contains_no_secret(site: Site) -> None:
    done = site.desk.run("status", "--html", "status.html")
    assert done.returncode == 0, done.stdout + done.stderr
    page = site.desk.work / "status.html"
    assert page.stat().st_mode & 0o777 == 0o600
    text = page.read_text(encoding="utf-8")
    assert "Ada" in text
    for secret in site.desk.secrets("bot").values():
        assert str(secret) not in text
    assert TOKEN not in text


def test_U9_the_agents_themselves_report_who_is_logged_in(site: Site) -> None:
    """The real codex and claude; no model is asked anything."""
    site.set(
        kai_install_users=[
            {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"},
            {"telegram_id": 2, "name": "Ben", "os_user": "bob", "agent_backend": "claude"},
            *[
                {
                    "telegram_id": 3,
                    "name": "Cem",
                    "agent_backend": "goose",
                    "llm_provider": "openrouter",
                    "model": "openrouter/auto",
                }
            ],
        ],
        kai_install_openrouter_api_key="sk-or-planted",
    )

    def answers(code: int) -> dict[str, Any]:
        done = site.run("logins", "--check")
        assert done.code == code, done.text
        assert "sk-or-planted" not in done.text
        report = done.report
        return {
            **{entry["account"]: entry["logged_in"] for entry in report["logins"]},
            **{entry["key"]: entry["is_there"] for entry in report["logins_by_key"]},
        }

    # a file is there, but it is no login
    assert answers(3) == {"alice": False, "bob": False, "OPENROUTER_API_KEY": False}
    codex = '{"OPENAI_API_KEY": "sk-planted-0123456789"}'
    write = ["install", "-D", "-m", "0600", "/dev/stdin"]
    site.machine.run([*write, "/home/alice/.codex/auth.json"], user="alice", input=codex)
    tokens = {"accessToken": "a", "refreshToken": "r", "expiresAt": 4102444800000}
    claude = json.dumps(
        {"claudeAiOauth": {**tokens, "scopes": ["user:inference"], "subscriptionType": "max"}}
    )
    site.machine.run([*write, "/home/bob/.claude/.credentials.json"], user="bob", input=claude)
    assert answers(3) == {"alice": True, "bob": True, "OPENROUTER_API_KEY": False}
    site.install()
    assert answers(0) == {"alice": True, "bob": True, "OPENROUTER_API_KEY": True}
