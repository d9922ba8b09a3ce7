"""What the service user can do through sudo after an install: what the bot needs, no more.

The agents of this host print what they are given, so that the real sudo says what passes.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.sudo_rules import kill_arguments
from tests.machine.site import Site
from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "tests/unit judges the rules of sudo; Molecule's default tries the main ones"
)

ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
BEN = {"telegram_id": 2, "name": "Ben", "os_user": "bob", "agent_backend": "claude"}
AGENTS = {"codex": ("alice", "/opt/agents/codex"), "claude": ("bob", "/opt/agents/claude")}

# an agent answers a greeting, or tells its arguments and environment; it waits when told to
AGENT = """#!/usr/bin/python3
import json, os, sys, time
if "--version" in sys.argv:
    print("9.9")
elif "wait" in sys.argv:
    print(os.getpid(), flush=True)
    time.sleep(600)
elif "initialize" in sys.stdin.readline():
    print('{"id": 1, "result": {}}')
    print('{"type": "control_response", "response": {"subtype": "success"}}', flush=True)
    sys.stdin.read()
else:
    print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}))
"""
# what gives a program another meaning
HOSTILE = (
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV"),
    *("ENV", "PERL5OPT", "RUBYOPT", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "EDITOR", "SHELLOPTS"),
    *("http_proxy", "XDG_CONFIG_HOME", "CLAUDE_CODE_SHELL", "TELEGRAM_BOT_TOKEN"),
)
# what sudo itself tells a program, and what it lets everybody pass when it is harmless
SUDO_SETS = {"HOME", "LOGNAME", "MAIL", "PATH", "SHELL", "TERM", "USER", "PWD", "LANG", "LC_CTYPE"}


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Site]:
    for _, path in AGENTS.values():
        machine.run(["install", "-D", "-m", "0755", "/dev/stdin", path], input=AGENT)
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory))
        site.set(
            kai_install_users=[ADA, BEN],
            **{f"kai_install_{name}_bin": path for name, (_, path) in AGENTS.items()},
            kai_install_health_timeout=60,
        )
        site.install()
        yield site


ASK = """
import json, subprocess, sys
told = []
for argv, environment in json.loads(sys.argv[1]):
    done = subprocess.run(
        argv, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **environment},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/",
    )
    told.append([done.returncode, done.stdout, done.stderr])
