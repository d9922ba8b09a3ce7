# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier checks and their circumstances: while these are unchanged, no check repeats.

A check stays valid as long as nothing on which it depends has changed: the command and its
environment, the program with its interpreter and all directories above both, the account and
its groups, the directories, and all that sudo goes by. It also ends with the machine's uptime, and
after a while.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import socket
import stat
from typing import TYPE_CHECKING, Any

from ..rules.documents import Unfit, legible, read_json
from ..rules.file_state import FileState
from ..rules.sudoers import PolicyTooLarge, asks_elsewhere, depends_on_more, policy_levels
from . import system
from .files import Damaged, look, replace
from .run_as import NoAnswer, ask_as
from .sudo_policy import policy_files
from .trusted_paths import places_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .trusted_paths import ServerOf

LONGEST_SECONDS = 7 * 86400
# on which sudo and the loader of programs depend as well
SYSTEM_FILES = ("/etc/pam.d", "/etc/sudo.conf", "/etc/shells", "/etc/ld.so.cache")
NAME_SERVICES = "/etc/nsswitch.conf"


class EarlierProofs:
    """The proofs in a file of root's that a reboot removes."""

    def __init__(self, path: str, now: float) -> None:
        """Read the file; anything else in its place counts as empty."""
        self.path, self.now = path, now
        self.times: dict[str, float] = {}
        # a full file system may have cut it off; then everything is verified again
        with contextlib.suppress(Damaged, Unfit):
            state = look(path)
            if state.content and (state.uid, state.mode) == (os.geteuid(), 0o600):
                known = read_json(state.content, {str: float})
                self.times = {
                    digest: time
                    for digest, time in known.items()
                    if 0 <= now - time < LONGEST_SECONDS
                }

    def due(self, digests: Sequence[str]) -> list[str]:
        """Return which proofs of a kind are to be made: those that have not been, else the oldest.

        digests: of the circumstances of each.
        """
        new = [digest for digest in digests if digest not in self.times]
        return new or sorted(digests, key=self.times.__getitem__)[:1]

    def keep(self, valid: Iterable[str], verified: Iterable[str]) -> None:
        """Write the file, if possible; a check that is not in it repeats.

        valid: the digests that are still valid. verified: those of this run.
        """
        kept = {digest: self.times[digest] for digest in valid if digest in self.times}
        kept.update(dict.fromkeys(verified, self.now))
        content = json.dumps(kept).encode()
        with contextlib.suppress(OSError):
            replace([FileState(self.path, content, 0o600, os.geteuid(), os.getegid())])


def digest_of(*facts: Any) -> str:
    """Return a digest of facts that JSON can hold."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def facts_of_policy() -> list[Any]:
    """Return the state on which sudo and the loader depend.

    Raises OSError for an unreadable file, and where more than files decides.
    """
    # a file may lie on a file system that does not answer
    [found] = ask_as(None, [_facts_of_policy])
    if isinstance(found, NoAnswer):
        raise OSError(f"the policy of sudo: {found}")
    facts: list[Any] = found
    return facts


def _facts_of_policy() -> list[Any]:
    found: list[Any] = [socket.gethostname()]
    try:
        for texts, directories in policy_levels(policy_files()):
            if any(depends_on_more(text or "") for text in texts.values()):
                raise OSError("time or a plugin decides on a rule")
            found += [[path, *_content(path)] for path in (*texts, *directories)]
    except PolicyTooLarge as error:
        raise OSError("a policy of too many files") from error
    if asks_elsewhere(legible(look(NAME_SERVICES, links=True).content or b"")):
        raise OSError("sudo has rules from elsewhere than its files")
    for place in SYSTEM_FILES:
        if os.path.isdir(place):
            names = sorted(os.listdir(place))
            found += [[name, *_content(os.path.join(place, name))] for name in names]
        else:
            found.append([place, *_content(place)])
    return found


def _content(path: str) -> list[Any]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return []
    if not stat.S_ISREG(status.st_mode):
        return [status.st_mode, status.st_uid, status.st_gid]
    with open(path, "rb") as handle:
        digest = hashlib.sha256(handle.read()).hexdigest()
    return [status.st_mode, status.st_uid, status.st_gid, digest]


def facts_of_program(path: str, search_path: Sequence[str]) -> list[Any]:
    """Return the state of a program's files and of the directories above them. Raises OSError."""
    found: list[Any] = []
    for place in places_of(path, search_path):
        status = os.lstat(place.path)
        content = (
            []
            if stat.S_ISDIR(status.st_mode)
            else [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        )
        found.append([*place, *content])
    return found


def facts_of_account(name: str) -> list[Any]:
    """Return the entry and groups of an account. Raises KeyError when there is none."""
    entry = pwd.getpwnam(name)
    return [*entry, *sorted(system.groups_of(entry))]


def facts_of_directory(path: str, server_of: ServerOf | None) -> list[Any]:
    """Return the owners, modes and access lists above a directory. Raises OSError.

    server_of: as for ``place_at``; one that remembers serves many directories.
    """
    return [list(place) for place in places_of(path, server_of=server_of)]
