#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one state of the bot to another: files, live release and service, all together."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_switch
short_description: The bot runs with other files or another release, or with the former ones again
version_added: 0.1.0
description:
  - Writes down the former state, writes every file that differs beside its target, checks sudoers
    drop-ins by visudo within the whole policy, and only then renames the files into place, points
    C(current) to the release and starts the bot anew. Until it has started, the former rules of
    sudo hold as well.
  - What was live before is kept in C(installs/pending) below O(install_dir), for root alone, until
    M(kai.bot.kai_installs) or O(state=restored) closes that journal. While it is open, the state
    before it stays the former one, however often the switch is tried.
  - Keeps a checked copy of the database before another release goes live.
  - Changes nothing when the bot would have to be started anew and its database has no room.
options:
  state:
    description:
      - V(switched) brings the state about; V(restored) brings back the one before the journal was
        opened, the service included, and closes the journal; V(original) brings back the one before
        the first install. A bot of Kai's own installer then runs again if its release is still
        there.
    type: str
    choices: [switched, restored, original]
    default: switched
  install_dir:
    description: Where releases and records live.
    type: path
    required: true
  unit:
    description: Name of the systemd unit without its suffix.
    type: str
    required: true
  unit_file:
    description: Path of the unit; systemd is told when it changes.
    type: path
    required: true
  release:
    description: The release that is to be live, unless O(record) says it.
    type: str
  files:
    description: The files, unless O(record) says them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path; the directory must exist and belong to root.
        type: str
        required: true
      content:
        description: The whole text, unless O(secret_contents) has it.
        type: str
      mode:
        description: Octal mode.
        type: str
        required: true
      given:
        description: Whether the file is meant at all; otherwise it is left as it is.
        type: bool
        default: true
  secret_contents:
    description:
      - The whole texts of files that hold secrets, by path.
      - They stand apart from O(files), because Ansible writes the arguments of a module to the log
        of the host, and finds a secret in them only where it is an argument of its own.
    type: dict
    default: {}
  record:
    description: The number of a proven install whose files and release are to be live.
    type: int
  sudoers_files:
    description: Those of the files that are drop-ins of sudoers; the bot does not read them.
    type: list
    elements: path
    default: []
  unread_files:
    description: Those of the files that nothing of the bot reads, so that they restart nothing.
    type: list
    elements: path
    default: []
  secret_files:
    description: Those of the files that are environment files with secrets.
    type: list
    elements: path
    default: []
  shown_variables:
    description: The variables of O(secret_files) whose values a diff may show.
    type: list
    elements: str
    default: []
  opaque_files:
    description: Those of the files of which a diff may only say that they are others.
    type: list
    elements: path
    default: []
  visudo:
    description: Where visudo may be; the first that is there is used.
    type: list
    elements: path
    default: [/usr/sbin/visudo, /usr/bin/visudo]
  service_user:
    description: The account that the database belongs to; without it none is looked at.
    type: str
  database:
    description: Path of the bot's database.
    type: path
  with_database:
    description:
      - The number of the install whose snapshot of the database is brought back as well. The
        database that it replaces stays beside it.
    type: int
  data_dir:
    description: Where the data lives.
    type: path
  turns:
    description: The directory in which the bot has a file for each user whom it is answering.
    type: path
  with_data:
    description:
      - Whether the data that M(kai.bot.kai_restore) has laid out beside O(data_dir) takes its
        place, with the deployed files of the same backup that O(files) does not have. The former
        data is kept beside it until the journal is closed.
    type: bool
    default: false
  restart:
    description: Whether the bot is started anew although nothing else changes, as it hangs.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Checks the drop-ins as well; leaves nothing behind.
  diff_mode:
    support: full
    description: Shows secrets by their fingerprint, and what happens to the live release, the
      service and the database.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The new release is live
  kai.bot.kai_switch:
    install_dir: /opt/kai
    unit: kai
    unit_file: /etc/systemd/system/kai.service
    release: 0a1b2c3d4e5f
    sudoers_files: [/etc/sudoers.d/kai]
    files:
      - path: /etc/sudoers.d/kai
        content: "{{ lookup('ansible.builtin.template', 'sudoers.j2') }}"
        mode: "0440"

- name: Everything is as it was
  kai.bot.kai_switch:
    state: restored
    install_dir: /opt/kai
    unit: kai
    unit_file: /etc/systemd/system/kai.service
"""

RETURN = r"""
changed_paths:
  description: The files that differed.
  returned: always
  type: list
  elements: str
