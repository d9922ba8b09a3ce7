"""Measures what kai-ansible costs, beside floors and beside a role of the usual kind.

usage: python -m tools.bench [--quick] [--rounds N]
       python -m tools.bench --scale

Both boot throwaway machines, measure, and write below .cache/bench what tools.performance makes
the tables of docs/performance.md of. ``--quick`` leaves out 200 users, eight hosts and releases.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.testbed import machines
from tests.testbed.machines import Machine
from tools.performance import MEASURED, SCALED

CHECKOUT = Path(__file__).resolve().parent.parent
STAND_IN = CHECKOUT / "tests" / "fixtures" / "kai"
BIN = Path(sys.executable).parent
PEOPLE = {"alice": "codex", "bob": "claude", "carol": "codex"}
MANY = 200
HOSTS = 8
ROUNDS = 5
SCALE_HOSTS = (1, 10, 25, 50, 100)
SCALE_FORKS = (5, 20)
TOKEN = "123456789:benchmark-token-that-opens-nothing-at-all"  # noqa: S105 - opens nothing
HOURS = 3600
# in a machine that installs on itself
PLACE = "/opt/bench"
LOCAL_BIN = f"{PLACE}/venv/bin"
PHASES = "phases.jsonl"

# what stands for the logins of people, so that a host counts as well
LOGINS = """
for name in "$@"; do
    home=$(getent passwd "$name" | cut -d: -f6)
    for file in .codex/auth.json .claude/.credentials.json; do
        runuser -u "$name" -- install -D -m 0600 /dev/null "$home/$file"
    done
done
"""
ACCOUNTS = """
for number in $(seq "$1"); do
    id -u "person$number" >/dev/null 2>&1 || useradd --create-home "person$number"
