"""Write files atomically, and keep private directories, whatever signal arrives."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shlex
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import FrameType

from kai_ansible.errors import usage_error
from kai_ansible.operator import give_to_owner_of

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PRIVATE = "kai-ansible-run-"
# the file in which the runner notes the process of Ansible
RUN_PID = "pid"
_POLL_SECONDS = 0.2
_REMOVE_SECONDS = 10


@contextmanager
def uninterrupted(notice: Callable[[], object] = lambda: None) -> Iterator[list[int]]:
    """Let the signals that end a command wait until the block is done.

    notice: called when one arrives; it may end the block early, and must not raise.
    Yields the numbers of the signals that wait.
    """
    waiting: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        waiting.append(number)
        notice()

    # Python runs handlers in the main thread alone; what is ignored has none
    is_main = threading.current_thread() is threading.main_thread()
    found = {number: signal.getsignal(number) for number in ENDS} if is_main else {}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    try:
        for number in handlers:
            signal.signal(number, wait)
        yield waiting
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


@contextmanager
def private_directory() -> Iterator[Path]:
    """Create a directory for secrets, 0700, and remove it with everything in it at the end.

    The directories of commands that were killed go first. One is in use while its lock is held,
    which ends with the command, or while the Ansible that it started runs.
    Raises CommandError where every account can exchange it for another one.
    """
    _refuse_open(Path(tempfile.gettempdir()))
    directory: Path | None = None
    lock: int | None = None
    try:
        with uninterrupted():
            _remove_left()
            # it has the name to look for once it is locked
            made = Path(tempfile.mkdtemp(prefix=f".{_PRIVATE}"))
            directory = made
            lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
            # a file system without locks, such as NFS, has none for the other side either
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            # a name that nobody else can take before
            directory = made.rename(made.with_name(f"{_PRIVATE}{secrets.token_hex(4)}"))
        yield directory
    finally:
        with uninterrupted():
            if directory:
                _remove(directory)
            if lock is not None:
                os.close(lock)


def _refuse_open(place: Path) -> None:
    mode = place.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise usage_error(
            str(place),
            "a temporary directory in which every account can rename the files of others",
            "one with the sticky bit, or of yours",
            f"chmod +t {shlex.quote(str(place))}, or TMPDIR=/your/directory before the command",
        )


def _remove_left() -> None:
    place = Path(tempfile.gettempdir())
    # who owns it may give any directory of ours such a name
    if place.stat().st_uid not in (0, os.geteuid()):
        return
    for path in place.glob(f"{_PRIVATE}*"):
        # another user's, or gone by now
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.geteuid() and not _runs_alone(path):
                    shutil.rmtree(path)
            finally:
                os.close(lock)


def _runs_alone(directory: Path) -> bool:
    """Return whether Ansible still uses a directory: only Linux ends it with the command."""
    try:
        os.kill(int((directory / RUN_PID).read_text(encoding="ascii")), 0)
    except (OSError, ValueError):
        return False
    return True


def _remove(directory: Path) -> None:
    # a process of Ansible that is about to end may still write there
    deadline = time.monotonic() + _REMOVE_SECONDS
    shutil.rmtree(directory, ignore_errors=True)
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        shutil.rmtree(directory, ignore_errors=True)


def make_private_directory(path: Path) -> list[Path]:
    """Create a directory and its parents, 0700, with the owner of the tree; return the new ones."""
    missing = [parent for parent in (path, *path.parents) if not parent.exists()]
    for directory in reversed(missing):
        directory.mkdir(mode=0o700)
        give_to_owner_of(directory.parent, directory)
    return missing[::-1]


@contextmanager
def _unmade_on_error() -> Iterator[list[Path]]:
    """Give a list of directories, which are removed again after an error, the last one first."""
    made: list[Path] = []
    try:
        yield made
    except OSError:
        for directory in reversed(made):
            # another process may use it by now
            with suppress(OSError):
                directory.rmdir()
        raise


def write_files(texts: Mapping[Path, str]) -> None:
    """Write files. A new one is 0600; of one that is there, a link stays one, owner and mode stay.

    A file that cannot be replaced with its owner and in its directory, such as one that a group
    shares, is written over in place. Raises OSError; a file that was not begun is then as it was.
    A signal waits until all are written.
    """
    staged: list[tuple[Path | None, Path, str]] = []
    with uninterrupted(), _unmade_on_error() as made:
        try:
            for path, text in texts.items():
                target = _followed(path) if path.is_symlink() else path
                if target.exists() and not target.is_file():
                    raise OSError(errno.EINVAL, "not a regular file", str(path))
                made += make_private_directory(target.parent)
                staged.append((_staged(target, text), target, text))
            # a full disk may stop these, but no rename
            for temporary, target, text in staged:
                if temporary is None:
                    _write_over(target, text)
            for temporary, target, _text in staged:
                if temporary:
                    temporary.replace(target)
        finally:
            for temporary, _target, _text in staged:
                if temporary:
                    temporary.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Let an error of a file that is open already name it, as one of opening it does."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _fill(descriptor: int, text: str, path: Path) -> None:
    """Write a text to the disk, and close the file. path: the one to name in an error."""
    with named(path), os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def _followed(link: Path) -> Path:
    """Return what a link names. Raises OSError as root, where another account may turn it."""
    if os.geteuid() == 0 and link.lstat().st_uid != 0:
        raise PermissionError(
            errno.EPERM, "as root, the link of another account; run this without sudo", str(link)
        )
    return link.resolve()


def _staged(target: Path, text: str) -> Path | None:
    """Return a file beside a target that can replace it; None where it must be written over."""
    there = target.exists()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except PermissionError:
        if there and os.access(target, os.W_OK):
            return None
        raise
    temporary = Path(name)
    is_whole = False
    try:
        _fill(descriptor, text, target)
        if not there:
            give_to_owner_of(target.parent, temporary)
        is_whole = not there or _is_like(target, temporary)
    finally:
        if not is_whole:
            temporary.unlink()
    return temporary if is_whole else None


def _is_like(target: Path, temporary: Path) -> bool:
    """Give a file the owner, mode and access list of another; return whether it has them."""
    known = target.stat()
    try:
        os.chown(temporary, known.st_uid, known.st_gid)
        # a change of owner clears bits, so the mode comes last
        temporary.chmod(stat.S_IMODE(known.st_mode))
        # Linux keeps access lists and labels there; another system has none to copy
        for attribute in os.listxattr(target) if hasattr(os, "listxattr") else ():
            os.setxattr(temporary, attribute, os.getxattr(target, attribute))
    except OSError:
        return False
    return True


def _write_over(path: Path, text: str) -> None:
    """Replace the content of a file. Raises OSError; then the file has its former content."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    with named(path), os.fdopen(descriptor, "r+b", buffering=0) as handle:
        former = handle.read()
        try:
            _rewrite(handle, text.encode())
        except OSError:
            # on a full disk these bytes still have their place
            _rewrite(handle, former)
            raise


def _rewrite(handle: FileIO, content: bytes) -> None:
    handle.seek(0)
    rest = memoryview(content)
    while rest:
        rest = rest[handle.write(rest) :]
    handle.truncate()
    os.fsync(handle.fileno())


def from_here(path: Path) -> Path:
    """Return a path as an operator writes it, below the directory that they are in."""
    # that may be gone
    with suppress(OSError, ValueError):
        return path.relative_to(Path.cwd())
    return path


def is_there(path: Path) -> bool:
    """Return whether a path exists. A path that cannot be checked counts as existing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
