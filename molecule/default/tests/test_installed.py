"""An installed bot runs with the operator's choices, and each OS user can do only what it may."""
# ruff: noqa: S101 (assert is how pytest checks)

import hashlib
import itertools
import re
from typing import Any

import pytest
from conftest import SERVICE_USER, Http, Run
from testinfra.host import Host

ALICE, BOB = 1001, 1002
SECRETS = ("kai_install_telegram_bot_token", "kai_install_webhook_secret")
AGENTS = {"alice": "/usr/local/bin/codex", "bob": "/usr/local/bin/claude"}
PERSONAL = {
    "alice": [f"/var/lib/kai/{place}/{ALICE}" for place in ("memory", "preferences", "home")],
    "bob": [f"/var/lib/kai/{place}/{BOB}" for place in ("memory", "preferences", "home")],
}
for user, directories in PERSONAL.items():
    directories.append(f"/var/lib/kai/tmp/{user}")

READS = [
    f"/etc/kai/{name}"
    for name in (
        "env",
        "users.yaml",
        "services.yaml",
        "workspaces.yaml",
        "totp.secret",
        "totp.attempts",
    )
]
# a session's agent, and all processes of a late one-shot
KILL_FORMS = ("^-[1-9][0-9]? [1-9][0-9]*$", "^-KILL -[1-9][0-9][0-9]*$")
SUDO_LIST = sorted(
    [
        *(f"(root) NOPASSWD: /usr/bin/cat {path}" for path in READS),
        "(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts",
        *(f"({account}) NOPASSWD: {path}" for account, path in AGENTS.items()),
        *(f"({account}) NOPASSWD: /bin/kill {form}" for account in AGENTS for form in KILL_FORMS),
    ]
)


def unit(host: Host, *properties: str) -> dict[str, str]:
    """Return properties of the unit as systemd applies them."""
    shown = host.check_output("systemctl show kai.service --property=%s", ",".join(properties))
    return dict(line.split("=", 1) for line in shown.splitlines())


def mode(host: Host, path: str) -> tuple[str, str, int]:
    """Return owner, group and mode of a path."""
    file = host.file(path)
    return file.user, file.group, file.mode


def test_the_unit_runs_as_the_service_user_and_comes_back_after_a_crash(host: Host) -> None:
    wanted = {
        "ActiveState": "active",
        "SubState": "running",
        "UnitFileState": "enabled",
        "User": SERVICE_USER,
        "Restart": "always",
        "NRestarts": "0",
        "NeedDaemonReload": "no",
    }
    assert unit(host, *wanted) == wanted
    assert host.user(SERVICE_USER).shell == "/usr/sbin/nologin"


def test_everybody_may_read_the_unit_and_systemd_finds_no_fault_in_it(
    host: Host, chosen: dict[str, Any]
) -> None:
    path = "/etc/systemd/system/kai.service"
    assert mode(host, path) == ("root", "root", 0o644)
    text = host.file(path).content_string
    assert not [name for name in SECRETS if chosen[name] in text]
    verdict = host.run("systemd-analyze verify %s", path)
    assert (verdict.rc, verdict.stderr) == (0, "")


def test_the_process_that_answers_is_the_one_of_the_unit(
    host: Host, health: dict[str, Any]
) -> None:
    assert str(health["pid"]) == unit(host, "MainPID")["MainPID"]
    assert (health["status"], health["stand_in"]) == ("ok", True)
    assert health["release"] == host.check_output("basename $(readlink /opt/kai/current)")
    assert health["data_dir"] == "/var/lib/kai"


def test_what_the_operator_chose_has_reached_the_bot(
    health: dict[str, Any], chosen: dict[str, Any]
) -> None:
    assert (health["settings_source"], health["users_source"]) == ("protected", "protected")
    keys = (
        "AGENT_BACKEND",
        "DEFAULT_MODEL",
        "CODEX_BIN",
        "WEBHOOK_PORT",
        "BUDGET_CEILING",
        "TELEGRAM_BOT_TOKEN",
        "WEBHOOK_SECRET",
    )
    wanted = {}
    for key in keys:
        name = f"kai_install_{key.lower()}"
        text = str(chosen[name])
        digest = hashlib.sha256(text.encode()).hexdigest()
        wanted[key] = f"sha256:{digest}" if name in SECRETS else text
    assert {key: health["settings"].get(key) for key in keys} == wanted


def test_everybody_has_their_backend_and_a_model_that_fits(health: dict[str, Any]) -> None:
    fields = ("telegram_id", "role", "os_user", "backend", "provider", "model")
    assert [tuple(user[field] for field in fields) for user in health["users"]] == [
        (ALICE, "admin", "alice", "codex", "openai", "gpt-5.5"),
        (BOB, "user", "bob", "claude", "anthropic", "sonnet"),
    ]


@pytest.mark.parametrize("name", ["env", "users.yaml"])
def test_only_root_can_read_a_protected_file(host: Host, run_as: Run, name: str) -> None:
    assert mode(host, f"/etc/kai/{name}") == ("root", "root", 0o600)
    for account in (SERVICE_USER, "alice", "bob", "carol"):
        assert run_as(account, "cat", f"/etc/kai/{name}")[0] != 0


@pytest.mark.parametrize("name", ["env", "users.yaml"])
def test_the_bot_can_read_a_protected_file_through_its_rule(
    host: Host, run_as: Run, name: str
) -> None:
    path = f"/etc/kai/{name}"
    code, text = run_as(SERVICE_USER, "sudo", "-n", "cat", path)
    assert (code, text) == (0, host.file(path).content_string)


