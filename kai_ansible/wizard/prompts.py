"""Asking one question at a terminal, with arrow keys or with plain lines."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

Validator = Callable[[str], str | None]
"""Takes what was typed and returns what is wrong with it, None when nothing is."""


class Prompter(Protocol):
    """How questions reach a person. Every method raises KeyboardInterrupt on Ctrl-C."""

    def text(self, label: str, default: str, validate: Validator) -> str:
        """Return what was typed, ``default`` for Enter."""

    def secret(self, label: str, validate: Validator) -> str:
        """Return what was typed unseen, empty for Enter."""

    def choice(self, label: str, choices: Sequence[str], default: str | None) -> str:
        """Return one of the choices."""

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Return yes or no, ``default`` for Enter."""


class PlainPrompter:
    """One line per question and numbered choices: for dumb terminals and screen readers."""

    def text(self, label: str, default: str, validate: Validator) -> str:
        """Ask until the answer is valid."""
        shown = f"{label} [{default}]: " if default else f"{label}: "
        while True:
            answer = _line(shown) or default
            fault = validate(answer)
            if fault is None:
                return answer
            _show(f"  {fault}")

    def secret(self, label: str, validate: Validator) -> str:
        """Ask without an echo until the answer is valid."""
        while True:
            try:
                answer = getpass.getpass(f"{label}: ").strip()
            except EOFError:
                raise KeyboardInterrupt from None
            fault = validate(answer)
            if fault is None:
                return answer
            _show(f"  {fault}")

    def choice(self, label: str, choices: Sequence[str], default: str | None) -> str:
        """Ask for the number or the name of a choice."""
        _show(label)
        for number, choice in enumerate(choices, start=1):
            mark = " (Enter)" if choice == default else ""
            _show(f"  {number}. {choice}{mark}")
        while True:
            answer = _line("Number or name: ") or (default or "")
            if answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]
            if answer.lower() in choices:
                return answer.lower()
            _show(f"  Choose one of: {', '.join(choices)}")

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Ask for yes or no."""
        shown = "yes" if default else "no"
        while True:
            answer = _line(f"{label} [{shown}]: ").lower() or shown
            if answer in ("y", "yes"):
                return True
            if answer in ("n", "no"):
                return False


class ArrowPrompter:
    """Prompts with arrow keys, editing and validation as one types."""

    def text(self, label: str, default: str, validate: Validator) -> str:
        """Ask until the answer is valid."""
        import questionary

        answer: str = questionary.text(
            label, default=default, validate=lambda typed: validate(typed.strip()) or True
        ).unsafe_ask()
        return answer.strip()

    def secret(self, label: str, validate: Validator) -> str:
        """Ask without an echo until the answer is valid."""
        import questionary

        answer: str = questionary.password(
            label, validate=lambda typed: validate(typed.strip()) or True
        ).unsafe_ask()
        return answer.strip()

    def choice(self, label: str, choices: Sequence[str], default: str | None) -> str:
        """Show all choices, the current one marked."""
        import questionary

        answer: str = questionary.select(
            label, choices=list(choices), default=default, use_jk_keys=False
        ).unsafe_ask()
        return answer

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Ask for yes or no."""
        import questionary

        answer: bool = questionary.confirm(label, default=default).unsafe_ask()
        return answer


def prompter(*, plain: bool) -> Prompter:
    """Return the prompter that suits the terminal."""
    if plain or os.environ.get("TERM", "dumb") == "dumb":
        return PlainPrompter()
    return ArrowPrompter()


def _show(text: str) -> None:
    sys.stdout.write(text + "\n")


def _line(shown: str) -> str:
    try:
        return input(shown).strip()
    except EOFError:
        raise KeyboardInterrupt from None