done
"""

# without it one host goes first, and then batches that grow
AT_ONCE = ["--extra-vars", "kai_batches=100%"]

Case = dict[str, Any]


class Desk:
    """Where the runs over ssh start: a short path, because of ssh's sockets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inventory = directory / "inventory"
        self.install = [
            str(BIN / "kai-ansible"),
            "install",
            "--yes",
            "--inventory",
            str(self.inventory),
        ]
        self.password_file = directory / ".config" / "kai-ansible" / "vault-password"
        self.environment = {
            "HOME": str(directory),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "benchmarks" / "callback"),
        }

    def write(self, name: str, content: object) -> Path:
        """Write YAML to a file, and return its path."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path

    def run(self, *command: str) -> None:
        """Run a command. Raises CalledProcessError."""
        environment = {**os.environ, **self.environment}
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)

    def configure(self, host: str, accounts: Mapping[str, str]) -> None:
        """Write the host_vars of a host."""
        answers = self.write("answers.yml", answers_for(accounts, str(STAND_IN)))
        options = ["--answers", str(answers), "--no-input", "--inventory", str(self.inventory)]
        self.run("kai-ansible", "config", host, *options)

    def link(self, host: str, other: str) -> None:
        """Give a host the host_vars of another."""
        link = self.inventory / "host_vars" / host
        link.symlink_to(other)

    def measure(self, rounds: int, cases: Sequence[Case]) -> dict[str, Any]:
        """Measure the cases here."""
        asked = {
            "rounds": rounds,
            "cases": cases,
            "directory": str(self.directory),
            "environment": {**self.environment, "BENCH_PHASES": str(self.directory / PHASES)},
        }
        done = subprocess.run(
            [sys.executable, CHECKOUT / "benchmarks" / "clock.py"],
            input=json.dumps(asked),
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def answers_for(accounts: Mapping[str, str], source: str) -> dict[str, Any]:
    """Return an answers file for people with these accounts, each with a backend."""
    users = [
        {
            "telegram_id": number,
            "name": account.capitalize(),
            "os_user": account,
            "agent_backend": backend,
            **({"role": "admin"} if number == 1 else {}),
        }
        for number, (account, backend) in enumerate(accounts.items(), start=1)
    ]
    return {
        "host": {"source": source},
        "users": users,
        "settings": {"TELEGRAM_BOT_TOKEN": TOKEN, "AGENT_BACKEND": "codex"},
    }


def usual_variables(accounts: Mapping[str, str], source: str) -> dict[str, Any]:
    """Return the variables of the role of the usual kind."""
    people = [
        {"telegram_id": number, "name": account.capitalize(), "os_user": account}
        for number, account in enumerate(accounts, start=1)
    ]
    return {"usual_kai_users": people, "usual_kai_source": source}


def playbook(place: Path | str, options: Sequence[str], book: str, **more: Any) -> Case:
    """Return a case that runs a playbook with the commands of a directory."""
    return {"argv": [f"{place}/ansible-playbook", book, *options], **more}


def phased() -> dict[str, Any]:
    """Return what makes a case tell its tasks."""
    return {"environment": {"ANSIBLE_CALLBACKS_ENABLED": "phases"}, "phases": PHASES}


class Local:
    """A machine that installs a bot on itself."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.inventory = f"{PLACE}/inventory"
        self.options = [
            "--inventory",
            self.inventory,
            "--vault-password-file",
            "/root/.config/kai-ansible/vault-password",
        ]
        self.environment = {
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PATH": f"{LOCAL_BIN}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "ANSIBLE_CONFIG": f"{PLACE}/checkout/ansible.cfg",
            "ANSIBLE_COLLECTIONS_PATH": f"{PLACE}/collections",
            "ANSIBLE_CALLBACK_PLUGINS": f"{PLACE}/checkout/benchmarks/callback",
            "BENCH_PHASES": f"{PLACE}/{PHASES}",
        }

    def run(self, *command: str, input: str | None = None) -> str:
        """Run a command on the machine, and return what it prints. Raises TestbedError."""
        given = [f"{key}={value}" for key, value in self.environment.items()]
        return self.machine.run(["env", *given, *command], input=input, timeout=HOURS).stdout

    def prepare(self, directory: Path) -> None:
        """Bring this checkout there, install it, and configure the machine itself."""
        archive = directory / "checkout.tar"
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(
            listed, cwd=CHECKOUT, capture_output=True, text=True, check=True
        ).stdout
        there = [name for name in names.splitlines() if os.path.lexists(CHECKOUT / name)]
        pack = ["tar", "--create", "--file", str(archive), "--files-from", "-"]
        subprocess.run(pack, cwd=CHECKOUT, input="\n".join(there), text=True, check=True)
        self.machine.push(archive, "/root/checkout.tar")
        self.run(
            "install", "-d", f"{PLACE}/checkout", f"{PLACE}/collections/ansible_collections/kai"
        )
        self.run("tar", "--extract", "-f", "/root/checkout.tar", "-C", f"{PLACE}/checkout")
        link = f"{PLACE}/collections/ansible_collections/kai/bot"
        self.run("ln", "-s", f"{PLACE}/checkout", link)
        self.run("cp", "-r", f"{PLACE}/checkout/tests/fixtures/kai", f"{PLACE}/kai")
        self.run("python3", "-m", "venv", f"{PLACE}/venv")
        self.run(f"{LOCAL_BIN}/pip", "install", "--quiet", "--editable", f"{PLACE}/checkout")
        self.write(f"{PLACE}/answers.yml", answers_for(PEOPLE, f"{PLACE}/kai"))
        self.write(f"{PLACE}/usual.yml", usual_variables(PEOPLE, f"{PLACE}/kai"))
        answers = ["--answers", f"{PLACE}/answers.yml", "--no-input"]
        self.run("kai-ansible", "config", *answers, "--inventory", self.inventory)
        self.run("kai-ansible", "install", "--yes", "--inventory", self.inventory)

    def write(self, path: str, content: object) -> None:
        """Write YAML to a file of the machine."""
        self.run("install", "-m", "0600", "/dev/stdin", path, input=yaml.safe_dump(content))

    def measure(self, rounds: int, cases: Sequence[Case]) -> dict[str, Any]:
        """Measure the cases there."""
        asked = {"rounds": rounds, "cases": cases, "directory": PLACE}
        clock = ["python3", f"{PLACE}/checkout/benchmarks/clock.py"]
        found: dict[str, Any] = json.loads(self.run(*clock, input=json.dumps(asked)))
        return found

    def cases(self, *, quick: bool) -> list[Case]:
        """Return what is measured on the machine itself."""
        book = f"{PLACE}/checkout/benchmarks"
        inventory = ["--inventory", self.inventory]
        command = f"{LOCAL_BIN}/kai-ansible"
        usual = [*self.options, "--extra-vars", f"@{PLACE}/usual.yml"]
        hand = (
            "rm -rf /opt/hand && python3 -m venv /opt/hand && /opt/hand/bin/pip install --quiet "
            f"--constraint {PLACE}/kai/requirements/constraints.txt {PLACE}/kai"
        )
        another = f"date +%s.%N >{PLACE}/kai/templates/RELEASE"
        found = [
            {"name": "local ping", **playbook(LOCAL_BIN, self.options, f"{book}/ping.yml")},
            {
                "name": "local play",
                **playbook(LOCAL_BIN, self.options, "kai.bot.install"),
                **phased(),
            },
            {"name": "local command", "argv": [command, "install", "--yes", *inventory]},
            {"name": "local usual", **playbook(LOCAL_BIN, usual, f"{book}/usual/install.yml")},
            {"name": "local status", "argv": [command, "status", *inventory]},
            {"name": "local status play", **playbook(LOCAL_BIN, self.options, "kai.bot.status")},
            {"name": "help", "argv": [command, "--help"]},
            {
                "name": "wizard",
                "argv": [command, "config", "--inventory", f"{PLACE}/new", "--plain", "--no-probe"],
                "until": ":",
            },
        ]
        if not quick:
            found += [
                {"name": "manual release", "argv": ["sh", "-c", hand]},
                {
                    "name": "release",
                    "before": ["sh", "-c", another],
                    **playbook(LOCAL_BIN, self.options, "kai.bot.install"),
                    **phased(),
                },
            ]
        return found


