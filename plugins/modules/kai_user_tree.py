#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many directories in one call, never through somebody else's link."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_user_tree
short_description: Directories exist with their owner and mode, and people have their first files
version_added: 0.1.0
description:
  - Makes directories and first files where accounts other than root may own the parents.
  - A path is walked one part at a time from the root directory. A link is followed only where
    root alone could have made it, so that no account can lead root elsewhere.
  - Existing files are never written to or removed.
  - What is made or mended is written down before it happens, and can be taken back.
options:
  state:
    description:
      - V(present) brings the directories and first files about.
      - V(restored) takes back what O(journal) tells, unless somebody has changed it or put
        something into it meanwhile, and ends the journal.
    type: str
    choices: [present, restored]
    default: present
  journal:
    description:
      - Directory of the journal, for root alone. Without it nothing is written down.
      - The journal stays until M(kai.bot.kai_installs) or O(state=restored) ends it.
    type: path
  accounts:
    description: Accounts that are about to be made; they are only written down.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      comment:
        description: The comment that it will have, by which it is known again.
        type: str
        required: true
  directories:
    description: Directories that have to exist, parents before children.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      owner:
        description: The account that owns it.
        type: str
        required: true
      group_of:
        description: The account whose primary group owns it; the owner's own by default.
        type: str
      mode:
        description: Octal mode. Without it an existing directory is left as it is.
        type: str
  seeds:
    description: Files that are made where they do not exist.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      source:
        description: Path below O(release) of the content.
        type: str
      fallback:
        description: The content when the release has no such file; without it nothing is made.
        type: str
      owner:
        description: The account that owns it.
        type: str
        required: true
      group_of:
        description: The account whose primary group owns it; the owner's own by default.
        type: str
      mode:
        description: Octal mode.
        type: str
        required: true
      narrow:
        description: Whether permissions beyond O(seeds[].mode) are taken from an existing file.
        type: bool
        default: false
  release:
    description: The release that seeds are taken from; without it no seeds are made.
    type: path
attributes:
  check_mode:
    support: full
    description: Says what would be made or mended.
  diff_mode:
    support: full
    description: Shows owner and mode before and after.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: People have their directories
  kai.bot.kai_user_tree:
    directories:
      - path: /var/lib/kai
        owner: kai
        mode: "0711"
      - path: /var/lib/kai/memory/123456789
        owner: alice
        group_of: kai
        mode: "2750"

- name: Directories and accounts are as they were before an install that failed
  kai.bot.kai_user_tree:
    state: restored
    journal: /opt/kai/installs
"""

RETURN = r"""
changes:
  description: What was made, mended or taken back, one line each.
  returned: always
  type: list
  elements: str
unproven:
  description: Whether the journal tells something, of this call or of an earlier one.
  returned: when O(state=present)
  type: bool
left:
  description: What was not taken back, and why.
  returned: when O(state=restored)
  type: list
  elements: str
"""

import contextlib
import errno
import hashlib
import os
import pwd
import shlex
import stat
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.kernel_lock import Busy, only_worker
from ..module_utils.layout_journal import LayoutJournal
from ..module_utils.layout_undo import LayoutUndo
from ..module_utils.planted import Refused, open_own_file, planted
from ..module_utils.problems import Problem

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MOST_LINKS = 40


def identity(owner: str, group_of: str | None) -> tuple[int, int]:
    """Return UID and GID for an owner and the account whose primary group is used."""
    try:
        return pwd.getpwnam(owner).pw_uid, pwd.getpwnam(group_of or owner).pw_gid
    except KeyError as error:
        raise Refused(
            Problem(
                "the host",
                f"no account {error.args[0]!r}",
                "every account that owns a directory",
                "create it on the host with useradd, and run this again",
            )
        ) from error


def trusted(descriptor: int) -> bool:
    """Return whether root alone can change what a directory holds."""
    status = os.fstat(descriptor)
    return status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def make_directory(name: str, mode: int, parent: int) -> None:
    """Make a directory, unless the journal has made it for itself."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)


def base_of_homes() -> str:
    """Return the directory in which useradd makes homes."""
    run = subprocess.run(["useradd", "-D"], capture_output=True, text=True, check=False, timeout=60)
    defaults = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
    return defaults.get("HOME", "/home")


