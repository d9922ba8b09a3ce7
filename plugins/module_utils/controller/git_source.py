# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a source with git. No configuration of the source runs a program.

Configuration, hooks and attributes of a checkout or a repository can name programs in so many ways
that no list of them would be whole. So git is started here alone, always with a directory of its
own as its repository: of a checkout it reads the index, of another repository what it fetches.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from ..host.system import name_of
from ..rules.network_environment import secrets_of
from ..rules.problems import Refused
from ..rules.redact import masked
from .source_limits import MOST_UNPACKED, Allowance, too_much

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

READ_SECONDS = 120
FETCH_SECONDS = 600
# a server that sends nothing for so long is given up
SILENT_SECONDS = 60
MOST_OUTPUT = 16 << 20
MOST_WORDS = 4096
# a pack, and the files of one ref
MOST_ON_DISK = 2 * MOST_UNPACKED
_POLL_SECONDS = 0.5
PROTOCOLS = "https:http:ssh:git:file"
# how an operator reaches repositories; git must ignore the rest of the environment
# for this: GIT_DIR, which hooks have, names another repository, GIT_TRACE writes passwords down
_OPERATORS = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|PROXY_COMMAND|EXEC_PATH|SSL_\w+|HTTP_\w+"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))"
)
_OPTIONS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
_DIRECTORY = "git"
_ENDS = (signal.SIGINT, signal.SIGTERM)


class Checkout(NamedTuple):
    """The directories in which git keeps the state of a work tree.

    git: its own directory. shared: that of all work trees of the repository. top: the work tree.
    """

    git: str
    shared: str
    top: str


