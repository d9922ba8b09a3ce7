"""Trees as agents and the service can leave them in a data directory: drawn, made and compared."""

import contextlib
import os
import shutil
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from kai_ansible.host.backup_laying import Laying
from kai_ansible.host.data_copy import StagingArea
from kai_ansible.host.layout import Tree
from kai_ansible.host.layout_journal import LayoutJournal
from kai_ansible.host.removal import remove_everything
from tests.tree_state import DIRECTORY, state

ROOT = os.getuid() == 0
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
# of accounts that there are and that there are not
NUMBERS = [1, 2, 65534, 54321]
# one of them, and one to which nothing in a tree belongs
FORMER, OWNER = 1, "sys"


@dataclass
class Node:
    """What has a name in a tree, but for a directory's members."""

    kind: str
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    time: int = 0
    attributes: dict[str, bytes] = field(default_factory=dict)
    # content, target, or where a sparse file has data
    content: Any = b""
    size: int = 0
    members: dict[bytes, "Node"] = field(default_factory=dict)
    # of a chain of directories
    depth: int = 1


def access_list(draw: Any, *, default: bool = False) -> bytes:
    """Return an access list as the kernel takes it."""
    rights = st.integers(0, 7)
    entries = [(0x01, 7 if default else draw(rights), 0xFFFFFFFF)]
    users = draw(st.lists(st.sampled_from(NUMBERS), max_size=3, unique=True))
    groups = draw(st.lists(st.sampled_from(NUMBERS), max_size=3, unique=True))
    entries += [(0x02, draw(rights), number) for number in sorted(users)]
    entries.append((0x04, draw(rights), 0xFFFFFFFF))
    entries += [(0x08, draw(rights), number) for number in sorted(groups)]
    if users or groups:
        entries.append((0x10, draw(rights), 0xFFFFFFFF))
    entries.append((0x20, draw(rights), 0xFFFFFFFF))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NAMES = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.sampled_from(
        [b"a\nb", b"\xff\xfe", b"-rf", b"a b", b"%s", b"\x1b[31m", b"\xc3\xa9", b"'\"$"]
    ),
    st.integers(200, 255).map(lambda length: b"n" * length),
).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
GOOD_NAMES = NAMES.filter(lambda name: name not in (b".", b".."))
TIMES = st.one_of(
    st.integers(0, 2**33 * 10**9),
    st.integers(-(2**31) * 10**9, 0),
    st.sampled_from([2**41 * 10**9, -(2**41) * 10**9, -1, 1, 999_999_999, 2**62]),
)
ATTRIBUTES = st.dictionaries(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20).map(
        lambda name: f"user.{name}"
    ),
    st.binary(max_size=200),
    max_size=3,
)


@st.composite
def nodes(draw: Any, depth: int = 0) -> Node:
    """Draw what has a name."""
    kinds = ["file", "file", "sparse", "link", "pipe", "socket", "again", "many"]
    kind = draw(st.sampled_from([*kinds, *(["directory"] * 4 + ["chain"] if depth < 4 else [])]))
    node = Node(
        kind,
        mode=draw(st.integers(0, 0o777)),
        owner=draw(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))),
        time=draw(TIMES),
    )
    if kind in ("file", "sparse", "directory") and draw(st.booleans()):
        node.attributes = draw(ATTRIBUTES)
        if draw(st.booleans()):
            node.attributes[ACCESS] = access_list(draw)
        if kind == "directory" and draw(st.booleans()):
            node.attributes[DEFAULT] = access_list(draw, default=True)
    if kind == "file":
        node.content = draw(st.binary(max_size=2000)) * draw(st.sampled_from([1, 1, 1, 200]))
    elif kind == "sparse":
        node.size = draw(st.sampled_from([1, 4096, 10**6, 2**33 + 1, 15 * 2**40 + 7]))
        places = st.integers(0, max(node.size - 1, 0))
        node.content = draw(st.lists(st.tuples(places, st.binary(max_size=100)), max_size=5))
    elif kind == "link":
        node.content = draw(st.one_of(GOOD_NAMES, st.just(b"/etc/shadow"), st.just(b"../" * 900)))
    elif kind in ("again", "many"):
        node.size = draw(st.integers(0, 1000))
    elif kind == "directory":
        node.members = draw(st.dictionaries(GOOD_NAMES, nodes(depth + 1), max_size=6))
    elif kind == "chain":
        node.content = draw(GOOD_NAMES)
        node.depth = draw(st.sampled_from([5, 20, 20, 70, 70, 70, 70, 1200]))
    return node


TREES = st.dictionaries(GOOD_NAMES, nodes(), max_size=6)


def make(here: int, members: dict[bytes, Node]) -> None:
    """Make a tree in an open directory."""
    _make(here, members, [], here)


