"""What a machine shows of the bot on it, and a checkout in the home of an operator on it."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

import yaml

from tests.cli.desk import TOKEN
from tests.machine.site import AGENTS_OWN
from tests.testbed.machines import Machine

CODEX = "/usr/local/bin/codex"
OTHER_CODEX = "/opt/agents/codex"

_HEALTH = """
import json, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8080/health", timeout=10).read().decode())
"""
_REMOVE = """
systemctl disable --quiet --now kai.service 2>/dev/null
rm -rf /etc/kai /etc/sudoers.d/kai /etc/systemd/system/kai.service /opt/kai/current
rm -rf /home/*/.codex /home/*/.claude
install -o alice -g alice -m 0644 /etc/skel/.profile /home/alice/.profile
cp --no-dereference --remove-destination /usr/local/bin/codex.link /usr/local/bin/codex
systemctl daemon-reload
"""


@dataclass(frozen=True)
class Bot:
    """The bot of a machine, seen by root."""

    machine: Machine

    def read(self, path: str) -> str:
        return self.machine.run(["cat", path]).stdout

    def env(self) -> dict[str, str]:
        """Return what /etc/kai/env holds."""
        lines = [line for line in self.read("/etc/kai/env").splitlines() if "=" in line]
        pairs = (line.split("=", 1) for line in lines if not line.startswith("#"))
        return {key: value.strip('"') for key, value in pairs}

    def agent_rules(self) -> list[str]:
        """Return the sudo rules that start agents."""
        lines = self.read("/etc/sudoers.d/kai").splitlines()
        agents = [line for line in lines if "ALL=(" in line and "ALL=(root)" not in line]
        return [line for line in agents if "/bin/kill" not in line]

    def health(self) -> dict[str, Any]:
        """Return what the running bot says of itself."""
        answer = self.machine.run(["python3", "-c", _HEALTH]).stdout
        return dict(json.loads(answer))

    def remove(self) -> None:
        """Take the bot and every login away; the releases stay, so that the next is quick."""
        self.machine.run(["sh", "-c", _REMOVE])

    def snapshot(self) -> str:
        """Return every path, owner, mode, size and time that an install could change.

        Without what an agent writes when it is asked for its version.
        """
        shown = "%p %y %m %u %g %s %T@ %l\\n"
        places = ["/etc", "/opt", "/var/lib", "/home"]
        # each run leaves its log, and the bot notes who asked for its health
        logs = ["/home/operator/.local/state/kai-ansible", "/var/lib/kai/logs/kai.log"]
        without = [word for path in logs for word in ("-path", path, "-prune", "-o")]
        tree = self.machine.run(["find", *places, *without, "-printf", shown]).stdout
        lines = [line for line in tree.splitlines(keepends=True) if not AGENTS_OWN.match(line)]
        service = self.machine.run(["systemctl", "show", "kai.service", "--property=MainPID"])
        return "".join(lines) + service.stdout


@dataclass(frozen=True)
class Checkout:
    """kai-ansible in the home of the account operator, run by make as that account."""

    machine: Machine
    directory: str = "/home/operator/kai-ansible"

    @property
    def bot(self) -> Bot:
        return Bot(self.machine)

    def make(self, *arguments: str, sudo: bool = False) -> subprocess.CompletedProcess[str]:
        """Run make as the operator, or as the operator through sudo."""
        command = ["make", "--no-print-directory", "-C", self.directory, *arguments]
        if sudo:
            command = ["sudo", *command]
        return self.machine.run(command, user="operator", check=False)

    def configure(self) -> None:
        """Configure the machine itself from an answers file."""
        answers = {
            "host": {"source": f"{self.directory}/tests/fixtures/kai"},
            "users": [{"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}],
            "settings": {"TELEGRAM_BOT_TOKEN": TOKEN, "AGENT_BACKEND": "codex"},
        }
        self.machine.run(
            ["install", "-m", "0600", "/dev/stdin", "/home/operator/answers.yml"],
            user="operator",
            input=yaml.safe_dump(answers),
        )
        done = self.make("config", "args=--answers /home/operator/answers.yml --no-input")
        assert done.returncode == 0, done.stdout + done.stderr

    def settings(self) -> dict[str, Any]:
        """Return what kai.yml holds."""
        path = f"{self.directory}/inventory/host_vars/localhost/kai.yml"
        return dict(yaml.safe_load(self.machine.run(["cat", path]).stdout))

    def owned_by_root(self) -> list[str]:
        """Return what root owns in the operator's home."""
        return self.machine.run(["find", "/home/operator", "-user", "root"]).stdout.splitlines()