print(json.dumps(told))
"""


def ask(site: Site, commands: list[list[str]], given: dict[str, str]) -> list[tuple[int, str, str]]:
    """Return exit code, output and errors of commands of the service user."""
    calls = [[argv, given] for argv in commands]
    return [tuple(told) for told in json.loads(site.python(ASK, json.dumps(calls), user="kai"))]


def wrapped(contract: Contract, backend: str, purpose: str) -> list[str]:
    """Return how Kai starts an agent (Kai runtime contract, section 4.1)."""
    account, path = AGENTS[backend]
    entry = contract.backends[backend]
    by_name = entry.binary.started_by == "name" and purpose == "chat"
    spawn = entry.spawn[purpose]
    return [
        *("sudo", "-H", "-u", account, "--preserve-env=" + ",".join(spawn.preserve_env), "--"),
        entry.binary.name if by_name else path,
        *spawn.arguments,
    ]


CALLS = [
    *(("claude", "chat"), ("claude", "memory")),
    *(("codex", "chat"), ("codex", "memory"), ("codex", "review")),
]


def test_S4_what_kai_passes_arrives_and_nothing_else(site: Site, contract: Contract) -> None:
    every = {
        key
        for entry in contract.backends.values()
        for call in entry.spawn.values()
        for key in call.preserve_env
    }
    commands = [[*wrapped(contract, *call), "a 'b'\n*", ""] for call in CALLS]
    answers = ask(site, commands, dict.fromkeys([*HOSTILE, *every], "/given"))
    for (backend, purpose), (code, out, err) in zip(CALLS, answers, strict=True):
        assert code == 0, err
        spawns = contract.backends[backend].spawn
        told = json.loads(out)
        assert told["arguments"] == [*spawns[purpose].arguments, "a 'b'\n*", ""]
        passed = {key for key, value in told["environment"].items() if value == "/given"}
        # glibc takes TMPDIR from every program that changes the user, sudo included
        wanted = {*spawns[purpose].preserve_env, *spawns["chat"].preserve_env} - {"TMPDIR"}
        assert passed == wanted, (backend, purpose)
        others = {key for key in told["environment"] if not key.startswith("SUDO_")} - passed
        assert others <= SUDO_SETS
        assert told["environment"]["PATH"] == "/opt/agents:/usr/local/bin:/usr/bin:/bin"


def test_no_secret_of_an_agent_gets_into_the_log_of_sudo(site: Site, contract: Contract) -> None:
    commands = [wrapped(contract, *call) for call in CALLS]
    secrets = ("KAI_WEBHOOK_SECRET", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
    answers = ask(site, commands, dict.fromkeys(secrets, "unmistakable"))
    assert all("unmistakable" in out for _, out, _ in answers), answers
    site.machine.run(["journalctl", "--sync"])
    logged = site.machine.run(["journalctl", "--no-pager"]).stdout
    assert "unmistakable" not in logged
    assert "session opened for user alice" in logged


REFUSED = [
    *(["--preserve-env=" + key, "claude"] for key in HOSTILE if not key.startswith("LD_")),
    *([key + "=x", "claude"] for key in ("LD_PRELOAD", "NODE_OPTIONS", "BASH_ENV")),
    ["PATH=/home/kai", "claude"],
    ["--preserve-env", "claude"],
    ["--preserve-env=ANTHROPIC_API_KEY", "claude", "--input-format"],
    ["--login", "claude"],
    ["--shell"],
    ["--edit", "/opt/agents/claude"],
    ["/usr/bin/env", "claude"],
    ["/opt/agents/codex", "app-server"],
    ["/bin/kill", "-9", "-1"],
    ["/bin/kill", "-9", "1", "-1"],
    ["/bin/kill", "-s", "KILL", "1"],
    ["/bin/kill", "-0", "1"],
    ["/bin/kill", "-KILL", "-1"],
    ["/bin/kill", "-KILL", "1234"],
    ["/bin/kill", "-KILL", "-1234", "-1"],
    ["/bin/kill", "-TERM", "-1234"],
    ["/bin/kill"],
]


def test_nothing_more_can_be_asked_of_sudo(site: Site) -> None:
    given = dict.fromkeys([*HOSTILE, "ANTHROPIC_API_KEY"], "/given")
    commands = [["sudo", "-n", "-u", "bob", *argv] for argv in REFUSED]
    for argv, (code, out, err) in zip(REFUSED, ask(site, commands, given), strict=True):
        assert (code, out) == (1, ""), (argv, err)
        words = ("not allowed", "a password is required", "may not specify")
        assert any(word in err for word in words), (argv, err)


KILL = """
import signal, subprocess
agent = subprocess.Popen(
    ["sudo", "-n", "-H", "-u", "bob", "--", "claude", "wait"],
    stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd="/",
)
pid = agent.stdout.readline().strip()
for number in (signal.SIGCONT, signal.SIGKILL):
    subprocess.run(["sudo", "-n", "-u", "bob", "/bin/kill", f"-{number.value}", pid], check=True)
agent.wait(60)
print(agent.returncode)
"""


def test_S8_the_bot_stops_an_agent(site: Site) -> None:
    # sudo ends as its command did
    assert site.python(KILL, user="kai") in ("-9\n", "137\n")


LATE = """
import subprocess
agent = subprocess.Popen(
    ["sudo", "-H", "-u", "bob", "--", "claude", "wait"],
    stdout=subprocess.PIPE, text=True, start_new_session=True,
)
agent.stdout.readline()
# kill of procps 4.0.4 ends what it should, and says 1 all the same
subprocess.run(["sudo", "-n", "-u", "bob", "/bin/kill", "-KILL", f"-{agent.pid}"])
agent.wait(60)
print(agent.returncode)
"""


def test_the_bot_ends_a_one_shot_that_is_late(site: Site) -> None:
    assert site.python(LATE, user="kai") in ("-9\n", "137\n")


OLDER_SUDO = """
import json, subprocess, sys
rule = "games ALL=(bob) NOPASSWD: /bin/kill"
with open("/etc/sudoers.d/older", "w") as drop_in:
    drop_in.writelines(f"{rule} {words}\\n" for words in json.loads(sys.argv[1]))
