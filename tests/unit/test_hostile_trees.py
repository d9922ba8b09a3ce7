"""Whatever agents leave in the data: a backup of it is whole, and what it lacks it names."""

import contextlib
import importlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from kai_ansible.rules.backup_archive import read_archive
from kai_ansible.rules.backup_laying import Laying
from kai_ansible.rules.data_copy import Place
from kai_ansible.rules.removal import remove_everything
from tests.unit.hostile_trees import DIRECTORY, ROOT, TREES, Node, make, state

pytestmark = pytest.mark.skipif(not ROOT, reason="owners and access lists need root")


@pytest.fixture(scope="module")
def module(collection_plugins: None) -> Any:
    return importlib.import_module("ansible_collections.kai.bot.plugins.modules.kai_backup")


class Host:
    """A directory that stands for a host with data."""

    def __init__(self, root: Path, module: Any) -> None:
        self.root = root
        self.module = module
        self.place = Place(str(root / "kai"))
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
        laying = Laying(self.place, ())
        with open(self.place.archive, "rb") as handle:
            laying.run(handle)
        self.place.exchange()
        self.place.discard()
        return laying

    def purge(self) -> None:
        with contextlib.closing(Opened(str(self.root))) as parent:
            remove_everything(parent.number, self.place.data_dir, os.fstat(parent.number).st_dev)


class Opened:
    def __init__(self, path: str) -> None:
        self.number = os.open(path, DIRECTORY)

    def close(self) -> None:
        os.close(self.number)


def whole_way(tree: dict[bytes, Node], tmp_path: Path, module: Any) -> None:
    """Take a tree through backup, check, restore and purge."""
    first, second = Host(tmp_path / "first", module), Host(tmp_path / "second", module)
    before = first.fill(tree)
    told = first.backup()
    assert first.state() == before
    # what is neither a file nor a directory nor a link is named, and nothing else is left out
    others = [path for path, entry in before.items() if entry == ("neither",)]
    assert told["complete"]
    assert len(told["left"]) == min(len(others), 101), told["left"]
    assert all(line.isprintable() for line in told["left"])
    json.dumps(told).encode()
    with open(first.place.archive, "rb") as handle:
        summary = read_archive(handle)
    assert summary.members == told["members"] - 1
    laying = second.restore(first.place.archive)
    assert laying.notes.lines == []
    after = second.state()
    assert after == {path: entry for path, entry in before.items() if entry != ("neither",)}
    listing = subprocess.run(["tar", "-tzf", first.place.archive], capture_output=True, check=False)
    assert listing.returncode == 0, listing.stderr
    for host in (first, second):
        host.place.remove()
        host.purge()
        assert os.listdir(host.root) == []


COUNTER = itertools.count()


def through(tree: dict[bytes, Node], tmp_path: Path, module: Any) -> None:
    directory = tmp_path / str(next(COUNTER))
    try:
        whole_way(tree, directory, module)
    finally:
        # shutil is not up to such trees
        subprocess.run(["rm", "-rf", directory], check=True)


CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(suppress_health_check=CHECKS)
@given(tree=TREES)
def test_a_hostile_tree_comes_back_whole(
    tree: dict[bytes, Node], tmp_path: Path, module: Any
) -> None:
    through(tree, tmp_path, module)


@pytest.mark.matrix
@pytest.mark.slow
@settings(suppress_health_check=CHECKS, max_examples=1000)
@given(tree=TREES)
def test_a_thousand_hostile_trees_come_back_whole(
    tree: dict[bytes, Node], tmp_path: Path, module: Any
) -> None:
    through(tree, tmp_path, module)
