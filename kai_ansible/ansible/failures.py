"""Read the cause of a failed run from its events."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from kai_ansible.ansible.advice import advice_for
from kai_ansible.rules.problems import Problem

CENSORED = "censored"
LAST_LINES = 20
_CONNECTION_ADVICE = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "find out why its key has changed; only if the host was reinstalled, forget the old key "
        "with ssh-keygen -R, and accept the new one: {accept}",
    ),
    (
        "Host key verification failed",
        "accept the host's key once: {accept}: compare the fingerprint that it shows with the "
        "output of ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the machine, and say yes",
    ),
    (
        "Permission denied",
        "check that you can log in: {ssh} (ansible_user of {host} is who logs in)",
    ),
    ("Could not resolve hostname", "fix ansible_host of {host} in the inventory"),
    ("Connection refused", "check that the host is up and its ssh port is right"),
    ("Connection timed out", "check that the host is up and reachable"),
    ("No route to host", "check that the host is up and reachable"),
)
_SUDO_ADVICE = (
    (
        "The module interpreter '",
        "set ansible_python_interpreter of {host} to the absolute path of a Python on it",
    ),
)
# messages of the host if a module never began
_NOT_BEGUN = "Module result deserialization failed"
_OTHER_PYTHON = "set ansible_python_interpreter of {host} to the absolute path of a Python on it"
_BEGINNING_ADVICE = (
    # a version manager's command for a Python that it does not have at hand
    ("pyenv: ", _OTHER_PYTHON),
    ("No version is set for command", _OTHER_PYTHON),
    ("is not in the sudoers file", "let that account become root on {host}, or use another"),
    ("sudo: not found", "install sudo on {host}, or set its ansible_user to root"),
)


@dataclass(frozen=True)
class FailedTask:
    """A task that ended a run on a host.

    fix: the fix, empty if the message itself has it.
    """

    host: str
    task: str
    message: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """Return the fields by name."""
        return asdict(self)

    @property
    def problem(self) -> Problem:
        """This failure as a problem."""
        fix = self.fix or "fix this, then run the same command again"
        expected = f"the task {self.task!r} to succeed"
        return Problem(self.host or "Ansible", self.message, expected, fix)

    def with_what_follows(self, message: str) -> FailedTask:
        """Return this failure with the text that a later message adds after repeating it."""
        more = message.rpartition(self.message)[2].strip()
        return replace(self, message=f"{self.message}\n{more}".strip())


def advice() -> list[tuple[str, str]]:
    """Return the messages known here with their fixes, for the documents."""
    known = (*_CONNECTION_ADVICE, *_SUDO_ADVICE, *_BEGINNING_ADVICE)
    host = {"host": "HOST", "ssh": "ssh HOST", "accept": "ssh -o StrictHostKeyChecking=ask HOST"}
    return [(text, fix.format(**host)) for text, fix in known]


def failed_tasks(
    events: Iterable[Mapping[str, Any]],
    output: str,
    ssh_commands: Mapping[str, Sequence[str]] | None = None,
) -> list[FailedTask]:
    """Return the tasks that ended a run, the cause first on each host.

    events: job events of ansible-runner. output: the output of Ansible, which is all there is if
    it never started a task. ssh_commands: how to log in, by host.
    A rescue that only repeats the cause adds nothing; one that failed
    itself does.
    """
    failures: list[FailedTask] = []
    for event in events:
        data = event.get("event_data", {})
        if event.get("event") not in ("runner_on_failed", "runner_on_unreachable"):
            continue
        if data.get("ignore_errors"):
            continue
        host = str(data.get("host", ""))
        message = message_of(data.get("res", {}))
        # a task that ran may quote a program, in which the same words have another meaning
        reached = event["event"] == "runner_on_failed"
        known = _SUDO_ADVICE if reached else _CONNECTION_ADVICE + _SUDO_ADVICE
        fix = _fix(
            message,
            host,
            (ssh_commands or {}).get(host) or ["ssh", host],
            known + _BEGINNING_ADVICE if _NOT_BEGUN in message else known,
        )
        fix = fix or advice_for(message, host, reached=_ran(data.get("res", {})))
        failure = FailedTask(host, _task(data), message, fix)
        again = [known for known in failures if known.host == host and known.message in message]
        if again:
            failures[failures.index(again[0])] = again[0].with_what_follows(message)
        else:
            failures.append(failure)
    if failures:
        return failures
    lines = [line for line in output.splitlines() if line.strip()][-LAST_LINES:]
    said = "\n".join(lines) or "Ansible ended without a word"
    return [FailedTask("", "Start Ansible", said, advice_for(said))]


def _ran(result: Mapping[str, Any]) -> bool:
    """Return whether a module ran on the host: then its result has more than Ansible's message."""
    return "module_args" in result.get("invocation", {}) or "problems" in result


def _task(data: Mapping[str, Any]) -> str:
    return str(data.get("task", "")).rpartition(" : ")[2]


def message_of(result: Mapping[str, Any]) -> str:
    """Return the message of a failed task, or that it has none."""
    if CENSORED in result:
        return "the result is hidden, because it may name secrets"
    # in a loop only the items have the failure
    items = [item for item in result.get("results", ()) if isinstance(item, dict)]
    failed = [item for item in items if item.get("failed") or item.get("unreachable")]
    if failed:
        return "\n".join(dict.fromkeys(message_of(item) for item in failed))
    parts = [str(result[key]) for key in ("msg", "module_stderr", "stderr") if result.get(key)]
    return "\n".join(dict.fromkeys(parts)).strip() or "no message"


def _fix(message: str, host: str, ssh: Sequence[str], known: Iterable[tuple[str, str]]) -> str:
    # a configuration of ssh may forbid to ask
    accept = shlex.join([ssh[0], "-o", "StrictHostKeyChecking=ask", *ssh[1:]])
    for text, advice in known:
        if text in message:
            return advice.format(host=host, ssh=shlex.join(ssh), accept=accept)
    return ""
