"""Installs that meet faults or are killed, and what has to hold on the host afterwards."""

import itertools
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.machine.fault_list import BACK, NOT_TOUCHED, OUTCOMES, TITLES
from tests.machine.site import TOKEN, Site

# they take turns: a build takes longer than everything else
RELEASES = ("a", "b")
DATA = [
    f"/var/lib/kai/{name}"
    for name in ("history/1.jsonl", "memory/1/MEMORY.md", "files/photo", "home/1/notes")
]
WAIT_SECONDS = 90

_TOLD = {
    NOT_TOUCHED: "Nothing had been switched: the bot was not touched.",
    BACK: "The host is as it was before this run, and the bot answers again",
}

_WATCH = """
import os, time, urllib.request
without, last, failed = 0.0, time.monotonic(), False
while True:
    try:
        # a machine with much to do answers late, and that is not what is looked for
        with urllib.request.urlopen("http://127.0.0.1:8080/health", timeout=10):
            pass
    except OSError:
        failed = True
        time.sleep(0.05)
        continue
    now = time.monotonic()
    without += now - last if failed else 0
    last, failed = now, False
    with open("/run/without.new", "w") as file:
        file.write(str(without))
    # a reader finds the whole number
    os.replace("/run/without.new", "/run/without")
    time.sleep(0.1)
"""
# the words come by standard input, which is the journal's inside the pipe
_LOGGED = "exec 3<&0; journalctl --output=export --all </dev/null | grep -acF -f /dev/fd/3"
_LEFT = r"""
find /etc /opt/kai /var/lib/kai /tmp /run /root /home \( -name '*.kai-new' \
  -o -name 'kai-sudoers-*' -o -name 'ansible-tmp-*' -o -path '/opt/kai/releases/.*' \
  -o -path /opt/kai/installs/pending \) \
  2>/dev/null
"""