told = []
for words in json.loads(sys.argv[2]):
    command = ["runuser", "-u", "games", "--", "sudo", "-n", "-u", "bob", "-l", "/bin/kill"]
    done = subprocess.run([*command, *words.split()], capture_output=True, stdin=subprocess.DEVNULL)
    told.append(done.returncode == 0)
print(json.dumps(told))
"""


def test_the_rules_for_an_older_sudo_mean_the_same(site: Site, contract: Contract) -> None:
    rules = kill_arguments(contract.sudoers.kill_arguments, "Sudo version 1.9.9")
    may = ["-9 1", "-15 4194304", "-KILL -10", "-KILL -4194304"]
    may_not = ["-9 -1", "-9 1 -1", "-KILL -1", "-KILL -12 -1", "-KILL -12 13", "-TERM -12", "-0 1"]
    told = json.loads(site.python(OLDER_SUDO, json.dumps(rules), json.dumps([*may, *may_not])))
    site.machine.run(["rm", "/etc/sudoers.d/older"])
    assert told == [True] * len(may) + [False] * len(may_not)


def may(site: Site) -> list[str]:
    """Return what sudo itself says the service user may run as somebody other than root."""
    text = site.machine.run(["sudo", "-l", "-U", "kai"]).stdout
    rules = (" ".join(line.split()) for line in text.splitlines())
    return sorted(rule for rule in rules if rule.startswith("(") and not rule.startswith("(root)"))


KILL_RULES = (
    "NOPASSWD: /bin/kill ^-KILL -[1-9][0-9][0-9]*$",
    "NOPASSWD: /bin/kill ^-[1-9][0-9]? [1-9][0-9]*$",
)


def test_S9_who_goes_takes_the_rules_along(site: Site) -> None:
    assert may(site) == [
        *(f"(alice) {rule}" for rule in KILL_RULES),
        "(alice) NOPASSWD: /opt/agents/codex",
        *(f"(bob) {rule}" for rule in KILL_RULES),
        "(bob) NOPASSWD: /opt/agents/claude",
    ]
    before = site.machine.run(["cat", "/etc/sudoers.d/kai"]).stdout
    site.set(kai_install_users=[{**ADA, "agent_backend": "claude"}])
    site.install()
    assert may(site) == [
        *(f"(alice) {rule}" for rule in KILL_RULES),
        "(alice) NOPASSWD: /opt/agents/claude",
    ]
    told = site.machine.run(["sudo", "-l", "-U", "kai"]).stdout
    assert "CODEX" not in told
    # while a switch lasts, the rules of both installs are in force
    after = site.machine.run(["cat", "/etc/sudoers.d/kai"]).stdout
    both = dict.fromkeys([*before.splitlines(), *after.splitlines()])
    site.machine.run(["visudo", "--check", "--file=-"], input="\n".join(both) + "\n")


def test_X7_a_program_that_another_account_may_change_is_refused(site: Site) -> None:
    before, machine = site.state(), site.machine
    for change in (["chown", "bob"], ["chmod", "o+w"]):
        site.set(kai_install_users=[ADA, BEN])
        machine.run([*change, "/opt/agents/codex"])
        done = site.run("install")
        [problem] = done.document["problems"]
        assert done.code == 2
        assert problem["where"] == "kai_install_codex_bin"
        assert "'/opt/agents/codex', which can be changed by " in problem["found"]
        assert "because it runs as alice" in problem["expected"]
        assert "chown root: /opt/agents/codex; chmod go-w /opt/agents/codex" in problem["fix"]
        assert site.state() == before
        machine.run(["chown", "root", "/opt/agents/codex"])
        machine.run(["chmod", "0755", "/opt/agents/codex"])


def test_X7_a_trusted_program_or_the_runners_own_is_reported(site: Site) -> None:
    machine = site.machine
    machine.run(["chown", "alice", "/opt/agents/codex"])
    note = (
        "/opt/agents/codex can be changed by alice (through /opt/agents/codex); it runs as alice."
    )
    assert note in site.install()["notes"]
    machine.run(["chown", "kai", "/opt/agents/codex"])
    assert site.run("install").code == 2
    site.set(kai_install_trust_user_binaries=True)
    assert note.replace("by alice", "by kai") in site.install()["notes"]
