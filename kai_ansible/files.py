"""Write private files atomically."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kai_ansible.operator import give_to_owner_of


def make_private_directory(path: Path) -> None:
    """Create a directory and its missing parents, 0700, with the owner of the tree."""
    missing = [parent for parent in (path, *path.parents) if not parent.exists()]
    for directory in reversed(missing):
        directory.mkdir(mode=0o700)
        give_to_owner_of(directory.parent, directory)


def write_private(texts: Mapping[Path, str]) -> None:
    """Write all texts, each 0600 and by rename. Raises OSError; then no file is written."""
    staged: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            make_private_directory(path.parent)
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            staged.append((Path(name), path))
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            give_to_owner_of(path.parent, Path(name))
        for temporary, path in staged:
            temporary.replace(path)
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def is_there(path: Path) -> bool:
    """Return whether a path exists. A path that cannot be checked counts as existing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