class Ansible:
    """An install by ansible-playbook that waits, once, where a task begins."""

    def __init__(
        self, command: list[str], environment: dict[str, str], task: str, number: int
    ) -> None:
        self.task = task
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._heard, tells = os.pipe()
        listens, self._says = os.pipe()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={
                **environment,
                "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callback")),
                "ANSIBLE_CALLBACKS_ENABLED": "held_at",
                "HELD_AT": f"{task}\n{number}\n{tells}\n{listens}",
            },
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            pass_fds=(tells, listens),
            start_new_session=True,
        )
        os.close(tells)
        os.close(listens)

    def reach(self) -> None:
        """Return when the task begins; fail when the run ends without it."""
        reached = os.read(self._heard, 16)
        assert reached, f"never came to {self.task!r}:\n{self.end()[1]}"

    def go_on(self) -> tuple[int, str]:
        """Let the task begin, and return how the run ended and what it said."""
        os.write(self._says, b"\n")
        return self.end()

    def kill(self) -> None:
        """Kill it and all that it has started here."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> tuple[int, str]:
        """Return the exit code and the output, once it has ended."""
        code = self.process.wait(timeout=240)
        self._output.seek(0)
        text = self._output.read().decode(errors="replace")
        self._output.close()
        os.close(self._heard)
        os.close(self._says)
        return code, text


class Trial:
    """A site whose installs meet faults, and whose bot has to be healthy after each."""

    def __init__(self, site: Site, environment: dict[str, str]) -> None:
        self.site = site
        self.environment = environment
        self.numbers = itertools.count(1)
        self.data: dict[str, Any] = {}
        self.person = ""
        self.release = RELEASES[0]
        secrets = site.desk.secrets("bot").values()
        self.secrets = [text for text in secrets if isinstance(text, str)]
        assert TOKEN in self.secrets
        self.change()
        self.install()
        assert self.logged(["UNIT=kai.service"]) > 0
        for path in DATA:
            command = ["install", "-D", "-o", "kai", "-m", "0640", "/dev/stdin", path]
            site.machine.run(command, input=path)
        self.data = self.kept_data()

    def kept_data(self) -> dict[str, Any]:
        """Return what people have in the data directory, as far as it was put there here."""
        return {path: entry for path, entry in self.site.data().items() if path in DATA}

    def change(self, *, built: bool = True) -> None:
        """Want another release than the live one, other settings, and a person who is new.

        built: whether that release may have been live before.
        """
        number = next(self.numbers)
        self.release = RELEASES[RELEASES.index(self.release) - 1]
        self.person = f"person{number}"
        self.site.machine.run(["useradd", "--create-home", self.person])
        ada = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
        new = {"telegram_id": 2, "name": self.person, "os_user": self.person}
        self.site.new_release(self.release if built else str(number))
        self.site.set(kai_install_agent_timeout_seconds=100 + number, kai_install_users=[ada, new])

    def command(self) -> list[str]:
        """Return the command of an install by Ansible alone."""
        return self.site.playbook("install")

    def run(self, *before: str, **variables: str) -> tuple[int, str]:
        """Install by Ansible alone, and return how that ended and what it said.

        before: a command that starts Ansible somewhere else; variables of its environment.
        """
        done = subprocess.run(
            [*before, *self.command()],
            cwd=ROOT,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def held_at(self, task: str, number: int = 1) -> Iterator[Ansible]:
        """Start an install, and let it wait where a task begins for the given time."""
        ansible = Ansible(self.command(), self.environment, task, number)
        try:
            ansible.reach()
            yield ansible
        finally:
            if ansible.process.poll() is None:
                ansible.kill()

    @contextmanager
    def recorded(self, title: str, outcome: str, request: pytest.FixtureRequest) -> Iterator[None]:
        """Measure how long the bot does not answer meanwhile, and keep that for the table."""
        machine = self.site.machine
        unit = f"watch-{next(self.numbers)}"
        machine.run(["rm", "-f", "/run/without"])
        machine.run(["systemd-run", "--quiet", f"--unit={unit}", "python3", "-c", _WATCH])
        machine.run(["sh", "-c", "until [ -s /run/without ]; do sleep 0.05; done"], timeout=30)
        yield
        seconds = float(machine.run(["cat", "/run/without"]).stdout)
        machine.run(["systemctl", "stop", f"{unit}.service"])
        if outcome == NOT_TOUCHED:
            assert seconds == 0
        keep(title, outcome, seconds, request)

    def install(self) -> None:
        """Install as an operator would, which has to succeed, and leave a healthy and tidy host."""
        report = self.site.install()
        health = self.site.health()
        assert health["release"] == report["release"]
        assert health["users"][1]["name"] == self.person
        self.works()
        self.is_tidy()

    def answers(self) -> dict[str, Any]:
        """Wait until the bot answers, and return what it says; it is one install, whole."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                health = self.site.health()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return health

    def works(self) -> None:
        """Fail unless the bot answers, and sudo lets it do what it has to."""
        health = self.answers()
        assert health["status"] == "ok"
        machine = self.site.machine
        machine.run(["visudo", "--check"])
        machine.run(["sudo", "-n", "cat", "/etc/kai/env"], user="kai")
        for person in health["users"]:
            rule = ["sudo", "-n", "-H", "-u", person["os_user"], "/usr/local/bin/codex"]
            machine.run([*rule, "--version"], user="kai")

    def logged(self, words: Sequence[str]) -> int:
        """Return how many lines of the machine's journal hold one of the words."""
        search = ["sh", "-c", _LOGGED]
        done = self.site.machine.run(
            search, input="".join(f"{word}\n" for word in words), check=False
        )
        return int(done.stdout)

    def is_tidy(self, *, killed: bool = False) -> None:
        """Fail when data was changed, a secret lies about, or half-written files do.

        killed: these may wait for the next run.
        """
        machine = self.site.machine
        if self.data:
            assert self.kept_data() == self.data
        if not killed:
            assert machine.run(["sh", "-c", _LEFT]).stdout == ""
        told = [argument for secret in self.secrets for argument in ("-e", secret)]
        places = ["/etc", "/opt", "/var/lib", "/tmp", "/run", "/root", "/home"]
        search = ["grep", "-rlF", "--devices=skip", *told, *places]
        found = machine.run(search, check=False).stdout.splitlines()
        assert "/etc/kai/env" in found
        assert self.logged(self.secrets) == 0
        # the next one of a killed run lies beside it, for root alone
        own = ["/etc/kai/env", *(["/etc/kai/.env.kai-new"] if killed else [])]
        assert [
            path for path in found if path not in own and not path.startswith("/opt/kai/installs/")
        ] == []


def keep(title: str, outcome: str, seconds: float, request: pytest.FixtureRequest) -> None:
    """Keep the outcome of a test for the table."""
    assert title in TITLES
    OUTCOMES.mkdir(parents=True, exist_ok=True)
    case = {"title": title, "outcome": outcome, "seconds": round(seconds, 1)}
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    (OUTCOMES / f"{name}.json").write_text(json.dumps(case), encoding="utf-8")


def as_told(outcome: str, code: int, text: str, says: Sequence[str]) -> None:
    """Fail unless a run failed and reported its outcome and these words, but no secret."""
    assert code != 0, text
    lines = " ".join(text.replace("\\n", " ").split())
    for words in (_TOLD[outcome], *says):
        assert words in lines, f"{words!r} not in:\n{text}"
    assert TOKEN not in text
