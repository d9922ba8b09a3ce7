"""An operator's desk: a home, a directory to work in, and kai-ansible run there."""

import ctypes
import hashlib
import importlib
import json
import os
import pickle
import pkgutil
import pty
import re
import signal
import subprocess
import sys
import tempfile
import termios
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pexpect
import ptyprocess
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from kai_ansible import commands
from kai_ansible.__main__ import main
from kai_ansible.ansible import reading
from kai_ansible.ansible.collection import contract
from kai_ansible.ansible.reading import Reading
from kai_ansible.inventory import inventory
from tests import read_in_process
from tests.conftest import STRICT_ANSIBLE, line_1
from tests.json_documents import checked

KAI_ANSIBLE = str(Path(sys.executable).with_name("kai-ansible"))
SECONDS = 60
# each command takes a while
HANGS_SECONDS = 240
MOST_PROMPTS = 120
ROWS, COLUMNS = 60, 200
TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp_-q"

# what answers gave, by their content; the source of each desk is another one
_GIVEN: dict[str, dict[str, str]] = {}
_SOURCE = "@source@"

T = TypeVar("T")
Tree = dict[str, tuple[int, bytes]]


@dataclass
class Wizard:
    """A wizard that talks in plain lines to a real terminal.

    Prompts are told by the contract's key (AGENT_BACKEND, telegram_id), or else by their label.
    asked: the prompts so far, in order. offered: what Enter answers, by prompt. opened: the
    sections that were opened from the review.
    """

    child: pexpect.spawn
    asked: list[str] = field(default_factory=list)
    offered: dict[str, str] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    transcript: str = ""

    def next_prompt(self) -> str | None:
        """Return the next prompt, None when the wizard ends."""
        assert len(self.asked) < MOST_PROMPTS, f"it asks for ever: {self.transcript[-600:]}"
        at_end = self.child.expect([_PROMPT, pexpect.EOF])
        self.transcript += self.child.before
        if at_end:
            return None
        self.transcript += self.child.after
        found = self.child.match
        label = found["choice"] or found["line"]
        prompt = str(_KEYS.get(label, label))
        marked = re.search(r"\d+\. ([^\r\n]*?) \(Enter\)", found["choices"] or "")
        self.offered[prompt] = marked[1] if marked else (found["default"] or "")
        self.asked.append(prompt)
        return prompt

    def go_to(self, prompt: str, **replies: str) -> None:
        """Answer until a prompt comes, and leave it unanswered.

        Replies go to the prompts that they name; from the review, the section of one that is still
        to come is opened.
        """
        while (found := self.next_prompt()) != prompt:
            assert found, f"never asked: {prompt}\n{self.transcript}"
            self.answer(found, replies, prompt)

    def answer(self, prompt: str, replies: Mapping[str, str], wanted: str | None = None) -> None:
        """Answer a prompt: by its reply, by Enter, or the review by what is still to be reached."""
        if prompt != REVIEW:
            self.child.sendline(replies.get(prompt, ""))
            return
        waiting = [key for key in [*replies, wanted] if key in SECTIONS and key not in self.asked]
        section = SECTIONS[waiting[0]] if waiting else None
        assert section is None or section not in self.opened, f"never asked: {waiting}"
        if section:
            self.opened.append(section)
            self.open(section)
        else:
            self.child.sendline(replies.get(REVIEW, ""))

    def open(self, section: str) -> None:
        """Open a section from the review."""
        self.child.sendline("Change a section")
        assert self.next_prompt() == WHICH
        self.child.sendline(section)

    def abort(self) -> int:
        """Press Ctrl-C at a prompt, keep no answers, and return the exit code."""
        # a Ctrl-C between the prompt and Python's read is noticed only with the next key
        self.child.send("\x03\r")
        return self.end_without_answers()

    def end_without_answers(self) -> int:
        """Return the exit code of a wizard that was interrupted; its answers are not kept."""
        asked = self.child.expect([pexpect.EOF, KEEP])
        self.transcript += self.child.before
        if asked:
            self.child.sendline("no")
        return self.end()

    def refusal(self) -> str:
        """Return what the wizard says before it asks the same again."""
        # a choice shows its list only once
        self.child.expect([r"Number or name \(\? for help\): ", _PROMPT])
        self.transcript += self.child.before + self.child.after
        return str(self.child.before)

    def go_on(self, replies: Mapping[str, str] | None = None, /, **more: str) -> int:
        """Answer the prompts that are named and Enter at any other; return the exit code.

        Fails when a named prompt never comes, and when one comes twice in a row: it refused its
        answer.
        """
        replies = {**(replies or {}), **more}
        while (prompt := self.next_prompt()) is not None:
            again = self.asked[-2:] == [prompt, prompt] and prompt not in MENUS
            assert not again, f"refused: {self.transcript}"
            self.answer(prompt, replies)
        unasked = set(replies) - set(self.asked)
        assert not unasked, f"never asked: {unasked}\n{self.transcript}"
        return self.end()

    def end(self) -> int:
        """Return the exit code of a wizard that has nothing more to ask."""
        self.child.expect(pexpect.EOF)
        self.transcript += self.child.before if isinstance(self.child.before, str) else ""
        assert "Traceback" not in self.transcript, self.transcript
        return exit_code(self.child)