class Tree:
    """The directories and files of one call."""

    def __init__(
        self, release: str | None, dry: bool, journal: LayoutJournal | None = None
    ) -> None:
        self.release = release
        self.dry = dry
        self.journal = journal
        self.changes: list[str] = []

    def note(self, **entry: Any) -> None:
        """Write down what is about to happen."""
        if self.journal:
            self.journal.note(entry)

    def account(self, account: dict[str, Any]) -> None:
        """Write down an account that is about to be made."""
        if self.dry:
            return
        home = os.path.join(base_of_homes(), account["name"])
        self.note(
            account=account["name"], comment=account["comment"], home=not os.path.lexists(home)
        )

    def open_parent(self, path: str, links: int = 0) -> tuple[int, str, str] | None:
        """Return a descriptor of the path's parent, the last part and the parent without links.

        None when, in check mode, the parent is not there yet.
        Raises Refused for a link that anybody but root could have made.
        """
        if links > MOST_LINKS:
            raise Refused(
                Problem(
                    path,
                    f"more than {MOST_LINKS} links on the way",
                    "a way that ends",
                    f"mend its links on the host: namei -l {shlex.quote(path)}",
                )
            )
        parts = [part for part in path.split("/") if part]
        current = os.open("/", DIRECTORY)
        try:
            for index, part in enumerate(parts[:-1]):
                try:
                    following = os.open(part, DIRECTORY, dir_fd=current)
                except FileNotFoundError:
                    if self.dry:
                        return None
                    self.note(directory="/" + "/".join(parts[: index + 1]))
                    make_directory(part, 0o755, current)
                    following = os.open(part, DIRECTORY, dir_fd=current)
                except OSError as error:
                    if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                        raise
                    base = "/" + "/".join(parts[:index])
                    target = self.link_target(current, part, os.path.join(base, part))
                    rest = "/".join(parts[index + 1 :])
                    return self.open_parent(
                        os.path.normpath(os.path.join(base, target, rest)), links + 1
                    )
                os.close(current)
                current = following
            return os.dup(current), parts[-1], "/" + "/".join(parts[:-1])
        finally:
            os.close(current)

    def link_target(self, parent: int, part: str, path: str) -> str:
        """Return where a link in a trusted directory points. Raises Refused for anything else."""
        status = os.stat(part, dir_fd=parent, follow_symlinks=False)
        if not (stat.S_ISLNK(status.st_mode) and trusted(parent)):
            raise planted(path, status, "a directory")
        return os.readlink(part, dir_fd=parent)

    def directory(self, entry: dict[str, Any]) -> None:
        """Bring one directory about."""
        self.directory_at(entry["path"], entry, 0)

    def directory_at(self, place: str, entry: dict[str, Any], links: int) -> None:
        """Bring a directory about at a place to which ``links`` links have led."""
        path = entry["path"]
        opened = self.open_parent(place, links)
        if opened is None:
            self.changes.append(f"{path}: made")
            return
        parent, name, base = opened
        try:
            try:
                descriptor = os.open(name, DIRECTORY, dir_fd=parent)
            except FileNotFoundError:
                self.changes.append(f"{path}: made")
                if self.dry:
                    return
                self.note(directory=os.path.join(base, name))
                make_directory(name, 0o700, parent)
                descriptor = os.open(name, DIRECTORY, dir_fd=parent)
                entry = {**entry, "mode": entry["mode"] or "0755"}
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                # where root's link leads is walked as well: others may have made links there
                target = self.link_target(parent, name, os.path.join(base, name))
                self.directory_at(os.path.normpath(os.path.join(base, target)), entry, links + 1)
                return
            try:
                if entry["mode"]:
                    self.settle(descriptor, os.path.join(base, name), entry)
            finally:
                os.close(descriptor)
        finally:
            os.close(parent)

    def settle(self, descriptor: int, place: str, entry: dict[str, Any]) -> None:
        """Give an open directory, which is at a place, its owner and mode."""
        status = os.fstat(descriptor)
        before = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
        wanted_mode = int(entry["mode"], 8)
        try:
            uid, gid = identity(entry["owner"], entry["group_of"])
        except Refused:
            # in check mode the account may be one that the same run would make
            if self.dry:
                return
            raise
        after = (uid, gid, wanted_mode)
        if before == after:
            return
        made = f"{entry['path']}: made"
        if made not in self.changes:
            self.changes.append(
                f"{entry['path']}: {before[0]}:{before[1]} {before[2]:04o} -> "
                f"{uid}:{gid} {wanted_mode:04o}"
            )
        if not self.dry:
            self.note(mended=place, before=before, after=after)
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, wanted_mode)

    def seed(self, entry: dict[str, Any]) -> None:
        """Make one first file where there is none."""
        content = self.seed_content(entry)
        if content is None:
            return
        opened = self.open_parent(entry["path"])
        if opened is None:
            self.changes.append(f"{entry['path']}: made")
            return
        parent, name, base = opened
        try:
            try:
                os.stat(name, dir_fd=parent, follow_symlinks=False)
                if entry["narrow"]:
                    self.narrow(parent, name, base, entry)
                return
            except FileNotFoundError:
                self.changes.append(f"{entry['path']}: made")
            if self.dry:
                return
            uid, gid = identity(entry["owner"], entry["group_of"])
            digest = hashlib.sha256(content).hexdigest()
            self.note(file=os.path.join(base, name), sha256=digest)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb") as handle:
                handle.write(content)
                os.fchown(handle.fileno(), uid, gid)
                os.fchmod(handle.fileno(), int(entry["mode"], 8))
        finally:
            os.close(parent)

    def narrow(self, parent: int, name: str, base: str, entry: dict[str, Any]) -> None:
        """Take from an existing file the permissions that it should not give."""
        descriptor, status = open_own_file(parent, name, entry["path"])
        try:
            before = stat.S_IMODE(status.st_mode)
            after = before & int(entry["mode"], 8)
            if before != after:
                self.changes.append(f"{entry['path']}: {before:04o} -> {after:04o}")
                if not self.dry:
                    owner = (status.st_uid, status.st_gid)
                    place = os.path.join(base, name)
                    self.note(mended=place, before=(*owner, before), after=(*owner, after))
                    os.fchmod(descriptor, after)
        finally:
            os.close(descriptor)

    def seed_content(self, entry: dict[str, Any]) -> bytes | None:
        """Return what a first file holds, None when there is nothing to put into it."""
        if self.release and entry["source"]:
            try:
                with open(os.path.join(self.release, entry["source"]), "rb") as handle:
                    return handle.read()
            except FileNotFoundError:
                pass
        fallback = entry["fallback"]
        return None if fallback is None else fallback.encode()


