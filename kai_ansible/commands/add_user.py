"""The command ``users add``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kai_ansible.commands.host_users import (
    USERS,
    HostUsers,
    read_fields,
    report_next,
    users_to_change,
    values_of,
    with_users,
    write_users,
)
from kai_ansible.errors import CommandError
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.values import describe
from kai_ansible.terminal.prompts import prompter
from kai_ansible.wizard.questions import ESSENTIAL, fault_of_answer, help_of, user_question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kai_ansible.commands.options import UsersOptions
    from kai_ansible.rules.contract import Contract, UserField
    from kai_ansible.terminal.screen import Screen


def add_user(
    options: UsersOptions, given: Mapping[str, str], assignments: Sequence[str], screen: Screen
) -> None:
    """Add a user; ask for required fields that are missing.

    given: fields by name. assignments: FIELD=VALUE words.
    Raises CommandError with every problem before anything is written.
    """
    current = users_to_change(options, screen)
    contract = current.contract
    assigned, problems = read_fields(contract, assignments)
    fields = {**values_of(contract, given), **assigned}
    if problems and options.may_ask:
        raise CommandError("Nothing was written.", problems=problems)
    missing = [
        name
        for name, spec in contract.user_fields.items()
        if spec.required and fields.get(name) is None
    ]
    if missing and options.may_ask:
        fields.update(_ask(current, fields, options))
        missing = []
    place = f"{USERS}[{len(current.users)}]"
    entry = {name: fields[name] for name in contract.user_fields if fields.get(name) is not None}
    changed = with_users(current, [*current.users, entry])
    left_out = {f"{place}.{name}" for name in missing}
    changed.problems = [
        *problems,
        *(_missing(contract, name) for name in missing),
        *(problem for problem in changed.problems if problem.where not in left_out),
    ]
    typed = {name: f"--{name.replace('_', '-')}" for name in given} | {
        name: f"--set {name}" for name in assigned
    }
    options_of = {f"{place}.{name}": option for name, option in typed.items()}
    write_users(options, current, [*current.users, entry], changed, screen, options_of)
    report_next(options, current, changed, changed.users[-1], screen)


def _missing(contract: Contract, name: str) -> Problem:
    option = f"--{name.replace('_', '-')}"
    return Problem(
        option, "nothing", describe(contract, contract.user_fields[name]), f"give {option}"
    )


def _ask(current: HostUsers, given: Mapping[str, Any], options: UsersOptions) -> dict[str, Any]:
    """Ask for the essential fields that are missing, and return the answers."""
    asker = prompter(plain=options.plain)
    contract = current.contract
    holders = {str(user.get("telegram_id")): user for user in current.configuration.entries}
    answers = {}
    for name, spec in contract.user_fields.items():
        if given.get(name) is not None or spec.asked != ESSENTIAL:
            continue

        def fault(typed: str, name: str = name, spec: UserField = spec) -> str | None:
            if spec.unique and typed in holders:
                return f"{holders[typed].get('name')} has this ID."
            return fault_of_answer(contract, spec, typed)

        help_text = help_of(contract, user_question(contract, name))
        answers[name] = asker.text(spec.prompt, "", fault, help_text)
    return values_of(contract, answers)