def over_ssh(desk: Desk, *, quick: bool) -> list[Case]:
    """Return what is measured from here."""
    options = ["--inventory", str(desk.inventory)]
    options += ["--vault-password-file", str(desk.password_file)]
    books = CHECKOUT / "benchmarks"
    one = [*options, "--limit", "bot1"]
    usual = [*one, "--extra-vars", f"@{desk.directory / 'usual.yml'}"]
    found = [
        {"name": "ssh ping", **playbook(BIN, one, str(books / "ping.yml"))},
        {"name": "ssh play", **playbook(BIN, one, "kai.bot.install"), **phased()},
        {"name": "ssh command", "argv": [*desk.install, "bot1"]},
        {"name": "ssh usual", **playbook(BIN, usual, str(books / "usual" / "install.yml"))},
    ]
    if not quick:
        many, eight = ([*options, "--limit", name] for name in ("many", "eight"))
        found += [
            {"name": "ssh many", **playbook(BIN, many, "kai.bot.install"), **phased()},
            {"name": "ssh eight ping", **playbook(BIN, eight, str(books / "ping.yml"))},
            {"name": "ssh eight batches", **playbook(BIN, eight, "kai.bot.install")},
            {"name": "ssh eight", **playbook(BIN, [*eight, *AT_ONCE], "kai.bot.install")},
        ]
    return found


def scale(desk: Desk, hosts: int) -> list[Case]:
    """Return the cases of a growing number of hosts: many names for those that there are.

    They are looked at, as a check of an install does, for no two runs change a host at once.
    """
    options = ["--inventory", str(desk.inventory), "--check"]
    options += ["--vault-password-file", str(desk.password_file)]
    found = []
    for count in (count for count in SCALE_HOSTS if count <= hosts):
        limit = ["--limit", f"fleet[0:{count - 1}]"]
        for forks in SCALE_FORKS:
            more = [*options, *limit, "--forks", str(forks)]
            case = playbook(BIN, more, "kai.bot.install", hosts=count, forks=forks, memory=True)
            found.append({"name": f"{count} hosts, {forks} forks", **case})
    return found


