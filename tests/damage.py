"""What may have become of a file: something else in its place, or another content."""

import contextlib
import itertools
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

HUGE_BYTES = 1 << 33


def in_place_of(plant: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what puts something else in the place of a file or directory."""

    def damage(path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        plant(path)

    return damage


def elsewhere(path: Path) -> Path:
    """Return another directory, with a directory and a link in it."""
    place = path.parent / "elsewhere"
    (place / "one").mkdir(parents=True)
    (place / "link").symlink_to("one")
    return place


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(path.parent):
        listener.bind(path.name)


def sparse(path: Path) -> None:
    with path.open("wb") as handle:
        handle.truncate(HUGE_BYTES)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "a named pipe": in_place_of(os.mkfifo),
    "a socket": in_place_of(a_socket),
    "a link to nothing": in_place_of(lambda path: path.symlink_to("nowhere")),
    "a link to a file": in_place_of(lambda path: path.symlink_to("/etc/passwd")),
    "a link to a directory": in_place_of(lambda path: path.symlink_to(elsewhere(path))),
    "a link to itself": in_place_of(lambda path: path.symlink_to(path.name)),
    "a device": in_place_of(lambda path: path.symlink_to("/dev/zero")),
}
CONTENTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut by one": lambda content: content.rstrip()[:-1],
    "NUL": lambda content: bytes(len(content)),
    "NUL behind it": lambda content: content + bytes(100),
    "NUL within": lambda content: content[:9] + b"\0" + content[9:],
    "Latin-1": lambda content: content[:9] + "é".encode("latin-1") + content[9:],
    "half a character": lambda content: content + "é".encode()[:1],
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "twice": lambda content: content + content,
    "nested lists": lambda content: b"[" * 10**5,
    "nested mappings": lambda content: b'{"a":' * 10**5,
    "nested and closed": lambda content: b"[" * 500 + b"]" * 500,
    "a number": lambda content: b"1" * 10**5,
    "null": lambda content: b"null",
    "text": lambda content: b'"' + b"x" * 1000 + b'"',
    "a list": lambda content: b"[]",
    "a mapping": lambda content: b"{}",
    "words": lambda content: b"no record at all\n",
    "random": lambda content: bytes(itertools.islice(itertools.cycle(range(256)), 4096)),
}
# what is no file that can be read
UNREADABLE: dict[str, Callable[[Path], object]] = {
    **NO_FILES,
    "a directory": in_place_of(Path.mkdir),
    "huge": sparse,
}
DAMAGES: dict[str, Callable[[Path], object]] = {
    **UNREADABLE,
    **{
        name: (lambda path, change=change: path.write_bytes(change(path.read_bytes())))
        for name, change in CONTENTS.items()
    },
}
# contents that are no text
NOT_TEXT = {"NUL", "NUL behind it", "NUL within", "Latin-1", "half a character", "UTF-16", "random"}