def operators_environment() -> dict[str, str]:
    """Return the operator's environment, without variables that would lead git elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or _OPERATORS.fullmatch(name)
    }
    return {**kept, "PATH": _search_path()}


def _search_path() -> str:
    # git runs in the source, where a directory like "." would be the source itself
    named = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(filter(os.path.isabs, named)) or os.defpath


class Git:
    """Git, in a new directory that holds its repository. Each call raises Refused.

    source: the source that it reads, for messages.
    """

    def __init__(self, scratch: str, source: str, object_format: str = "sha1") -> None:
        self.scratch, self.source = scratch, source
        self.directory = os.path.join(scratch, _DIRECTORY)
        self.own = {
            "GIT_DIR": self.directory,
            "GIT_ALLOW_PROTOCOL": PROTOCOLS,
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ATTR_NOSYSTEM": "1",
        }
        self.inert = {
            "PATH": _search_path(),
            "LC_ALL": "C",
            # git before 2.32 knows no GIT_CONFIG_GLOBAL
            "HOME": scratch,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DEFAULT_HASH": object_format,
        }
        os.makedirs(scratch, exist_ok=True)
        self.run("init", "--quiet", "--template=")

    def run(self, *arguments: str, cwd: str | None = None, **more: str) -> bytes:
        """Return the output of a command on which only our configuration has an effect.

        more: variables of its environment.
        """
        return self._run(arguments, {**self.inert, **self.own, **more}, READ_SECONDS, cwd)

    def fetch(self, url: str, version: str, environment: Mapping[str, str]) -> None:
        """Fetch a ref as the operator would, with the configuration and credentials of theirs.

        environment: variables of the network.
        """
        slow = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": str(SILENT_SECONDS)}
        only = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"]
        found = {**slow, **operators_environment(), **environment, **self.own}
        try:
            self._run(["fetch", *only, "--", url, version], found, FETCH_SECONDS)
        except Refused as error:
            if error.problem:
                raise
            raise Refused(masked(str(error), secrets_of(environment))) from error

    def _run(
        self,
        arguments: list[str] | tuple[str, ...],
        environment: dict[str, str],
        seconds: int,
        cwd: str | None = None,
    ) -> bytes:
        options = [part for pair in _OPTIONS.items() for part in ("-c", "=".join(pair))]
        command = ["git", "--no-pager", *options, *arguments]
        try:
            # a slow command has started others, which AnsibleModule would leave behind
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd or self.scratch,
                env=environment,
                # without a terminal nothing can ask there and wait
                start_new_session=True,
            )
        except FileNotFoundError as error:
            if error.filename != command[0]:
                raise
            raise Refused(
                "git is not installed on the machine that runs Ansible. Fix: install it"
            ) from error
        with process, _ended_on_signals(process.pid):
            try:
                said, words = self._said(process, time.monotonic() + seconds)
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, TimeoutError):
                    raise Refused(
                        f"git {arguments[0]} did not end within {seconds} s. Fix: try the same in "
                        f"a terminal, where git can ask; name a source that answers"
                    ) from error
                raise
        # some commands go on without files that they could not read
        if process.returncode != 0 or re.search(r"^(error|fatal): ", words, re.MULTILINE):
            raise Refused(
                f"git failed: {words.strip()}. Fix: correct kai_install_source or "
                f"kai_install_version; git ls-remote lists what a repository has"
            )
        return said

    def _said(self, process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, str]:
        """Return the output of a process that ends, and the end of its words.

        Raises TimeoutError when it does not end, and Refused when it writes too much.
        """
        held = {process.stdout: bytearray(), process.stderr: bytearray()}
        looked, too_large = 0.0, False
        with selectors.DefaultSelector() as waiting:
            for stream in held:
                waiting.register(stream, selectors.EVENT_READ)  # type: ignore[arg-type]
            while True:
                # asked first: what it said before it ended can be read afterwards. What it has
                # started may hold the other ends, as the master of ssh's connections does
                ended = process.poll() is not None
                ready = waiting.select(0 if ended else _POLL_SECONDS) if waiting.get_map() else []
                for key, _event in ready:
                    piece = os.read(key.fd, 65536)
                    if not piece:
                        waiting.unregister(key.fileobj)
                    held[key.fileobj] += piece  # type: ignore[index]
                del held[process.stderr][:-MOST_WORDS]
                if not waiting.get_map():
                    # it has closed its output, and ends or goes on
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_POLL_SECONDS)
                now = time.monotonic()
                done = ended and not ready
                if done or now - looked > _POLL_SECONDS:
                    looked = now
                    too_large = size_of(self.scratch) > MOST_ON_DISK
                if too_large or len(held[process.stdout]) > MOST_OUTPUT:
                    raise too_much(self.source)
                if done:
                    words = held[process.stderr].decode(errors="replace")
                    return bytes(held[process.stdout]), words
                if now > deadline:
                    raise TimeoutError


@contextlib.contextmanager
def _ended_on_signals(group: int) -> Iterator[None]:
    """End a group of processes before a signal ends us: a worker of Ansible then exits at once.

    Git would go on, and would not end what it has started itself.
    """
    # Python takes signals in the main thread alone
    is_main = threading.current_thread() is threading.main_thread()
    found = {number: signal.getsignal(number) for number in _ENDS if is_main}
    former = {int(number): handler for number, handler in found.items() if callable(handler)}

    def end(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        former[number](number, frame)

    try:
        for number in former:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def size_of(directory: str) -> int:
    """Return how much the files below a directory hold that others may remove meanwhile."""
    size = 0
    for parent, _directories, files in os.walk(directory):
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(parent, name)).st_size
    return size


def checkout_of(path: str) -> Checkout | None:
    """Return the checkout that contains a directory, found as git does, None without one.

    Raises Refused when what should be one cannot be read, or when another account has put it above
    the directory: its index would choose what of that is read.
    """
    place = os.path.realpath(path)
    accounts = {0, os.geteuid(), os.stat(place).st_uid}
    while True:
        marker = os.path.join(place, ".git")
        if os.path.lexists(marker):
            found = repository_at(marker, place)
            # a link may lead to a repository of another owner
            owners = {os.lstat(marker).st_uid, os.stat(marker).st_uid} - accounts
            if found and place != os.path.realpath(path) and owners:
                uid = owners.pop()
                raise Refused(
                    f"{path}: found {marker}, which belongs to {name_of(uid) or uid}, expected "
                    f"a checkout of your own. Fix: move {path} elsewhere"
                )
            if found:
                return found
            if place == os.path.realpath(path):
                raise Refused(
                    f"{marker} is not a repository of git. Fix: remove it, or clone again"
                )
        if place == "/":
            return None
        place = os.path.dirname(place)


def repository_at(marker: str, top: str) -> Checkout | None:
    """Return the checkout whose ``.git`` is given, None when that is none."""
    directory = os.path.join(top, pointed_at(marker, "gitdir: ") or "")
    directory = marker if os.path.isdir(marker) else directory
    shared = os.path.join(directory, pointed_at(os.path.join(directory, "commondir"), "") or "")
    if not os.path.lexists(os.path.join(directory, "HEAD")):
        return None
    return Checkout(directory, shared, top)


def pointed_at(path: str, begins: str) -> str | None:
    """Return the rest of a file of one line after its beginning, None for any other file."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as handle:
        line = os.fsdecode(handle.read(MOST_WORDS)).rstrip("\n")
    return line[len(begins) :] if line.startswith(begins) else None


