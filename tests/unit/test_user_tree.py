"""Directories of accounts get their owner and mode; what their owner has opened is closed."""

import grp
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host import layout
from kai_ansible.host.access_lists import ACCESS, DEFAULT, NONE, lists_of, readable_by
from kai_ansible.host.layout import Tree
from kai_ansible.host.layout_journal import LayoutJournal
from kai_ansible.host.layout_undo import LayoutUndo
from kai_ansible.rules.problems import Problem

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives owners")

ALICE, BOB, KAI, OLD = 1, 2, 3, 61234
# acl(5) in the form of the kernel: everything for the owner, and the same for another account
ACL = bytes.fromhex(
    "02000000"
    "01000700ffffffff"  # the owner
    "0200070002000000"  # bob
    "04000500ffffffff"  # the group
    "10000700ffffffff"  # the mask
    "20000000ffffffff"  # others
)


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"alice": ALICE, "bob": BOB, "kai": KAI}

    def identity(owner: str, group_of: str | None) -> tuple[int, int]:
        return numbers[owner], numbers[group_of or owner]

    monkeypatch.setattr(layout, "identity", identity)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    os.chown(path, ALICE, KAI)
    path.chmod(0o2750)
    try:
        os.setxattr(path, ACCESS, ACL)
        os.removexattr(path, ACCESS)
    except OSError:
        pytest.skip("this file system has no access lists")
    path.chmod(0o2750)
    return path


def entry(path: Path, owner: str = "alice") -> dict[str, Any]:
    return {"path": str(path), "owner": owner, "group_of": "kai", "mode": "2750"}


def lay_out(*entries: dict[str, Any], journal: LayoutJournal | None = None) -> Tree:
    tree = Tree(None, dry=False, journal=journal)
    assert tree.ensure(list(entries), []) == []
    return tree


@pytest.mark.parametrize("name", [ACCESS, DEFAULT])
def test_an_access_list_is_seen_and_taken_away(home: Path, name: str) -> None:
    os.setxattr(home, name, ACL)
    look = Tree(None, dry=True)
    look.ensure([entry(home)], [])
    [(before, after)] = look.found.values()
    assert before.endswith(" with an access list")
    assert after == f"{ALICE}:{KAI} 2750"
    assert name in os.listxattr(home)

    assert lay_out(entry(home)).changes == [f"{home}: {before} -> {after}"]
    assert lists_of(str(home)) == NONE
    assert stat.S_IMODE(home.stat().st_mode) == 0o2750
    assert lay_out(entry(home)).changes == []


def test_a_new_directory_inherits_none(home: Path) -> None:
    os.setxattr(home, DEFAULT, ACL)
    lay_out(entry(home / "new"))
    assert lists_of(str(home / "new")) == NONE
    assert stat.S_IMODE((home / "new").stat().st_mode) == 0o2750


@pytest.mark.parametrize(
    ("name", "accounts", "is_own"),
    [
        ("alice", {"alice"}, True),
        ("alice", {"alice", "kai"}, True),
        ("alice", {"alice", "bob"}, False),
        # others of it may be in a directory service, which lists nobody
        ("users", {"alice"}, False),
    ],
)
def test_a_group_is_ones_own_by_its_name_and_its_members(
    monkeypatch: pytest.MonkeyPatch, name: str, accounts: set[str], is_own: bool
) -> None:
    group = grp.struct_group((name, "x", 7, []))
    monkeypatch.setattr(layout.grp, "getgrgid", lambda _gid: group)
    monkeypatch.setattr(layout, "members", lambda _gid: frozenset(accounts))
    assert layout.is_own_group(7, "alice", "kai") is is_own


def test_a_group_without_a_name_is_nobodys_own() -> None:
    assert not layout.is_own_group(2**31 - 5, "alice", "kai")


def kept_for(path: Path, reader: str) -> dict[str, Any]:
    return {**entry(path, "kai"), "reader": reader}


def test_a_reader_alone_in_a_group_reads_through_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "is_own_group", lambda *group: group == (BOB, "bob", "kai"))
    written = home / "written"
    written.touch()
    os.chown(written, ALICE, KAI)
    lay_out(kept_for(home, "bob"))
    assert (home.stat().st_uid, home.stat().st_gid) == (KAI, BOB)
    assert lists_of(str(home)) == NONE
    # what was there before goes along
    assert (written.stat().st_uid, written.stat().st_gid) == (KAI, BOB)
    assert lay_out(kept_for(home, "bob")).changes == []


def test_a_reader_in_a_shared_group_gets_a_list_and_an_undo_takes_it_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "is_own_group", lambda *_: False)
    before = home.stat()
    journal = LayoutJournal(str(tmp_path / "installs"))
    lay_out(kept_for(home, "alice"), journal=journal)
    lay_out(kept_for(home, "bob"), journal=journal)
    assert lists_of(str(home)) == readable_by(BOB)
    assert stat.S_IMODE(home.stat().st_mode) == 0o2750
    (home / "later").mkdir()
    assert lists_of(str(home / "later")) == readable_by(BOB)
    assert lay_out(kept_for(home, "bob")).changes == []

    (home / "later").rmdir()
    LayoutUndo(journal, dry=False).run()
    assert lists_of(str(home)) == NONE
    now = home.stat()
    assert (now.st_uid, now.st_gid, now.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


def test_the_list_of_an_earlier_reader_comes_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "is_own_group", lambda *_: False)
    lay_out(kept_for(home, "alice"))
    journal = LayoutJournal(str(tmp_path / "installs"))
    lay_out(kept_for(home, "bob"), journal=journal)
    LayoutUndo(journal, dry=False).run()
    assert lists_of(str(home)) == readable_by(ALICE)


