"""Confirm a change with the operator."""

from __future__ import annotations

from kai_ansible.errors import CommandError, ExitCode, usage_error
from kai_ansible.operator import at_terminal
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import Screen


def require_terminal(command: str, screen: Screen) -> None:
    """Raise CommandError if no user can be asked for confirmation."""
    if screen.as_json or not at_terminal():
        raise usage_error(
            command,
            "no terminal to ask for confirmation",
            "a terminal without --json, or --yes",
            "add --yes to go on, or add --check to see what would change",
        )


def confirm(
    question: str, *, plain: bool, default: bool = False, message: str = "Nothing was changed."
) -> None:
    """Ask a question. Raises CommandError with ``message`` and exit code 0 if the answer is no."""
    if not prompter(plain=plain).confirm(question, default=default):
        raise CommandError(message, code=ExitCode.DONE)
