# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the reports of runs: changes, notes for the operator, and the reason of a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .installs import FLAT, KEPT, RESTORED
from .run_plan import unknown_turns
from .run_results import BackedUp, Checked, LaidOut, Proved, Recorded, Reverted, Switched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .plans import ReportPlan
    from .reports import (
        InstallReport,
        Proof,
        RestartReport,
        RestoreReport,
        RollbackReport,
        UninstallReport,
    )


@dataclass(frozen=True)
class Results:
    """What the modules of a run returned, nothing for those that did not run.

    switched, reverted: of kai_switch, forward and back. laid_out, removed: of kai_user_tree, or of
    kai_removal for an uninstall. verified: of kai_proof. recorded: of kai_installs. backup: of
    kai_backup. backup_checked, data_laid_out: of kai_restore.
    """

    switched: Switched = field(default_factory=Switched)
    laid_out: LaidOut = field(default_factory=LaidOut)
    verified: Proved = field(default_factory=Proved)
    recorded: Recorded = field(default_factory=Recorded)
    reverted: Reverted = field(default_factory=Reverted)
    removed: LaidOut = field(default_factory=LaidOut)
    backup_checked: Checked = field(default_factory=Checked)
    data_laid_out: LaidOut = field(default_factory=LaidOut)
    backup: BackedUp = field(default_factory=BackedUp)


def install_report(planned: ReportPlan, results: Results) -> InstallReport:
    """Return the report of an install. planned: ``report`` of the plan."""
    return {
        "release": planned["release"],
        "plan": planned["plan"],
        "changes": planned["changes"],
        "install": results.recorded.get("number"),
        "notes": [
            *planned["notes"],
            *_cut_turns(planned["turns"], results),
            *_what_stays(results),
            *_what_accounts_break(results),
        ],
        "binaries": planned["binaries"],
        "logins": planned["logins"],
        "login_notice": planned["login_notice"],
        "enrol": planned["enrol"],
        **_proof(results),
    }


def restore_report(planned: ReportPlan, results: Results) -> RestoreReport:
    """Return the report of a restore. planned: ``report`` of the plan."""
    report, summary = install_report(planned, results), results.backup_checked["summary"]
    then, now = summary["meta"]["release"], planned["release"]
    notes = [*report["notes"]]
    if then not in (None, now):
        notes.append(
            f"The backup was made under release {then}; {planned['source']} is release {now}."
        )
    notes += results.data_laid_out.get("notes", ())
    return {**report, "backup": summary, "notes": notes}


def rollback_report(number: int | None, results: Results) -> RollbackReport:
    """Return the report of a rollback.

    number: of the install that came back, None where an unfinished one was reverted.
    """
    done = results.reverted if number is None else results.switched
    outcome = done.get("database", KEPT)
    return {
        "rolled_back_to": number,
        "changes": done.get("changed", False),
        "release": done.get("release"),
        "database": outcome,
        **_proof(results),
        "login_notice": [],
        "notes": [
            "host_vars may differ; the next install applies them again.",
            *_database(number, outcome),
            *_what_stays(results),
            *_what_accounts_break(results),
        ],
    }


def restart_report(results: Results) -> RestartReport:
    """Return the report of a restart. turns: how many running turns it cut off, None if unknown."""
    return {
        "turns": results.switched.get("turns"),
        "seconds_without": results.verified.get("seconds_without"),
    }


def uninstall_report(results: Results) -> UninstallReport:
    """Return the report of an uninstall."""
    original, removed = results.reverted, results.removed
    stopped = "the bot stopped"
    gone = original.get("removed_paths", ())
    if original["starts"]:
        stopped += ", and the former one started"
    return {
        "changes": [
            *([stopped] if original["was_active"] else []),
            *(
                f"{path}: {'removed' if path in gone else 'as before the first install'}"
                for path in original["changed_paths"]
            ),
            *removed["changes"],
        ],
        "left": removed["left"],
        "backup_left": results.backup.get("left", []),
    }


def failure_report(
    failure: str, causes: Sequence[str], install_dir: str, results: Results, *, check: bool
) -> str:
    """Return why a run failed and how it left the host.

    failure: the task and its message. causes: what its log shows. results: of the tasks that
    brought the former state back.
    """
    reverted = results.reverted
    lines = [failure, *causes, *_state_after(results, check=check)]
    failed = reverted["former_release"]
    if failed not in (reverted["release"], FLAT):
        lines.append(
            f"Release {failed} stays in {install_dir}/releases for inspection until an install "
            "succeeds."
        )
    left = [*results.removed.get("left", ()), *reverted["left"]]
    if left:
        lines.append(f"This stays: {', '.join(left)}.")
    return "\n".join([*lines, "Fix the error above, then run the same command again."])


def is_restored(results: Results, *, check: bool) -> bool:
    """Return whether the host is as before a run that failed, its bot included."""
    reverted = results.reverted
    touched = not check and reverted["changed"] and reverted["starts"]
    return not touched or "pid" in results.verified


def _state_after(results: Results, *, check: bool) -> list[str]:
    reverted, bot = results.reverted, results.verified
    if check:
        return ["Nothing was changed."]
    if not reverted["changed"]:
        return ["Nothing had been switched: the bot was not touched."]
    if not reverted["starts"]:
        return ["The host is as it was before this run; the bot did not run then either."]
    if "pid" not in bot:
        restored = "The files, the release and the service are as before this run"
        if not bot.get("msg"):
            return [f"{restored}. Whether the bot answers was not checked; run kai-ansible status."]
        return [f"{restored}, but the bot does not answer:", bot["msg"]]
    seconds = bot.get("seconds_without")
    after = "" if seconds is None else f" after {seconds} s"
    return [f"The host is as it was before this run, and the bot answers again{after}."]


def _cut_turns(turns: str, results: Results) -> list[str]:
    count = results.switched.get("cut_turns", 0)
    if count is None:
        return [unknown_turns(turns)]
    if not count:
        return []
    return [
        f"{count} running turn(s) cut off: the bot has told these users to send their last message "
        "again."
    ]


def _database(number: int | None, outcome: str) -> list[str]:
    """Return what a rollback does with the database, and where the newer data is."""
    if outcome == KEPT:
        return []
    state = "the state before the unfinished install" if number is None else f"install {number}"
    # a preview says it as well, before anything is done
    does = (
        f"The rollback restores the database of {state}."
        if outcome == RESTORED
        else f"The bot then starts without a database, because {state} had none."
    )
    return [
        f"{does} Everything that the bot has stored since, messages and jobs included, is then "
        "only in the former database: kai.db.before-rollback-<time>, in the same directory."
    ]


def _what_stays(results: Results) -> list[str]:
    notes, recorded = [], results.recorded
    if recorded.get("left_paths"):
        own = ", ".join(recorded["left_paths"])
        notes.append(f"Kept of release flat, because it may be your own: {own}.")
    left = [*recorded.get("left_data", ()), *results.switched.get("left", ())]
    if left:
        data = ", ".join(dict.fromkeys(left))
        notes.append(f"The next run removes what is still in use: {data}.")
    return notes


def _what_accounts_break(results: Results) -> list[str]:
    # what an account keeps from working for itself alone
    return [*results.laid_out.get("notes", ()), *results.verified.get("notes", ())]


def _proof(results: Results) -> Proof:
    return {
        "verified": results.verified.get("verified", []),
        "seconds_without": results.verified.get("seconds_without"),
        "removed_releases": results.recorded.get("removed_releases", []),
    }