def _make(here: int, members: dict[bytes, Node], files: list[tuple[int, bytes]], root: int) -> None:
    for name, node in members.items():
        if node.kind in ("directory", "chain"):
            _directory(here, name, node, files, root)
        elif node.kind == "link":
            os.symlink(node.content, name, dir_fd=here)
            if ROOT:
                os.chown(name, *node.owner, dir_fd=here, follow_symlinks=False)
            os.utime(name, ns=(node.time, node.time), dir_fd=here, follow_symlinks=False)
        elif node.kind == "pipe":
            os.mkfifo(name, dir_fd=here)
        elif node.kind == "socket":
            # a path to it may be too long
            if len(name) < 90:
                with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
                    bound.bind(b"/proc/self/fd/%d/%s" % (here, name))
        elif node.kind == "again" and files:
            parent, other = files[node.size % len(files)]
            os.link(other, name, src_dir_fd=parent, dst_dir_fd=here, follow_symlinks=False)
        elif node.kind == "many":
            _many(here, name, node.size)
        else:
            _file(here, name, node)
            files.append((os.dup(here), name))
    if here == root:
        for parent, _name in files:
            os.close(parent)


def _many(here: int, name: bytes, count: int) -> None:
    os.mkdir(name, dir_fd=here)
    inside = os.open(name, DIRECTORY, dir_fd=here)
    for number in range(count % 50):
        os.close(os.open(b"%d" % number, os.O_CREAT | os.O_WRONLY, dir_fd=inside))
    os.close(inside)


def _directory(
    here: int, name: bytes, node: Node, files: list[tuple[int, bytes]], root: int
) -> None:
    os.mkdir(name, dir_fd=here)
    inside = os.open(name, DIRECTORY, dir_fd=here)
    for _level in range(node.depth - 1):
        os.mkdir(node.content, dir_fd=inside)
        following = os.open(node.content, DIRECTORY, dir_fd=inside)
        os.close(inside)
        inside = following
    if node.kind == "chain":
        os.close(os.open(b"bottom", os.O_CREAT | os.O_WRONLY, dir_fd=inside))
    _make(inside, node.members, files, root)
    _settle(inside, node)
    os.close(inside)


def _file(here: int, name: bytes, node: Node) -> None:
    made = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=here)
    if node.kind == "sparse":
        os.ftruncate(made, node.size)
        for place, piece in node.content:
            os.pwrite(made, piece[: node.size - place], place)
    else:
        os.write(made, node.content)
    _settle(made, node)
    os.close(made)


def _settle(descriptor: int, node: Node) -> None:
    if ROOT:
        os.chown(descriptor, *node.owner)
    # what cannot be searched is root's alone to walk
    os.chmod(descriptor, node.mode if ROOT else node.mode | 0o700)
    for name, value in node.attributes.items():
        # a file system has its own limits
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, name, value)
    os.utime(descriptor, ns=(node.time, node.time))


class Host:
    """A directory that stands for a host with data."""

    def __init__(self, root: Path, module: Any) -> None:
        self.root = root
        self.module = module
        self.place = StagingArea(str(root / "kai"))
        Path(self.place.data_dir).mkdir(parents=True)

    @contextlib.contextmanager
    def data(self) -> Iterator[int]:
        opened = os.open(self.place.data_dir, DIRECTORY)
        try:
            yield opened
        finally:
            os.close(opened)

    def fill(self, tree: dict[bytes, Node]) -> dict[bytes, tuple[Any, ...]]:
        with self.data() as here:
            make(here, tree)
            return state(here)

    def state(self) -> dict[bytes, tuple[Any, ...]]:
        with self.data() as here:
            return state(here)

    def backup(self, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.module.make(
            {
                "install_dir": str(self.root / "opt"),
                "data_dir": self.place.data_dir,
                "service_user": "daemon",
                "database": "/elsewhere/kai.db",
                "config_files": [],
                "host": "bot",
                "host_vars": {},
                "complete": False,
                **more,
            }
        )
        return found

    def restore(self, archive: str) -> Laying:
        """Lay a backup out, and put it into the place of the data."""
        self.place.make()
        shutil.copy(archive, self.place.archive)
        laying = Laying(self.place, {})
        with Path(self.place.archive).open("rb") as handle:
            laying.run(handle)
        self.place.exchange()
        self.place.discard()
        return laying

    def install(self) -> LayoutJournal:
        """Give the data from one account to another, as an install does that finds it another's."""
        os.chown(self.place.data_dir, FORMER, FORMER)
        journal = LayoutJournal(str(self.root / "opt" / "installs"))
        entry = {"path": self.place.data_dir, "owner": OWNER, "group_of": OWNER, "mode": "2750"}
        assert Tree(None, dry=False, journal=journal).ensure([entry], []) == []
        return journal

    def purge(self) -> None:
        parent = os.open(self.root, DIRECTORY)
        try:
            remove_everything(parent, self.place.data_dir, os.fstat(parent).st_dev)
        finally:
            os.close(parent)