def test_one_of_roots_own_is_the_operators(tmp_path: Path) -> None:
    os.setxattr(tmp_path, ACCESS, ACL)
    mode = stat.S_IMODE(tmp_path.stat().st_mode)
    tree = Tree(None, dry=False)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        kept = {"path": str(tmp_path), "owner": "root", "group_of": "root", "mode": f"{mode:04o}"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(layout, "identity", lambda *_: (0, 0))
            tree.settle(descriptor, str(tmp_path), kept, mode)
    finally:
        os.close(descriptor)
    assert tree.changes == []
    assert lists_of(str(tmp_path)) == [ACL.hex(), None]


def test_what_is_taken_back_is_not_wider_than_it_was(home: Path, tmp_path: Path) -> None:
    # the group's part of the mode is the mask of the list now, which lets the group write nowhere
    os.setxattr(home, ACCESS, ACL)
    assert stat.S_IMODE(home.stat().st_mode) == 0o2770
    journal = LayoutJournal(str(tmp_path / "installs"))
    lay_out(entry(home), journal=journal)
    LayoutUndo(journal, dry=False).run()
    assert stat.S_IMODE(home.stat().st_mode) == 0o2750


def test_a_file_of_the_service_loses_its_access_list_though_it_holds_a_lease(home: Path) -> None:
    database = home / "kai.db"
    database.write_text("rows")
    os.chown(database, KAI, KAI)
    database.chmod(0o600)
    os.setxattr(database, ACCESS, ACL)
    seed = {**entry(database, "kai"), "mode": "0600", "fallback": "", "narrow": True}
    script = (
        "import fcntl, signal, sys; file = open(sys.argv[1], 'r+');"
        "fcntl.fcntl(file, 1024, fcntl.F_WRLCK); signal.signal(signal.SIGIO, signal.SIG_IGN);"
        "print('held', flush=True); signal.pause()"
    )
    holder = subprocess.Popen(
        ["/usr/bin/python3", "-c", script, str(database)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert Tree(None, dry=False).ensure([], [seed]) == []
    finally:
        holder.kill()
        holder.communicate()
    assert lists_of(str(database)) == NONE
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


@pytest.fixture
def moved(home: Path, tmp_path: Path) -> Iterator[Path]:
    """The home of alice, whose account has another number than when it was made."""
    (home / "work" / "deep").mkdir(parents=True)
    (home / "work" / "deep" / "file").write_text("hers")
    (home / "work" / "deep").chmod(0o2750)
    (home / "of-kai").write_text("not hers")
    (home / "own").mkdir()
    (home / "own" / "file").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of another")
    (home / "work" / "link").symlink_to(elsewhere)
    for path in (home, *home.rglob("*")):
        if not path.is_symlink():
            os.chown(path, OLD, KAI)
    os.chown(elsewhere, OLD, KAI)
    os.chown(home / "of-kai", KAI, KAI)
    home.chmod(0o2750)
    yield home


def owners(home: Path) -> dict[str, int]:
    return {str(path.relative_to(home)): path.lstat().st_uid for path in home.rglob("*")}


def test_what_belongs_to_the_number_of_then_is_its_owners_again(
    moved: Path, tmp_path: Path
) -> None:
    before = owners(moved)
    (moved / "work" / "deep").chmod(0o2750)
    journal = LayoutJournal(str(tmp_path / "installs"))
    # a directory below with an entry of its own is left to that
    tree = Tree(None, dry=False, journal=journal)
    tree.paths = {str(moved / "own")}
    tree.directory(entry(moved))
    expected = {
        **dict.fromkeys(("work", "work/deep", "work/deep/file"), ALICE),
        **dict.fromkeys(("own", "own/file"), OLD),
        "of-kai": KAI,
        "work/link": 0,
    }
    assert owners(moved) == expected
    assert (moved.stat().st_uid, (tmp_path / "elsewhere").stat().st_uid) == (ALICE, OLD)
    assert stat.S_IMODE((moved / "work" / "deep").stat().st_mode) == 0o2750

    LayoutUndo(journal, dry=False).run()
    assert owners(moved) == before
    assert moved.stat().st_uid == OLD


def test_what_is_mounted_below_is_nobodys_to_give(
    moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a directory that was bound there has the device of its file system
    bound = str(moved / "work" / "deep")
    monkeypatch.setattr(layout.system, "mounts_below", lambda path: [bound])
    lay_out(entry(moved))
    found = owners(moved)
    assert (found["work"], found["work/deep"], found["work/deep/file"]) == (ALICE, OLD, OLD)


def test_a_mount_that_root_cannot_enter_keeps_nobody_from_the_rest(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem(str(home), "a mount", "none", "umount")
    monkeypatch.setattr(layout, "closed_mounts", lambda paths: {str(home): problem})
    tree = Tree(None, dry=False)
    other = {**entry(tmp_path / "other"), "mode": "0750"}
    failed = tree.ensure([entry(home), {**entry(home / "inner")}, other], [])
    told = [str(error) for _path, error in failed]
    assert told == [str(problem)] * 2
    assert (tmp_path / "other").is_dir()


def test_roots_own_is_given_to_nobody(moved: Path) -> None:
    for path in (moved, *moved.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
    lay_out(entry(moved))
    assert set(owners(moved).values()) == {0}
    assert moved.stat().st_uid == ALICE


def test_what_is_too_deep_keeps_nobody_from_the_rest(
    moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_DEEPEST", 2)
    lay_out(entry(moved))
    found = owners(moved)
    assert [found[name] for name in ("work", "work/deep", "work/deep/file")] == [ALICE, ALICE, OLD]
