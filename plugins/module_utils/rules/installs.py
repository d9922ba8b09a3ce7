# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installs of a host: which were verified, which to keep, which to roll back to.

A record of an install is a mapping with number, release, time, snapshot (whether the database was
kept before it) and rolled_back_to (the install it repeats, or None). The highest number is the
last verified state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .problems import Problem, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .probe import (
        Installed,
        InstalledService,
        InstallRecord,
        KnownInstalls,
        ReleaseState,
        VerifiedRelease,
    )

# The release that Kai's own installer laid out right in install_dir. It stays where it is, as an
# environment cannot be moved, and is live when nothing else is.
FLAT = "flat"
# where Kai looks for large files, below the directory that it runs from
MODELS = "models"
# what a switch does with the database: leaves it, replaces it by a snapshot, moves it aside
KEPT, RESTORED, NONE = "kept", "restored", "none"
# why an uninstall keeps a thing that --purge removes
HOLDS_DATA, OWNS_DATA = "it holds data", "it owns the data"
# where systemd gives no answer
UNKNOWN_STATE = "unknown"
INSTALL = "kai-ansible install"
# of installs that were recorded before records had a line
UNRECORDED_LINE = "1"


def kept_releases(records: Sequence[VerifiedRelease], keep: int, live: str) -> list[str]:
    """Return the releases that stay: the newest ``keep`` verified ones, the live one first.

    records: of the host, in any order.
    """
    newest_first = sorted(records, key=lambda record: record["number"], reverse=True)
    verified = dict.fromkeys([live, *(record["release"] for record in newest_first)])
    return list(verified)[: max(keep, 1)]


def release_states(
    built: Mapping[str, bool],
    records: Iterable[VerifiedRelease],
    live: str | None,
    unfinished: str | None,
    *,
    is_known: bool = True,
) -> list[ReleaseState]:
    """Return every release with its id, its state and whether it is live.

    built: per release on the host, whether its build is complete.
    unfinished: the release of an install that was neither verified nor reverted.
    is_known: whether every record could be read.
    States: good (verified once), unverified (of the unfinished install), failed (built, never
    verified), incomplete (never built to the end), not adopted (of Kai's own installer, and not on
    record yet), unknown (built, and perhaps on a record that is damaged).
    """
    verified = {record["release"] for record in records}

    def state(release: str) -> str:
        if not built[release]:
            return "incomplete"
        if release in verified:
            return "good"
        if release == FLAT:
            return "not adopted"
        if release == unfinished:
            return "unverified"
        return "failed" if is_known else "unknown"

    return [
        {"id": release, "state": state(release), "live": release == live}
        for release in sorted(built)
    ]


@dataclass(frozen=True)
class Choice:
    """The target of a rollback.

    number: the install whose files and release come back; None when the unfinished install is
    taken back, or when there are problems.
    snapshot: the install whose snapshot shows the database as the chosen one left it; None where
    there is none, or the chosen install had no database.
    with_database: whether the database goes back as well: where it was asked for, and where the
    chosen install is of another release line, whose bot cannot read the present one. Without a
    snapshot that bot starts without a database.
    """

    number: int | None = None
    snapshot: int | None = None
    problems: Sequence[Problem] = ()
    with_database: bool = False


def choose(status: KnownInstalls, to: str, *, with_database: bool) -> Choice:
    """Return the target of a rollback.

    status: ``installed`` of kai_probe. to: the number of an install or a release; empty for the
    state before the one that is live, or before the unfinished install.
    """
    if status["installs"] is None:
        found, fix = "files that only root can read", "run this as root: become: true"
        return _refused("the records of installs", found, "readable records", fix)
    records = sorted(status["installs"], key=lambda record: record["number"])
    damaged = [
        entry for entry in status["damaged"] if entry["needed"] or to == str(entry["number"])
    ]
    if damaged:
        return Choice(problems=[Problem(**entry["problem"]) for entry in damaged])
    if not to and status["unfinished"]:
        if with_database:
            return _refused(
                "the rollback with the database",
                "an install that was neither verified nor reverted",
                "a finished install",
                "first revert the unfinished install, without the database: kai-ansible rollback",
            )
        return Choice()
    record = _wanted(records, status["live"], to)
    if record is None:
        known = listed(f"{record['number']} ({record['release']})" for record in records)
        return _refused(
            "the install to go back to",
            repr(to) if to else f"no verified install before the live one; known: {known}",
            f"one of {known}" if to else "an earlier verified install",
            "choose one from the list of kai-ansible status"
            if records
            else "apply host_vars: kai-ansible install",
        )
    states = {release["id"]: release["state"] for release in status["releases"] or ()}
    if states.get(record["release"]) != "good":
        return _refused(
            f"release {record['release']}",
            states.get(record["release"], "nothing"),
            "a complete release",
            "choose another one; see kai-ansible status",
        )
    crosses = _line(record) != _line(records[-1])
    # a snapshot is taken before an install, so the next one shows what this one left; a bot of
    # another line that followed without one found no database
    later = [other for other in records if other["number"] > record["number"]]
    following = next(
        (other for other in later if other["snapshot"] or _line(other) != _line(record)), None
    )
    snapshot = following["number"] if following and following["snapshot"] else None
    if with_database and snapshot is None and not crosses:
        return _refused(
            "the rollback with the database",
            f"no snapshot of it since install {record['number']}",
            "a snapshot, which is taken whenever another release goes live",
            "roll back without the database",
        )
    return Choice(record["number"], snapshot, with_database=with_database or crosses)


