"""The log that each run leaves: JSON lines in the operator's state directory, without secrets.

Every line has the same fields: time (ISO 8601, UTC), run, host, task, outcome, changed and message.
The first and the last entry describe the run itself; their outcome is started, and then succeeded,
failed or interrupted.
"""

from __future__ import annotations

import json
import os
import re
import secrets as randomness
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible import own_version
from kai_ansible.ansible.failures import CENSORED, message_of
from kai_ansible.files import make_private_directory
from kai_ansible.operator import give_to_owner_of, state_dir
from kai_ansible.rules.redact import masked

if TYPE_CHECKING:
    from typing import TextIO

    from kai_ansible.ansible.events import Event, Result
    from kai_ansible.ansible.request import Run

KEPT = 20
# in the order of time by name
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_ENDED = re.compile(r"runner_(item_)?on_(?P<outcome>ok|skipped|failed|unreachable)")


def directory() -> Path:
    """Return the directory of the logs."""
    return state_dir() / "runs"


def latest() -> Path | None:
    """Return the log of the last run, None when there is none."""
    return max(directory().glob("*.jsonl"), default=None)


def stamp_of(now: datetime) -> str:
    """Return a time for a name that sorts after every other, as a clock may have been set back."""
    newest = latest()
    with suppress(ValueError):
        then = datetime.strptime(newest.name.split("-")[0] if newest else "", _STAMP)
        now = max(now, then.replace(tzinfo=UTC) + timedelta(microseconds=1))
    return now.strftime(_STAMP)


class RunLog:
    """The log of one run, as far as it could be written: no run fails because of its log.

    path: the file, None if it could not be written.
    """

    def __init__(self, run: Run[Any]) -> None:
        """Begin the log of a run, and remove those of its playbook that are too old."""
        now = datetime.now(UTC)
        self.run = f"{stamp_of(now)}-{run.playbook.name}-{randomness.token_hex(2)}"
        self.secrets: Collection[str] = run.secrets
        self.path: Path | None = None
        self._file: TextIO | None = None
        with suppress(OSError):
            self._open(run.playbook.name)
        mode = "check" if run.check else "apply"
        hosts = ", ".join(run.hosts) or "every host"
        summary = f"kai-ansible {own_version()}: {mode} {run.playbook.name} on {hosts}"
        self._write(now.isoformat(), "", run.playbook.name, "started", summary)

    def event(self, event: Event) -> None:
        """Note how a task ended on a host; events of any other kind are passed over."""
        ended = _ENDED.fullmatch(str(event.get("event")))
        if ended is None:
            return
        outcome = ended["outcome"]
        data = event["event_data"]
        result = data.get("res") or {}
        if outcome == "failed" and data.get("ignore_errors"):
            outcome = "ignored"
        changed = bool(result.get("changed"))
        message = message_of(result) if outcome in ("failed", "unreachable") else _said(result)
        host, task = (str(data.get(name, "")) for name in ("host", "task"))
        time = str(event.get("created", ""))
        self._write(time, host, task, outcome, message, changed=changed)

    def end(self, outcome: str) -> None:
        """Note how the run ended, and close the log."""
        self._write(datetime.now(UTC).isoformat(), "", "", outcome, "")
        if self._file:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _open(self, playbook: str) -> None:
        place = directory()
        make_private_directory(place)
        path = place / f"{self.run}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8")
        give_to_owner_of(place, path)
        self.path = path
        for old in sorted(place.glob(f"*-{playbook}-????.jsonl"))[:-KEPT]:
            old.unlink(missing_ok=True)

    def _write(
        self, time: str, host: str, task: str, outcome: str, message: str, *, changed: bool = False
    ) -> None:
        if self._file is None:
            return
        entry = {
            "time": time,
            "run": self.run,
            "host": host,
            "task": masked(task, self.secrets),
            "outcome": outcome,
            "changed": changed,
            "message": masked(message, self.secrets),
        }
        # a full disk fails the run itself, which reports it better
        with suppress(OSError):
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()


def _said(result: Result) -> str:
    said = "" if CENSORED in result else result.get("msg", "")
    return "\n".join(map(str, said)) if isinstance(said, list) else str(said)