former_release:
  description: The release that was live before, null when none was.
  returned: always
  type: str
release:
  description: The release that is live now, V(flat) for the one that Kai's own installer laid out,
    null when none is.
  returned: always
  type: str
was_active:
  description: Whether the bot ran before.
  returned: always
  type: bool
starts:
  description: Whether the bot is started anew.
  returned: always
  type: bool
unfinished:
  description: Whether an earlier install was neither proven nor taken back.
  returned: always
  type: bool
left:
  description: What of data that nobody needs any more could not be removed, and why. The next run
    removes it.
  returned: always
  type: list
  elements: str
cut_turns:
  description: How many answers the bot could not finish before it was stopped, null when unknown.
  returned: when the bot was started
  type: int
stopped_at:
  description: When the bot was stopped, on the monotonic clock; null when it did not run.
  returned: when it is started anew
  type: float
snapshot:
  description: Whether the database was kept.
  returned: when O(state=switched)
  type: bool
proof:
  description: The arguments with which the install of O(record) was proven.
  returned: when O(record) is given
  type: dict
"""

import concurrent.futures
import dataclasses
import errno
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import database
from ..module_utils.bot_service import is_active, is_enabled, systemctl, turns_in, unit_state
from ..module_utils.data_copy import Place
from ..module_utils.differences import ABSENT, difference, shown_env, shown_opaque
from ..module_utils.install_records import Installs, Journal, Original
from ..module_utils.installs import FLAT, MODELS
from ..module_utils.kernel_lock import Busy, only_worker
from ..module_utils.left_processes import end_processes
from ..module_utils.problems import problem_of_error
from ..module_utils.programs import run_program
from ..module_utils.root_files import FileState, Refused, kept, look, replace, wanted_states
from ..module_utils.root_places import refuse_places, refuse_service_as_root
from ..module_utils.sudoers import MAIN_POLICY, policy_with_candidate

ASIDE = ".before-rollback"
LEAST_BYTES = 1 << 20
POLL_SECONDS = 0.02


def drop_ins(directory: str) -> list[str]:
    """Return the names of the regular files of a directory; sudo passes over everything else."""
    return [name for name in os.listdir(directory) if os.path.isfile(os.path.join(directory, name))]


def check_policy(places: list[str], state: FileState) -> None:
    """Raise Refused when visudo rejects the whole policy with this drop-in in it."""
    visudo = next((place for place in places if os.access(place, os.X_OK)), None)
    if visudo is None:
        raise Refused(f"there is no visudo in {' or '.join(places)}; install sudo on the host")
    directory, name = os.path.split(state.path)
    with tempfile.TemporaryDirectory(prefix="kai-sudoers-") as scratch:
        candidate = os.path.join(scratch, name)
        combined = os.path.join(scratch, "policy")
        with open(MAIN_POLICY, encoding="utf-8", errors="surrogateescape") as handle:
            policy = policy_with_candidate(
                handle.read(), directory, drop_ins(directory), name, candidate
            )
        with open(candidate, "wb") as drop_in:
            drop_in.write(state.content or b"")
        with open(combined, "w", encoding="utf-8", errors="surrogateescape") as handle:
            handle.write(policy)
        verdict = run_program([visudo, "-c", "-f", combined], timeout=60)
        if verdict.returncode != 0:
            raise Refused(
                f"visudo rejects the policy with the new {state.path}:\n"
                + (verdict.stdout + verdict.stderr).replace(scratch, directory).strip()
            )


def check_room(database: str) -> None:
    """Raise Refused when a bot that is stopped could not write to its database as it starts."""
    directory = os.path.dirname(database)
    status = os.statvfs(directory)
    if status.f_bavail * status.f_frsize < LEAST_BYTES:
        raise Refused(
            f"{directory} has no room left, so the bot would not start again. Make some, "
            f"df -h {directory} shows how much there is, and run this again"
        )


def refuse_read_only(paths: Iterable[str]) -> None:
    """Raise Refused where one of some files lies in a directory that cannot be written."""
    for path in paths:
        directory = os.path.dirname(path)
        if os.path.isdir(directory) and not os.access(directory, os.W_OK):
            raise Refused(
                str(problem_of_error(OSError(errno.EROFS, os.strerror(errno.EROFS)), path))
            )


def comparison(before: FileState, after: FileState, shown: Callable[[str], str]) -> dict[str, str]:
    """Return a diff of one file; shown: what may be seen of its text."""

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
    """One call of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.parameters: dict[str, Any] = module.params
        self.installs = Installs(self.parameters["install_dir"])
        self.unit: str = self.parameters["unit"]
        self.left: list[str] = []
        self.stopped_at: float | None = None

    def run(self) -> dict[str, Any]:
        """Bring the wanted state about, and return the module's result."""
        if not self.module.check_mode and self.installs.journal() is None:
            # what was killed before its journal counted
            self.installs.close_journal()
            if self.parameters["data_dir"] and not self.parameters["with_data"]:
                self.left += Place(self.parameters["data_dir"]).discard()
        states = {"restored": self.restore, "original": self.back_to_original}
        result = states.get(self.parameters["state"], self.switch)()
        return {**result, "left": self.left}

    def wanted(self) -> tuple[str, list[FileState], dict[str, bool], dict[str, Any]]:
        """Return release, files, every path with whether it is managed, and more for the result."""
        number = self.parameters["record"]
        if number is None:
            files = self.parameters["files"]
            states = wanted_states(files, self.parameters["secret_contents"])
            managed = {entry["path"]: entry["given"] for entry in files}
            states += self.of_backup({state.path for state in states})
            return self.parameters["release"], states, managed, {}
        record = self.installs.record(number)
        last = self.installs.record(self.installs.numbers()[-1])
        # what neither install was told to write is the operator's own
        states = [
            state
            for state in self.installs.deployed(number)
            if record["managed"][state.path] or last["managed"].get(state.path)
        ]
        return record["release"], states, record["managed"], {"proof": record["proof"]}

    def of_backup(self, known: Collection[str]) -> list[FileState]:
        """Return the deployed files of a backup that nobody else gives."""
        if not self.parameters["with_data"] or self.module.check_mode:
            return []
        files = kept(Place(self.parameters["data_dir"]).config)
        return [state for state in files if state.path not in known]

    def text_of(self, entry: dict[str, Any]) -> str:
        """Return the text of a file. Raises Refused when there is none."""
        text = entry["content"]
        if text is None:
            text = self.parameters["secret_contents"].get(entry["path"])
        if text is None:
            raise Refused(f"{entry['path']} has no text in files or secret_contents")
        return str(text)

    def switch(self) -> dict[str, Any]:
        """Bring another state about, or find that everything is as it should be."""
        release, wanted, managed, more = self.wanted()
        if self.parameters["with_database"]:
            self.installs.check_snapshot(self.parameters["with_database"])
        former = [look(state.path) for state in wanted]
        changed = [(old, new) for old, new in zip(former, wanted) if old != new]
        changed_paths = [new.path for _old, new in changed]
        live, journal, service = (
            self.installs.live(),
            self.installs.journal(),
            unit_state(self.unit),
        )
        unread = {*self.parameters["sudoers_files"], *self.parameters["unread_files"]}
        read_by_bot = set(changed_paths) - unread
        starts = bool(
            read_by_bot
            or live != release
            # nobody knows what a bot read whose install was cut short
            or journal
            or self.parameters["with_database"]
            or self.parameters["with_data"]
            or self.parameters.get("restart")
            or not is_active(service)
        )
        result: dict[str, Any] = {
            "changed": bool(
                changed_paths
                or starts
                or self.installs.lacks_models(release)
                or not is_enabled(service)
                or not self.is_on_record(release)
            ),
            "changed_paths": changed_paths,
            "former_release": live,
            "release": release,
            "was_active": is_active(service),
            "starts": starts,
            "unfinished": journal is not None,
            "snapshot": self.wants_snapshot(live, release, journal),
            **more,
        }
        if self.module._diff:
            result["diff"] = self.differences(changed, result)
            if not is_enabled(service):
                result["diff"].append(difference(f"{self.unit}.service at boot", "", "started"))
        for _old, new in changed:
            if new.path in self.parameters["sudoers_files"] and new.content is not None:
                check_policy(self.parameters["visudo"], new)
        if self.module.check_mode or not result["changed"]:
            return result
        if not os.path.isdir(self.installs.release_path(release)):
            raise Refused(f"release {release} is not built: {self.installs.releases} has none")
        if starts and self.parameters["database"]:
            check_room(self.parameters["database"])
        if journal:
            self.installs.discard_scratch([state.path for state in wanted])
            self.give_back_data(journal)
        self.open_journal(journal, former, managed, result, service)
        new_states = [new for _old, new in changed]
        try:
            replace(self.with_former_rules(changed) if starts else new_states)
        except OSError:
            # nothing was replaced; an older journal still has something to bring back
            if journal is None:
                self.installs.close_journal()
            raise
        if live != release or self.installs.lacks_models(release):
            self.installs.go_live(release)
        if self.parameters["unit_file"] in changed_paths or journal:
            systemctl("daemon-reload")
        if not is_enabled(service):
            systemctl("enable", "--quiet", f"{self.unit}.service")
        self.note_stop()
        if self.parameters["with_database"]:
            self.exchange_database()
        if self.parameters["with_data"]:
            self.exchange_data()
        if starts:
            result["cut_turns"] = self.restart()
            result["stopped_at"] = self.stopped_at if result["was_active"] else None
            replace(self.only_rules(new_states))
        return result

    def is_on_record(self, release: str) -> bool:
        """Return whether a release was proven last, which a record that was moved away may hide."""
        records = self.installs.records()
        return bool(records) and records[-1]["release"] == release

    def with_former_rules(self, changed: list[tuple[FileState, FileState]]) -> list[FileState]:
        """Return the new states, drop-ins of sudo first and with what they had before in them.

        The bot that still runs needs its rules until its end: it stops its agents by them. And one
        that is started anew after a reboot finds those for the people that it reads of.
        """
        states = []
        for old, new in changed:
            if new.path in self.parameters["sudoers_files"] and old.content and new.content:
                # an alias may not be defined twice, not even with the same words
                known = old.content.splitlines()
                added = [line for line in new.content.splitlines() if line not in known]
                both = dataclasses.replace(new, content=b"\n".join([*known, *added, b""]))
                # what the operator wrote there may clash with what is to come
                with suppress(Refused):
                    check_policy(self.parameters["visudo"], both)
                    new = both
            states.append(new)
        rules = self.only_rules(states)
        return [*rules, *(state for state in states if state not in rules)]

    def only_rules(self, states: list[FileState]) -> list[FileState]:
        """Return those of the states that are drop-ins of sudo."""
        return [state for state in states if state.path in self.parameters["sudoers_files"]]

    def differences(
        self, files: list[tuple[FileState, FileState]], result: dict[str, Any]
    ) -> list[dict[str, str]]:
        """Return the diff of files, of the link to the live release, the database and the bot."""
        found = [comparison(old, new, self.shown(new.path)) for old, new in files]
        former, release = (
            "" if result[key] in (None, FLAT) else result[key]
            for key in ("former_release", "release")
        )
        if former != release:
            found.append(difference(self.installs.current, former, release))
        elif self.installs.lacks_models(result["release"]):
            link = os.path.join(self.installs.release_path(result["release"]), MODELS)
            found.append(difference(link, "", self.installs.models))
        if result.get("snapshot"):
            found.append(difference(self.parameters["database"], "", "a copy is kept"))
        if self.parameters["with_database"]:
            found.append(difference(self.parameters["database"], "", "the one of then"))
        if self.parameters["with_data"]:
            found.append(difference(self.parameters["data_dir"], "", "that of the backup"))
        if result["starts"]:
            states = ("runs", "restarted") if result["was_active"] else ("", "started")
            found.append(difference(f"{self.unit}.service", *states))
        return found

    def shown(self, path: str) -> Callable[[str], str]:
        """Return what may be seen of the text of a file."""
        if path in self.parameters["opaque_files"]:
            return shown_opaque
        if path in self.parameters["secret_files"]:
            return lambda text: shown_env(text, self.parameters["shown_variables"])
        return str

    def wants_snapshot(self, live: str | None, release: str, journal: Journal | None) -> bool:
        """Return whether the database has to be kept before this switch."""
        path = self.parameters["database"]
        return bool(
            path
            and (live != release or self.parameters["with_database"])
            and not (journal and os.path.exists(self.installs.snapshot()))
            and database.has_content(path)
        )

    def open_journal(
        self,
        journal: Journal | None,
        former: list[FileState],
        managed: dict[str, bool],
        result: dict[str, Any],
        service: dict[str, str],
    ) -> None:
        """Write down the former state, and keep the database if this is about to be changed."""
        self.installs.prepare()
        if result["snapshot"]:
            try:
                self.keep_database(was_active=result["was_active"])
            except Refused:
                # a damaged database is a reason to bring an earlier one back; it stays beside that
                if not self.parameters["with_database"]:
                    if journal is None:
                        self.installs.close_journal()
                    raise
                result["snapshot"] = False
        if journal is None:
            journal = Journal(
                result["former_release"],
                is_active(service),
                is_enabled(service),
                result["release"],
                managed,
            )
        journal.release = result["release"]
        journal.managed = {**journal.managed, **managed}
        journal.rolled_back_to = self.parameters["record"]
        self.installs.open_journal(journal, former)

    def keep_database(self, *, was_active: bool) -> None:
        """Keep the database; a process of the service user that is in the way is ended first."""
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
        """Bring an earlier database back while the bot does not run."""
        self.stop()
        journal = self.open_journal_again()
        journal.database = self.parameters["database"]
        journal.account = self.parameters["service_user"]
        self.installs.write_journal(journal)
        database.exchange(
            journal.database,
            self.installs.snapshot(self.parameters["with_database"]),
            journal.account,
            aside(journal),
        )

    def exchange_data(self) -> None:
        """Put the data of a backup in the place of what is there, while the bot does not run."""
        self.stop()
        journal = self.open_journal_again()
        journal.data_dir = self.parameters["data_dir"]
        self.installs.write_journal(journal)
        Place(journal.data_dir).exchange()

    def open_journal_again(self) -> Journal:
        """Return the journal that is open. Raises Refused without one."""
        journal = self.installs.journal()
        if journal is None:
            raise Refused("the journal is gone")
        return journal

    def give_back_data(self, journal: Journal) -> None:
        """Bring the former data back, which a restore that was cut short has exchanged."""
        if not journal.data_dir:
            return
        self.stop()
        place = Place(journal.data_dir)
        place.exchange_back()
        journal.data_dir = ""
        self.installs.write_journal(journal)
        self.left += place.remove()

    def note_stop(self) -> None:
        """Note when the bot was stopped first."""
        self.stopped_at = self.stopped_at or time.monotonic()

    def stop(self) -> None:
        """Stop the bot, and end what it or its agents left at work in its data."""
        self.note_stop()
        if is_active(unit_state(self.unit)):
            systemctl("stop", f"{self.unit}.service")
        if self.parameters["data_dir"]:
            end_processes(os.path.realpath(self.parameters["data_dir"]))

    def restart(self) -> int | None:
        """Start the bot anew, and return how many answers the former one could not finish.

        None when that is unknown. systemd runs stop and start as one job, so a run that is killed
        in between leaves no bot stopped. The new bot removes the files of those answers, but only
        after it has started.
        """
        pid, directory = int(unit_state(self.unit).get("MainPID") or 0), self.parameters["turns"]
        if not (pid and directory):
            self.start()
            return 0
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
            started = pool.submit(self.start)
            while os.path.exists(f"/proc/{pid}") and not started.done():
                time.sleep(POLL_SECONDS)
            turns = turns_in(directory)
            started.result()
        return turns

    def start(self) -> None:
        """Start the bot anew. Raises Refused when it would run as root.

        Another process of the service user that has the database open can keep the bot from it.
        """
        refuse_service_as_root(self.parameters["service_user"])
        state = unit_state(self.unit)
        if self.parameters["database"]:
            database_file = os.path.realpath(self.parameters["database"])
            end_processes(database_file, spared=state.get("ControlGroup", ""))
        # a unit that was started often is not started again before it is told to forget that
        if state.get("ActiveState") != "inactive":
            systemctl("reset-failed", f"{self.unit}.service")
        systemctl("restart", f"{self.unit}.service")

    def restore(self) -> dict[str, Any]:
        """Bring back what was there before the journal was opened."""
        journal = self.installs.journal()
        if journal is None:
            if not self.module.check_mode:
                remove_if_empty(self.installs.directory)
            return self.bring_back(None, journal)
        former = Original(
            journal.former_release, journal.active, journal.enabled, self.installs.former()
        )
        return self.bring_back(former, journal)

    def back_to_original(self) -> dict[str, Any]:
        """Bring back what was there before the first install."""
        original = self.installs.original()
        if original and original.release == FLAT and not self.installs.built().get(FLAT):
            # what cannot start is not started, now or at boot
            original = dataclasses.replace(original, release=None, active=False, enabled=False)
        if original:
            # before the bot is stopped, as it could not be started at boot any more, or go on
            refuse_read_only([self.installs.current, *(state.path for state in original.files)])
        return self.bring_back(original, self.installs.journal())

    def bring_back(self, former: Original | None, journal: Journal | None) -> dict[str, Any]:
        """Bring a former state back and close the journal; None means that there is none."""
        service, live = unit_state(self.unit), self.installs.live()
        result: dict[str, Any] = {
            "changed": former is not None,
            "changed_paths": [],
            "former_release": live,
            "release": former.release if former else live,
            "was_active": is_active(service),
            "starts": bool(former and former.active),
            "unfinished": journal is not None,
        }
        if former is None:
            return result
        present = [look(state.path) for state in former.files]
        changed = [(now, state) for now, state in zip(present, former.files) if now != state]
        result["changed_paths"] = [state.path for _now, state in changed]
        if self.module._diff:
            result["diff"] = [
                *self.differences(changed, result),
                *([difference(self.installs.pending, "unfinished", "")] if journal else []),
            ]
        if self.module.check_mode:
            return result
        exchanged = bool(journal and (journal.database or journal.data_dir))
        if exchanged or (is_active(service) and not former.active):
            self.stop()
        if is_enabled(service) and not former.enabled:
            systemctl("disable", "--quiet", f"{self.unit}.service")
        if journal and journal.data_dir:
            self.give_back_data(journal)
        if journal and journal.database:
            database.exchange_back(journal.database, aside(journal))
        self.installs.discard_scratch([state.path for state in former.files])
        then = [state for _now, state in changed]
        replace(self.with_former_rules(changed) if former.active else then)
        if live != former.release:
            self.installs.go_live(former.release)
        # systemd reads no unit anew where /run is full: the former bot comes back all the same, and
        # the journal stays open for what is missing
        fault = None
        stale = unit_state(self.unit).get("NeedDaemonReload") == "yes"
        if stale or self.parameters["unit_file"] in result["changed_paths"]:
            try:
                systemctl("daemon-reload")
            except Refused as error:
                fault = error
        if former.enabled and not is_enabled(service):
            systemctl("enable", "--quiet", f"{self.unit}.service")
        if former.active:
            self.start()
            replace(self.only_rules(then))
        if fault:
            raise fault
        self.installs.close_journal()
        if self.parameters["data_dir"]:
            self.left += Place(self.parameters["data_dir"]).remove()
        if not self.installs.numbers():
            self.installs.forget_original()
        remove_if_empty(self.installs.directory)
        return result


