"""Copies of the directories that another release line has under other names, and the way back."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host.former_trees import written_since
from kai_ansible.host.layout import Tree
from kai_ansible.host.layout_journal import LayoutJournal
from kai_ansible.host.layout_undo import LayoutUndo
from kai_ansible.host.tree_removal import remove_filled
from tests.conftest import PRIVATE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to accounts")
USER, SERVICE, OTHER = (pwd.getpwuid(uid) for uid in (1, 2, 3))


def entry(place: Path, former: Path) -> dict[str, Any]:
    """Return a directory that is a copy of a former one."""
    return {
        "path": str(place),
        "owner": USER.pw_name,
        "group_of": None,
        "mode": "0700",
        "former": str(former),
        "renames": {".claude/CLAUDE.md": "AGENTS.md"},
    }


def is_written_since(directory: Path, time: int) -> bool:
    root = os.open(directory, os.O_RDONLY)
    try:
        return written_since(root, str(directory), time)
    finally:
        os.close(root)


@pytest.fixture
def former() -> Iterator[Path]:
    # every account has to come there
    with tempfile.TemporaryDirectory(dir=PRIVATE) as directory:
        base = Path(directory)
        base.chmod(0o711)
        place = base / "home" / "1"
        (place / ".claude").mkdir(parents=True)
        (place / ".claude" / "CLAUDE.md").write_text("mine\n", encoding="utf-8")
        (place / "link").symlink_to("/etc/passwd")
        os.mkfifo(place / "pipe")
        subprocess.run(["chown", "-hR", str(USER.pw_uid), place], check=True)
        os.chown(place.parent, SERVICE.pw_uid, SERVICE.pw_gid)
        yield place
        remove_filled(str(place.parent))


def test_a_new_directory_is_a_copy_of_the_former_one(former: Path) -> None:
    place = former.parent / "prn_1"
    assert Tree(None, dry=False).ensure([entry(place, former)], []) == []
    assert (place / "AGENTS.md").read_text(encoding="utf-8") == "mine\n"
    assert not (place / ".claude" / "CLAUDE.md").exists()
    assert str((place / "link").readlink()) == "/etc/passwd"
    assert not (place / "pipe").exists()
    assert place.stat().st_mode & 0o7777 == 0o700
    assert (former / ".claude" / "CLAUDE.md").exists()
    assert sorted(one.name for one in former.parent.iterdir()) == ["1", "prn_1"]


def test_no_file_of_the_former_directory_goes_through_a_link(former: Path) -> None:
    (former / ".claude").rename(former / "elsewhere")
    (former / ".claude").symlink_to(former / "elsewhere")
    place = former.parent / "prn_1"
    assert Tree(None, dry=False).ensure([entry(place, former)], []) == []
    assert (former / "elsewhere" / "CLAUDE.md").read_text(encoding="utf-8") == "mine\n"
    assert not (place / "AGENTS.md").exists()


def test_a_directory_that_is_there_stays_as_it_is(former: Path) -> None:
    place = former.parent / "prn_1"
    place.mkdir()
    assert Tree(None, dry=False).ensure([entry(place, former)], []) == []
    assert list(place.iterdir()) == []


def test_an_undo_removes_a_copy_unless_it_was_written_to(former: Path, tmp_path: Path) -> None:
    journal = LayoutJournal(str(tmp_path / "installs"))
    places = [former.parent / name for name in ("prn_1", "prn_2")]
    tree = Tree(None, dry=False, journal=journal)
    assert tree.ensure([entry(place, former) for place in places], []) == []
    late = places[1] / "AGENTS.md"
    os.utime(late, (late.stat().st_mtime + 100,) * 2)
    undo = LayoutUndo(journal, dry=False)
    undo.run()
    assert [place.exists() for place in places] == [False, True]
    assert undo.left == [f"{places[1]}: written to since"]
    assert former.exists()


def test_what_was_written_to_is_known_by_its_time(former: Path) -> None:
    written = int((former / ".claude" / "CLAUDE.md").stat().st_mtime)
    assert is_written_since(former, written - 10)
    assert not is_written_since(former, written + 10)
    # moved there with its old time
    os.utime(former / ".claude" / "CLAUDE.md", (0, 0))
    assert is_written_since(former, written - 10)


@pytest.mark.parametrize("owner", ["root", SERVICE.pw_name, OTHER.pw_name])
def test_only_a_directory_of_its_user_or_of_the_service_user_is_copied(
    former: Path, owner: str
) -> None:
    os.chown(former, pwd.getpwnam(owner).pw_uid, -1)
    place = former.parent / "prn_1"
    refused = Tree(None, dry=False).ensure([entry(place, former)], [])
    assert place.exists() == (owner == SERVICE.pw_name)
    if owner != SERVICE.pw_name:
        [(path, error)] = refused
        assert path == str(place)
        assert f"{former}: found a directory of {owner}" in str(error)


def test_only_a_directory_is_copied(former: Path) -> None:
    former.rename(former.with_name("elsewhere"))
    former.symlink_to("elsewhere")
    os.chown(former, USER.pw_uid, -1, follow_symlinks=False)
    place = former.parent / "prn_1"
    [(_path, error)] = Tree(None, dry=False).ensure([entry(place, former)], [])
    assert "found a link" in str(error)
    assert not place.exists()


def deepen(directory: Path, levels: int) -> None:
    """Make directories in one another, more than Python's limit of recursion."""
    here = os.open(directory, os.O_RDONLY)
    for _level in range(levels):
        os.mkdir("d", dir_fd=here)
        os.chown("d", USER.pw_uid, USER.pw_gid, dir_fd=here)
        following = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = following
    os.close(here)


def test_a_directory_that_is_nested_too_deeply_is_named(former: Path) -> None:
    deepen(former, 1500)
    place = former.parent / "prn_1"
    [(path, error)] = Tree(None, dry=False).ensure([entry(place, former)], [])
    assert path == str(place)
    assert "nested too deeply" in str(error)
    assert sorted(one.name for one in former.parent.iterdir()) == ["1"]


def test_an_undo_removes_a_copy_however_deep_it_is(former: Path, tmp_path: Path) -> None:
    journal = LayoutJournal(str(tmp_path / "installs"))
    place = former.parent / "prn_1"
    assert Tree(None, dry=False, journal=journal).ensure([entry(place, former)], []) == []
    deepen(place, 1500)
    undo = LayoutUndo(journal, dry=False)
    undo.run()
    assert (undo.left, place.exists()) == ([], False)


def test_a_directory_that_another_account_put_in_place_of_a_copy_is_refused(
    former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = former.parent / "prn_1"
    mkdir = os.mkdir

    def exchanged(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        if path == ".prn_1.copy":
            os.chown(path, 65534, 65534, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", exchanged)
    [(path, error)] = Tree(None, dry=False).ensure([entry(place, former)], [])
    assert path == str(place)
    assert "the copy was exchanged" in str(error)
    assert sorted(one.name for one in former.parent.iterdir()) == ["1"]
