"""A machine with a real Kai on it, installed by kai-ansible, and the users who talk to it."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from tests.cli.desk import KAI_ANSIBLE, TOKEN, Desk
from tests.machine.site import Done
from tests.real.source import Source
from tests.testbed.machines import Machine

HERE = Path(__file__).parent
TELEGRAM = "/opt/lab/telegram.py"
CA = "/opt/lab/tls/ca.pem"
DATA = "/var/lib/kai"
SECONDS = 120

# of a bot that the Telegram of the machine does not know
ANOTHER_TOKEN = "987654321:ZZbbCCddEEffGGhhIIjjKKllMMnnOOpp_-q"

ADA, BOB, EVE, FINN, DORA, GUS = 1001, 1002, 1003, 1004, 1005, 1006
# eve and finn have one primary group between them, dora and gus no account of their own
USERS: list[dict[str, Any]] = [
    {"telegram_id": ADA, "name": "Ada", "role": "admin", "os_user": "alice"},
    {"telegram_id": BOB, "name": "Bob", "os_user": "bob", "agent_backend": "claude"},
    {"telegram_id": EVE, "name": "Eve", "os_user": "eve", "agent_backend": "claude"},
    {"telegram_id": FINN, "name": "Finn", "os_user": "finn"},
    {"telegram_id": DORA, "name": "Dora", "agent_backend": "claude", "model": "haiku"},
    {
        "telegram_id": GUS,
        "name": "Gus",
        "agent_backend": "goose",
        "llm_provider": "ollama",
        "model": "llama4:8b",
    },
]
SETTINGS: dict[str, Any] = {"TELEGRAM_BOT_TOKEN": TOKEN, "AGENT_BACKEND": "codex"}
ACCOUNTS = {ADA: "alice", BOB: "bob", EVE: "eve", FINN: "finn", DORA: "kai", GUS: "kai"}
AGENTS = {ADA: "codex", BOB: "claude", EVE: "claude", FINN: "codex", DORA: "claude", GUS: "goose"}


def prepare(machine: Machine) -> None:
    """Put a Telegram, the stub agents and two accounts with one group on a machine."""
    machine.run(["mkdir", "-p", "/opt/lab"])
    for path in (HERE / "on_machine").iterdir():
        machine.push(path, f"/opt/lab/{path.name}")
    machine.run(["sh", "/opt/lab/prepare.sh"])
    for name in ("eve", "finn"):
        add = ["useradd", "--create-home", "--gid", "users", "--key", "HOME_MODE=0700", name]
        machine.run(add, check=False)
        machine.run(["id", name])


def answer_of_telegram(
    machine: Machine, user: int, text: str, pattern: str, seconds: int = SECONDS
) -> str:
    """Let a user say something to the bot of a machine; return the answer that matches."""
    since = machine.run(["python3", TELEGRAM, "mark"]).stdout.strip()
    machine.run(["python3", TELEGRAM, "say", str(user), text])
    wait = ["python3", TELEGRAM, "wait", str(user), pattern, str(seconds), since]
    done = machine.run(wait, check=False, timeout=seconds + 60)
    log = machine.run(["tail", "-60", f"{DATA}/logs/kai.log"], check=False).stdout
    assert done.returncode == 0, (done.stdout, log)
    return str(json.loads(done.stdout)["said"])


class Lab:
    """An operator's desk, the machine, and what is said there."""

    def __init__(self, machine: Machine, directory: Path, source: Source) -> None:
        self.machine, self.source = machine, source
        self.desk = Desk(directory / "desk")
        entry = machine.inventory_entry()
        self.desk.write("inventory/hosts.yml", {"all": {"hosts": {"bot": entry}}})
        self.configure()

    def configure(self, **settings: str) -> None:
        """Write the host_vars of the machine. settings: besides or instead of the usual ones."""
        self.desk.given({"host": {}, "users": USERS, "settings": {**SETTINGS, **settings}})
        self.set(
            kai_install_source=self.source.given,
            kai_install_extra_env={"SSL_CERT_FILE": CA},
            **({"kai_install_version": self.source.version} if self.source.version else {}),
        )

    def set(self, **variables: Any) -> None:
        """Change kai.yml as an operator with an editor would; None drops a value of the host."""
        path = self.desk.host_vars("bot") / "kai.yml"
        values = {**yaml.safe_load(path.read_text(encoding="utf-8")), **variables}
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")

    def users(self) -> list[dict[str, Any]]:
        """Return the users whom the bot knows unless a test says something else."""
        return [dict(user) for user in USERS]

    def run(self, *arguments: str) -> Done:
        """Run a command of kai-ansible with --json."""
        done = subprocess.run(
            [KAI_ANSIBLE, *arguments, "--json"],
            cwd=self.desk.work,
            env=self.desk.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        return Done(done)

    def install(self) -> dict[str, Any]:
        """Install, which has to succeed, and return the report."""
        done = self.run("install")
        assert done.code == 0, done.text
        return done.report

    def log_in(self) -> None:
        """Log every account in to every agent, as far as the stubs look for that."""
        for name in dict.fromkeys(ACCOUNTS.values()):
            home = self.at_machine("getent", "passwd", name).split(":")[5]
            for path in (".codex/auth.json", ".claude/.credentials.json"):
                login = ["install", "-D", "-m", "0600", "/dev/null", f"{home}/{path}"]
                self.at_machine(*login, user=name)

    def at_machine(self, *command: str, user: str | None = None, code: int | None = 0) -> str:
        """Run a command on the machine and return what it prints; code None: any exit code."""
        done = self.machine.run(command, user=user, check=False)
        assert code is None or done.returncode == code, (command, done.stdout, done.stderr)
        return done.stdout + (done.stderr if code is None else "")

    def telegram(self, *arguments: str) -> str:
        """Use the Telegram of the machine."""
        return self.at_machine("python3", TELEGRAM, *arguments)

    def mark(self) -> int:
        """Return the number of what the bot did last."""
        return int(self.telegram("mark"))

    def said(self, user: int, pattern: str, since: int, seconds: int = SECONDS) -> str:
        """Return the first message to a user after a mark that matches a pattern."""
        command = ["python3", TELEGRAM, "wait", str(user), pattern, str(seconds), str(since)]
        done = self.machine.run(command, check=False, timeout=seconds + 60)
        if done.returncode != 0:
            log = self.log()[-6000:]
            raise AssertionError(f"{user} was never told {pattern!r}: {done.stdout}\n{log}")
        return str(json.loads(done.stdout)["said"])

    def say(self, user: int, text: str, pattern: str, seconds: int = SECONDS) -> str:
        """Let a user say something, and return the answer that matches a pattern."""
        since = self.mark()
        self.telegram("say", str(user), text)
        return self.said(user, pattern, since, seconds)

    def turn(self, user: int, text: str) -> str:
        """Return what the agent of a user answers."""
        who = rf"\[{AGENTS[user]} as {ACCOUNTS[user]}\] "
        # the marker is the last thing a whole answer has
        return self.say(user, text, who).partition("] ")[2]

    def shell(self, user: int, command: str) -> tuple[int, str]:
        """Let the agent of a user run a command; return its exit code and output."""
        code, _, output = self.turn(user, f"!sh {command}").partition(" ")
        return int(code.removeprefix("code=")), output

    def facts(self, user: int) -> dict[str, Any]:
        """Return what the agent of a user is and has."""
        found: dict[str, Any] = json.loads(self.turn(user, "!env").removeprefix("env "))
        return found

    def processes(self, account: str) -> list[str]:
        """Return the command lines of an account's processes, sudo's for it included."""
        listed = self.at_machine("ps", "-eo", "user:32=,args=")
        lines = [line.split(None, 1) for line in listed.splitlines()]
        mine = [args for user, args in lines if user == account and "systemd" not in args]
        return mine + [args for _, args in lines if args.startswith(f"sudo -H -u {account} ")]

    def until_gone(self, account: str, seconds: float = SECONDS) -> list[str]:
        """Return what still runs as an account when it should long have ended."""
        limit = time.monotonic() + seconds
        while (left := self.processes(account)) and time.monotonic() < limit:
            time.sleep(0.5)
        return left

    def events(self, account: str, event: str) -> list[dict[str, Any]]:
        """Return what the stub agents of an account wrote down of a kind."""
        path = f"/var/tmp/agents/{account}.jsonl"
        lines = self.at_machine("cat", path, code=None).splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in found if entry["event"] == event]

    def log(self) -> str:
        """Return the bot's log of today."""
        return self.at_machine("cat", f"{DATA}/logs/kai.log", code=None)

    def journal(self) -> str:
        """Return what the journal has of the bot."""
        return self.at_machine("journalctl", "--unit=kai.service", "--no-pager", "--output=cat")

    def write_source(self, directory: Path) -> Path:
        """Copy the source's tree, so that a test may change it."""
        left_out = shutil.ignore_patterns(".git", "__pycache__", "tests")
        shutil.copytree(self.source.tree, directory, ignore=left_out)
        return directory