def aside(journal: Journal) -> str:
    """Return what is added to the name of a database that another one replaces."""
    return f"{ASIDE}-{journal.opened.replace(':', '')}"


def remove_if_empty(directory: str) -> None:
    """Remove a directory unless something is in it."""
    if os.path.isdir(directory) and not os.listdir(directory):
        os.rmdir(directory)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["switched", "restored", "original"],
                "default": "switched",
            },
            "install_dir": {"type": "path", "required": True},
            "unit": {"type": "str", "required": True},
            "unit_file": {"type": "path", "required": True},
            "release": {"type": "str"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    "content": {"type": "str"},
                    "mode": {"type": "str", "required": True},
                    "given": {"type": "bool", "default": True},
                },
            },
            "secret_contents": {"type": "dict", "default": {}, "no_log": True},
            "record": {"type": "int"},
            "sudoers_files": {"type": "list", "elements": "path", "default": []},
            "unread_files": {"type": "list", "elements": "path", "default": []},
            "secret_files": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "shown_variables": {"type": "list", "elements": "str", "default": []},
            "opaque_files": {"type": "list", "elements": "path", "default": []},
            "visudo": {
                "type": "list",
                "elements": "path",
                "default": ["/usr/sbin/visudo", "/usr/bin/visudo"],
            },
            "service_user": {"type": "str"},
            "database": {"type": "path"},
            "with_database": {"type": "int"},
            "data_dir": {"type": "path"},
            "turns": {"type": "path"},
            "with_data": {"type": "bool", "default": False},
            "restart": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("record", "release"), ("record", "files")],
        required_by={"with_database": ["record", "database"], "database": ["service_user"]},
        required_if=[("with_data", True, ["data_dir", "release"])],
        supports_check_mode=True,
    )
    if module.params["state"] == "switched" and not (
        module.params["release"] or module.params["record"]
    ):
        module.fail_json(msg="state=switched needs release or record")
    os.umask(0o077)
    try:
        if not module.check_mode:
            refuse_places(module.params["install_dir"], module.params["data_dir"] or "")
        if module.params["state"] == "switched":
            refuse_service_as_root(module.params["service_user"])
        with only_worker(dry=module.check_mode):
            result = Switch(module).run()
    except (Refused, Busy) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, "a file")))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
