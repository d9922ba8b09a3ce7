"""Write private files atomically."""

from __future__ import annotations

import errno
import os
import stat
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


def write_kept(texts: Mapping[Path, str]) -> None:
    """Write files of the operator, which may be there: a link stays one, owner and mode stay.

    A new file is 0600. A file that cannot be replaced with its owner and in its directory, such as
    one that a group shares, is written over in place. Raises OSError; a file that was not begun is
    then as it was.
    """
    staged: list[tuple[Path | None, Path, str]] = []
    try:
        for path, text in texts.items():
            target = _followed(path) if path.is_symlink() else path
            staged.append((_staged(target, text), target, text))
        for temporary, target, text in staged:
            if temporary:
                temporary.replace(target)
            else:
                _write_over(target, text)
    finally:
        for temporary, _target, _text in staged:
            if temporary:
                temporary.unlink(missing_ok=True)


def _followed(link: Path) -> Path:
    """Return what a link names. Raises OSError as root, where another account may turn it."""
    if os.geteuid() == 0 and link.lstat().st_uid != 0:
        raise PermissionError(
            errno.EPERM, "as root, the link of another account; run this without sudo", str(link)
        )
    return link.resolve()


def _staged(target: Path, text: str) -> Path | None:
    """Return a file beside a target that can replace it; None where it must be written over."""
    make_private_directory(target.parent)
    there = target.exists()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except PermissionError:
        if there and os.access(target, os.W_OK):
            return None
        raise
    temporary = Path(name)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    if not there:
        give_to_owner_of(target.parent, temporary)
    elif not _is_like(target, temporary):
        temporary.unlink()
        return None
    return temporary


def _is_like(target: Path, temporary: Path) -> bool:
    """Give a file the owner, mode and access list of another; return whether it has them."""
    known = target.stat()
    try:
        os.chown(temporary, known.st_uid, known.st_gid)
        # a change of owner clears bits, so the mode comes last
        temporary.chmod(stat.S_IMODE(known.st_mode))
        # Linux keeps access lists and labels there; another system has none to copy
        for attribute in os.listxattr(target) if hasattr(os, "listxattr") else ():
            os.setxattr(temporary, attribute, os.getxattr(target, attribute))
    except OSError:
        return False
    return True


def _write_over(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.truncate()
        handle.flush()
        os.fsync(handle.fileno())


def is_there(path: Path) -> bool:
    """Return whether a path exists. A path that cannot be checked counts as existing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
