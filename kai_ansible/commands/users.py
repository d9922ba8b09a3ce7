"""The commands ``users list``, ``add``, ``edit`` and ``remove``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.collection import certain_contract, contract_of
from kai_ansible.commands.options import HostOptions
from kai_ansible.commands.target import only_host, opened
from kai_ansible.errors import CommandError, ExitCode, usage_error
from kai_ansible.inventory.host_vars import configuration_of, host_vars_texts, variable_is_secret
from kai_ansible.inventory.inventory import (
    HostVars,
    Inventory,
    content_of,
    nothing_known,
    read_text,
    write_host_vars,
)
from kai_ansible.operator import at_terminal
from kai_ansible.rules.configuration import Configuration, variable
from kai_ansible.rules.contract import Contract, UserField
from kai_ansible.rules.desired import LoginData
from kai_ansible.rules.logins import login_notice, logins
from kai_ansible.rules.people import Person
from kai_ansible.rules.problems import Problem, nearest
from kai_ansible.rules.values import UnacceptableValue, describe, env_text, read_value
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.terminal.login_view import login_lines
from kai_ansible.terminal.prompts import prompter
from kai_ansible.wizard.asking import name_with_id
from kai_ansible.wizard.questions import (
    ESSENTIAL,
    fault_of_answer,
    help_of,
    typed_value,
    user_question,
)

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

USERS = variable("users")
USERS_FILE = variable("users_file")
ADMIN = "admin"
MODEL_FROM = {"own": "the user", "global": "all users", "default": "the backend's default"}


@dataclass(frozen=True)
class UsersOptions(HostOptions):
    """Options of a command below ``users``.

    no_input: ask nothing. yes: go on although no admin is left.
    """

    no_input: bool = False
    yes: bool = False

    @property
    def may_ask(self) -> bool:
        """Whether the command may ask questions."""
        return not self.no_input and at_terminal()


@dataclass(frozen=True)
class HostUsers:
    """The users of a host as host_vars set them now.

    variables: the variables of the host. configuration: what they mean.
    """

    inventory: Inventory
    files: HostVars
    password: VaultPassword
    contract: Contract
    variables: Mapping[str, Any]
    configuration: Configuration

    @property
    def users(self) -> list[Any]:
        """The entries in host_vars."""
        return list(self.variables.get(USERS) or [])


def list_users(options: UsersOptions, screen: Screen) -> None:
    """List the users of each host with their effective settings."""
    hosts = {}
    for current in _read(options, screen, contract_of):
        configuration = current.configuration
        host = current.files.host
        service_user = configuration.host.get("service_user")
        people = [
            (person, _role(current.contract, user))
            for user, person in zip(configuration.users, configuration.people, strict=True)
        ]
        screen.table(
            f"Users of {host}",
            ("Name", "Telegram ID", "Role", "OS user", "Backend", "Provider", "Model", "From"),
            [
                (
                    person.name,
                    str(person.telegram_id or "-"),
                    role,
                    person.os_user or f"{service_user} (the service user)",
                    person.backend,
                    person.provider or "",
                    person.model or "",
                    MODEL_FROM[person.model_from],
                )
                for person, role in people
            ],
        )
        problems = configuration.problems
        screen.notes(str(problem) for problem in problems)
        hosts[host] = {
            "people": [{**person.as_dict(), "role": role} for person, role in people],
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
    current = _read_one(options, screen)
    contract = current.contract
    fields, problems = _read_fields(contract, assignments)
    fields = {**_values(contract, given), **fields}
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
    changed = _changed(current, [*current.users, entry])
    left_out = {f"{place}.{name}" for name in missing}
    changed.problems = [
        *problems,
        *(_missing(contract, name) for name in missing),
        *(problem for problem in changed.problems if problem.where not in left_out),
    ]
    _write(options, current, [*current.users, entry], changed, screen)
    _report_next(options, current, changed, changed.people[-1], screen)


def edit_user(options: UsersOptions, who: str, assignments: Sequence[str], screen: Screen) -> None:
    """Set fields of a user; an empty value clears a field. Raises as ``add_user`` does."""
    current = _read_one(options, screen)
    index = _index_of(current, who)
    fields, problems = _read_fields(current.contract, assignments)
    if not assignments:
        raise usage_error("--set", "no field", "at least one field", "add --set FIELD=VALUE")
    before = current.users[index]
    fields = {name: value for name, value in fields.items() if before.get(name) != value}
    merged = {**before, **fields}
    entry = {name: value for name, value in merged.items() if fields.get(name, "") is not None}
    users = [*current.users[:index], entry, *current.users[index + 1 :]]
    changed = _changed(current, users)
    changed.problems = [*problems, *changed.problems]
    _write(options, current, users, changed, screen)
    rows = [(name, _shown(before.get(name)), _shown(entry.get(name))) for name in fields]
    if rows:
        title = f"{changed.people[index].name}: changed in host_vars"
        screen.table(title, ("Field", "From", "To"), rows)
    _report_next(options, current, changed, changed.people[index], screen)


def _shown(value: Any) -> str:
    return "(not set)" if value is None else env_text(value)


def remove_user(options: UsersOptions, who: str, screen: Screen) -> None:
    """Remove a user, but never the last one. Raises as ``add_user`` does."""
    current = _read_one(options, screen)
    index = _index_of(current, who)
    if len(current.users) == 1:
        raise usage_error(
            who,
            "the last user",
            "another user, because a bot without users does not start",
            "add another user first: kai-ansible users add",
        )
    users = [*current.users[:index], *current.users[index + 1 :]]
    changed = _changed(current, users)
    _write(options, current, users, changed, screen)
    screen.say("The user's directories and account stay on the host.")
    _report_next(options, current, changed, None, screen)


def _read(
    options: UsersOptions,
    screen: Screen,
    contract_for: Callable[[Mapping[str, Any], Callable[[str], object]], Contract],
) -> list[HostUsers]:
    inventory, password = opened(options, may_ask=options.may_ask)
    found = []
    for host in inventory.hosts:
        variables = inventory.variables(host)
        files = inventory.host_vars(host)
        if not variables:
            raise nothing_known(host, files)
        contract = contract_for(variables, lambda said: screen.notes([said]))
        configuration = configuration_of(contract, variables)
        found.append(HostUsers(inventory, files, password, contract, variables, configuration))
    return found


def _read_one(options: UsersOptions, screen: Screen) -> HostUsers:
    """Return the users of the only host of a command that changes them."""
    current, *_others = _read(options, screen, certain_contract)
    only_host(options, current.inventory)
    path = current.variables.get(USERS_FILE)
    if path:
        raise usage_error(
            USERS_FILE,
            f"{path}, your own file with the users of {current.files.host}",
            f"users in {USERS}",
            f"edit that file, or move its entries to {USERS} and remove {USERS_FILE}",
        )
    settings = current.files.settings
    written = content_of(read_text(settings), settings).get(USERS)
    if current.users and written != current.users:
        raise usage_error(
            USERS,
            "a value from another file, or a template",
            f"a plain list in {settings}",
            "edit it where it is set: group_vars, another file of host_vars, or a template",
        )
    return current


def _index_of(current: HostUsers, who: str) -> int:
    users = [(index, user) for index, user in enumerate(current.users) if isinstance(user, dict)]
    found = [pair for pair in users if str(pair[1].get("telegram_id")) == who]
    found = found or [pair for pair in users if pair[1].get("name") == who]
    if len(found) == 1:
        return found[0][0]
    if found:
        raise usage_error(
            repr(who),
            f"several users: {_named(user for _, user in found)}",
            "one user",
            "name the user by Telegram ID",
        )
    names = [str(user.get("name")) for _, user in users]
    raise usage_error(
        repr(who),
        f"no such user{nearest(who, names)}",
        f"one of {_named(user for _, user in users)}",
        "name one of these users",
    )


def _named(users: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(map(name_with_id, users))


def _role(contract: Contract, user: Mapping[str, Any]) -> str:
    return str(user.get("role") or contract.user_fields["role"].default)


def _read_fields(
    contract: Contract, assignments: Sequence[str]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the fields of FIELD=VALUE words, None for an empty value, and the problems."""
    known = contract.user_fields
    given = {}
    problems = []
    for word in assignments:
        name, separator, value = word.partition("=")
        name = name.strip()
        if not separator or name not in known:
            problems.append(
                Problem(
                    f"--set {name}",
                    f"an unknown field{nearest(name, known)}" if separator else "no value",
                    "FIELD=VALUE, with a field that docs/settings.md lists",
                    "fix or remove it",
                )
            )
        else:
            given[name] = value.strip()
    return _values(contract, given), problems


