# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching between states of the bot: files, live release, database and service together."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import errno
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ..rules.diff import ABSENT, difference, shown_env, shown_opaque
from ..rules.file_state import FileState, wanted_states
from ..rules.installs import FLAT, KEPT, MODELS, NONE, RESTORED
from ..rules.problems import Refused, problem_of_error
from . import database, system
from .data_copy import StagingArea
from .files import kept, look, remove_if_empty, replace
from .free_space import fault_of_space
from .left_processes import end_processes
from .records import Installs, Journal, Original
from .root_places import refuse_service_as_root
from .service import turns_in
from .sudo_policy import check_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ..rules.module_arguments import SwitchArguments
    from ..rules.run_results import Reverted, Switched
    from .system import ServiceState

ASIDE = ".before-rollback"
POLL_SECONDS = 0.02


def refuse_read_only(paths: Iterable[str]) -> None:
    """Raise Refused if one of some files is in a directory that cannot be written."""
    for path in paths:
        directory = os.path.dirname(path)
        if os.path.isdir(directory) and not os.access(directory, os.W_OK):
            raise Refused(problem_of_error(OSError(errno.EROFS, os.strerror(errno.EROFS)), path))


def comparison(before: FileState, after: FileState, shown: Callable[[str], str]) -> dict[str, str]:
    """Return a diff of one file. shown: returns the part of its text that a diff may show."""

    def header(state: FileState) -> str:
        if state.content is None:
            return f"{state.path} ({ABSENT})"
        return f"{state.path} ({state.uid}:{state.gid} {state.mode:04o})"

    def readable(state: FileState) -> str:
        return shown(state.content.decode("utf-8", "replace")) if state.content else ""

    return {
        "before_header": header(before),
        "after_header": header(after),
        "before": readable(before),
        "after": readable(after),
    }