def write_inventory(desk: Desk, bots: Sequence[Machine], many: Machine | None) -> None:
    """Write the hosts: each by its name, and a fleet of names for them."""
    hosts = {machine.name: machine.inventory_entry() for machine in bots}
    fleet = {
        f"fleet{number:03}": {**bots[number % len(bots)].inventory_entry()}
        for number in range(max(SCALE_HOSTS))
    }
    groups: dict[str, Any] = {
        "eight": {"hosts": {f"bot{number}": hosts[name] for number, name in enumerate(hosts, 1)}},
        "fleet": {"hosts": fleet},
    }
    if many:
        groups["others"] = {"hosts": {"many": many.inventory_entry()}}
    desk.write("inventory/hosts.yml", {"all": {"children": groups}})


def prepare(desk: Desk, bots: Sequence[Machine], many: Machine | None) -> None:
    """Configure and install every host that is reached over ssh."""
    write_inventory(desk, bots, many)
    for number, machine in enumerate(bots, start=1):
        machine.run(["sh", "-c", LOGINS, "sh", *PEOPLE])
        desk.configure(f"bot{number}", PEOPLE)
    crowd = {f"person{number}": "codex" for number in range(1, MANY + 1)}
    if many:
        many.run(["sh", "-c", ACCOUNTS, "sh", str(MANY)], timeout=HOURS)
        many.run(["sh", "-c", LOGINS, "sh", *crowd], timeout=HOURS)
        desk.configure("many", crowd)
    desk.write("usual.yml", usual_variables(PEOPLE, str(STAND_IN)))
    known = desk.directory / ".ssh"
    known.mkdir(mode=0o700, exist_ok=True)
    for name in ["eight", *(["many"] if many else [])]:
        desk.run(*desk.install, name)


def described() -> dict[str, Any]:
    """Return what the measuring machine is."""
    from importlib.metadata import version

    with contextlib.suppress(OSError):
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        names = [line.partition(": ")[2] for line in facts.splitlines() if "model name" in line]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "processor": names[0] if names else platform.machine(),
        "memory": f"{memory_gib:.0f} GiB",
        "system": f"Linux {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "ansible": version("ansible-core"),
        "load": round(os.getloadavg()[0], 1),
    }


def save(path: Path, **more: Any) -> None:
    """Write what was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    text = json.dumps({"taken": taken, "machine": described(), **more}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"written: {path}", file=sys.stderr)


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:

        def boot(name: str) -> Machine:
            return stack.enter_context(machines.running(f"kai-bench-{name}"))

        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        desk = Desk(directory)
        bots = [boot(str(number)) for number in range(1, 2 if options.quick else HOSTS + 1)]
        if options.scale:
            prepare(desk, bots, None)
            for number in range(max(SCALE_HOSTS)):
                desk.link(f"fleet{number:03}", f"bot{number % len(bots) + 1}")
            cases = scale(desk, max(SCALE_HOSTS))
            save(SCALED, cases=desk.measure(1, cases), asked=cases)
            return 0
        many = None if options.quick else boot("many")
        prepare(desk, bots, many)
        found = desk.measure(options.rounds, over_ssh(desk, quick=options.quick))
        if not options.quick:
            argv = [*desk.install, "eight"]
            found |= desk.measure(1, [{"name": "memory", "argv": argv, "memory": True}])
        local = Local(boot("local"))
        local.machine.run(["sh", "-c", LOGINS, "sh", *PEOPLE])
        local.prepare(directory)
        found |= local.measure(options.rounds, local.cases(quick=options.quick))
        save(MEASURED, cases=found, rounds=options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
