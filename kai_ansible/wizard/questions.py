"""What can be asked, taken from the contract in the order of its sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kai_ansible.rules.configuration import variable
from kai_ansible.rules.values import UnacceptableValue, read_value

ESSENTIAL = "essential"
NEVER = "never"
PEOPLE = "people"


@dataclass(frozen=True)
class Question:
    """One question.

    kind: host, setting or user, the part of the contract that it comes from.
    key: the name there: service_user, AGENT_BACKEND, telegram_id.
    spec: the contract's entry.
    """

    kind: str
    key: str
    spec: Mapping[str, Any]

    @property
    def variable(self) -> str:
        """The Ansible variable that holds the answer; a user's field has none of its own."""
        return variable(self.key)

    @property
    def is_secret(self) -> bool:
        """Whether the answer must be kept out of sight."""
        return bool(self.spec.get("secret", False))


def questions(contract: Mapping[str, Any], section: str | None = None) -> list[Question]:
    """Return what a first run asks, or everything that can be asked in one section."""
    found = []
    for name in contract["sections"]:
        if section not in (None, name):
            continue
        for kind, part in (("host", "host"), ("setting", "settings")):
            found += [
                Question(kind, key, spec)
                for key, spec in contract[part].items()
                if spec["section"] == name and _is_asked(spec, whole_section=section is not None)
            ]
        if name == PEOPLE:
            found += [
                Question("user", key, spec)
                for key, spec in contract["user_fields"].items()
                if spec.get("asked") == ESSENTIAL
            ]
    return found


def fault_of_answer(contract: Mapping[str, Any], spec: Mapping[str, Any], typed: str) -> str | None:
    """Return what is wrong with an answer as it was typed, None when nothing is."""
    if not typed:
        return "This is needed." if spec.get("required") else None
    try:
        read_value(contract, spec, typed)
    except UnacceptableValue as error:
        return f"Expected {error.expected}."
    return None


def _is_asked(spec: Mapping[str, Any], *, whole_section: bool) -> bool:
    asked = spec.get("asked", NEVER)
    return bool(asked == ESSENTIAL or (whole_section and asked != NEVER))
