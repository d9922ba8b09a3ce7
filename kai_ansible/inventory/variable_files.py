"""List the files of variables beside an inventory, and the files of the inventory itself.

Ansible looks for the names of its hosts and groups. Here every name counts: the vault of a host
that the inventory leaves out for now has to open later.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from kai_ansible.ansible.api import ignored_in_inventories

# receives each error of a path that cannot be read
Unread = Callable[[OSError], None]

# without a setting of the operator
VARIABLE_SUFFIXES = (".yml", ".yaml", ".json")


def ignore(_error: OSError) -> None:
    """Pass over a path that cannot be read."""


def variable_files(
    place: Path, unread: Unread = ignore, suffixes: Collection[str] = VARIABLE_SUFFIXES
) -> list[Path]:
    """Return what Ansible reads from a directory host_vars or group_vars, links followed.

    Includes pipes and the like. A file that several paths name is there once.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for path, is_directory in _entries(place, unread):
        # the name of a host or group may have a dot, so no ending is a wrong one
        found += _below(path, seen, unread, suffixes) if is_directory else [path]
    return each_once(found)


def inventory_files(inventory: Path, unread: Unread = ignore) -> list[Path]:
    """Return the files that Ansible parses as an inventory."""
    if not inventory.is_dir():
        return [inventory] if inventory.is_file() else []
    return each_once(_sources(inventory, set(), unread))


def each_once(paths: Iterable[Path]) -> list[Path]:
    """Return the first path of each file, sorted."""
    found = {os.path.realpath(path): path for path in sorted(paths, reverse=True)}
    return sorted(found.values())


def _sources(directory: Path, seen: set[str], unread: Unread) -> Iterator[Path]:
    ignored = ignored_in_inventories()
    if _is_new(directory, seen):
        for path, is_directory in _listed(directory, unread):
            if not ignored(path.name):
                yield from _sources(path, seen, unread) if is_directory else [path]


def _below(
    directory: Path, seen: set[str], unread: Unread, suffixes: Collection[str]
) -> Iterator[Path]:
    if not _is_new(directory, seen):
        return
    for path, is_directory in _entries(directory, unread):
        # pathlib and Ansible differ on a name with a dot at its end
        suffix = os.path.splitext(path.name)[1]  # noqa: PTH122 - see above
        if is_directory and not suffix:
            yield from _below(path, seen, unread, suffixes)
        elif not is_directory and suffix in ("", *suffixes):
            yield path


def _entries(directory: Path, unread: Unread) -> Iterator[tuple[Path, bool]]:
    """Yield what is in a directory, and whether it is one: no hidden files and no backups."""
    for path, is_directory in _listed(directory, unread):
        if not path.name.startswith(".") and not path.name.endswith("~"):
            yield path, is_directory


def _listed(directory: Path, unread: Unread) -> Iterator[tuple[Path, bool]]:
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        _unless_absent(error, unread)
        return
    for path in paths:
        try:
            yield path, stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            # a link to nothing, which Ansible passes over
            _unless_absent(error, unread)


def _unless_absent(error: OSError, unread: Unread) -> None:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        unread(error)


def _is_new(directory: Path, seen: set[str]) -> bool:
    """Return whether a directory is met for the first time: links may form a loop."""
    real = os.path.realpath(directory)
    is_new = real not in seen
    seen.add(real)
    return is_new
