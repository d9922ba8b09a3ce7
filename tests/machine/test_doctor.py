"""What doctor says of a bot that is silent: what makes it so is planted on a real host.

The rows are those of docs/operator-pain.md that can come about under Kai 1.x on a host that was
installed once.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kai_ansible.rules.diagnosis import STAGES
from kai_ansible.rules.redact import MASK
from tests.cli.bot_api import serving
from tests.cli.desk import TOKEN
from tests.machine.site import Site, Snapshot
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "one fault for each case; tests/unit/test_diagnosis.py judges the symptoms"
)

INSTALLED = True


# what a plant may change, as it was
KEPT = "/etc/kai /etc/sudoers.d /etc/passwd /etc/systemd/system/kai.service /opt/kai/installs"
KEPT += " /home/alice/.codex /var/lib/kai/home /var/lib/kai/memory /var/lib/kai/preferences"
KEEP = f"tar -cpPf /root/healthy.tar {KEPT}"
RESTORE = "tar -xpPf /root/healthy.tar; systemctl daemon-reload"
# the plants are quicker than systemd lets a unit start again and again
RESTART = "systemctl reset-failed kai.service; systemctl restart kai.service"
ANSWERS = """
i=0; until python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8080/health")' \
2>/dev/null; do i=$((i+1)); [ $i -lt 150 ]; sleep 0.2; done
"""
ENDED = """
i=0; until [ "$(systemctl show --property=ActiveState --value kai.service)" != active ]
do i=$((i+1)); [ $i -lt 150 ]; sleep 0.2; done
"""


AGENT = """
import signal, syslog
syslog.syslog("sqlite3.DatabaseError: database disk image is malformed")
signal.pause()
"""
# as an agent does, alice runs in the control group of the bot, here until the journal names it
AGENT_WRITES = """
cat >/tmp/agent.py; chmod 644 /tmp/agent.py
group=$(systemctl show --property=ControlGroup --value kai.service)
top=/sys/fs/cgroup; [ ! -d $top/systemd ] || top=$top/systemd
sh -c 'echo $$ >$0/cgroup.procs
exec setpriv --reuid=alice --clear-groups python3 /tmp/agent.py' "$top$group" & agent=$!
i=0; until journalctl --quiet --unit=kai.service _UID=$(id -u alice) --output=cat | grep malformed
do i=$((i+1)); [ $i -lt 150 ]; sleep 0.2; done
kill $agent; rm /tmp/agent.py
"""


@dataclass(frozen=True)
class Case:
    """What is planted on a host, and what is said about it.

    rows: of docs/operator-pain.md. where, evidence, cause, fix: what the finding has in it. undo:
    what is done besides bringing back what was kept. restarts: whether the bot had to start anew.
    """

    rows: tuple[str, ...]
    plant: str
    where: str
    evidence: str
    cause: str
    fix: str
    undo: str = "true"
    restarts: bool = False


JOURNAL = json.dumps(
    {
        "former_release": None,
        "active": True,
        "enabled": True,
        "release": "0123456789ab",
        "managed": {},
        "rolled_back_to": None,
        "database": "",
        "account": "",
        "data_dir": "",
        "opened": "2026-01-02T03:04:05Z",
    }
)
RULES = "/etc/sudoers.d/kai"
INSTALL = "kai-ansible install"
BY_HAND = "changed outside kai-ansible"

# what is planted together is told apart; what would hide another thing is planted alone
LOOKS = [
    [
        Case(
            ("S1", "S2"),
            f"sed -i '/cat \\/etc\\/kai\\/users.yaml/d' {RULES}",
            *(RULES, "the bot reads /etc/kai/users.yaml: sudo: ", "a rule for it", INSTALL),
        ),
        Case(
            ("S3", "O2"),
            f"sed -i '/NOPASSWD: .*codex$/d' {RULES}",
            *(RULES, "the bot may start /usr/local/bin/codex as alice", "a rule for it", INSTALL),
        ),
        Case(
            ("L5",),
            "systemctl disable kai.service",
            *("kai.service", "not enabled", "after a boot", "systemctl enable kai.service"),
            undo="systemctl enable kai.service",
        ),
        Case(
            ("L7",),
            "chmod 0644 /etc/kai/users.yaml",
            *("/etc/kai/users.yaml", "0:0 0644, expected 0:0 0600", BY_HAND, INSTALL),
        ),
        Case(
            ("U8", "U9"),
            "rm /home/alice/.codex/auth.json",
            *(
                "the login of alice",
                "alice is not logged in",
                "never logged in",
                "codex login",
            ),
        ),
    ],
    [
        Case(
            ("S8",),
            f"sed -i '/NOPASSWD: .*kill/d' {RULES}",
            *(RULES, "the bot may end processes of alice", "a rule for it", INSTALL),
        ),
    ],
    [
        Case(
            ("S4",),
            f"sed -i '/^Defaults.*env_keep/d' {RULES}",
            *(RULES, "env_keep", BY_HAND, INSTALL),
        ),
        Case(
            ("S9",),
            f"echo 'kai ALL=(bob) NOPASSWD: /usr/local/bin/claude' >>{RULES}",
            *(RULES, "kai ALL=(bob) NOPASSWD: /usr/local/bin/claude", BY_HAND, INSTALL),
        ),
        Case(
            ("U4",),
            "chown kai /var/lib/kai/memory/1",
            *("directories of users", "alice cannot work in", BY_HAND, INSTALL),
        ),
        Case(
            ("U5",),
            "printf -- '- {telegram_id: 7, name: Cyd, os_user: bob}\\n' >>/etc/kai/users.yaml",
            *("/etc/kai/users.yaml", "Cyd (7): os_user", BY_HAND, INSTALL),
        ),
        Case(
            ("L3",),
            "readlink /opt/kai/current >/root/current; "
            "ln -sfn /opt/kai/releases/0123456789ab /opt/kai/current",
            *("kai.service", "a process ", "without a restart", "systemctl restart kai"),
            undo='ln -sfn "$(cat /root/current)" /opt/kai/current',
        ),
        Case(
            ("O5",),
            "sed -i 's/^DEFAULT_MODEL=.*/DEFAULT_MODEL=\"gpt-5.4\"/' /etc/kai/env",
            *("/etc/kai/env", "DEFAULT_MODEL: gpt-5.4, expected", BY_HAND, INSTALL),
        ),
    ],
    [
        Case(
            ("S6",),
            "sed -i 's/os_user: alice/os_user: kai/' /etc/kai/users.yaml",
            *("/etc/kai/users.yaml", "Ada (1): os_user: kai, expected alice", BY_HAND, INSTALL),
        ),
        Case(
            ("S7",),
            "chmod 0700 /var/lib/kai/home/1",
            *("/var/lib/kai/home/1", "the bot can enter /var/lib/kai/home/1", BY_HAND, INSTALL),
        ),
        Case(
            ("S10",),
            "echo 'kai ALL=(' >/etc/sudoers.d/zz; chmod 0440 /etc/sudoers.d/zz",
            *("the sudo policy", "/etc/sudoers.d/zz", "without visudo", "visudo --check"),
            undo="rm /etc/sudoers.d/zz",
        ),
        Case(
            ("U12",),
            "rm -r /var/lib/kai/preferences/1",
            *("/var/lib/kai/preferences/1", "nothing, expected", BY_HAND, INSTALL),
        ),
        Case(
            ("L8",),
            "mkdir -p /opt/kai/installs/pending; echo '" + JOURNAL + "' "
            ">/opt/kai/installs/pending/journal.json",
            *(
                "the last install",
                "neither verified nor reverted",
                "no install has completed",
                "kai-ansible rollback",
            ),
            undo="rm -r /opt/kai/installs/pending",
        ),
    ],
    [
        Case(
            ("U3",),
            "echo 'users: [' >/etc/kai/users.yaml",
            *("/etc/kai/users.yaml", "Ada (1): name: nothing", BY_HAND, INSTALL),
        ),
        Case(
            ("O2",),
            "mv /usr/local/bin/codex /usr/local/bin/codex-of-then",
            *("codex", "/usr/local/bin/codex does not exist", "moved, removed", "CODEX_BIN="),
            undo="mv /usr/local/bin/codex-of-then /usr/local/bin/codex",
        ),
    ],
    [
        Case(
            ("U6",),
            "sed -i 's/^alice:/alice-of-then:/' /etc/passwd",
            *("os_user", "'alice', which is no account", "the host has changed", "useradd"),
        ),
    ],
    [
        Case(
            ("U7",),
            'sed -i "s/^alice:x:[0-9]*:/alice:x:$(id -u kai):/" /etc/passwd',
            *("os_user", "the same UID as kai", "the host has changed", "name another account"),
        ),
    ],
    # from here on the bot is down, or does not answer
    [
        Case(
            ("L1",),
            "systemctl stop kai.service",
            *("kai.service", "not running", "it was stopped", "systemctl start kai.service"),
            restarts=True,
        ),
    ],
    [
        Case(
            ("L2", "O1"),
            f"echo 'KAI_STANDIN_CRASH_AT_IMPORT=1' >>/etc/kai/env; {RESTART} || true; {ENDED}",
            *(
                "kai.service",
                "RuntimeError: stand-in fault",
                "another finding",
                "systemctl restart kai",
            ),
            restarts=True,
        ),
    ],
    [
        Case(
            ("L2", "O3"),
            f"echo 'KAI_STANDIN_NEVER_LISTEN=1' >>/etc/kai/env; {RESTART}",
            *(
                "kai.service",
                "no answer; its last messages: ",
                "another finding",
                "systemctl restart kai",
            ),
            restarts=True,
        ),
    ],
    [
        Case(
            ("L4",),
            "systemctl stop kai.service; systemd-run --quiet --unit=stranger --uid=bob "
            "python3 -m http.server 8080 --bind 127.0.0.1; "
            f"{ANSWERS.replace('/health', '/')} {RESTART}; {ENDED}",
            *("webhook_port", "held by ", "the host has changed", "stop it on the host"),
            undo="systemctl stop stranger.service",
            restarts=True,
        ),
    ],
    [
        Case(
            ("L9",),
            f"sed -i 's/^WEBHOOK_PORT=.*/WEBHOOK_PORT=80a80/' /etc/kai/env; {RESTART}; {ENDED}",
            *("env: WEBHOOK_PORT", "WEBHOOK_PORT must be", "does not start", INSTALL),
            restarts=True,
        ),
    ],
    [
        Case(
            ("M1",),
            # the token got into the wrong line, and from there into the log
            "token=$(grep -o '^TELEGRAM_BOT_TOKEN=.*' /etc/kai/env | cut -d= -f2-); "
            f'sed -i "s/^DEFAULT_MODEL=.*/DEFAULT_MODEL=$token/" /etc/kai/env; {RESTART}; {ENDED}',
            *("env: DEFAULT_MODEL", f"DEFAULT_MODEL '{MASK}' is not", "does not fit", INSTALL),
            restarts=True,
        ),
    ],
    [
        Case(
            ("M1", "M2"),
            "sed -i 's/^DEFAULT_MODEL=.*/DEFAULT_MODEL=\"sonnet\"/' /etc/kai/env; "
            f"{RESTART}; {ENDED}",
            *("env: DEFAULT_MODEL", "'sonnet' is not valid for codex", "does not fit", "models"),
            restarts=True,
        ),
    ],
]
CASES = [case for look in LOOKS for case in look]


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    """A host whose bot is healthy, and whose agent is logged in."""
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        site.set(kai_install_health_timeout=60)
        codex = '{"OPENAI_API_KEY": "sk-planted-0123456789"}'
        write = ["install", "-D", "-m", "0600", "/dev/stdin", "/home/alice/.codex/auth.json"]
        machine.run(write, user="alice", input=codex)
        site.install()
        machine.run(["sh", "-ec", KEEP])
        yield site


def findings(site: Site, code: int, *arguments: str) -> list[dict[str, str]]:
    """Return the findings of doctor; the document contains no secret."""
    done = site.run("doctor", *arguments)
    assert done.code == code, done.text
    for secret in site.desk.secrets("bot").values():
        assert str(secret) not in done.text
    found: list[dict[str, str]] = done.report["findings"]
    stages = [STAGES.index(finding["stage"]) for finding in found]
    assert stages == sorted(stages)
    return found


# these tests build on each other and run in this order


def test_nothing_is_reported_of_a_healthy_host(site: Site) -> None:
    assert findings(site, 0) == []


def test_what_an_agent_writes_to_the_journal_is_not_the_log_of_the_bot(site: Site) -> None:
    site.machine.run(["sh", "-ec", AGENT_WRITES], input=AGENT)
    assert findings(site, 0) == []


def test_show_reports_the_same_host_without_people_and_secrets(site: Site) -> None:
    done = site.run("show")
    assert done.code == 0, done.text
    seen = done.report["seen"]
    assert seen["live"] == site.health()["release"]
    assert "Debian" in seen["system"]["name"]
    assert [one["backend"] for one in seen["backends"]] == ["codex"]
    for private in ("Ada", "alice", TOKEN, *site.desk.secrets("bot").values()):
        assert str(private) not in done.text


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(case.rows[0] for case in look))
def test_doctor_reports_the_fault_its_cause_and_its_fix(site: Site, look: list[Case]) -> None:
    for case in look:
        site.machine.run(["sh", "-ec", case.plant])
    try:
        found = findings(site, 3)
    finally:
        undo = [*(case.undo for case in look), RESTORE]
        if any(case.restarts for case in look):
            undo += [RESTART, ANSWERS]
        site.machine.run(["sh", "-ec", "\n".join(undo)])
    for case in look:
        told = [
            finding
            for finding in found
            if case.where in finding["where"] and case.evidence in finding["evidence"]
        ]
        assert told, (case, found)
        assert any(case.cause in one["cause"] and case.fix in one["fix"] for one in told), told


def test_P5_without_a_network_it_is_said_and_with_it_the_bot_comes_back_by_itself(
    site: Site,
) -> None:
    def do(script: str) -> str:
        return site.machine.run(["sh", "-ec", script]).stdout

    do(
        "cp /etc/hosts /etc/resolv.conf /root; echo 'nameserver 127.0.0.1' >/etc/resolv.conf; "
        f"echo 'KAI_STANDIN_NEEDS_NAME=api.telegram.invalid' >>/etc/kai/env; {RESTART}; {ENDED}"
    )
    try:
        last = findings(site, 3)[-1]
        assert (last["stage"], last["where"]) == ("telegram", "the log of the bot")
        assert "api.telegram.invalid: [Errno -" in last["evidence"]
        assert "does not reach the network" in last["cause"]
        # nobody starts anything: the network is there, and that is all
        do(f"echo 127.0.0.1 api.telegram.invalid >>/etc/hosts; {ANSWERS}")
    finally:
        do(f"cat /root/hosts >/etc/hosts; cat /root/resolv.conf >/etc/resolv.conf; {RESTORE}")
        do(f"{RESTART}; {ANSWERS}")
    # and systemd never gives it up, however long that takes: it starts it too seldom for its limit
    names = ("RestartUSec", "StartLimitBurst", "StartLimitIntervalUSec")
    asked = [f"systemctl show --value --property={name} kai.service" for name in names]
    pause, most, interval = (float(do(command).strip().removesuffix("s")) for command in asked)
    assert pause * (most - 1) > interval
    after = do("systemctl show --value --property=After,Wants kai.service").splitlines()
    assert all("network-online.target" in line.split() for line in after)


def test_afterwards_nothing_is_left_to_say_but_what_telegram_says(site: Site) -> None:
    with serving("another token") as (address, asked):
        site.desk.variables["KAI_ANSIBLE_TELEGRAM_API"] = address
        [finding] = findings(site, 3, "--online")
    assert finding["stage"] == "telegram"
    assert "rejects the token (401" in finding["evidence"]
    assert asked == [f"/bot{TOKEN}/getMe"]


def test_an_install_whose_token_is_refused_ends_without_waiting(site: Site) -> None:
    refused = "telegram.error.InvalidToken: The token was rejected by the server."
    site.fault(LAST_WORDS=refused)
    site.set(kai_install_health_timeout=3600)
    done = site.run("install")
    site.fault()
    site.set(kai_install_health_timeout=60)
    assert done.code == 1
    assert "nothing listens on port 8080, and by its log, waiting does not help" in done.failure
    assert "Telegram does not know the token" in done.failure
    assert findings(site, 0) == []
