"""What a backup has to keep of a tree, however deep and odd; on a host as well.

As a program it prints a digest of that for each path that it is given.
"""

import functools
import grp
import hashlib
import os
import pwd
import stat
import sys
from collections.abc import Iterator
from typing import Any

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_PIECE = 4096


def state(root: int) -> dict[bytes, tuple[Any, ...]]:
    """Return what is to be kept of everything below an open directory, by path."""
    found: dict[bytes, tuple[Any, ...]] = {b"": _state(root)}
    names_of: dict[tuple[int, int], list[bytes]] = {}
    for path, here, name in _entries(root):
        status = os.stat(name, dir_fd=here, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            found[path] = ("link", _common(status)[1:], os.readlink(name, dir_fd=here))
        elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=here)
            found[path] = _state(opened)
            os.close(opened)
            if stat.S_ISREG(status.st_mode):
                names_of.setdefault((status.st_dev, status.st_ino), []).append(path)
        else:
            found[path] = ("neither",)
    for names in names_of.values():
        for name in names:
            found[name] = (*found[name], names)
    return found


def _entries(root: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield every path below a directory, with an open parent and the name in it."""
    here = os.dup(root)
    waiting = [_names(here)]
    names: list[bytes] = []
    while waiting:
        if not waiting[-1]:
            waiting.pop()
            if names:
                names.pop()
                above = os.open("..", DIRECTORY, dir_fd=here)
                os.close(here)
                here = above
            continue
        name = waiting[-1].pop()
        yield b"/".join([*names, name]), here, name
        if stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            inside = os.open(name, DIRECTORY, dir_fd=here)
            os.close(here)
            here = inside
            names.append(name)
            waiting.append(_names(here))
    os.close(here)


def _names(here: int) -> list[bytes]:
    with os.scandir(here) as entries:
        return sorted((os.fsencode(entry.name) for entry in entries), reverse=True)


def _common(status: os.stat_result) -> tuple[Any, ...]:
    # another host has other numbers for them
    owners = (_user(status.st_uid), _group(status.st_gid))
    return stat.S_IMODE(status.st_mode), *owners, status.st_mtime_ns


@functools.lru_cache(None)
def _user(uid: int) -> Any:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return uid


@functools.lru_cache(None)
def _group(gid: int) -> Any:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return gid


def _state(descriptor: int) -> tuple[Any, ...]:
    status = os.fstat(descriptor)
    # file systems list them in the order in which they were set
    names = sorted(os.listxattr(descriptor))
    attributes = {name: os.getxattr(descriptor, name) for name in names}
    if stat.S_ISDIR(status.st_mode):
        return "directory", _common(status), attributes
    return "file", _common(status), attributes, status.st_size, _digest(descriptor, status.st_size)


def _digest(descriptor: int, size: int) -> str:
    """Return a digest of a file in which a hole is the same as zeros."""
    found, place = hashlib.sha256(), 0
    while place < size:
        try:
            place = os.lseek(descriptor, place, os.SEEK_DATA) // _PIECE * _PIECE
        except OSError:
            break
        end = os.lseek(descriptor, place, os.SEEK_HOLE)
        while place < end:
            piece = os.pread(descriptor, _PIECE, place).rstrip(b"\0")
            if piece:
                found.update(b"%d:" % place + piece)
            place += _PIECE
    return found.hexdigest()


def main() -> None:
    """Print the digests."""
    for path in sys.argv[1:]:
        opened = os.open(path, DIRECTORY)
        found = sorted(item for item in state(opened).items() if item[1] != ("neither",))
        print(len(found), hashlib.sha256(repr(found).encode()).hexdigest())
        os.close(opened)


if __name__ == "__main__":
    main()
