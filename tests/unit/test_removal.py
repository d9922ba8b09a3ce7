"""What installs have made goes for good, wherever that was killed, and nothing else does."""

import importlib
import itertools
import os
import pwd
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

STEPS = ("rename", "unlink", "rmdir", "fchown")
ME = pwd.getpwuid(os.getuid())
# what is root's is judged otherwise than data
OWNER = ME if ME.pw_uid else pwd.getpwnam("nobody")


class Killed(BaseException):
    """What no handler catches, as none would see a SIGKILL."""


@pytest.fixture
def modules(collection_plugins: None) -> Any:
    class Modules:
        base = "ansible_collections.kai.bot.plugins"
        tree = importlib.import_module(f"{base}.modules.kai_user_tree")
        journal = importlib.import_module(f"{base}.module_utils.host.layout_journal")
        records = importlib.import_module(f"{base}.module_utils.host.records")
        removal = importlib.import_module(f"{base}.module_utils.host.removal")

    return Modules


class Host:
    """A directory that stands for a host, on which an install was verified."""

    def __init__(self, root: Path, modules: Any) -> None:
        self.root = root
        self.modules = modules
        for path in ("etc", "opt", "var", "old"):
            (root / path).mkdir(parents=True)
        (root / "old").chmod(0o755)
        self.before = self.state()
        self.installs = modules.records.Installs(str(root / "opt/kai"))
        self.journal = modules.journal.LayoutJournal(self.installs.directory)
        self.install()

    def install(self) -> None:
        """Leave what an install leaves."""
        tree = self.modules.tree.Tree(None, False, self.journal)
        for path, owner, mode in (
            ("opt/kai/releases", ME, "0755"),
            ("opt/kai/models", ME, "0755"),
            ("etc/kai", ME, "0755"),
            ("old", OWNER, "0711"),
            ("var/kai", OWNER, "0711"),
            ("var/kai/new/deep", OWNER, "0700"),
        ):
            entry = {"path": str(self.root / path), "owner": owner.pw_name, "group_of": None}
            tree.directory({**entry, "mode": mode})
        seed = {"path": str(self.root / "var/kai/new/NOTES.md"), "owner": OWNER.pw_name}
        content = {"source": None, "fallback": "first\n", "narrow": False, "group_of": None}
        tree.seed({**seed, **content, "mode": "0640"})
        self.journal.prove()
        for path in ("releases/a/venv/code", "releases/.b.tar.gz", "installs/1/record.json"):
            (self.root / "opt/kai" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / "opt/kai" / path).write_text("{}", encoding="utf-8")
        (self.root / "opt/kai/current").symlink_to("releases/a")

    def remove(self, *, dry: bool = False, purge: bool = False) -> Any:
        # kai_switch has been there
        if not dry:
            (self.root / "opt/kai/current").unlink(missing_ok=True)
        removal = self.modules.removal.Removal(
            self.installs,
            self.journal,
            dry,
            "nobody-at-all",
            str(self.root / "var/kai"),
            [str(self.root / "etc/kai/totp"), str(self.installs.models)],
            purge,
        )
        removal.run()
        return removal

    def write(self, path: str) -> None:
        (self.root / path).write_text("mine", encoding="utf-8")

    def state(self) -> dict[str, Any]:
        """Return owner, mode and text of everything."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            found[str(path.relative_to(self.root))] = (status.st_uid, oct(status.st_mode), text)
        return found


@pytest.mark.parametrize("purge", [False, True])
def test_a_killed_removal_is_ended_by_the_next(
    tmp_path: Path, modules: Any, monkeypatch: pytest.MonkeyPatch, purge: bool
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
        if purge:
            host.write("var/kai/kai.db")
            host.write("etc/kai/totp")
        left[:] = [step]
        try:
            host.remove(purge=purge)
            killed = False
        except Killed:
            killed = True
        left.clear()
        host.remove(purge=purge)
        assert host.state() == host.before, step
        if not killed:
            assert step > 5, "the steps were not counted"
            return


def test_a_copy_of_a_former_directory_is_data(tmp_path: Path, modules: Any) -> None:
    host = Host(tmp_path / "host", modules)
    place = host.root / "var/kai/home"
    place.mkdir()
    host.write("var/kai/home/AGENTS.md")
    os.chown(place, OWNER.pw_uid, -1)
    host.journal.note({"copied": str(place), "at": int(time.time()) + 1})
    host.journal.prove()
    # an undo of a failed install would remove it, as nobody has written to it since
    removal = host.remove()
    assert f"{host.root}/var/kai: it holds data" in removal.left
    assert (place / "AGENTS.md").is_file()
    host.remove(purge=True)
    assert not place.exists()


def test_a_check_reports_exactly_what_the_run_does(tmp_path: Path, modules: Any) -> None:
    for purge in (False, True):
        host = Host(tmp_path / str(purge), modules)
        host.write("var/kai/kai.db")
        host.write("etc/kai/totp")
        host.write("etc/kai/notes.txt")
        before = host.state()
        told = host.remove(dry=True, purge=purge)
        assert host.state() == before
        done = host.remove(purge=purge)
        assert (told.changes, told.left) == (done.changes, done.left)


def test_data_and_what_others_wrote_stays_until_it_is_purged(tmp_path: Path, modules: Any) -> None:
    host = Host(tmp_path / "host", modules)
    mine = ["var/kai/kai.db", "var/kai/new/NOTES.md", "etc/kai/totp", "etc/kai/notes.txt"]
    for path in mine:
        host.write(path)
    done = host.remove()
    after = host.state()
    assert {path for path in mine if path in after} == set(mine)
    assert "var/kai/new/deep" not in after
    assert "opt/kai/releases" not in after
    assert after["old"] == host.before["old"]
    assert any(line.startswith(f"{host.root}/var/kai: ") for line in done.left)
    assert not any(line.startswith(f"{host.root}/var/kai/") for line in done.left)
    assert any("notes.txt" in line for line in done.left)

    # what an install made is still known
    done = host.remove(purge=True)
    after = host.state()
    assert after.keys() - host.before.keys() == {"etc/kai", "etc/kai/notes.txt"}
    assert any("notes.txt" in line for line in done.left)


def test_models_stay_until_the_data_is_purged(tmp_path: Path, modules: Any) -> None:
    host = Host(tmp_path / "host", modules)
    host.write("opt/kai/models/ggml.bin")
    removal = host.remove()
    assert (tmp_path / "host/opt/kai/models/ggml.bin").exists()
    assert any("opt/kai/models" in line for line in removal.left), removal.left
    host.remove(purge=True)
    assert host.state() == host.before


def test_no_link_is_followed(tmp_path: Path, modules: Any) -> None:
    host = Host(tmp_path / "host", modules)
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "NOTES.md").write_text("first\n", encoding="utf-8")
    shutil.rmtree(host.root / "var/kai/new")
    (host.root / "var/kai/new").symlink_to(outside)
    (host.root / "var/kai/other").symlink_to(outside)
    shutil.rmtree(host.root / "etc/kai")
    (host.root / "etc/kai").symlink_to(outside)
    (outside / "totp").write_text("another's", encoding="utf-8")
    host.remove()
    host.remove(purge=True)
    found = sorted(path.name for path in outside.rglob("*"))
    assert found == ["NOTES.md", "deep", "totp"]
    assert (host.root / "etc/kai").is_symlink()
    assert not (host.root / "var/kai").exists()

    host = Host(tmp_path / "other", modules)
    shutil.rmtree(host.root / "var/kai")
    (host.root / "var/kai").symlink_to(outside)
    host.remove(purge=True)
    assert sorted(path.name for path in outside.rglob("*")) == found


# 1200 is more than Python recurses, 2500 more than a path may have
DEEPEST = pytest.mark.later("five times as deep as one that no path reaches", apart=True)


@pytest.mark.parametrize("depth", [310, 1200, 2500, pytest.param(12_000, marks=DEEPEST)])
def test_a_tree_of_any_depth_goes(tmp_path: Path, modules: Any, depth: int) -> None:
    host = Host(tmp_path / "host", modules)
    place = os.open(host.root / "var/kai", os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=place)
        following = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=place))
        os.close(place)
        place = following
    os.close(place)
    done = host.remove(purge=True)
    assert done.left == []
    assert host.state() == host.before


def test_what_is_mounted_in_the_data_stays_and_so_does_the_way_to_it(
    tmp_path: Path, modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path / "host", modules)
    place = host.root / "var/kai/new/mounted"
    place.mkdir()
    host.write("var/kai/new/mounted/precious")
    host.write("var/kai/kai.db")
    mounts = [str(place)]

    def below(path: str) -> list[str]:
        return [point for point in mounts if f"{point}/".startswith(f"{path}/")]

    walk = importlib.import_module(f"{modules.base}.module_utils.host.tree_walk")
    for module in (modules.removal.system, walk):
        monkeypatch.setattr(module, "mounts_below", below)
    for dry in (True, False):
        removal = host.remove(dry=dry, purge=True)
        assert [line for line in removal.left if f"umount {place}" in line]
        assert f"{host.root / 'var/kai'}: removed" not in removal.changes
    assert (place / "precious").read_text(encoding="utf-8") == "mine"
    assert not (host.root / "var/kai/kai.db").exists()
    # once nothing is mounted there, the next removal ends this one
    mounts.clear()
    host.remove(purge=True)
    assert host.state() == host.before
