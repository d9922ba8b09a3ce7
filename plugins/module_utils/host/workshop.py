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
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..rules.principal_ids import is_id
from .run_as import NoAnswer, ask_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rules.module_arguments import WorkshopRequest
    from ..rules.probe import Owner, WorkshopSeen

# more than any bot has users
MOST_ROWS = 10000
_BUSY_SECONDS = 10
_LONGEST_TEXT = 1 << 20


def workshop_seen(request: WorkshopRequest, account: pwd.struct_passwd | None) -> WorkshopSeen:
    """Return the workshop of a bot, and the profiles that its database assigns.

    request: the option ``workshop`` of kai_probe. account: the service user, None where there is
    none or this process cannot become it.
    """
    path = request["database"]
    if account is None and not os.path.lexists(path):
        return {"id": None, "assigned": [], "owners": {}, "fault": None}
    if account is None:
        return _unknown(f"{path} cannot be read by this account")
    queries = [request[name] for name in ("workshop", "assigned", "owners", "archived")]
    [answer] = ask_as(account, [lambda: _read(path, queries)])
    if isinstance(answer, NoAnswer):
        return _unknown(f"{path}: {answer}")
    (ids, assigned, owned, archived), fault = answer
    if fault:
        return _unknown(f"{path}: {fault}")
    found = [one for (one,) in ids if is_id("wsp", one)]
    if len(found) != len(ids) or len(found) > 1:
        return _unknown(f"{path}: not one workshop")
    profiles = [str(one) for (one,) in assigned if is_id("rtp", one)]
    counts = Counter(profile for profile, _who in {(row[0], row[1]) for row in owned})
    unused = {one for (one,) in archived if is_id("chn", one)}
    owners: dict[str, Owner] = {}
    for profile, principal, channel in owned:
        kinds = (("rtp", profile), ("prn", principal), ("chn", channel))
        if counts[profile] != 1 or not all(is_id(*one) for one in kinds) or channel in unused:
            continue
        new: Owner = {"principal": principal, "channel": channel, "channels": []}
        owners.setdefault(profile, new)["channels"].append(channel)
    return {
        "id": found[0] if found else None,
        "assigned": profiles,
        "owners": owners,
        "fault": None,
    }


def _unknown(fault: str) -> WorkshopSeen:
    return {"id": None, "assigned": None, "owners": {}, "fault": fault}


def _read(path: str, queries: Sequence[str]) -> tuple[list[list[Any]], str]:
    """Return the rows that each query finds, and why nothing could be asked."""
    nothing: list[list[Any]] = [[] for _query in queries]
    try:
        if os.stat(path).st_size == 0 and not os.path.exists(f"{path}-wal"):
            return nothing, ""
    except FileNotFoundError:
        return nothing, ""
    except OSError as error:
        return nothing, error.strerror or str(error)
    try:
        uri = f"file:{quote(path)}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)
        try:
            # Python 3.11 and later; an answer has a limit of its own
            if hasattr(connection, "setlimit"):
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_TEXT)
            *asked, archived = queries
            found = [_rows(connection, query, ()) for query in asked]
            # a bot of an earlier source archives nothing
            return [*found, _rows(connection, archived, ("no such column",))], ""
        finally:
            connection.close()
    except sqlite3.Error as error:
        return nothing, str(error)


def _rows(connection: sqlite3.Connection, query: str, missing: Sequence[str]) -> list[Any]:
    try:
        return connection.execute(query).fetchmany(MOST_ROWS)
    except sqlite3.OperationalError as error:
        # a bot of another line has no such tables
        if str(error).startswith(("no such table", *missing)):
            return []
        raise