class Switch:
    """One switch, or the way back from one."""

    def __init__(self, parameters: SwitchArguments, *, dry: bool, diff: bool) -> None:
        """Prepare.

        parameters: those of kai_switch. dry: change nothing. diff: return the differences as well.
        """
        self.parameters = parameters
        self.dry = dry
        self.diff = diff
        self.installs = Installs(self.parameters["install_dir"])
        self.unit = self.parameters["unit"]
        self.left: list[str] = []
        self.stopped_at: float | None = None

    def run(self) -> Switched | Reverted:
        """Establish ``state``; return the result of the module. Raises Refused and OSError."""
        if not self.dry and self.installs.journal() is None:
            # leftovers of a run that was killed before its journal counted
            self.installs.close_journal()
            if self.parameters["data_dir"] and not self.parameters["with_data"]:
                self.left += StagingArea(self.parameters["data_dir"]).discard()
        states = {"restored": self.restore, "original": self.back_to_original}
        result = states.get(self.parameters["state"], self.switch)()
        result["left"] = self.left
        return result

    def wanted(self) -> tuple[str, list[FileState], dict[str, bool], Switched]:
        """Return the release, the files, which paths are managed, and more for the result."""
        number = self.parameters["record"]
        if number is None:
            files = self.parameters["files"]
            states = wanted_states(files, self.parameters["secret_contents"])
            managed = {entry["path"]: entry["given"] and not entry["absent"] for entry in files}
            states += self.of_backup({state.path for state in states})
            line = self.parameters.get("line") or self.installs.line()
            return self.parameters["release"], states, managed, {"line": line}
        record = self.installs.record(number)
        last = self.installs.record(self.installs.numbers()[-1])
        # a file that neither install wrote is the operator's own
        states = [
            state
            for state in self.installs.deployed(number)
            if record["managed"][state.path] or last["managed"].get(state.path)
        ]
        # an earlier line has no such file
        newer = [path for path, given in last["managed"].items() if given]
        newer = [path for path in newer if path not in record["managed"]]
        states += [FileState(path, None) for path in newer]
        managed = {**record["managed"], **dict.fromkeys(newer, True)}
        more: Switched = {"proof": record["proof"], "line": record["line"]}
        return record["release"], states, managed, more

    def former_line(self, former_release: str | None) -> str:
        """Return the release line of the live bot.

        A bot of Kai's own installer that is on no record shows it by its code.
        """
        if former_release == FLAT and not self.installs.numbers():
            place = self.installs.install_dir
            for signs in self.parameters["code_signs"]:
                has, lacks = (
                    [os.path.isfile(os.path.join(place, name)) for name in signs[kind]]
                    for kind in ("has", "lacks")
                )
                if all(has) and not any(lacks):
                    return signs["line"]
        return self.installs.line()

    def of_backup(self, known: Collection[str]) -> list[FileState]:
        """Return the deployed files of a backup, without known ones."""
        if not self.parameters["with_data"] or self.dry:
            return []
        files = kept(StagingArea(self.parameters["data_dir"]).config)
        return [state for state in files if state.path not in known]

    def switch(self) -> Switched:
        """Switch to the desired state, or find that nothing differs."""
        release, wanted, managed, more = self.wanted()
        with_database = self.parameters["with_database"]
        if with_database:
            self.installs.check_snapshot(with_database)
        exchanges = with_database is not None
        former = [look(state.path) for state in wanted]
        changed = [(old, new) for old, new in zip(former, wanted) if old != new]
        changed_paths = [new.path for _old, new in changed]
        live, journal = self.installs.live(), self.installs.journal()
        service = system.service_state(self.unit)
        unread = {*self.parameters["sudoers_files"], *self.parameters["unread_files"]}
        read_by_bot = set(changed_paths) - unread
        starts = bool(
            read_by_bot
            or live != release
            # the files that the bot of an unfinished install read are unknown
            or journal
            or exchanges
            or self.parameters["with_data"]
            or self.parameters.get("restart")
            or not service.active
        )
        result: Switched = {
            "changed": bool(
                changed_paths
                or starts
                or self.installs.lacks_models(release)
                or not service.enabled
                or not self.installs.is_recorded()
            ),
            "changed_paths": changed_paths,
            "former_release": live,
            "release": release,
            "was_active": service.active,
            "starts": starts,
            "unfinished": journal is not None,
            "snapshot": self.wants_snapshot(live, release, journal),
            "database": KEPT if with_database is None else outcome_of(with_database),
            **more,
        }
        if self.diff:
            result["diff"] = self.differences(changed, result)
            if not service.enabled:
                result["diff"].append(difference(f"{self.unit}.service at boot", "", "enabled"))
        for _old, new in changed:
            if new.path in self.parameters["sudoers_files"] and new.content is not None:
                check_policy(self.parameters["visudo"], new)
        if self.dry or not result["changed"]:
            return result
        if not os.path.isdir(self.installs.release_path(release)):
            raise Refused(
                f"release {release} is not built: {self.installs.releases} has none. Fix: run the "
                f"install again, which builds it"
            )
        if starts and self.parameters["database"]:
            # a bot that starts writes to its database
            fault = fault_of_space(os.path.dirname(self.parameters["database"]))
            if fault:
                raise Refused(fault)
        if journal:
            self.installs.discard_scratch([state.path for state in wanted])
            self.give_back_data(journal)
        new_states = [new for _old, new in changed]
        former_line = self.former_line(live)
        if result["line"] != former_line and result["snapshot"]:
            # the other bot takes over what this one leaves, up to its last message
            self.stop()
        try:
            self.open_journal(journal, former, managed, result, former_line, service)
            try:
                replace(self.with_former_rules(changed) if starts else new_states)
            except OSError:
                # nothing was replaced; an older journal still has something to restore
                if journal is None:
                    self.installs.close_journal()
                raise
        except (OSError, Refused):
            if service.active and not system.service_state(self.unit).active:
                self.start()
            raise
        if live != release or self.installs.lacks_models(release):
            self.installs.go_live(release)
        if self.parameters["unit_file"] in changed_paths or journal:
            system.reload_manager()
        if not service.enabled:
            system.enable_service(self.unit)
        self.note_stop()
        if exchanges:
            self.exchange_database()
        if self.parameters["with_data"]:
            self.exchange_data()
        if starts:
            result["cut_turns"] = self.restart()
            result["stopped_at"] = self.stopped_at if result["was_active"] else None
            replace(self.only_rules(new_states))
        return result

    def with_former_rules(self, changed: list[tuple[FileState, FileState]]) -> list[FileState]:
        """Return the new states, sudoers drop-ins first and with their former rules in them.

        The running bot needs its rules until it ends: it stops its agents by them. A bot that
        starts after a reboot finds the rules for the users that it reads.
        """
        states = []
        for old, new in changed:
            if new.path in self.parameters["sudoers_files"] and old.content and new.content:
                # an alias may not be defined twice, not even with the same words
                known = old.content.splitlines()
                added = [line for line in new.content.splitlines() if line not in known]
                both = dataclasses.replace(new, content=b"\n".join([*known, *added, b""]))
                # the operator's own rules there may clash with the new rules
                with suppress(Refused):
                    check_policy(self.parameters["visudo"], both)
                    new = both
            states.append(new)
        rules = self.only_rules(states)
        return [*rules, *(state for state in states if state not in rules)]

    def only_rules(self, states: list[FileState]) -> list[FileState]:
        """Return the states that are sudoers drop-ins."""
        return [state for state in states if state.path in self.parameters["sudoers_files"]]

    def differences(
        self, files: list[tuple[FileState, FileState]], result: Switched | Reverted
    ) -> list[dict[str, str]]:
        """Return the diff of the files, the live release, the database and the service."""
        found = [comparison(old, new, self.shown(new.path)) for old, new in files]
        former, release = (
            "" if name is None or name == FLAT else name
            for name in (result["former_release"], result["release"])
        )
        if former != release:
            found.append(difference(self.installs.current, former, release))
        elif release and self.installs.lacks_models(release):
            link = os.path.join(self.installs.release_path(release), MODELS)
            found.append(difference(link, "", self.installs.models))
        if result.get("snapshot"):
            found.append(difference(self.parameters["database"], "", "a copy is kept"))
        if result["database"] != KEPT:
            now = "restored" if result["database"] == RESTORED else "moved aside"
            found.append(difference(self.parameters["database"], "", now))
        if result["starts"]:
            states = ("runs", "restarted") if result["was_active"] else ("", "started")
            found.append(difference(f"{self.unit}.service", *states))
        return found

    def shown(self, path: str) -> Callable[[str], str]:
        """Return the function that returns the part of a file's text that a diff may show."""
        if path in self.parameters["opaque_files"]:
            return shown_opaque
        if path in self.parameters["secret_files"]:
            return lambda text: shown_env(text, self.parameters["shown_variables"])
        return str

    def wants_snapshot(self, live: str | None, release: str, journal: Journal | None) -> bool:
        """Return whether this switch needs a snapshot of the database."""
        path = self.parameters["database"]
        return bool(
            path
            and (live != release or self.parameters["with_database"] is not None)
            and not (journal and os.path.exists(self.installs.snapshot()))
            # what is there now is of the bot of an unfinished install
            and not (journal and journal.had_no_database)
            and database.has_content(path)
        )

    def open_journal(
        self,
        journal: Journal | None,
        former: list[FileState],
        managed: dict[str, bool],
        result: Switched,
        former_line: str,
        service: ServiceState,
    ) -> None:
        """Record the former state, and a snapshot of the database where it is about to change."""
        self.installs.prepare()
        if result["snapshot"]:
            try:
                self.keep_database(was_active=result["was_active"])
            except Refused:
                # a damaged database is a reason to restore an earlier one; it stays beside that
                if self.parameters["with_database"] is None:
                    if journal is None:
                        self.installs.close_journal()
                    raise
                result["snapshot"] = False
        if journal is None:
            path = self.parameters["database"]
            journal = Journal(
                result["former_release"],
                service.active,
                service.enabled,
                result["release"],
                managed,
                former_line=former_line,
                without_database=bool(path) and database.is_none(path),
            )
        journal.release, journal.line = result["release"], result["line"]
        journal.managed = {**journal.managed, **managed}
        journal.rolled_back_to = self.parameters["record"]
        self.installs.open_journal(journal, former)

    def keep_database(self, *, was_active: bool) -> None:
        """Take a snapshot of the database; end a process of the service user that blocks it."""
        arguments = (
            self.parameters["database"],
            self.installs.snapshot(),
            self.parameters["service_user"],
            self.installs.install_dir,
        )
        try:
            database.save(*arguments)
        except database.Held:
            self.stop()
            try:
                database.save(*arguments)
            except Refused:
                if was_active:
                    self.start()
                raise

    def exchange_database(self) -> None:
        """Restore an earlier database, or none, while the bot is stopped."""
        self.stop()
        journal = self.open_journal_again()
        journal.database = self.parameters["database"]
        journal.account = self.parameters["service_user"]
        self.installs.write_journal(journal)
        number = self.parameters["with_database"]
        copy = self.installs.snapshot(number) if number else None
        database.exchange(journal.database, copy, journal.account, aside(journal))

    def restore_database(self, journal: Journal) -> None:
        """Restore the database of the former line's bot, or none where it had none.

        The one of the bot that failed stays beside it.
        """
        path, account = self.parameters["database"], self.parameters["service_user"]
        copy = self.installs.snapshot() if self.installs.has_snapshot() else None
        is_there = database.has_content(path)
        database.exchange(path, copy, account, aside(journal))
        # what the former bot writes from here on is no longer replaced
        journal.line = journal.former_line
        self.installs.write_journal(journal)
        if is_there:
            self.left.append(f"{path}{aside(journal)}: the database of the bot that failed")

    def give_back_database(self, journal: Journal) -> None:
        """Restore the database, or none, that an unfinished rollback has replaced."""
        had_none = journal.without_database
        unwanted = database.exchange_back(journal.database, aside(journal), had_none=had_none)
        if unwanted:
            self.left.append(f"{unwanted}: the database that the rollback brought")
        # what the former bot writes from here on is no longer replaced
        journal.database, journal.line = "", journal.former_line
        self.installs.write_journal(journal)

    def exchange_data(self) -> None:
        """Replace the data by the data of a backup while the bot is stopped."""
        self.stop()
        journal = self.open_journal_again()
        journal.data_dir = self.parameters["data_dir"]
        self.installs.write_journal(journal)
        StagingArea(journal.data_dir).exchange()

    def open_journal_again(self) -> Journal:
        """Return the journal that is open. Raises Refused without one."""
        journal = self.installs.journal()
        if journal is None:
            raise Refused(
                f"{self.installs.pending} has no journal: another run has finished or reverted "
                f"this switch. Fix: run the same command again"
            )
        return journal

    def give_back_data(self, journal: Journal) -> None:
        """Restore the data that an unfinished restore of a backup has replaced."""
        if not journal.data_dir:
            return
        self.stop()
        place = StagingArea(journal.data_dir)
        place.exchange_back()
        journal.data_dir = ""
        self.installs.write_journal(journal)
        self.left += place.remove()

    def note_stop(self) -> None:
        """Record when the bot was stopped first."""
        self.stopped_at = self.stopped_at or time.monotonic()

    def stop(self) -> None:
        """Stop the bot, and end processes that it or its agents left at work in its data."""
        self.note_stop()
        if system.service_state(self.unit).active:
            system.stop_service(self.unit)
        if self.parameters["data_dir"]:
            end_processes(os.path.realpath(self.parameters["data_dir"]))

    def restart(self) -> int | None:
        """Restart the bot; return how many answers it could not finish, None when unknown.

        The new bot removes the files of those answers, but only after it has started.
        """
        pid, directory = system.service_state(self.unit).pid, self.parameters["turns"]
        if not (pid and directory):
            self.start()
            return 0
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
            started = pool.submit(self.start)
            while system.exists(pid) and not started.done():
                time.sleep(POLL_SECONDS)
            turns = turns_in(directory)
            started.result()
        return turns

    def start(self) -> None:
        """Start or restart the bot. Raises Refused when it would run as root.

        Another process of the service user that has the database open could block the bot.
        """
        refuse_service_as_root(self.parameters["service_user"])
        state = system.service_state(self.unit)
        if self.parameters["database"]:
            # the service user may have made a link of the file itself
            directory, name = os.path.split(self.parameters["database"])
            end_processes(os.path.join(os.path.realpath(directory), name), spared=state.group)
        system.restart_service(self.unit, state)

    def restore(self) -> Reverted:
        """Restore the state before the journal was opened."""
        journal, former = self.installs.journal(), None
        if journal:
            former = Original(
                journal.former_release, journal.active, journal.enabled, self.installs.former()
            )
        return self.restore_state(former, journal)

    def back_to_original(self) -> Reverted:
        """Restore the state before the first install."""
        original = self.installs.original()
        if original and original.release == FLAT and not self.installs.built().get(FLAT):
            # a release that is gone is not started, now or at boot
            original = dataclasses.replace(original, release=None, active=False, enabled=False)
        if original:
            # before the bot is stopped, as it could not be started at boot any more, or go on
            refuse_read_only([self.installs.current, *(state.path for state in original.files)])
        return self.restore_state(original, self.installs.journal())

    def restore_state(self, former: Original | None, journal: Journal | None) -> Reverted:
        """Restore a former state and close the journal; None means that there is none."""
        service, live = system.service_state(self.unit), self.installs.live()
        result: Reverted = {
            "changed": former is not None,
            "changed_paths": [],
            "former_release": live,
            "release": former.release if former else live,
            "was_active": service.active,
            "starts": bool(former and former.active),
            "unfinished": journal is not None,
            "database": KEPT,
        }
        if former is None:
            return result
        exchanged = bool(journal and (journal.database or journal.data_dir))
        migrated = bool(
            journal
            and not exchanged
            and self.parameters["database"]
            and journal.crosses_lines
            and (self.installs.has_snapshot() or journal.had_no_database)
        )
        if migrated:
            result["database"] = outcome_of(self.installs.has_snapshot())
        present = [look(state.path) for state in former.files]
        changed = [(now, state) for now, state in zip(present, former.files) if now != state]
        result["changed_paths"] = [state.path for _now, state in changed]
        removed = [state.path for _now, state in changed if state.content is None]
        result["removed_paths"] = removed
        if self.diff:
            result["diff"] = [
                *self.differences(changed, result),
                *([difference(self.installs.pending, "unfinished", "")] if journal else []),
            ]
        if self.dry:
            return result
        if exchanged or migrated or (service.active and not former.active):
            self.stop()
        if service.enabled and not former.enabled:
            system.disable_service(self.unit)
        if journal and journal.data_dir:
            self.give_back_data(journal)
        if journal and journal.database:
            self.give_back_database(journal)
        if journal and migrated:
            self.restore_database(journal)
        self.installs.discard_scratch([state.path for state in former.files])
        then = [state for _now, state in changed]
        replace(self.with_former_rules(changed) if former.active else then)
        if live != former.release:
            self.installs.go_live(former.release)
        # the service manager cannot reload where its file system is full: the former bot starts
        # nevertheless, and the journal stays open for the missing part
        fault = None
        stale = system.service_state(self.unit).stale
        if stale or self.parameters["unit_file"] in result["changed_paths"]:
            try:
                system.reload_manager()
            except Refused as error:
                fault = error
        if former.enabled and not service.enabled:
            system.enable_service(self.unit)
        if former.active:
            self.start()
            replace(self.only_rules(then))
        if fault:
            raise fault
        self.installs.close_journal()
        if self.parameters["data_dir"]:
            self.left += StagingArea(self.parameters["data_dir"]).remove()
        if not self.installs.numbers():
            self.installs.forget_original()
        remove_if_empty(self.installs.directory)
        return result


def outcome_of(copy: int | bool) -> str:
    """Return what happens to a database that is exchanged. copy: whether there is one for it."""
    return RESTORED if copy else NONE


def aside(journal: Journal) -> str:
    """Return the suffix of a database that another one replaces."""
    return f"{ASIDE}-{journal.opened.replace(':', '')}"
