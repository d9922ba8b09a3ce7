"""Ask one question at a terminal, with arrow keys or in plain lines."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from questionary import Question as Asked

HELP = "?"
CLEAR = "-"
NO_CHOICE = "(choose one)"
_LONG_LIST = 12

Validator = Callable[[str], str | None]
"""Takes typed text and returns what is wrong with it, None if it is valid."""


class Prompter(Protocol):
    """Asks questions.

    ``?`` shows the help of a question, ``-`` clears a value. Every method raises KeyboardInterrupt
    on Ctrl-C.
    """

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        """Return the typed text, ``default`` for Enter, an empty text for ``-``."""

    def secret(self, label: str, validate: Validator, help_text: str) -> str:
        """Ask without echo. Return the typed text, an empty text for Enter, ``-`` to clear."""

    def choice(
        self,
        label: str,
        choices: Sequence[str],
        default: str | None,
        help_text: str,
        remarks: Mapping[str, str] | None = None,
    ) -> str:
        """Return one of the choices, ``default`` for Enter; without a default Enter asks again.

        remarks: text beside a choice, by choice.
        """

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Return yes or no, ``default`` for Enter."""


class PlainPrompter:
    """One line per question and numbered choices, for dumb terminals and screen readers."""

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        """Ask until the answer is valid."""
        shown = f"{label} [{default}]: " if default else f"{label}: "
        while True:
            typed = _line(input, shown)
            answer = "" if typed == CLEAR else typed or default
            fault = help_text if typed == HELP else validate(answer)
            if fault is None:
                return answer
            _show(f"  {fault}")

    def secret(self, label: str, validate: Validator, help_text: str) -> str:
        """Ask without echo until the answer is valid."""
        while True:
            answer = _line(getpass.getpass, f"{label}: ")
            fault = help_text if answer == HELP else validate(answer)
            if fault is None:
                return answer
            _show(f"  {fault}")

    def choice(
        self,
        label: str,
        choices: Sequence[str],
        default: str | None,
        help_text: str,
        remarks: Mapping[str, str] | None = None,
    ) -> str:
        """Ask for the number or the name of a choice."""
        _show(label)
        for number, choice in enumerate(choices, start=1):
            mark = " (Enter)" if choice == default else ""
            remark = f"  {remarks[choice]}" if remarks and choice in remarks else ""
            _show(f"  {number}. {choice}{mark}{remark}")
        by_name = {choice.lower(): choice for choice in choices}
        while True:
            answer = _line(input, "Number or name: ") or (default or "")
            if answer == HELP:
                _show(f"  {help_text}")
            elif answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]
            elif answer.lower() in by_name:
                return by_name[answer.lower()]
            else:
                _show(f"  Choose one of: {', '.join(choices)}")

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Ask for yes or no."""
        shown = "yes" if default else "no"
        while True:
            answer = _line(input, f"{label} [{shown}]: ").lower() or shown
            if answer in ("y", "yes"):
                return True
            if answer in ("n", "no"):
                return False


class ArrowPrompter:
    """Prompts with arrow keys, line editing and validation while typing."""

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        """Ask until the answer is valid; the default can be edited or emptied."""
        import questionary

        def fault(answer: str) -> str | None:
            return validate("" if answer == CLEAR else answer)

        answer: str = questionary.text(
            label, default=default, validate=_judged(fault, help_text)
        ).unsafe_ask()
        return "" if answer.strip() == CLEAR else answer.strip()

    def secret(self, label: str, validate: Validator, help_text: str) -> str:
        """Ask without echo until the answer is valid."""
        import questionary

        answer: str = questionary.password(
            label, validate=_judged(validate, help_text)
        ).unsafe_ask()
        return answer.strip()

    def choice(
        self,
        label: str,
        choices: Sequence[str],
        default: str | None,
        help_text: str,
        remarks: Mapping[str, str] | None = None,
    ) -> str:
        """Show all choices with the default marked; typing narrows a long list."""
        import questionary

        remarks = remarks or {}
        offered = choices if default else (NO_CHOICE, *choices)
        answer = NO_CHOICE
        while answer == NO_CHOICE:
            asked = questionary.select(
                label,
                choices=[
                    questionary.Choice(f"{choice}  {remarks.get(choice, '')}".rstrip(), choice)
                    for choice in offered
                ],
                default=default,
                instruction="(arrow keys, ? explains)",
                use_jk_keys=False,
                use_search_filter=len(offered) > _LONG_LIST,
            )
            answer = _explained(asked, help_text).unsafe_ask()
        return answer

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Ask for yes or no."""
        import questionary

        answer: bool = questionary.confirm(label, default=default).unsafe_ask()
        return answer


def _judged(validate: Validator, help_text: str) -> Callable[[str], str | bool]:
    # help appears in the line for faults, so that asking for it loses no typed text
    def judge(typed: str) -> str | bool:
        answer = typed.strip()
        return help_text if answer == HELP else validate(answer) or True

    return judge


def _explained(asked: Asked, help_text: str) -> Asked:
    """Return the question with ``?`` bound to print its help above it."""
    from prompt_toolkit.application import run_in_terminal
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings

    keys = KeyBindings()

    @keys.add(HELP, eager=True)
    def _explain(event: KeyPressEvent) -> None:
        run_in_terminal(lambda: _show(help_text))

    present = asked.application.key_bindings
    asked.application.key_bindings = merge_key_bindings([present, keys] if present else [keys])
    return asked


def prompter(*, plain: bool) -> Prompter:
    """Return the prompter for this terminal."""
    if plain or os.environ.get("TERM", "dumb") == "dumb":
        return PlainPrompter()
    return ArrowPrompter()


def _show(text: str) -> None:
    sys.stdout.write(text + "\n")


def _line(read: Callable[[str], str], shown: str) -> str:
    try:
        return read(shown).strip()
    except EOFError:
        raise KeyboardInterrupt from None
