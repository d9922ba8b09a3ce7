"""Ask one question at a terminal, with arrow keys or in plain lines."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kai_ansible.files import uninterrupted
from kai_ansible.operator import terminal_kept
from kai_ansible.rules.sanitize import printable
from kai_ansible.terminal.tables import INDENT, wrap

if TYPE_CHECKING:
    from questionary import Question as Asked

HELP = "?"
CLEAR = "-"
BACK = "<"
HINT = " (? for help)"
NO_CHOICE = "(choose one)"
_LONG_LIST = 12

Validator = Callable[[str], str | None]
"""Takes typed text and returns the fault, None if it is valid."""


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


class Back(Exception):
    """The operator wants the question before this one. steps: how many answers are taken back."""

    def __init__(self, steps: int = 1) -> None:
        super().__init__()
        self.steps = steps


@dataclass
class PlainPrompter:
    """One line per question and numbered choices, for dumb terminals and screen readers."""

    goes_back: bool

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        """Ask until the answer is valid."""
        shown = f"{label}{HINT} [{_on_a_line(default)}]: " if default else f"{label}{HINT}: "
        while True:
            typed = self._typed(shown)
            answer = "" if typed == CLEAR else typed or default
            fault = help_text if typed == HELP else validate(answer)
            if fault is None:
                return answer
            _show(fault)

    def secret(self, label: str, validate: Validator, help_text: str) -> str:
        """Ask without echo until the answer is valid."""
        while True:
            answer = self._typed(f"{label}{HINT}: ", getpass.getpass)
            fault = help_text if answer == HELP else validate(answer)
            if fault is None:
                return answer
            _show(fault)

    def choice(
        self,
        label: str,
        choices: Sequence[str],
        default: str | None,
        help_text: str,
        remarks: Mapping[str, str] | None = None,
    ) -> str:
        """Ask for the number or the name of a choice."""
        sys.stdout.write(f"{label}\n")
        for number, choice in enumerate(choices, start=1):
            mark = " (Enter)" if choice == default else ""
            remark = f"  {remarks[choice]}" if remarks and choice in remarks else ""
            sys.stdout.write(f"  {number}. {_on_a_line(choice)}{mark}{_on_a_line(remark)}\n")
        by_name = {choice.lower(): choice for choice in choices}
        while True:
            answer = self._typed(f"Number or name{HINT}: ") or (default or "")
            if answer == HELP:
                _show(help_text)
            elif answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]
            elif answer.lower() in by_name:
                return by_name[answer.lower()]
            else:
                _show(f"Choose one of: {', '.join(choices)}")

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Ask for yes or no."""
        shown = "yes" if default else "no"
        while True:
            answer = self._typed(f"{label} [{shown}]: ").lower() or shown
            if answer in ("y", "yes"):
                return True
            if answer in ("n", "no"):
                return False

    def _typed(self, shown: str, read: Callable[[str], str] | None = None) -> str:
        try:
            with terminal_kept():
                typed = (read or input)(shown).strip()
        except EOFError:
            raise KeyboardInterrupt from None
        if typed == BACK and self.goes_back:
            raise Back
        return typed


@dataclass
class ArrowPrompter:
    """Prompts with arrow keys, line editing and validation while typing."""

    goes_back: bool

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        """Ask until the answer is valid. Enter takes the default, Tab puts it into the line."""
        import questionary

        def checked(typed: str) -> str | bool:
            answer = typed.strip()
            return validate("" if answer == CLEAR else answer or default) or True

        asked = questionary.text(f"{label}{HINT}", validate=checked, placeholder=_faint(default))
        answer = self._ask(asked, help_text, default).strip()
        return "" if answer == CLEAR else answer or default

    def secret(self, label: str, validate: Validator, help_text: str) -> str:
        """Ask without echo until the answer is valid."""
        import questionary

        asked = questionary.password(
            f"{label}{HINT}", validate=lambda typed: validate(typed.strip()) or True
        )
        return self._ask(asked, help_text).strip()

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
                    questionary.Choice(
                        _on_a_line(f"{choice}  {remarks.get(choice, '')}").rstrip(), choice
                    )
                    for choice in offered
                ],
                default=default,
                instruction="(arrow keys, ? explains)",
                use_jk_keys=False,
                use_search_filter=len(offered) > _LONG_LIST,
            )
            answer = self._ask(asked, help_text)
        return answer

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Ask for yes or no."""
        import questionary

        answer: bool = _answer(questionary.confirm(label, default=default))
        return answer

    def _ask(self, asked: Asked, help_text: str, default: str = "") -> str:
        """Ask with our keys: ``?`` explains, Tab takes the default, Esc and ``<`` go back.

        ``?`` and ``<`` are text where something was typed before.
        """
        from prompt_toolkit.application import get_app, run_in_terminal
        from prompt_toolkit.filters import Condition
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings

        keys = KeyBindings()
        at_start = Condition(lambda: not get_app().current_buffer.text)

        @keys.add(HELP, eager=True, filter=at_start)
        def _explain(event: KeyPressEvent) -> None:
            run_in_terminal(lambda: _show(help_text))

        if default:

            @keys.add("tab", filter=at_start)
            def _take(event: KeyPressEvent) -> None:
                event.current_buffer.insert_text(default)

        if self.goes_back:

            @keys.add(BACK, eager=True, filter=at_start)
            @keys.add("escape")
            def _go_back(event: KeyPressEvent) -> None:
                event.app.exit(exception=Back())

        present = asked.application.key_bindings
        asked.application.key_bindings = merge_key_bindings([present, keys] if present else [keys])
        answer: str = _answer(asked)
        return answer


def _answer(asked: Asked) -> Any:
    """Return the answer; a signal that ends the command ends its prompt first.

    An exception that a handler raises in an event loop can take the place of a callback, and the
    end of the loop would wait for its task forever.
    """
    application = asked.application

    def leave() -> None:
        if application.future and not application.is_done:
            application.exit(exception=KeyboardInterrupt)

    def leave_soon() -> None:
        if application.loop:
            application.loop.call_soon_threadsafe(leave)

    def leave_if_late() -> None:
        if waiting:
            leave()

    with terminal_kept(), uninterrupted(leave_soon) as waiting:
        return application.run(pre_run=leave_if_late, handle_sigint=False)


def _faint(default: str) -> object:
    from prompt_toolkit.formatted_text import FormattedText

    return FormattedText([("fg:ansibrightblack", _on_a_line(default))])


def _on_a_line(text: str) -> str:
    """Return a value as one line that steers no terminal; it may come from a host."""
    return printable(text).replace("\n", "\\n")


def prompter(*, plain: bool, goes_back: bool = False) -> Prompter:
    """Return the prompter for this terminal. goes_back: whether ``<`` and Esc raise Back."""
    if plain or os.environ.get("TERM", "dumb") == "dumb":
        return PlainPrompter(goes_back)
    return ArrowPrompter(goes_back)


def _show(text: str) -> None:
    """Print an explanation, wrapped between words."""
    width = shutil.get_terminal_size().columns - len(INDENT)
    for line in wrap(printable(text), width, INDENT, INDENT):
        sys.stdout.write(f"{line}\n")
