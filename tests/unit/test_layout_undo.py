"""Everything that an install created or fixed around the bot is reverted, however it was killed."""

import importlib
import itertools
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

STEPS = ("mkdir", "fchown", "fchmod", "write", "fsync")
ME = pwd.getpwuid(os.getuid())


class Killed(BaseException):
    """What no handler of the module catches, as none would see a SIGKILL."""


@pytest.fixture
def modules(collection_plugins: None) -> Any:
    class Modules:
        base = "ansible_collections.kai.bot.plugins"
        tree = importlib.import_module(f"{base}.modules.kai_user_tree")
        journal = importlib.import_module(f"{base}.module_utils.host.layout_journal")
        undo = importlib.import_module(f"{base}.module_utils.host.layout_undo")

    return Modules


class Host:
    """A directory that stands for a host, with a data directory that somebody has widened."""

    def __init__(self, root: Path, modules: Any) -> None:
        self.root = root
        self.modules = modules
        (root / "opt").mkdir(parents=True)
        (root / "data/home").mkdir(parents=True)
        (root / "data").chmod(0o755)
        (root / "data/home").chmod(0o777)
        (root / "data/notes").write_text("mine", encoding="utf-8")
        (root / "data/kai.db").write_text("rows", encoding="utf-8")
        (root / "data/kai.db").chmod(0o644)

    def journal(self) -> Any:
        return self.modules.journal.LayoutJournal(str(self.root / "opt/kai/installs"))

    def lay_out(self) -> None:
        """Create and fix as an install does."""
        tree = self.modules.tree.Tree(None, False, self.journal())
        directories = (
            ("opt/kai", "0755"),
            ("opt/kai/releases", "0755"),
            ("data", "0711"),
            ("data/home", "0711"),
            ("data/new/deep", "0750"),
        )
        for path, mode in directories:
            tree.directory({**self.entry(path), "mode": mode})
        seeds = (("data/new/deep/NOTES.md", "0640"), ("data/kai.db", "0600"))
        for path, mode in seeds:
            content = {"source": None, "fallback": "first\n", "narrow": True}
            tree.seed({**self.entry(path), **content, "mode": mode})

    def entry(self, path: str) -> dict[str, Any]:
        return {"path": str(self.root / path), "owner": ME.pw_name, "group_of": None}

    def undo(self) -> Any:
        undo = self.modules.undo.LayoutUndo(self.journal(), False)
        undo.run()
        return undo

    def state(self) -> dict[str, Any]:
        """Return owner, mode and text of everything."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            found[str(path.relative_to(self.root))] = (status.st_uid, oct(status.st_mode), text)
        return found


@pytest.mark.parametrize("runs", [1, 2])
def test_whatever_was_killed_is_taken_back(
    tmp_path: Path, modules: Any, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    left: list[int] = []

    def counted(real: Any) -> Any:
        def step(*arguments: Any, **named: Any) -> Any:
            if left:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            return real(*arguments, **named)

        return step

    for name in STEPS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    for step in itertools.count():
        shutil.rmtree(tmp_path / "host", ignore_errors=True)
        host = Host(tmp_path / "host", modules)
        before = host.state()
        killed = 0
        for _ in range(runs):
            left[:] = [step]
            try:
                host.lay_out()
            except Killed:
                killed += 1
            left.clear()
        if not killed:
            assert host.state()["data"][1] == "0o40711"
            assert host.state()["data/kai.db"][1] == "0o100600"
        undo = host.undo()
        after = host.state()
        if killed == runs:
            # the place of the journal itself may have been made before the journal was
            after.pop("opt/kai", None)
        assert after == before, step
        assert undo.left == []
        if not killed:
            assert step > 15, "the steps were not counted"
            return


def test_files_used_or_changed_since_stay(tmp_path: Path, modules: Any) -> None:
    host = Host(tmp_path, modules)
    host.lay_out()
    (tmp_path / "data/new/deep/NOTES.md").write_text("more\n", encoding="utf-8")
    (tmp_path / "data/home").chmod(0o700)
    before = host.state()
    undo = host.undo()
    assert [entry.rpartition(": ")[2] for entry in undo.left][:2] == [
        "written to since",
        "changed since by another account",
    ]
    after = host.state()
    for path in ("data/new/deep/NOTES.md", "data/new/deep", "data/home"):
        assert after[path] == before[path]
    assert not (tmp_path / "opt/kai").exists()


def test_a_first_file_without_end_is_not_read(tmp_path: Path, modules: Any) -> None:
    host = Host(tmp_path, modules)
    host.lay_out()
    os.truncate(tmp_path / "data/new/deep/NOTES.md", 15 * 2**40)
    undo = host.undo()
    assert undo.left[0].endswith("NOTES.md: written to since")


def test_no_link_is_followed(tmp_path: Path, modules: Any) -> None:
    host = Host(tmp_path / "host", modules)
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep/NOTES.md").write_text("first\n", encoding="utf-8")
    host.lay_out()
    shutil.rmtree(tmp_path / "host/data/new")
    (tmp_path / "host/data/new").symlink_to(outside)
    shutil.rmtree(tmp_path / "host/data/home")
    (tmp_path / "host/data/home").symlink_to(outside)
    mode = outside.stat().st_mode
    undo = host.undo()
    assert (outside / "deep/NOTES.md").exists()
    assert outside.stat().st_mode == mode
    assert (tmp_path / "host/data/new").is_symlink()
    assert len(undo.left) >= 2


def test_a_file_in_the_place_of_a_directory_gets_neither_its_owner_nor_its_mode(
    tmp_path: Path, modules: Any
) -> None:
    host = Host(tmp_path, modules)
    planted = tmp_path / "data/program"
    planted.write_text("#!/bin/sh\n", encoding="utf-8")
    planted.chmod(0o711)
    mine = [ME.pw_uid, ME.pw_gid]
    other = [ME.pw_uid + 1, ME.pw_gid]
    journal = host.journal()
    journal.note({"mended": str(planted), "before": [*other, 0o2755], "after": [*mine, 0o711]})
    undo = host.undo()
    assert f"{planted}: found a file of {ME.pw_name}, expected a directory" in undo.left[0]
    assert (planted.stat().st_uid, planted.stat().st_mode & 0o7777) == (ME.pw_uid, 0o711)


@pytest.mark.parametrize(
    ("comment", "home", "owners", "command"),
    [
        ("Kai bot", True, set(), ["userdel", "--remove", ME.pw_name]),
        ("Kai bot,,,", False, set(), ["userdel", ME.pw_name]),
        ("Ada Lovelace", True, set(), None),
        ("Kai bot", True, {ME.pw_uid}, None),
    ],
    ids=["made with its home", "its home was there", "another's by now", "owner of what stays"],
)
def test_accounts(
    tmp_path: Path,
    modules: Any,
    monkeypatch: pytest.MonkeyPatch,
    comment: str,
    home: bool,
    owners: set[int],
    command: list[str] | None,
) -> None:
    class Account:
        pw_uid, pw_gecos = ME.pw_uid, comment

    ran = []

    def run(argv: list[str], **_more: Any) -> Any:
        ran.append(argv)
        return subprocess.CompletedProcess(argv, 0, "", "")

    host = Host(tmp_path, modules)
    host.journal().note({"account": ME.pw_name, "comment": "Kai bot", "home": home})
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: Account)
    monkeypatch.setattr(subprocess, "run", run)
    undo = modules.undo.LayoutUndo(host.journal(), False)
    undo.owners = owners
    undo.run()
    assert ran == ([command] if command else [])
    assert bool(undo.left) is (command is None)
