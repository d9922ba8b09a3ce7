"""Tests of the stand-in for Kai 2, so that what it does in other tests can be trusted.

It is another package of the name kai than the stand-in for Kai 1, so it runs in a process of its
own, with files of its own in place of /etc/kai and a sudo that runs everything as the caller.
"""

import getpass
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.rules import principal_ids as ids
from kai_ansible.rules.bootstrap_plan import BootstrapPlan, encode
from tests.waiting import until, until_it_listens

SOURCE = Path(__file__).parents[1] / "fixtures" / "kai_2" / "src"
OF_2_1 = Path(__file__).parents[1] / "fixtures" / "kai_2_1" / "src"
W = "wsp_" + "1" * 32
PLAN = BootstrapPlan(W, "Ada", "rtp_" + "2" * 32, "initial-admin", "admin")
ADA = 11
DEADLINE = 30

# Puts test files in the place of /etc/kai, and takes the caller for the OS user of everybody.
BOT = """
import sys
sys.path.insert(0, {source!r})
from pathlib import Path
from kai import __main__, protected
etc = Path({etc!r})
protected.Protected.is_there = lambda self, name: (etc / name).exists()
protected.Protected.text = (
    lambda self, name: (etc / name).read_text() if (etc / name).exists() else None
)
__main__.keep_apart = lambda users: None
__main__.runtime_profiles.check_accounts = lambda *_: None
sys.exit(__main__.main(sys.argv[1:]))
"""
SUDO = """#!{python} -IS
import os, sys
arguments = sys.argv[1:]
if arguments[:2] == ["-n", "-u"]:
    os.execv(arguments[3], arguments[3:])
assert arguments[:2] == ["-H", "-D"] and arguments[3] == "-u" and arguments[6] == "--", arguments
os.chdir(arguments[2])
kept = arguments[5].removeprefix("--preserve-env=").split(",")
env = {{key: os.environ[key] for key in [*kept, "PATH"] if key in os.environ}}
os.execve(arguments[7], arguments[7:], env)
"""
AGENT = """#!{python} -IS
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), sorted(os.environ), sys.stdin.read()]))
"""