def _values(contract: Contract, given: Mapping[str, str]) -> dict[str, Any]:
    """Return typed text as values; unreadable text stays, and the rules report it."""
    values: dict[str, Any] = {}
    for name, typed in given.items():
        spec = contract.user_fields[name]
        raw = typed_value(spec, typed)
        try:
            values[name] = read_value(contract, spec, raw) if typed else None
        except UnacceptableValue:
            values[name] = raw
    return values


def _missing(contract: Contract, name: str) -> Problem:
    option = f"--{name.replace('_', '-')}"
    return Problem(
        option, "nothing", describe(contract, contract.user_fields[name]), f"give {option}"
    )


def _ask(current: HostUsers, given: Mapping[str, Any], options: UsersOptions) -> dict[str, Any]:
    """Ask for the essential fields that are missing, and return the answers."""
    asker = prompter(plain=options.plain)
    contract = current.contract
    holders = {str(user.get("telegram_id")): user for user in current.configuration.users}
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
    return _values(contract, answers)


def _changed(current: HostUsers, users: list[Any]) -> Configuration:
    return configuration_of(current.contract, {**current.variables, USERS: users})


def _write(
    options: UsersOptions,
    current: HostUsers,
    users: list[Any],
    changed: Configuration,
    screen: Screen,
) -> None:
    """Write changed users to host_vars. Raises CommandError if the result is invalid."""
    files, contract = current.files, current.contract
    if changed.problems:
        places = {
            name: files.vault if variable_is_secret(contract, name) else files.settings
            for name in [USERS, *current.variables]
        }
        raise CommandError("Nothing was written.", problems=changed.problems, places=places)
    _confirm_without_admin(options, current, changed)
    texts, _ = host_vars_texts(contract, files, {USERS: users}, current.password)
    if files.vault in texts:
        current.password.keep()
    written = write_host_vars(current.inventory, texts)
    screen.notes(note for note in changed.notes if note not in current.configuration.notes)
    for path in written:
        screen.good(f"Written: {path}")
    if not written:
        screen.good("Nothing to write: host_vars are up to date.")


