"""The commands below ``users``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kai_ansible.ansible.collection import contract_of
from kai_ansible.commands.host_users import (
    USERS,
    HostUsers,
    index_of,
    read_fields,
    read_users,
    report_next,
    users_to_change,
    values_of,
    with_users,
    write_users,
)
from kai_ansible.commands.options import UsersOptions
from kai_ansible.errors import CommandError, usage_error
from kai_ansible.rules.contract import Contract, UserField
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.values import describe, env_text
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.questions import ESSENTIAL, fault_of_answer, help_of, user_question

MODEL_FROM = {"own": "the user", "global": "all users", "default": "the backend's default"}


def list_users(options: UsersOptions, screen: Screen) -> None:
    """List the users of each host with their effective settings."""
    hosts = {}
    for current in read_users(options, screen, contract_of):
        configuration = current.configuration
        host = current.files.host
        service_user = configuration.host.get("service_user")
        users = [
            (user, str(entry.get("role") or current.contract.user_fields["role"].default))
            for entry, user in zip(configuration.entries, configuration.users, strict=True)
        ]
        screen.table(
            f"Users of {host}",
            ("Name", "Telegram ID", "Role", "OS user", "Backend", "Provider", "Model", "From"),
            [
                (
                    user.name,
                    str(user.telegram_id or "-"),
                    role,
                    user.os_user or f"{service_user} (the service user)",
                    user.backend,
                    user.provider or "",
                    user.model or "",
                    MODEL_FROM[user.model_from],
                )
                for user, role in users
            ],
        )
        problems = configuration.problems
        screen.notes(str(problem) for problem in problems)
        hosts[host] = {
            "users": [{**user.as_dict(), "role": role} for user, role in users],
            "problems": [problem.as_dict() for problem in problems],
        }
    screen.document({"hosts": hosts})


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

        def fault(typed: str, spec: UserField = spec) -> str | None:
            if spec.unique and typed in holders:
                return f"{holders[typed].get('name')} has this ID."
            return fault_of_answer(contract, spec, typed)

        help_text = help_of(contract, user_question(contract, name))
        answers[name] = asker.text(spec.prompt, "", fault, help_text)
    return values_of(contract, answers)


def edit_user(options: UsersOptions, who: str, assignments: Sequence[str], screen: Screen) -> None:
    """Set fields of a user; an empty value clears a field. Raises as ``add_user`` does."""
    current = users_to_change(options, screen)
    index = index_of(current, who)
    fields, problems = read_fields(current.contract, assignments)
    if not assignments:
        raise usage_error("--set", "no field", "at least one field", "add --set FIELD=VALUE")
    before = current.users[index]
    fields = {name: value for name, value in fields.items() if before.get(name) != value}
    merged = {**before, **fields}
    entry = {name: value for name, value in merged.items() if fields.get(name, "") is not None}
    users = [*current.users[:index], entry, *current.users[index + 1 :]]
    changed = with_users(current, users)
    changed.problems = [*problems, *changed.problems]
    options_of = {f"{USERS}[{index}].{name}": f"--set {name}" for name in fields}
    write_users(options, current, users, changed, screen, options_of)
    rows = [(name, _shown(before.get(name)), _shown(entry.get(name))) for name in fields]
    if rows:
        title = f"{changed.users[index].name}: changed in host_vars"
        screen.table(title, ("Field", "From", "To"), rows)
    report_next(options, current, changed, changed.users[index], screen)


def _shown(value: Any) -> str:
    return "(not set)" if value is None else env_text(value)


def remove_user(options: UsersOptions, who: str, screen: Screen) -> None:
    """Remove a user, but never the last one. Raises as ``add_user`` does."""
    current = users_to_change(options, screen)
    index = index_of(current, who)
    if len(current.users) == 1:
        raise usage_error(
            who,
            "the last user",
            "another user, because a bot without users does not start",
            "add another user first: kai-ansible users add",
        )
    users = [*current.users[:index], *current.users[index + 1 :]]
    changed = with_users(current, users)
    write_users(options, current, users, changed, screen)
    screen.say("The user's directories and account stay on the host.")
    report_next(options, current, changed, None, screen)