class Bot:
    """A stand-in that runs, and what is known of it."""

    def __init__(self, directory: Path, source: Path = SOURCE) -> None:
        self.source = source
        self.etc, self.data, self.bin = (directory / name for name in ("etc", "data", "bin"))
        for path in (self.etc, self.data, self.bin):
            path.mkdir()
        for name, text in (("sudo", SUDO), ("claude", AGENT)):
            (self.bin / name).write_text(text.format(python=sys.executable))
            (self.bin / name).chmod(0o755)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self.process: subprocess.Popen[str] | None = None
        self.write()

    def write(self, **settings: str) -> None:
        """Write the files of a bot with one user."""
        profile = ids.profile_of_telegram(ADA)
        given = {
            "KAI_ENABLED_ADAPTERS": "workshop",
            "DEFAULT_BACKEND": "claude",
            "WEBHOOK_PORT": str(self.port),
            **settings,
        }
        user = {"telegram_id": ADA, "name": "Ada", "role": "admin", "os_user": getpass.getuser()}
        entry = {
            "display_name": "Ada",
            "compatibility_runtime_config_id": ADA,
            "os_user": getpass.getuser(),
            "backend": "claude",
            "model": "opus",
            "timeout_seconds": 120,
            "allowed_services": [],
            "allowed_workspaces": [],
        }
        registry = {"backends": {"claude": {"command": str(self.bin / "claude")}}}
        files: dict[str, Any] = {
            "users.yaml": {"users": [user]},
            "runtime-profiles.yaml": {"version": 1, "runtime_profiles": {profile: entry}},
            "backends.yaml": registry,
        }
        lines = [f"{key}={value}" for key, value in given.items()]
        (self.etc / "env").write_text("\n".join(lines))
        for name, document in files.items():
            (self.etc / name).write_text(json.dumps(document))
            (self.etc / name).chmod(0o644)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        script = BOT.format(source=str(self.source), etc=str(self.etc))
        return subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env={
                "PATH": f"{self.bin}:/usr/bin:/bin",
                "KAI_DATA_DIR": str(self.data),
                "KAI_BACKENDS_YAML": str(self.etc / "backends.yaml"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end."""
        with self.command(*arguments) as process:
            out, errors = process.communicate(timeout=DEADLINE)
        return process.returncode, out + errors

    def start(self) -> None:
        self.process = self.command()
        until_it_listens(self.process, self.port)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=DEADLINE)
        code, self.process = self.process.returncode, None
        return int(code)

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        """Ask the bot; return the status and the document of its answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def rows(self, query: str) -> list[Any]:
        database = sqlite3.connect(f"file:{self.data}/kai.db?mode=ro", uri=True)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def workshop(self) -> str:
        return str(self.rows("SELECT id FROM workshops")[0][0])


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    yield from running(Bot(tmp_path))


@pytest.fixture
def bot_2_1(tmp_path: Path) -> Iterator[Bot]:
    """A stand-in with what Kai 2.1 adds, and a user without Telegram, whom only its plan names."""
    source = tmp_path / "src"
    for tree in (SOURCE, OF_2_1):
        shutil.copytree(tree, source, dirs_exist_ok=True)
    found = Bot(tmp_path, source)
    (found.etc / "users.yaml").unlink()
    profiles = found.etc / "runtime-profiles.yaml"
    document = json.loads(profiles.read_text())
    [entry] = document["runtime_profiles"].values()
    del entry["compatibility_runtime_config_id"]
    document["runtime_profiles"] = {PLAN.runtime_profile_id: entry}
    profiles.write_text(json.dumps(document))
    (found.etc / "env").write_text(with_plan(found, PLAN))
    yield from running(found)


def with_plan(bot: Bot, plan: BootstrapPlan) -> str:
    kept = [line for line in (bot.etc / "env").read_text().split("\n") if "BOOTSTRAP" not in line]
    return "\n".join([*kept, f"KAI_WORKSHOP_BOOTSTRAP={encode(plan)}"])


def running(found: Bot) -> Iterator[Bot]:
    yield found
    if found.process is not None:
        found.process.kill()
        found.process.communicate()


def test_a_start_and_an_end(bot: Bot) -> None:
    bot.start()
    status, health = bot.ask("GET", "/health")
    assert status == 200
    assert health["core"]["ready"]
    assert health["adapters"]["http"]["ready"]
    assert "telegram" not in health["adapters"]
    assert (bot.data / "kai.db").stat().st_mode & 0o777 == 0o600
    workshop = bot.workshop()
    assert bot.stop() == 0
    assert sorted(path.name for path in bot.data.glob("kai.db*")) == ["kai.db"]
    bot.start()
    assert bot.workshop() == workshop
    assert bot.ask("GET", "/health")[1]["starts"] == 2


def test_a_plan_makes_the_first_user_of_the_workshop_once(bot_2_1: Bot) -> None:
    for _start in range(2):
        bot_2_1.start()
        assert bot_2_1.ask("GET", "/health")[1]["core"]["ready"]
        assert bot_2_1.stop() == 0
    assert bot_2_1.workshop() == W
    humans = bot_2_1.rows("SELECT id, display_name FROM principals WHERE kind = 'human'")
    assert humans == [(ids.principal_of_key(W, PLAN.provisioning_key), "Ada")]
    workshop = contract("2").workshop
    assert workshop is not None
    [(profile, principal, channel)] = bot_2_1.rows(workshop.owners)
    assert (profile, principal) == (PLAN.runtime_profile_id, humans[0][0])
    enrol = ("workshop", "client-access", "issue-enrollment", "--principal-id", principal)
    code, out = bot_2_1.run(*enrol, "--channel-id", channel)
    assert code == 0, out
    assert "Token: kai_ws_enroll_v1." in out
    assert bot_2_1.run(*enrol, "--channel-id", "chn_" + "0" * 32)[0] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"workshop_id": "wsp_" + "9" * 32}, "conflicts with existing canonical state"),
        ({"display_name": "Bob"}, "different human or channel semantics"),
        ({"runtime_profile_id": "rtp_" + "9" * 32}, "Unknown protected runtime profile"),
    ],
)
def test_another_plan_than_the_first_keeps_it_from_starting(
    bot_2_1: Bot, change: dict[str, str], reason: str
) -> None:
    bot_2_1.start()
    bot_2_1.stop()
    (bot_2_1.etc / "env").write_text(with_plan(bot_2_1, replace(PLAN, **change)))
    code, errors = bot_2_1.run()
    assert code == 1
    assert reason in errors


def test_sigterm_ends_it_where_it_stands(bot: Bot) -> None:
    bot.start()
    assert bot.stop(signal.SIGTERM) == -signal.SIGTERM
    assert (bot.data / "kai.db-wal").exists()


