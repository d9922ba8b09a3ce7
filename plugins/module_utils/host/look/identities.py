# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in the homes of users that another release line of the bot has under another name."""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from functools import partial
from typing import TYPE_CHECKING

from ..run_as import NoAnswer, ask_each

if TYPE_CHECKING:
    from ...rules.probe import HomeFile, IdentitySeen
    from .host import Host

# longer ones are no identity that an agent could read
_MOST_BYTES = 1 << 20


def probe_identities(host: Host, live: str | None) -> dict[str, IdentitySeen]:
    """Return the requested files of each home that exists. live: the live release.

    The owner of the home reads them: whatever links are in it, these rights are all that they could
    abuse.
    """
    found: dict[str, IdentitySeen] = {}
    asked = []
    for request in host.parameters["identities"]:
        home = request["home"]
        try:
            account = pwd.getpwuid(os.lstat(home).st_uid)
        except (OSError, KeyError):
            continue
        template = template_digest(host, live, request["template"])
        found[home] = {"files": {}, "template": template}
        if host.may_ask(account):
            for name in request["files"]:
                asked.append((home, name, account))
    answers = ask_each([(account, partial(file_in, home, name)) for home, name, account in asked])
    for (home, name, _account), answer in zip(asked, answers):
        if not isinstance(answer, NoAnswer):
            found[home]["files"][name] = answer
    return found


def template_digest(host: Host, live: str | None, name: str) -> str | None:
    """Return the digest of a file of the live release, None where it has none."""
    if live is None or host.distrusted:
        return None
    try:
        with open(os.path.join(host.installs.release_path(live), name), "rb") as handle:
            return hashlib.sha256(handle.read(_MOST_BYTES)).hexdigest()
    except OSError:
        return None


def file_in(home: str, name: str) -> HomeFile:
    """Return the kind of a file in a home, and a digest of its content.

    kind: absent, file, unseen, or in words what else is there.
    """
    parts = name.split("/")
    for index in range(1, len(parts) + 1):
        path = os.path.join(home, *parts[:index])
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return {"kind": "absent", "sha256": ""}
        except OSError:
            return {"kind": "unseen", "sha256": ""}
        if stat.S_ISLNK(status.st_mode):
            return {"kind": f"a link ({path})", "sha256": ""}
    if not stat.S_ISREG(status.st_mode):
        return {"kind": "no regular file", "sha256": ""}
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as handle:
            return {"kind": "file", "sha256": hashlib.sha256(handle.read(_MOST_BYTES)).hexdigest()}
    except OSError:
        return {"kind": "unseen", "sha256": ""}