def files_of_index(path: str) -> list[str]:
    """Return the files that determine which files git tracks below a directory. Raises Refused."""
    checkout = checkout_of(path)
    if checkout is None:
        return []
    parts = re.compile(r"index|sharedindex\..*")
    names = filter(parts.fullmatch, os.listdir(checkout.git))
    return [
        os.path.join(checkout.top, ".git"),
        *(os.path.join(checkout.git, name) for name in names),
    ]


def places_of_repository(url: str) -> list[str]:
    """Return the files and directories with a repository of this machine, nothing for another URL.

    Git adds ``.git`` to a path if it needs to.
    """
    if not url.startswith("file://"):
        return []
    path = f"/{unquote(url[len('file://') :])}"
    found = []
    for top in (path, f"{path}.git"):
        marker = os.path.join(top, ".git")
        checkout = repository_at(marker, top) if os.path.lexists(marker) else None
        found += [marker, checkout.git, checkout.shared] if checkout else [top]
    return found


def tracked(path: str) -> list[str] | None:
    """Return the files that git tracks below a directory, None without any. Raises Refused."""
    checkout = checkout_of(path)
    if checkout is None:
        return None
    with tempfile.TemporaryDirectory(prefix="kai-source-") as scratch:
        git = Git(scratch, path)
        config = os.path.join(checkout.shared, "config")
        asked = ["--file", config, "--no-includes", "--default=sha1", "extensions.objectformat"]
        if os.path.isfile(config):
            form = git.run("config", *asked).decode().strip()
            git = Git(os.path.join(scratch, "other"), path, form) if form != "sha1" else git
        for name in os.listdir(checkout.git):
            # the index may be in two parts
            if name.startswith("sharedindex."):
                os.symlink(os.path.join(checkout.git, name), os.path.join(git.directory, name))
        names = git.run(
            "ls-files",
            "-z",
            cwd=path,
            GIT_WORK_TREE=checkout.top,
            GIT_INDEX_FILE=os.path.join(checkout.git, "index"),
            # an index that leaves directories out is filled from them
            GIT_ALTERNATE_OBJECT_DIRECTORIES=os.path.join(checkout.shared, "objects"),
        )
    return list(dict.fromkeys(os.fsdecode(name) for name in names.split(b"\0") if name)) or None


@contextlib.contextmanager
def fetched(
    url: str, version: str | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, list[str]]]:
    """A directory with the files of a ref of a repository, and their names. Raises Refused."""
    with tempfile.TemporaryDirectory(prefix="kai-source-") as scratch:
        git = Git(scratch, url)
        git.fetch(url, version or "HEAD", environment)
        listed = git.run("ls-tree", "-r", "-z", "--long", "--full-tree", "FETCH_HEAD")
        allowance = Allowance(url)
        names = []
        for entry in listed.split(b"\0")[:-1]:
            about, name = entry.split(b"\t", 1)
            size = about.split()[3]
            allowance.take(int(size) if size.isdigit() else 0)
            names.append(os.fsdecode(name))
        tree = os.path.join(scratch, "tree")
        os.mkdir(tree)
        # as in a checkout of the operator's, and not as archives are exported
        checkout = ["checkout", "--quiet", "--detach", "--force", "FETCH_HEAD"]
        git.run(*checkout, GIT_WORK_TREE=tree)
        yield tree, names