@pytest.mark.skipif(not shutil.which("setfacl"), reason="setfacl is not installed")
def test_a_history_is_for_its_user(bot: Bot) -> None:
    session = enrolled(bot)
    submit(bot, session, "hello")
    [path] = (bot.data / "history").iterdir()
    assert path.name == ids.channel_of_telegram(bot.workshop(), ADA)
    assert path.stat().st_mode & 0o777 == 0o750


def enrolled(bot: Bot) -> str:
    """Return the session of the one user; the bot runs then."""
    bot.start()
    bot.stop()
    number = str(ADA)
    code, out = bot.run(
        "workshop", "client-access", "issue-enrollment", "--telegram-user-id", number
    )
    assert code == 0
    token = out.split("Token: ")[1].split()[0]
    bot.start()
    grant = {"enrollment_token": token, "device_display_name": "x"}
    status, answer = bot.ask("POST", "/v1/client/enrollment/redeem", grant)
    assert status == 201
    # a grant is of use once
    assert bot.ask("POST", "/v1/client/enrollment/redeem", grant)[0] == 401
    return str(answer["session"]["token"])


def submit(bot: Bot, session: str, text: str) -> str:
    channel = ids.channel_of_telegram(bot.workshop(), ADA)
    message = {"client_message_id": "m", "body": text}
    status, answer = bot.ask("POST", f"/v1/channels/{channel}/commands", message, session)
    assert status == 202
    return f"/v1/channels/{channel}/runs/{answer['run_id']}"


def test_a_message_waits_for_a_home_and_is_answered_as_soon_as_there_is_one(bot: Bot) -> None:
    session = enrolled(bot)
    run = submit(bot, session, "hello")
    time.sleep(0.5)
    assert bot.ask("GET", run, token=session)[1]["run"]["status"] == "accepted"
    home = bot.data / "home" / ids.principal_of_telegram(bot.workshop(), ADA)
    home.mkdir(parents=True)
    until(lambda: bot.ask("GET", run, token=session)[1]["run"]["status"] == "completed")
    timeline = bot.ask("GET", run.rpartition("/runs/")[0] + "/timeline", token=session)[1]
    question, answer = timeline["messages"]
    assert question["body"] == "hello"
    argv, cwd, names, said = json.loads(answer["body"])
    assert argv[argv.index("--model") + 1] == "opus"
    assert (cwd, said) == (str(home), "hello")
    assert {"KAI_WEBHOOK_SECRET", "TMPDIR"} <= set(names)
    assert "WEBHOOK_PORT" not in names


def test_nobody_else_reads_a_channel(bot: Bot) -> None:
    session = enrolled(bot)
    other = "chn_" + "0" * 32
    assert bot.ask("GET", f"/v1/channels/{other}/timeline", token=session)[0] == 404
    assert bot.ask("GET", "/v1/client/navigation", token="x")[0] == 401
    assert bot.ask("GET", "/v1/client/navigation", token=session)[0] == 200


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("env", {"KAI_ENABLED_ADAPTERS": "x"}, "KAI_ENABLED_ADAPTERS"),
        ("backends.yaml", None, "does not exist"),
        ("users.yaml", None, "users.yaml is required"),
        ("runtime-profiles.yaml", None, "missing or unreadable"),
    ],
)
def test_what_keeps_it_from_starting(bot: Bot, name: str, change: Any, reason: str) -> None:
    if change is None:
        (bot.etc / name).unlink()
    else:
        bot.write(**change)
    code, errors = bot.run()
    assert code == 1
    assert reason in errors
    assert reason in (bot.data / "logs/kai.log").read_text()


def test_a_profile_of_nobody_keeps_it_from_starting(bot: Bot) -> None:
    path = bot.etc / "runtime-profiles.yaml"
    document = json.loads(path.read_text())
    [one] = document["runtime_profiles"].values()
    more = {**one, "compatibility_runtime_config_id": 12}
    document["runtime_profiles"][ids.profile_of_telegram(12)] = more
    path.write_text(json.dumps(document))
    code, errors = bot.run()
    assert code == 1
    assert "exactly one canonical human" in errors


def test_a_part_that_is_not_ready_says_so(bot: Bot) -> None:
    bot.write(KAI_STANDIN_NOT_READY="executor")
    bot.start()
    status, health = bot.ask("GET", "/health")
    assert status == 200
    assert not health["core"]["ready"]
    assert health["adapters"]["http"]["ready"]


def test_it_says_what_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kai", "--version"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    assert "stand-in" in done.stdout