def present(
    parameters: dict[str, Any], journal: LayoutJournal | None, dry: bool
) -> tuple[dict[str, Any], list[Problem]]:
    """Bring everything about; returns the result, and why paths were not touched."""
    tree = Tree(parameters["release"], dry, journal)
    refusals: list[Problem] = []
    for account in parameters["accounts"]:
        tree.account(account)
    entries = [(tree.directory, entry) for entry in parameters["directories"]]
    entries += [(tree.seed, entry) for entry in parameters["seeds"]]
    for bring_about, entry in entries:
        try:
            bring_about(entry)
        except Refused as error:
            refusals.append(error.problem)
        except OSError as error:
            refusals.append(
                Problem(
                    entry["path"],
                    f"{error.strerror}",
                    "a path that root can reach",
                    f"look at it on the host: namei -l {shlex.quote(entry['path'])}",
                )
            )
    unproven = bool(journal and journal.entries())
    return {"changes": tree.changes, "unproven": unproven}, refusals


def restored(journal: LayoutJournal, dry: bool) -> dict[str, Any]:
    """Take everything back; returns the result."""
    undo = LayoutUndo(journal, dry)
    undo.run()
    return {"changes": undo.changes, "left": undo.left}


def main() -> None:
    """Run the module."""
    owner: dict[str, Any] = {
        "path": {"type": "str", "required": True},
        "owner": {"type": "str", "required": True},
        "group_of": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**owner, "mode": {"type": "str"}},
            },
            "seeds": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **owner,
                    "mode": {"type": "str", "required": True},
                    "source": {"type": "str"},
                    "fallback": {"type": "str"},
                    "narrow": {"type": "bool", "default": False},
                },
            },
            "release": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
            "journal": {"type": "path"},
            "accounts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "comment": {"type": "str", "required": True},
                },
            },
        },
        required_if=[("state", "restored", ["journal"])],
        supports_check_mode=True,
    )
    directory, dry = module.params["journal"], module.check_mode
    journal = LayoutJournal(directory) if directory else None
    refusals: list[Problem] = []
    try:
        with only_worker(dry=dry):
            if journal and module.params["state"] == "restored":
                result = restored(journal, dry)
            else:
                result, refusals = present(module.params, journal, dry)
    except (Busy, OSError) as error:
        module.fail_json(msg=str(error))
    changes = result["changes"]
    result["changed"] = bool(changes)
    if refusals:
        # what lies on the way to several paths is told once
        told = "\n".join(dict.fromkeys(map(str, refusals)))
        module.fail_json(msg=f"These paths were not touched:\n{told}", **result)
    if module._diff:
        result["diff"] = {"before": "", "after": "".join(f"{change}\n" for change in changes)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
