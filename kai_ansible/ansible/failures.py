"""Read the cause of a failed run from its events."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from kai_ansible.ansible.advice import NOT_BEGUN, advice_for
from kai_ansible.ansible.events import Event, Result, task_of
from kai_ansible.ansible.reading import HostReading
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.readiness import LIKELY_CAUSE, LOG_OF_START
from kai_ansible.rules.redact import masked

CENSORED = "censored"
LAST_LINES = 20
LAST_WORDS = 3
# of ssh, when it had a terminal
_GOODBYE = re.compile(r"^(Shared c|C)onnection to \S+ closed\.\r?\n?", re.M)
AGAIN = "then run the same command again"


@dataclass(frozen=True)
class FailedTask:
    """A task that ended a run on a host.

    fix: the fix, empty if the message itself has it. module_ran: whether a module ran on
        the host; then neither the connection nor sudo is the cause.
    """

    host: str
    task: str
    message: str
    fix: str
    module_ran: bool = False

    @property
    def problem(self) -> Problem:
        """This failure as a problem."""
        fix = self.fix
        if not fix and ("Fix: " in self.message or not self.host):
            fix = f"do what the message says, {AGAIN}"
        elif not fix:
            fix = f"look for the cause with: kai-ansible doctor {self.host}"
        expected = f"the task {self.task!r} to succeed"
        return Problem(self.host or "Ansible", self.message, expected, fix)

    def as_dict(self) -> dict[str, str]:
        """Return this failure for --json."""
        return {"host": self.host, "task": self.task, "message": self.message, "fix": self.fix}

    def with_what_follows(self, message: str, *, restored: bool) -> FailedTask:
        """Return this failure with the text that a later message adds after repeating it.

        A log whose cause that text names is cut to its end.
        restored: whether the host is as before, so that nothing is to be found there.
        """
        more = message.rpartition(self.message)[2].strip()
        said = _with_last_words(self.message) if LIKELY_CAUSE in more else self.message
        text = f"{said}\n{more}".strip()
        fix = f"correct what the message names, {AGAIN}" if restored else ""
        return replace(self, message=text, fix=self.fix or ("" if "Fix: " in text else fix))


def failed_tasks(
    events: Iterable[Event],
    output: str,
    hosts: Mapping[str, HostReading] | None = None,
    secrets: Collection[str] = (),
) -> list[FailedTask]:
    """Return the tasks that ended a run, the cause first on each host.

    events: job events of ansible-runner. output: the output of Ansible, which is all there is if
    it never started a task. hosts: what Ansible knew of them before the run, such as why it could
    not read one, which a hidden result does not tell. secrets: texts that messages must not have.
    A rescue that only repeats the cause adds nothing; one that failed itself does.
    """
    failures: list[FailedTask] = []
    for event in events:
        data = event.get("event_data", {})
        if event.get("event") not in ("runner_on_failed", "runner_on_unreachable"):
            continue
        if data.get("ignore_errors"):
            continue
        host = str(data.get("host", ""))
        result = data.get("res", {})
        known = (hosts or {}).get(host, HostReading())
        message = (known.failure if CENSORED in result else "") or message_of(result)
        module_ran = _ran(result)
        fix = advice_for(
            message,
            host,
            known.ssh or ["ssh", host],
            reached=module_ran,
            unreachable=event["event"] == "runner_on_unreachable",
        )
        failure = FailedTask(host, task_of(data), message, fix, module_ran)
        again = [one for one in failures if one.host == host and one.message in message]
        if again:
            failures[failures.index(again[0])] = again[0].with_what_follows(
                message, restored=bool(result.get("restored"))
            )
        else:
            failures.append(failure)
    if failures:
        return [replace(one, message=masked(one.message, secrets)) for one in failures]
    lines = [line for line in output.splitlines() if line.strip()][-LAST_LINES:]
    said = "\n".join(lines) or "Ansible ended without any output"
    return [FailedTask("", "Start Ansible", masked(said, secrets), advice_for(said))]


def _with_last_words(message: str) -> str:
    before, mark, log = message.partition(LOG_OF_START)
    return "\n".join([f"{before}{mark}", *log.splitlines()[1:][-LAST_WORDS:]])


def _ran(result: Result) -> bool:
    """Return whether a module ran on the host: then its result has more than Ansible's message."""
    # a host may answer anything
    invocation = result.get("invocation")
    return (isinstance(invocation, dict) and "module_args" in invocation) or "problems" in result


def message_of(result: Result) -> str:
    """Return the message of a failed task, or that it has none."""
    if CENSORED in result:
        return "the result is hidden, because it may name secrets"
    # in a loop only the items have the failure; a host may answer anything
    results = result.get("results")
    given = results if isinstance(results, list) else []
    items = [item for item in given if isinstance(item, dict)]
    failed = [item for item in items if item.get("failed") or item.get("unreachable")]
    if failed:
        return "\n".join(dict.fromkeys(message_of(item) for item in failed))
    keys = ["msg", "module_stderr", "stderr"]
    if NOT_BEGUN in str(result.get("msg")):
        # at a terminal of ssh, programs have no output for errors
        keys.insert(1, "module_stdout")
    parts = [_GOODBYE.sub("", str(result[key])) for key in keys if result.get(key)]
    return "\n".join(dict.fromkeys(parts)).strip() or "no message"
