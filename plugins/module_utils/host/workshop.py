# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the id of the workshop, and the assigned profiles, from the database of the bot.

The bot may run meanwhile. A process that opens its database for writing and closes it last removes
the log of changes that the bot still writes to, so it is opened with mode=ro; and as the service
user, who owns its directory and could put links there.
"""

from __future__ import annotations

import os
import pwd
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..rules.principal_ids import is_id
from .run_as import NoAnswer, ask_as

if TYPE_CHECKING:
    from ..rules.module_arguments import WorkshopRequest
    from ..rules.probe import WorkshopSeen

# more than any bot has users
MOST_ROWS = 10000
_BUSY_SECONDS = 10


def workshop_seen(request: WorkshopRequest, account: pwd.struct_passwd | None) -> WorkshopSeen:
    """Return the workshop of a bot, and the profiles that its database assigns.

    request: the option ``workshop`` of kai_probe. account: the service user, None where there is
    none or this process cannot become it.
    """
    path = request["database"]
    if account is None and not os.path.lexists(path):
        return {"id": None, "assigned": [], "fault": None}
    if account is None:
        return {"id": None, "assigned": None, "fault": f"{path} cannot be read by this account"}
    [answer] = ask_as(account, [lambda: _read(path, request["workshop"], request["assigned"])])
    if isinstance(answer, NoAnswer):
        return {"id": None, "assigned": None, "fault": f"{path}: {answer}"}
    ids, assigned, fault = answer
    if fault:
        return {"id": None, "assigned": None, "fault": f"{path}: {fault}"}
    found = [one for one in ids if is_id("wsp", one)]
    if len(found) != len(ids) or len(found) > 1:
        return {"id": None, "assigned": None, "fault": f"{path}: not one workshop"}
    profiles = [str(one) for one in assigned if is_id("rtp", one)]
    return {"id": found[0] if found else None, "assigned": profiles, "fault": None}


def _read(path: str, workshop: str, assigned: str) -> tuple[list[Any], list[Any], str]:
    """Return what the two queries find, and why they found nothing."""
    try:
        if os.stat(path).st_size == 0 and not os.path.exists(f"{path}-wal"):
            return [], [], ""
    except FileNotFoundError:
        return [], [], ""
    except OSError as error:
        return [], [], error.strerror or str(error)
    try:
        uri = f"file:{quote(path)}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)
        try:
            known = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            # a bot of another line has no such tables
            answers = [
                [row[0] for row in connection.execute(query).fetchmany(MOST_ROWS)]
                if query.split()[-1] in known
                else []
                for query in (workshop, assigned)
            ]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return [], [], str(error)
    return answers[0], answers[1], ""