def _line(record: InstallRecord) -> str:
    return str(record.get("line", UNRECORDED_LINE))


def _wanted(records: Sequence[InstallRecord], live: str | None, to: str) -> InstallRecord | None:
    if to:
        by_number = [record for record in records if str(record["number"]) == to]
        by_release = [record for record in records if record["release"] == to]
        found = by_number or by_release
        return found[-1] if found else None
    if records and records[-1]["release"] != live:
        return records[-1]
    return records[-2] if len(records) > 1 else None


def _refused(where: str, found: str, expected: str, fix: str) -> Choice:
    return Choice(problems=[Problem(where, found, expected, fix)])


def rolled_back(status: KnownInstalls) -> str:
    """Return which install was rolled back last and when, empty when none or another one followed.

    status: ``installed`` of kai_probe, whose installs are None without privilege.
    """
    records = sorted(status["installs"] or (), key=lambda record: record["number"])
    if status["unfinished"] or not records or records[-1]["rolled_back_to"] is None:
        return ""
    last = records[-1]
    earlier = f"install {records[-2]['number']}" if len(records) > 1 else "the install before"
    return f"{earlier} was rolled back on {last['time'][:10]} to install {last['rolled_back_to']}"


def without_repeating(status: KnownInstalls, fix: str) -> str:
    """Return a fix that does not advise the install that was just rolled back.

    An install applies host_vars, and the host does not show whether they were corrected
    since.
    """
    past = rolled_back(status)
    if not past or INSTALL not in fix or past in fix:
        return fix
    return f"{past}, and host_vars may still ask for it: correct them first; then {fix}"


def not_enabled(service: InstalledService) -> Problem:
    """Return the problem of a unit that does not start at boot."""
    name = f"{service['unit']}.service"
    return Problem(name, "not enabled", "a unit that starts at boot", f"systemctl enable {name}")


def advised(status: KnownInstalls, problems: Iterable[Problem]) -> list[Problem]:
    """Return problems with fixes ``without_repeating`` the install that was just rolled back."""
    return [replace(problem, fix=without_repeating(status, problem.fix)) for problem in problems]


def judged(status: Installed) -> Iterator[Problem]:
    """Yield the problems of a host. status: ``installed`` of kai_probe."""
    for entry in status["damaged"]:
        yield Problem(**entry["problem"])
    service = status["service"]
    name = f"{service['unit']}.service"
    if status["live"] is None:
        yield Problem(
            "the host", "no live release", "an installed bot", "install it: kai-ansible install"
        )
        return
    if status["unfinished"]:
        yield Problem(
            "the last install",
            f"release {status['unfinished']['release']}, neither verified nor reverted",
            "a verified state",
            "finish it: kai-ansible install; or revert it: kai-ansible rollback",
        )
    # it is unknown whether a unit runs that systemd does not report
    is_known = service.get("state") != UNKNOWN_STATE
    if not service["active"] and is_known:
        yield Problem(
            name, "not running", "a running unit", f"journalctl -u {name}, then {INSTALL}"
        )
    elif status["health"] != 200 and is_known:
        yield Problem(
            name,
            "no answer" if status["health"] is None else f"the answer {status['health']}",
            "the answer 200 on its health path",
            f"read its log: journalctl -u {name}",
        )
    if not service["enabled"] and is_known:
        yield not_enabled(service)
    # without privilege the releases are unknown
    states = {release["id"]: release["state"] for release in status["releases"] or ()}
    state = states.get(status["live"], "nothing")
    if status["releases"] is not None and state in ("nothing", "incomplete"):
        found = {"incomplete": "an incomplete release, or one whose Python does not run"}
        yield Problem(
            f"release {status['live']}",
            found.get(state, state),
            "the live release",
            "build it again: kai-ansible install",
        )
