"""Go back to an earlier question: the answers are on record, and are given again up to there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from kai_ansible.terminal.prompts import Prompter, Validator
from kai_ansible.terminal.screen import Screen

Answer = TypeVar("Answer")


@dataclass
class Journal:
    """A prompter that records the answers, and gives them again after a step back.

    The interview starts from the beginning then; what is printed until the last recorded answer was
    printed before, and stays silent.
    """

    prompter: Prompter
    screen: Screen
    answers: list[object] = field(default_factory=list)
    given: int = 0

    def step_back(self, steps: int) -> bool:
        """Forget the last answers and start again; return False if there are none."""
        self.given = 0
        if not self.answers:
            return False
        del self.answers[-steps:]
        self.screen.console.quiet = bool(self.answers)
        return True

    def text(self, label: str, default: str, validate: Validator, help_text: str) -> str:
        """Ask for a text."""
        return self._answer(lambda: self.prompter.text(label, default, validate, help_text))

    def secret(self, label: str, validate: Validator, help_text: str) -> str:
        """Ask without echo."""
        return self._answer(lambda: self.prompter.secret(label, validate, help_text))

    def choice(
        self,
        label: str,
        choices: Sequence[str],
        default: str | None,
        help_text: str,
        remarks: Mapping[str, str] | None = None,
    ) -> str:
        """Ask for one of several."""
        return self._answer(
            lambda: self.prompter.choice(label, choices, default, help_text, remarks)
        )

    def confirm(self, label: str, *, default: bool = True) -> bool:
        """Ask for yes or no."""
        return self._answer(lambda: self.prompter.confirm(label, default=default))

    def _answer(self, ask: Callable[[], Answer]) -> Answer:
        if self.given < len(self.answers):
            answer = cast("Answer", self.answers[self.given])
        else:
            self.screen.console.quiet = False
            answer = ask()
            self.answers.append(answer)
        self.given += 1
        if self.given == len(self.answers):
            self.screen.console.quiet = False
        return answer
