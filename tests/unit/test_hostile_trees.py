"""Whatever agents leave in the data: a backup of it is whole, and what it lacks it names."""

import importlib
import itertools
import json
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from kai_ansible.host.layout_undo import LayoutUndo
from kai_ansible.rules.backup_archive import read_archive
from tests.unit.hostile_trees import ROOT, TREES, Host, Node

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ROOT, reason="owners and access lists need root"),
]


@pytest.fixture(scope="module")
def module(collection_plugins: None) -> Any:
    return importlib.import_module("ansible_collections.kai.bot.plugins.modules.kai_backup")


def differences(one: dict[bytes, Any], other: dict[bytes, Any]) -> list[Any]:
    """Return the first paths of which two states tell differently."""
    paths = [path for path in sorted({*one, *other}) if one.get(path) != other.get(path)]
    return [(path[-60:], one.get(path), other.get(path)) for path in paths[:3]]


def owner_of(entry: tuple[Any, ...]) -> Any:
    """Return the account to which a file or directory belongs."""
    return entry[1][1] if entry[0] in ("file", "directory") else None


def without_rights_of_owners(tree: dict[bytes, Any]) -> dict[bytes, Any]:
    """Return a state without the bits that the kernel takes away when an owner changes."""
    return {
        path: (kind, (about[0] & 0o1777, *about[1:]), *more)
        if kind in ("file", "directory")
        else entry
        for path, entry in tree.items()
        for kind, about, *more in [entry if len(entry) > 1 else (*entry, ())]
    }


def without_owners(tree: dict[bytes, Any]) -> dict[bytes, Any]:
    """Return a state below its root without owners and the bits that go with them."""
    return {
        path: (kind, *(about[:-3] if kind != "link" else ()), *about[-1:], *more)
        for path, entry in without_rights_of_owners(tree).items()
        if path
        for kind, about, *more in [entry if len(entry) > 1 else (*entry, ())]
    }


def whole_way(tree: dict[bytes, Node], tmp_path: Path, module: Any) -> None:
    """Take a tree through backup, check, restore, install, rollback and purge."""
    first, second = Host(tmp_path / "first", module), Host(tmp_path / "second", module)
    before = first.fill(tree)
    told = first.backup()
    assert not differences(first.state(), before)
    # what is neither a file nor a directory nor a link is named, and nothing else is left out
    others = [path for path, entry in before.items() if entry == ("neither",)]
    assert told["complete"]
    assert len(told["left"]) == min(len(others), 101), told["left"]
    assert not {unicodedata.category(letter) for line in told["left"] for letter in line} & STEERING
    json.dumps(told).encode()
    with Path(first.place.archive).open("rb") as handle:
        summary = read_archive(handle)
    assert summary.members == told["members"] - 1
    laying = second.restore(first.place.archive)
    assert laying.notes.lines == []
    wanted = {path: entry for path, entry in before.items() if entry != ("neither",)}
    assert not differences(second.state(), wanted)
    restored = second.state()
    journal = second.install()
    laid_out = second.state()
    assert not differences(*map(without_owners, (laid_out, restored)))
    # so deep that an install no longer follows
    near = [path for path in restored if path and path.count(b"/") < 250]
    given = [path for path in near if owner_of(restored[path]) == "daemon"]
    assert {owner_of(laid_out[path]) for path in given} <= {"sys"}
    undo = LayoutUndo(journal, dry=False)
    undo.run()
    assert undo.left == []
    back = second.state()
    back[b""] = restored[b""]
    assert not differences(*map(without_rights_of_owners, (back, restored)))
    listing = subprocess.run(["tar", "-tzf", first.place.archive], capture_output=True, check=False)
    assert listing.returncode == 0, listing.stderr
    for host in (first, second):
        host.place.remove()
        host.purge()
        assert not any(host.root.iterdir())


STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
COUNTER = itertools.count()


def through(tree: dict[bytes, Node], tmp_path: Path, module: Any) -> None:
    directory = tmp_path / str(next(COUNTER))
    try:
        whole_way(tree, directory, module)
    finally:
        # shutil is not up to such trees
        subprocess.run(["rm", "-rf", directory], check=True)


# such a tree takes long to be made smaller, and differences() tells enough
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(phases=PHASES, suppress_health_check=CHECKS, max_examples=10)
@given(tree=TREES)
def test_a_hostile_tree_comes_back_whole(
    tree: dict[bytes, Node], tmp_path: Path, module: Any
) -> None:
    through(tree, tmp_path, module)


@pytest.mark.later("a thousand hostile trees; every change tries a sample of them")
@pytest.mark.parametrize("hundred", range(10))
def test_a_thousand_hostile_trees_come_back_whole(
    tmp_path: Path, module: Any, hundred: int
) -> None:
    # without it each hundred would be the same
    @seed(hundred)
    @settings(phases=PHASES, suppress_health_check=CHECKS, max_examples=100)
    @given(tree=TREES)
    def comes_back(tree: dict[bytes, Node]) -> None:
        through(tree, tmp_path, module)

    comes_back()
