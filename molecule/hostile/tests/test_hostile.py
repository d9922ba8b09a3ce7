"""What the OS user of an agent can do to the bot with everything that it has."""
# ruff: noqa: S101, S108 (assert is how pytest checks, and the tests read /tmp)

import json
from collections.abc import Callable

import pytest
from testinfra.host import Host

SERVICE_USER = "kai"
AGENTS = ("alice", "bob")
# carol has an account on the host and does not use the bot
PEOPLE = (*AGENTS, "carol")
CLOSED = (
    *("/etc/kai/env", "/etc/kai/users.yaml", "/etc/kai/kai-ansible.json", "/opt/kai/installs"),
    *("/etc/sudoers.d/kai", "/run/kai-ansible.lock", "/run/kai-ansible.work"),
    *("/var/lib/kai/kai.db", "/var/lib/kai/logs/kai.log"),
)
ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
connection.request(*json.loads(sys.argv[1]))
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""
SAY = """
import sys, urllib.request
path, secret = sys.argv[1:]
request = urllib.request.Request(
    f"http://127.0.0.1:8080{path}", b"my tax number", {"X-Webhook-Secret": secret}
)
print(urllib.request.urlopen(request, timeout=60).status)
"""
ATTACH = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
# PTRACE_SEIZE
print(libc.ptrace(0x4206, int(sys.argv[1]), 0, 0), ctypes.get_errno())
"""

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def run_as(host: Host) -> Run:
    """Return a function that runs a command as an OS user: exit code and output."""

    def run(account: str, *argv: str) -> tuple[int, str]:
        words = " ".join(["%s"] * len(argv))
        done = host.run(f"cd / && runuser -u %s -- {words} </dev/null 2>&1", account, *argv)
        return done.rc, done.stdout

    return run


@pytest.fixture(scope="module")
def bot(host: Host) -> str:
    """Return the process of the bot."""
    return host.check_output("systemctl show kai.service --property=MainPID --value")


def test_what_people_planted_ran_as_nobody_but_them(host: Host) -> None:
    uids = {host.user(account).uid for account in AGENTS}
    ran_as = {int(line) for line in host.file("/tmp/ran-as").content_string.split()}
    # the role looked for claude in bob's login shell
    assert host.user("bob").uid in ran_as
    assert ran_as <= uids


def test_nothing_was_written_or_changed_through_a_planted_name(host: Host) -> None:
    before = host.file("/root/of-root-before").content_string
    assert host.check_output("ls -l --full-time /root/of-root") == before.strip()
    assert host.check_output("find /opt/kai /etc/kai -not -user root") == ""


def test_a_core_of_the_bot_is_never_written(host: Host, bot: str) -> None:
    limits = host.file(f"/proc/{bot}/limits").content_string
    assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [
        ["0", "0"]
    ]


@pytest.mark.parametrize("account", PEOPLE)
def test_people_see_nothing_of_the_bot_but_that_it_runs(
    host: Host, run_as: Run, bot: str, account: str
) -> None:
    for path in (*CLOSED, *(f"/proc/{bot}/{name}" for name in ("environ", "maps", "auxv"))):
        assert host.file(path).exists, path
        code, said = run_as(account, "head", "-c1", path)
        assert (code, "Permission denied" in said) == (1, True), (path, said)
    code, said = run_as(account, "journalctl", "--unit=kai.service", "--quiet", "--no-pager")
    assert "kai" not in said, (code, said)


@pytest.mark.parametrize("account", [*PEOPLE, SERVICE_USER])
def test_nobody_writes_what_root_or_the_bot_runs(run_as: Run, account: str) -> None:
    roots = ("/opt", "/etc", "/usr", "/boot", "/root", "/var/spool")
    found = run_as(account, "find", *roots, "!", "-type", "l", "-writable", "-print")[1]
    assert [line for line in found.splitlines() if line.startswith("/")] == []


@pytest.mark.parametrize("account", PEOPLE)
def test_people_cannot_steer_the_bot(run_as: Run, bot: str, account: str) -> None:
    assert run_as(account, "kill", "-0", bot)[0] != 0
    assert run_as(account, "python3", "-c", ATTACH, bot)[1] == "-1 1\n"
    assert run_as(account, "systemctl", "stop", "kai.service")[0] != 0
    assert run_as(account, "sudo", "-n", "-l")[0] != 0
    assert run_as(account, "sudo", "-n", "-u", SERVICE_USER, "true")[0] != 0
    for lock in ("/run/kai-ansible.lock", "/run/kai-ansible.work"):
        assert run_as(account, "flock", "--nonblock", lock, "true")[0] != 0


def test_without_the_secret_the_port_reports_health_and_nothing_else(
    host: Host, run_as: Run
) -> None:
    def ask(*request: str | dict[str, str]) -> tuple[int, str]:
        status, body = json.loads(run_as("carol", "python3", "-c", ASK, json.dumps(request))[1])
        return int(status), str(body)

    status, body = ask("GET", "/health")
    assert status == 200
    env = host.file("/etc/kai/env").content_string
    secrets = [line.split("=", 1)[1].strip('"') for line in env.splitlines() if "SECRET=" in line]
    assert secrets
    assert [secret for secret in secrets if secret in body] == []
    assert ask("POST", "/agents/1001/version")[0] == 401
    wrong = {"X-Webhook-Secret": "guessed"}
    assert ask("POST", "/agents/1001/version", "", wrong)[0] == 401  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def kept(host: Host) -> dict[int, str]:
    """Let every user send a message and a file; return the OS user of each."""
    env = host.file("/etc/kai/env").content_string
    secret = next(line for line in env.splitlines() if line.startswith("WEBHOOK_SECRET="))
    secret = secret.split("=", 1)[1].strip('"')
    users = dict(zip((1001, 1002), AGENTS, strict=True))
    for user in users:
        for path in (f"/agents/{user}/version", f"/agents/{user}/upload/tax"):
            assert host.check_output("python3 -c %s %s %s", SAY, path, secret) == "200"
    return users


@pytest.mark.parametrize("account", PEOPLE)
def test_people_see_nothing_of_what_the_bot_keeps_for_others(
    run_as: Run, kept: dict[int, str], account: str
) -> None:
    for user, owner in kept.items():
        for place in (f"/var/lib/kai/{kind}/{user}" for kind in ("history", "files")):
            code, said = run_as(account, "grep", "-r", "", place)
            assert (code == 0) == (account == owner), (place, said)
            assert account == owner or "Permission denied" in said


@pytest.mark.parametrize("account", AGENTS)
@pytest.mark.parametrize("program", ["/bin/sh", "/usr/bin/env", "/usr/bin/python3", "/usr/bin/id"])
def test_the_service_account_runs_nothing_as_a_person_but_the_agent(
    run_as: Run, account: str, program: str
) -> None:
    assert run_as(SERVICE_USER, "sudo", "-n", "-u", account, program)[0] != 0
    assert run_as(SERVICE_USER, "sudo", "-n", program)[0] != 0