def test_the_sudo_policy_is_valid(host: Host) -> None:
    assert mode(host, "/etc/sudoers.d/kai") == ("root", "root", 0o440)
    assert host.run("visudo -c").rc == 0


def test_each_person_has_exactly_one_agent_rule(host: Host) -> None:
    text = host.file("/etc/sudoers.d/kai").content_string
    rules = re.findall(r"^kai ALL=\((\S+)\) NOPASSWD: (/usr/local/.+)$", text, re.MULTILINE)
    assert sorted(rules) == sorted(AGENTS.items())
    assert set(re.findall(r"ALL=\((\S+)\)", text)) == {"root", *AGENTS}


def test_sudo_lets_the_bot_do_this_and_nothing_else(run_as: Run) -> None:
    code, text = run_as(SERVICE_USER, "sudo", "-n", "-l")
    assert code == 0
    rules = text.partition("may run the following commands")[2].partition(":\n")[2]
    assert sorted(" ".join(rule.split()) for rule in re.split(r"\n(?=    \()", rules)) == SUDO_LIST


@pytest.mark.parametrize(
    "argv",
    [
        ("cat", "/etc/shadow"),
        ("cat", "/etc/kai/env", "/etc/shadow"),
        ("cat", "/etc/kai/../shadow"),
        ("tee", "/etc/kai/env"),
        ("-u", "alice", "claude", "--version"),
        ("-u", "bob", "/usr/local/bin/codex", "--version"),
        ("-u", "carol", "claude", "--version"),
        ("-u", "alice", "id"),
        ("id",),
    ],
    ids=" ".join,
)
def test_sudo_refuses_the_bot(run_as: Run, argv: tuple[str, ...]) -> None:
    assert run_as(SERVICE_USER, "sudo", "-n", *argv)[0] != 0


@pytest.mark.parametrize("account", ["alice", "bob", "carol"])
def test_people_have_no_sudo_through_kai(run_as: Run, account: str) -> None:
    assert run_as(account, "sudo", "-n", "-l")[0] != 0


@pytest.mark.parametrize("account", ["alice", "bob", "carol", SERVICE_USER])
def test_nobody_but_root_can_write_code(run_as: Run, account: str) -> None:
    # find fails for any directory that it cannot enter, so the exit code proves nothing.
    writable = ["find", "-L", "/opt/kai", "/etc/kai", "-writable", "-print"]
    assert run_as(account, *writable)[1] == ""


def test_people_can_write_their_own_directories(run_as: Run) -> None:
    for account, directories in PERSONAL.items():
        for directory in directories:
            probe = f"{directory}/written-by-a-test"
            assert run_as(account, "touch", probe)[0] == 0, probe
            assert run_as(account, "rm", probe)[0] == 0, probe


def test_people_cannot_enter_the_directories_of_others(run_as: Run) -> None:
    for account, other in itertools.permutations(PERSONAL, 2):
        for directory in PERSONAL[other]:
            assert run_as(account, "ls", directory)[0] != 0, (account, directory)
            assert run_as(account, "touch", f"{directory}/intruder")[0] != 0, (account, directory)
    for directory in ("/var/lib/kai", "/var/lib/kai/logs", "/var/lib/kai/home"):
        assert run_as("alice", "ls", directory)[0] != 0, directory


@pytest.mark.parametrize("account", ["alice", "bob", "carol"])
def test_people_cannot_read_the_database_of_the_bot(run_as: Run, account: str) -> None:
    assert run_as(account, "test", "-r", "/var/lib/kai/kai.db")[0] != 0


def test_people_find_their_first_files(run_as: Run) -> None:
    for account, (memory, preferences, home, _) in PERSONAL.items():
        for path in (
            f"{memory}/MEMORY.md",
            f"{preferences}/PREFERENCES.md",
            f"{home}/.claude/CLAUDE.md",
        ):
            assert run_as(account, "test", "-s", path, "-a", "-w", path)[0] == 0, path


@pytest.mark.parametrize(
    ("telegram_id", "account", "program"),
    [(ALICE, "alice", "/usr/local/bin/codex"), (BOB, "bob", "claude")],
)
def test_the_bot_starts_the_agent_of_a_person(
    http: Http, chosen: dict[str, Any], telegram_id: int, account: str, program: str
) -> None:
    headers = {"X-Webhook-Secret": chosen["kai_install_webhook_secret"]}
    status, outcome = http("POST", f"/agents/{telegram_id}/version", headers)
    assert status == 200
    assert outcome["returncode"] == 0, outcome
    assert outcome["argv"] == [
        *("sudo", "-H", "-u", account, "--preserve-env=KAI_WEBHOOK_SECRET,TMPDIR", "--"),
        *(program, "--version"),
    ]
    assert outcome["cwd"] == f"/var/lib/kai/home/{telegram_id}"
    assert re.search(r"\d+\.\d+\.\d+", outcome["stdout"])


def test_a_stranger_cannot_start_an_agent(http: Http) -> None:
    assert http("POST", f"/agents/{ALICE}/version")[0] == 401


@pytest.mark.parametrize("path", ["/etc", "/usr", "/usr/local", "/var", "/var/lib", "/opt"])
def test_a_system_directory_is_as_the_system_made_it(host: Host, path: str) -> None:
    owner, _, bits = mode(host, path)
    assert (owner, bits) == ("root", 0o755)