@dataclass
class Desk:
    """Where an operator works. Nothing of the caller's environment reaches it but the PATH.

    kai: the source of the bot, a tree of empty files at the desk by default.
    """

    directory: Path
    kai: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kai is None:
            # as little as Kai's code is known by
            for sign in line_1().has:
                path = self.source / sign.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        self.work.mkdir(parents=True, exist_ok=True)
        self.home.mkdir()

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def work(self) -> Path:
        return self.directory / "work"

    @property
    def source(self) -> Path:
        return self.kai or self.work / "kai"

    @property
    def inventory(self) -> Path:
        return self.work / "inventory"

    @property
    def readings(self) -> Path:
        """Where a desk keeps what Ansible has read; no part of it."""
        return self.directory.with_name(f"{self.directory.name}-readings")

    @property
    def logs(self) -> list[Path]:
        """The logs of runs, the last one at the end."""
        return sorted((self.home / ".local" / "state" / "kai-ansible" / "runs").glob("*.jsonl"))

    @property
    def password_file(self) -> Path:
        return self.home / ".config" / "kai-ansible" / "vault-password"

    def answers(self, **settings: Any) -> dict[str, Any]:
        """Return an answers file of a valid installation: Ada has the OS user alice."""
        return {
            "host": {"source": str(self.source)},
            "users": [{"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}],
            "settings": {"TELEGRAM_BOT_TOKEN": TOKEN, **settings},
        }

    def host_vars(self, host: str = "localhost") -> Path:
        return self.inventory / "host_vars" / host

    def settings(self, host: str = "localhost") -> dict[str, Any]:
        """Return what kai.yml holds."""
        text = (self.host_vars(host) / "kai.yml").read_text(encoding="utf-8")
        return dict(yaml.safe_load(text))

    def secrets(self, host: str = "localhost") -> dict[str, Any]:
        """Return what vault.yml holds, opened with the password that the wizard made."""
        secret = VaultSecret(self.password_file.read_bytes().strip())
        locked = (self.host_vars(host) / "vault.yml").read_bytes()
        return dict(yaml.safe_load(VaultLib([("default", secret)]).decrypt(locked)))

    def environment(self, term: str = "dumb") -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{Path(KAI_ANSIBLE).parent}:{os.environ['PATH']}",
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "TERM": term,
            **STRICT_ANSIBLE,
            **self.variables,
        }

    def tree(self) -> Tree:
        """Return every file at the desk, the vault password too, with its mode and bytes.

        Left out is what every run leaves: its log, and Ansible's own scratch.
        """
        return {
            str(path.relative_to(self.directory)): (
                path.stat().st_mode,
                path.read_bytes() if path.is_file() else b"",
            )
            for path in sorted(self.directory.rglob("*"))
            if not {".ansible", ".local"} & set(path.relative_to(self.directory).parts)
        }

    def write(self, name: str, content: Any) -> Path:
        """Write text, or data as YAML, to a file of the working directory, and return its path."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run kai-ansible without a terminal. A traceback, or a key that no schema has, fails."""
        done = subprocess.run(
            [KAI_ANSIBLE, *arguments],
            cwd=self.work,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        _judge(done, arguments)
        return done

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Do what ``run`` does in a fork of this process, which reads the inventory by itself.

        That takes a fifth of the time. It is for what a command makes of variables; how Ansible
        reads them, and what it refuses, takes a whole command.
        """
        read_in_process.prepare()
        done = self.fork(_main_with_our_reading, *arguments)
        _judge(done, arguments)
        return done

    def run_again(
        self, *arguments: str, seconds: int = HANGS_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Do what ``run`` does in a fork of this process; Ansible reads no files twice.

        It is for what a command does on a host, where many follow with the same host_vars; its
        output may hold a traceback of the bot.
        seconds: how long it may take.
        """
        if "PYTHONPATH" in self.variables:
            # its modules are those of a Python that starts
            return self.run(*arguments)
        return self.fork(partial(_main_with_one_reading, self), *arguments, seconds=seconds)

    def fork(
        self, begin: Callable[[], None], *arguments: str, seconds: int = HANGS_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Begin kai-ansible without a terminal in a fork of this process, which imports little."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            child = _forked(os.fork)
            if child == 0:
                nothing = os.open(os.devnull, os.O_RDONLY)
                for number, stream in enumerate((nothing, out.fileno(), errors.fileno())):
                    os.dup2(stream, number)
                self._become(begin, arguments, "dumb", seconds)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said = []
            for file in (out, errors):
                file.seek(0)
                said.append(file.read())
        return subprocess.CompletedProcess(arguments, code, *said)

    def dialog(
        self,
        *arguments: str,
        term: str = "dumb",
        dimensions: tuple[int, int] = (ROWS, COLUMNS),
    ) -> pexpect.spawn:
        """Start what ``call`` does in a pseudo-terminal."""
        read_in_process.prepare()
        number, descriptor = _forked(pty.fork)
        if number == 0:
            termios.tcsetwinsize(0, dimensions)
            self._become(_main_with_our_reading, arguments, term)
        child = pexpect.spawn(None, encoding="utf-8", timeout=SECONDS)
        child.ptyproc = ptyprocess.PtyProcess(number, descriptor)
        child.pid, child.child_fd = number, descriptor
        child.closed = child.terminated = False
        child.delaybeforesend = None
        return child

    def _become(
        self,
        begin: Callable[[], None],
        arguments: tuple[str, ...],
        term: str,
        seconds: int = HANGS_SECONDS,
    ) -> NoReturn:
        """Become a command: its streams are the standard ones of this process by now."""
        code = 70
        try:
            heeding_signals()
            # as in a Python that starts
            signal.signal(signal.SIGINT, signal.default_int_handler)
            # something that pytest loads has loaded readline, which a command does not
            ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyOS_ReadlineFunctionPointer").value = None
            # what hangs ends by it
            signal.alarm(seconds)
            environment = self.environment(term)
            os.chdir(self.work)
            os.environ.clear()
            os.environ.update(environment)
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, "w" if n else "r") for n in range(3))
            sys.argv = ["kai-ansible", *arguments]
            begin()
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:  # noqa: BLE001 # nothing of it may reach the tests
            traceback.print_exc()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def given(self, content: Mapping[str, Any], *, probe: bool = False) -> None:
        """Configure the only host from an answers file, which has to succeed.

        On a bare desk what the same answers gave before is copied.
        """
        bare = not self.inventory.exists() and not probe and not self.variables
        content = {**content, "host": {**content["host"], "source": str(self.source)}}
        earlier = _GIVEN.get(_name_of(content)) if bare else None
        if earlier is not None:
            self.put_kept(earlier)
            return
        path = self.write("answers.yml", dict(content))
        command = ["config", "--no-input", "--answers", str(path)]
        start = self.call if bare else self.run
        done = start(*command, *([] if probe else ["--no-probe"]))
        assert done.returncode == 0, done.stdout + done.stderr
        path.unlink()
        if bare:
            _GIVEN[_name_of(content)] = self.kept()

    def kept(self) -> dict[str, str]:
        """Return the text of every file that a configuration wrote, for any other desk."""
        written = [path for path in self.inventory.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.directory)): path.read_text(encoding="utf-8").replace(
                str(self.source), _SOURCE
            )
            for path in [*written, self.password_file]
        }

    def put_kept(self, files: Mapping[str, str]) -> None:
        """Put files that another desk kept on this one."""
        for name, text in files.items():
            self.put(name, text.replace(_SOURCE, str(self.source)))

    def put(self, name: str, text: str) -> None:
        """Put a private file on the desk."""
        path = self.directory / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def install(self) -> str:
        """Install on the only host, which has to succeed, and return what was printed."""
        done = self.run("install")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def spawn(
        self,
        *arguments: str,
        program: str = KAI_ANSIBLE,
        term: str = "dumb",
        dimensions: tuple[int, int] = (ROWS, COLUMNS),
    ) -> pexpect.spawn:
        """Start kai-ansible, or another program, in a pseudo-terminal."""
        with warnings.catch_warnings():
            # a worker of pytest has threads, but the child only becomes another program
            warnings.simplefilter("ignore", DeprecationWarning)
            child = pexpect.spawn(
                program,
                list(arguments),
                cwd=str(self.work),
                env=self.environment(term),
                encoding="utf-8",
                timeout=SECONDS,
                dimensions=dimensions,
                preexec_fn=heeding_signals,
            )
        child.delaybeforesend = None
        return child

    def wizard(self, *arguments: str) -> Wizard:
        """Start the wizard in a dumb terminal; without arguments it does not look at the host.

        One that does is a whole command.
        """
        arguments = arguments or ("--no-probe",)
        start = self.dialog if "--no-probe" in arguments else self.spawn
        return Wizard(start("config", *arguments))