def _confirm_without_admin(
    options: UsersOptions, current: HostUsers, changed: Configuration
) -> None:
    had, has = (
        any(_role(current.contract, user) == ADMIN for user in configuration.users)
        for configuration in (current.configuration, changed)
    )
    if not had or has or options.yes:
        return
    if not options.may_ask:
        raise usage_error(
            USERS,
            "no admin, so no user could manage the bot",
            "at least one user with the role admin",
            "add --yes to go on without an admin",
        )
    question = "No admin would be left, so no user could manage the bot. Go on?"
    if not prompter(plain=options.plain).confirm(question, default=False):
        raise CommandError("Nothing was written.", code=ExitCode.FAILED)


def _report_next(
    options: UsersOptions,
    current: HostUsers,
    changed: Configuration,
    person: Person | None,
    screen: Screen,
) -> None:
    """Report the logins that a user needs now and did not need before, and the next command."""
    notice = []
    if person:
        before = {
            (one["account"], one["backend"]) for one in _logins(current, current.configuration)
        }
        notice = login_notice(
            one
            for one in _logins(current, replace(changed, people=[person]))
            if (one["account"], one["backend"]) not in before
        )
    host = current.files.host
    for line in login_lines(notice, current.inventory.ssh_commands.get(host)):
        screen.say(line)
    screen.command("Next", "kai-ansible", "install", *options.words(host))
    screen.document(
        {
            "hosts": {
                host: {
                    "person": person.as_dict() if person else None,
                    "people": [other.as_dict() for other in changed.people],
                    "login_notice": notice,
                }
            }
        }
    )


def _logins(current: HostUsers, configuration: Configuration) -> list[LoginData]:
    paths = {
        backend: configuration.chosen[entry.binary.setting]
        for backend, entry in current.contract.backends.items()
        if entry.binary.setting in configuration.chosen
    }
    return logins(configuration, paths, [])
