"""Shows the main job on a throwaway machine: wizard, install, logins.

usage: python -m tools.demo [--remove]

The machine is a systemd container with the real codex and claude; the bot is the stand-in of the
tests. Everything that the demo writes lies below .cache/demo.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.testbed import machines
from tests.testbed.podman import TestbedError

NAME = "kai-demo"
CHECKOUT = Path(__file__).resolve().parent.parent
DEMO = CHECKOUT / ".cache" / "demo"
TOKEN = "123456789:demo-token-that-opens-nothing-at-all"  # noqa: S105 - opens nothing
ANSWERS = {
    "host": {"source": str(CHECKOUT / "tests" / "fixtures" / "kai")},
    "users": [
        {"telegram_id": 123456789, "name": "Alice", "role": "admin", "os_user": "alice"},
        {"telegram_id": 987654321, "name": "Bob", "os_user": "bob", "agent_backend": "claude"},
    ],
    "settings": {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "AGENT_BACKEND": "codex",
    },
}


def environment() -> dict[str, str]:
    """Return the environment in which the vault password and the logs stay in the demo."""
    own = {f"XDG_{name}_HOME": str(DEMO / name.lower()) for name in ("CONFIG", "STATE")}
    # with it, the directories of the operator count and not these
    others = {name: value for name, value in os.environ.items() if name != "SUDO_USER"}
    return {**others, **own}


def kai_ansible(*arguments: str) -> None:
    """Show a command and run it; its failure ends the demo. Raises CalledProcessError."""
    inventory = DEMO / "inventory"
    print(f"\n$ kai-ansible {shlex.join(arguments)}", flush=True)
    subprocess.run(
        [
            str(Path(sys.executable).parent / "kai-ansible"),
            *arguments,
            "--inventory",
            str(inventory),
        ],
        check=True,
        env=environment(),
    )


def prepare(machine: machines.Machine, directory: Path) -> Path:
    """Write inventory and answers to a directory, and return the path of the answers."""
    inventory = directory / "inventory"
    inventory.mkdir(parents=True)
    hosts = {"all": {"hosts": {machine.name: machine.inventory_entry()}}}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    answers = directory / "answers.yml"
    answers.write_text(yaml.safe_dump(ANSWERS, sort_keys=False), encoding="utf-8")
    return answers


def main() -> int:
    """Run the demo, or remove its machine. Returns the exit code."""
    if sys.argv[1:] == ["--remove"]:
        print("removed" if machines.stop(NAME) else "there was no demo machine")
        return 0
    try:
        print(
            f"Booting {NAME}, a Debian 13 container with systemd, codex and claude ...", flush=True
        )
        machine = machines.start(NAME)
        shutil.rmtree(DEMO, ignore_errors=True)
        answers = prepare(machine, DEMO)
        kai_ansible("config", "--answers", str(answers), "--no-input")
        kai_ansible("install", "--yes")
        kai_ansible("logins")
    except (TestbedError, subprocess.CalledProcessError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    print(f"\nThe bot runs in {NAME}. Look around:\n  {shlex.join(machine.ssh_command())}")
    print('Remove it:\n  make demo args="--remove"')
    return 0


if __name__ == "__main__":
    sys.exit(main())
