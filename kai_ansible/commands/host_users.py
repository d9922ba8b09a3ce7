"""The users of a host in host_vars: read them, change them, and report what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kai_ansible.ansible.collection import Notes, certain_contract
from kai_ansible.commands.confirmation import confirm
from kai_ansible.commands.options import UsersOptions
from kai_ansible.commands.target import only_host, opened
from kai_ansible.errors import CommandError, usage_error
from kai_ansible.inventory.host_vars import configuration_of, host_vars_texts, variable_is_secret
from kai_ansible.inventory.host_vars_files import HostVars
from kai_ansible.inventory.inventory import Inventory, nothing_known, write_host_vars
from kai_ansible.inventory.variable_text import content_of, read_text
from kai_ansible.inventory.yaml_edit import Template
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired import LoginData
from kai_ansible.rules.logins import login_notice, logins
from kai_ansible.rules.problems import Problem, nearest
from kai_ansible.rules.users import User, has_admin
from kai_ansible.rules.values import UnacceptableValue, read_value
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.terminal.login_view import login_lines
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.asking import name_with_id
from kai_ansible.wizard.questions import typed_value

USERS = variable("users")
USERS_FILE = variable("users_file")


@dataclass(frozen=True)
class HostUsers:
    """The users of a host as host_vars set them now.

    variables: the variables of the host. configuration: what they mean. written: the entries as
    they are written in the settings, for a command that changes them.
    """

    inventory: Inventory
    files: HostVars
    password: VaultPassword
    contract: Contract
    variables: Mapping[str, Any]
    configuration: Configuration
    written: Any = None

    @property
    def users(self) -> list[Any]:
        """The entries in host_vars."""
        return list(self.variables.get(USERS) or [])


def read_users(
    options: UsersOptions,
    screen: Screen,
    contract_for: Callable[[Mapping[str, Any], Notes], Contract],
) -> list[HostUsers]:
    """Return the users of each host that the options name.

    contract_for: returns the contract of a host's release line, from its variables; it gets what
    takes a note for the operator.
    Raises CommandError for a host that is not configured.
    """
    inventory, password = opened(options, may_ask=not options.no_input)
    found = []
    for host in inventory.hosts:
        variables = inventory.variables(host)
        files = inventory.host_vars(host, to_write=False)
        if not variables:
            raise nothing_known(host, files)
        contract = contract_for(variables, screen.notes)
        configuration = configuration_of(contract, variables)
        found.append(HostUsers(inventory, files, password, contract, variables, configuration))
    return found


def users_to_change(options: UsersOptions, screen: Screen) -> HostUsers:
    """Return the users of the only host of a command that changes them.

    Raises CommandError where the settings of that host do not list them.
    """
    current, *_others = read_users(options, screen, certain_contract)
    host = only_host(options, current.inventory)
    current.inventory.host_vars(host)
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
    problems = current.inventory.overridden(host, [USERS], current.contract)
    if problems:
        raise CommandError("Nothing was written.", problems=problems)
    if current.users and not stands_for(written, current.users):
        raise usage_error(
            USERS,
            "a value from another file, or a template",
            f"a list of users in {settings}",
            "edit it where it is set: group_vars, another file of host_vars, or a template",
        )
    return replace(current, written=written)


def stands_for(written: Any, users: Sequence[Any]) -> bool:
    """Return whether Ansible reads these users where this is written.

    What is in a field may be a template or an inline vault.
    """
    return (
        isinstance(written, list)
        and len(written) == len(users)
        and all(
            entry == user or (isinstance(entry, dict) and _stands_for(entry, user))
            for entry, user in zip(written, users, strict=True)
        )
    )


def _stands_for(written: Any, value: Any) -> bool:
    if isinstance(written, Template):
        return True
    if isinstance(written, list) and isinstance(value, list):
        return len(written) == len(value) and all(map(_stands_for, written, value))
    if isinstance(written, dict) and isinstance(value, dict):
        return value.keys() <= written.keys() and all(
            # a template may leave its field out
            _stands_for(item, value[name]) if name in value else isinstance(item, Template)
            for name, item in written.items()
        )
    return bool(written == value)


def as_written(current: HostUsers, users: Sequence[Any]) -> list[Any]:
    """Return users with each field as it is written where it does not change.

    users: those of ``current`` but one that is gone, with one that is new, or one that is changed.
    Raises CommandError for a change of what is a template or an inline vault.
    """
    written, before = current.written or [], current.users
    found = []
    for index, user in enumerate(users):
        same = [at for at, one in enumerate(before) if one is user]
        if same:
            found.append(written[same[0]])
        elif len(users) == len(before):
            found.append(_changed(current, index, user))
        else:
            found.append(user)
    return found


def _changed(current: HostUsers, index: int, user: Mapping[str, Any]) -> dict[str, Any]:
    before, written = current.users[index], current.written[index]
    kept = {name: value for name, value in written.items() if before.get(name) == user.get(name)}
    lost = [
        name for name, value in written.items() if name not in kept and isinstance(value, Template)
    ]
    if lost:
        raise CommandError(
            "Nothing was written.",
            problems=[
                Problem(
                    f"{USERS}[{index}].{name}",
                    "a template or an inline vault",
                    "a plain value, which this command can replace",
                    f"edit it in {current.files.settings}",
                )
                for name in lost
            ],
        )
    return {**user, **kept}


def index_of(current: HostUsers, who: str) -> int:
    """Return the place of a user in the list, by Telegram ID or name.

    Raises CommandError for one that is not there, and for a name of several.
    """
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


def read_fields(
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
    return values_of(contract, given), problems


def values_of(contract: Contract, given: Mapping[str, str]) -> dict[str, Any]:
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


def with_users(current: HostUsers, users: list[Any]) -> Configuration:
    """Return the configuration of the host with other users."""
    return configuration_of(current.contract, {**current.variables, USERS: users})


def write_users(
    options: UsersOptions,
    current: HostUsers,
    users: list[Any],
    changed: Configuration,
    screen: Screen,
    options_of: Mapping[str, str] | None = None,
) -> None:
    """Write changed users to host_vars. Raises CommandError if the result is invalid.

    options_of: the options of the command line that gave a field, by the place of the field.
    """
    files, contract = current.files, current.contract
    if changed.problems:
        given = options_of or {}
        problems = [
            replace(one, where=given[one.where], fix=f"give {given[one.where]} another value")
            if one.where in given
            else one
            for one in changed.problems
        ]
        places = {
            name: files.vault if variable_is_secret(contract, name) else files.settings
            for name in [USERS, *current.variables]
        }
        raise CommandError("Nothing was written.", problems=problems, places=places)
    _confirm_without_admin(options, current, changed)
    texts, _ = host_vars_texts(
        contract, files, {USERS: as_written(current, users)}, current.password
    )
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
    if has_admin(changed.entries) or not has_admin(current.configuration.entries) or options.yes:
        return
    if not options.may_ask:
        raise usage_error(
            USERS,
            "no admin, so no user could manage the bot",
            "at least one user with the role admin",
            "add --yes to go on without an admin",
        )
    question = "No admin would be left, so no user could manage the bot. Go on?"
    confirm(question, plain=options.plain, message="Nothing was written.")


def report_next(
    options: UsersOptions,
    current: HostUsers,
    changed: Configuration,
    user: User | None,
    screen: Screen,
) -> None:
    """Report the logins that a user needs now and did not need before, and the next command."""
    notice = []
    if user:
        before = {
            (one["account"], one["backend"]) for one in _logins(current, current.configuration)
        }
        notice = login_notice(
            one
            for one in _logins(current, replace(changed, users=[user]))
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
                    "user": user.as_dict() if user else None,
                    "users": [other.as_dict() for other in changed.users],
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