def _main_with_our_reading() -> None:
    inventory.read = read_in_process.reading
    main()


def _main_with_one_reading(desk: Desk) -> None:
    """Read what Ansible read of the same files, in the same environment."""

    def read(
        place: Path, pattern: str | None, arguments: Sequence[str] = (), **asks: bool
    ) -> Reading:
        # label@file, or a file
        passwords = [Path(word.rpartition("@")[2]).read_bytes() for word in arguments[1::2]]
        files = [desk.tree(), sorted(desk.environment().items())]
        asked = repr([files, place, pattern, arguments[::2], passwords, asks])
        kept = desk.readings / hashlib.sha256(asked.encode()).hexdigest()
        if kept.exists():
            found: Reading = pickle.loads(kept.read_bytes())
            return found
        found = reading.read(place, pattern, arguments, **asks)
        desk.readings.mkdir(mode=0o700, exist_ok=True)
        kept.write_bytes(pickle.dumps(found))
        return found

    inventory.read = read
    main()


def _forked(fork: Callable[[], T]) -> T:
    _import_commands()
    with warnings.catch_warnings():
        # a worker of pytest has threads, which wait
        warnings.simplefilter("ignore", DeprecationWarning)
        return fork()


@cache
def _import_commands() -> None:
    # so that no fork has to
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}")


