"""The files that Ansible reads variables from are the ones that kai-ansible knows of."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from hypothesis import example, given
from hypothesis import strategies as st

from kai_ansible.inventory.variable_files import inventory_files, variable_files

NAMES = st.sampled_from(
    (
        *("bot", "bot.yml", "bot.yaml", "bot.json", "bot.example.com", "bot.example.com.yml"),
        *("bot.", ".bot", ".bot.yml", "bot~", "bot.yml~", "vault.yml", "vault.txt", "bot.YML"),
        *("ünï.yml", "a b"),
    )
)
# below the directory that the names are in, or anywhere in the tree
TARGETS = st.sampled_from(
    [".", "..", "../..", "bot", "../bot", "/shared", "/shared/vault.yml", "-"]
)
ENTRIES = st.recursive(
    st.none() | TARGETS, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
TREES = st.dictionaries(NAMES, ENTRIES, max_size=5)


def grow(directory: Path, tree: dict[str, object], shared: Path) -> None:
    """Make a tree: a mapping is a directory, text is the target of a link, None is a file."""
    directory.mkdir(parents=True)
    for name, entry in tree.items():
        path = directory / name
        if isinstance(entry, dict):
            grow(path, entry, shared)
        elif entry is None:
            path.touch()
        else:
            path.symlink_to(str(entry).replace("/shared", str(shared)))


def read_by_ansible(place: Path) -> set[str]:
    """Return the real paths of all files that Ansible reads for a host of any name."""
    found: set[str] = set()
    for name in os.listdir(place):  # noqa: PTH208 - names
        if not name.startswith(".") and not name.endswith("~"):
            # with its ending or without: either may be the name of a host
            for host in {name, name.rpartition(".")[0] or name}:
                found |= set(map(os.path.realpath, DataLoader().find_vars_files(str(place), host)))
    return found


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("trees") / "tree"


@given(tree=TREES)
@example(tree={"bot": "/shared"})
@example(tree={"bot.example.com": None})
@example(tree={"bot.example.com": {"vault.yml": None, "old.d": {"vault.yml": None}}})
@example(tree={"bot": {"again": "..", "vault.yml": None}})
@example(tree={"bot": {"vault.yml": "/shared/vault.yml"}, "bot.yml": "/shared/vault.yml"})
def test_what_ansible_reads_is_what_is_listed(room: Path, tree: dict[str, object]) -> None:
    shutil.rmtree(room, ignore_errors=True)
    shared = room / "shared"
    grow(shared, {"vault.yml": None, "deep": {"kai": None}, "notes.txt": None}, shared)
    place = room / "inventory" / "host_vars"
    grow(place, tree, shared)
    listed = variable_files(place)
    assert set(map(os.path.realpath, listed)) == read_by_ansible(place)
    # each file once
    assert len({os.path.realpath(path) for path in listed}) == len(listed)


def test_the_files_of_an_inventory_are_those_that_ansible_parses(tmp_path: Path) -> None:
    names = ["hosts.yml", "hosts.example", "site/eu/hosts", "hosts.ini"]
    passed_over = [".hosts", "hosts~", "hosts.cfg", "host_vars/bot", "site/group_vars/all.yml"]
    for name in (*names, *passed_over):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "site" / "loop").symlink_to("..")
    assert inventory_files(tmp_path) == sorted(tmp_path / name for name in names)
    assert inventory_files(tmp_path / "hosts.ini") == [tmp_path / "hosts.ini"]
    assert inventory_files(tmp_path / "none") == []


def test_a_directory_that_cannot_be_listed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "bot"
    closed.mkdir()
    given_list = Path.iterdir

    def refusing(path: Path) -> Iterator[Path]:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return given_list(path)

    # root can list any
    monkeypatch.setattr(Path, "iterdir", refusing)
    errors: list[OSError] = []
    assert variable_files(tmp_path, errors.append) == []
    assert [error.filename for error in errors] == [str(closed)]
