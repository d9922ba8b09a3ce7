# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories, files and free space of a host."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from ...rules.documents import legible
from ..files import Damaged, look
from ..free_space import nearest
from ..run_as import UNANSWERED, NoAnswer, ask_as, ask_each, fault_of_entry
from ..system import account_of
from ..workshop import workshop_seen
from .host import HANGING, unreadable

if TYPE_CHECKING:
    import pwd
    from collections.abc import Sequence

    from ...rules.probe import Access, AccessRequest, Account, Size, Target, WorkshopSeen
    from .host import Host

MB = 1 << 20


def accounts_seen(host: Host) -> dict[str, Account | None]:
    """Return UID, GID and home of each account asked for, None where there is none."""
    there = {name: account for name, account in host.accounts.items() if account}
    homes = kinds_of([account.pw_dir for account in there.values()])
    seen: dict[str, Account | None] = dict.fromkeys(host.accounts)
    for name, account in there.items():
        seen[name] = {
            "uid": account.pw_uid,
            "gid": account.pw_gid,
            "home": account.pw_dir,
            "home_kind": homes[account.pw_dir],
        }
    return seen


def kinds_of(paths: Sequence[str]) -> dict[str, str]:
    """Return the kind of each path, ``unseen`` where a process for it gave no answer."""
    kinds = ask_as(None, [partial(kind_of, path) for path in paths])
    words = {UNANSWERED: HANGING}
    return {
        path: words.get(kind, "unseen") if isinstance(kind, NoAnswer) else kind
        for path, kind in zip(paths, kinds)
    }


def probe_texts(host: Host) -> dict[str, str | None]:
    """Return the text of each requested file, None where there is none or it is unseen."""
    found = {path: host.deployed(path) for path in host.parameters["texts"]}
    return {path: None if text is None else legible(text) for path, text in found.items()}


def probe_workshop(host: Host) -> WorkshopSeen | None:
    """Return the workshop of the bot, None where it is not asked for."""
    request = host.parameters["workshop"]
    if request is None:
        return None
    account = host.accounts[host.parameters["service_user"]]
    return workshop_seen(request, account if host.may_ask(account) else None)


def probe_access(host: Host) -> list[Access]:
    """Return each request for access with its fault and the place of it, None without a fault."""
    asked: list[tuple[pwd.struct_passwd, AccessRequest]] = []
    found: list[Access] = []
    requests: list[AccessRequest] = host.parameters["access"]
    for request in requests:
        account = account_of(request["account"]) or account_of("nobody")
        if account and host.may_ask(account):
            asked.append((account, request))
        elif host.privileged:
            found.append({**request, "fault": "cannot be asked about", "place": request["path"]})
    faults = ask_each(
        [
            (account, partial(fault_of_entry, request["path"], request["write"]))
            for account, request in asked
        ]
    )
    for (_account, request), answer in zip(asked, faults):
        if isinstance(answer, NoAnswer):
            answer = ["gets no answer from", request["path"]]
        fault, place = answer or (None, None)
        found.append({**request, "fault": fault, "place": place})
    return found


def probe_targets(host: Host) -> dict[str, Target]:
    """Return the nearest directory, device and free space of each place where files are written.

    Adds a fault for a place that cannot be reached. Returns nothing without privilege.
    """
    if not host.privileged or not host.facts:
        return {}
    own = [os.path.dirname(path) for path in (host.facts["unit"]["path"], host.facts["lock"])]
    paths = [*host.parameters["targets"], *own]
    found = ask_as(None, [partial(target_of, path) for path in paths])
    for path, target in zip(paths, found):
        if isinstance(target, NoAnswer):
            host.add_fault(
                path,
                f"a path {HANGING}" if target is UNANSWERED else "a path that leads nowhere",
                "a place where files can be written",
                f"check it on the host: findmnt --target {path}",
            )
    return {path: target for path, target in zip(paths, found) if not isinstance(target, NoAnswer)}


def probe_file_sizes(host: Host) -> dict[str, int]:
    """Return the size of each file asked for that exists; add a fault for any other kind."""
    sizes = {}
    for path in host.parameters["files"]:
        try:
            content = look(path).content
        except Damaged as error:
            host.faults.append(error.problem)
            # it counts as a file without content
            content = b""
        except OSError as error:
            if host.privileged:
                host.faults.append(unreadable(path, error))
            continue
        if content is not None:
            sizes[path] = len(content)
    return sizes


def probe_models(host: Host) -> dict[str, str]:
    """Return how the bot finds each large file: readable, unreadable, absent or unseen."""
    paths = host.parameters["models"]
    account = host.accounts[host.parameters["service_user"]]
    asking = account if host.may_ask(account) else None
    answers = ask_as(asking, [partial(readability, path) for path in paths])
    return {
        path: "unseen" if isinstance(answer, NoAnswer) else answer
        for path, answer in zip(paths, answers)
    }


def kind_of(path: str) -> str:
    """Return the kind of a path: directory, file, absent, unseen or something else."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        return "unseen"
    if stat.S_ISREG(mode):
        return "file"
    return "directory" if stat.S_ISDIR(mode) else "something else"


def readability(path: str) -> str:
    """Return whether this process can read a file: readable, unreadable or absent."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "unreadable"
    return "readable" if os.path.isfile(path) and os.access(path, os.R_OK) else "unreadable"


def target_of(path: str) -> Target:
    """Return the nearest existing path to a path, its device, and its free space."""
    place = nearest(path)
    status = os.statvfs(place)
    return {
        "nearest": place,
        "directory": os.path.isdir(place),
        "device": os.stat(place).st_dev,
        "free": {
            "MB": status.f_bavail * status.f_frsize // MB,
            # some file systems create inodes as needed, and count none
            "inodes": status.f_favail if status.f_files else None,
        },
        "writable": os.access(place, os.W_OK),
    }


def size_of(directory: str) -> Size:
    """Return the size of a directory in MB, rounded up, and in inodes."""
    total = inodes = 0
    for parent, directories, files in os.walk(directory):
        for name in directories + files:
            total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            inodes += 1
    return {"MB": -(-total // MB), "inodes": inodes}