def _judge(done: subprocess.CompletedProcess[str], arguments: tuple[str, ...]) -> None:
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    if "--json" in arguments:
        # with --progress the document is the last line
        checked(done.stdout.splitlines()[-1] if "--progress" in arguments else done.stdout)


def heeding_signals() -> None:
    """Let signals end a child, also when the tests run in the background and ignore them."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _name_of(content: Mapping[str, Any]) -> str:
    return json.dumps({**content, "host": {**content["host"], "source": _SOURCE}})


def interrupt(child: pexpect.spawn) -> None:
    """Press Ctrl-C at a prompt until the program ends.

    Python notices a signal between a prompt and its read only with the next one.
    """
    deadline = time.monotonic() + SECONDS
    child.sendintr()
    while child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=2):
        assert time.monotonic() < deadline, f"it goes on: {child.before}"
        child.sendintr()


def exit_code(child: pexpect.spawn) -> int:
    """Return how a program in a terminal ended; a signal that killed it fails."""
    child.close()
    assert child.signalstatus is None
    return int(child.exitstatus)


LABELS = {
    key: spec.prompt
    for part in ("host", "settings", "user_fields")
    for key, spec in getattr(contract(), part).items()
}
REVIEW = "What next?"
WHICH = "Which section?"
FIELDS = "Fields of Ada"
KEEP = "Save your answers and continue later"
MENUS = (REVIEW, WHICH, "Users", FIELDS)
# the section that asks for a key, by the title that the review offers
SECTIONS = {
    key: contract().sections[spec.section]
    for part in ("host", "settings")
    for key, spec in getattr(contract(), part).items()
    if spec.asked != "never"
}
_KEYS = {label: key for key, label in LABELS.items()}
_LABEL = "|".join(
    [
        *(re.escape(label) for label in sorted(_KEYS, key=len, reverse=True)),
        r"Model of \w+",
        r"What next\?",
        r"Which section\?",
        "Users",
        r"Fields of \w+",
    ]
)
_PROMPT = re.compile(
    rf"(?P<choice>{_LABEL})(?: \(for [^\r\n]*\))?\r\n"
    rf"(?P<choices>(?:  \d+\. [^\r\n]*\r\n)+)Number or name \(\? for help\): "
    # the fields of a user are a list of labels, which may arrive line by line
    rf"|^(?P<line>{_LABEL}|Vault password)"
    r"(?: \([^\r\n]*?\))*(?: [^\r\n ]*\?)?(?: \[(?P<default>[^\r\n]*)\])?: ",
    re.MULTILINE,
)
