"""The questions of the contract, in the order of its sections."""

from __future__ import annotations

from dataclasses import dataclass

from kai_ansible.rules.conditions import holds
from kai_ansible.rules.configuration import Configuration, applies, concerned
from kai_ansible.rules.contract import Contract, HostSetting, Setting, UserField, Value
from kai_ansible.rules.values import UnacceptableValue, describe, env_text, read_value
from kai_ansible.rules.variable_names import variable

ESSENTIAL = "essential"
NEVER = "never"
USERS_SECTION = "users"
NEEDED = "A value is required."

Described = HostSetting | Setting | UserField


@dataclass(frozen=True)
class Question:
    """One question.

    kind: host, setting or user, the part of the contract.
    key: the name there: service_user, AGENT_BACKEND, telegram_id.
    spec: the contract's entry.
    """

    kind: str
    key: str
    spec: Described

    @property
    def variable(self) -> str:
        """The Ansible variable that holds the answer; a user's field has none of its own."""
        return variable(self.key)

    @property
    def is_made(self) -> bool:
        """Whether an answer is made where nobody gives one."""
        return isinstance(self.spec, Setting) and self.spec.generate is not None


def everything_in(contract: Contract, section: str) -> list[Question]:
    """Return each setting of a section, in the contract's order; users are not settings."""
    return [
        Question(kind, key, spec)
        for kind, part in (("host", contract.host), ("setting", contract.settings))
        for key, spec in part.items()
        if spec.section == section
    ]


def questions(contract: Contract, section: str) -> list[Question]:
    """Return the questions of a section; users have questions of their own."""
    return [
        question for question in everything_in(contract, section) if question.spec.asked != NEVER
    ]


def user_question(contract: Contract, field: str) -> Question:
    """Return the question for a field of a user."""
    return Question("user", field, contract.user_fields[field])


def is_asked(question: Question, configuration: Configuration) -> bool:
    """Return whether a question makes sense in this configuration."""
    spec = question.spec
    if not isinstance(spec, Setting):
        return True
    if question.key in configuration.chosen:
        return applies(spec, configuration)
    return applies(spec, configuration) and holds(spec.asked_when, configuration.circumstances)


def is_needed(question: Question, configuration: Configuration) -> bool:
    """Return whether a question must have an answer in this configuration."""
    spec = question.spec
    if not spec.required:
        return False
    return not isinstance(spec, Setting) or (
        applies(spec, configuration) and holds(spec.required, configuration.circumstances)
    )


def label_of(question: Question, configuration: Configuration) -> str:
    """Return the prompt of a question, with the users whom it concerns."""
    spec = question.spec
    condition = spec.applies if isinstance(spec, Setting) else "always"
    users = ", ".join(user.name for user in concerned(condition, configuration))
    # a key that only some configurations need
    may_be_left = (
        isinstance(spec, Setting) and spec.required and not is_needed(question, configuration)
    )
    concerns = [
        *([f"for {users}"] if users else []),
        *(["may stay empty"] if may_be_left else []),
    ]
    return f"{spec.prompt} ({', '.join(concerns)})" if concerns else spec.prompt


def help_of(contract: Contract, question: Question, origin: str = "") -> str:
    """Return the help for ``?``: the meaning of the answer, its key, its range, its default.

    origin: the origin of the present value, empty if there is none.
    """
    spec = question.spec
    expected = describe(contract, spec)
    if spec.pattern_help:
        expected += f", {spec.pattern_help}"
    lines = [spec.help, f"{question.key}: {expected}."]
    if spec.default is not None:
        lines.append(f"Kai's default: {env_text(spec.default) or 'empty'}.")
    if spec.suggestion is not None:
        lines.append(f"Suggested: {env_text(spec.suggestion)}.")
    if origin:
        lines.append(f"The present value comes from: {origin}.")
    return " ".join(lines)


def fault_of_answer(contract: Contract, spec: Described, typed: str) -> str | None:
    """Return the fault of a typed answer, None if it is valid."""
    if not typed:
        return NEEDED if spec.required else None
    try:
        read_value(contract, spec, typed_value(spec, typed))
    except UnacceptableValue as error:
        return f"Expected {error.expected}."
    return None


def typed_value(spec: Value, typed: str) -> str | list[str]:
    """Return an answer as the contract's rules take it: a list as its parts."""
    if spec.type != "list":
        return typed
    return [part.strip() for part in typed.split(",") if part.strip()]
