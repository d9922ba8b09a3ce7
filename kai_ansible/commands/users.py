"""The commands ``users list``, ``add``, ``edit`` and ``remove``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.ansible.collection import contract as contract_of
from kai_ansible.errors import CommandError, ExitCode, refusal
from kai_ansible.inventory.host_vars import configuration_of, host_vars_texts, variable_is_secret
from kai_ansible.inventory.inventory import (
    HostVars,
    Inventory,
    nothing_known,
    plain,
    read_text,
    write_host_vars,
)
from kai_ansible.operator import at_terminal
from kai_ansible.rules.configuration import Configuration, variable
from kai_ansible.rules.logins import Login, login_notice, logins
from kai_ansible.rules.people import Person
from kai_ansible.rules.problems import Problem, nearest
from kai_ansible.rules.values import UnacceptableValue, describe, read_value
from kai_ansible.secrets.vault_password import VaultPassword

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

USERS = variable("users")
USERS_FILE = variable("users_file")
ADMIN = "admin"
MODEL_FROM = {"own": "their own", "global": "everybody's", "default": "the backend's default"}


@dataclass(frozen=True)
class UsersOptions:
    """What was asked of a command below ``users``."""

    inventory: Path
    host: str | None
    vault_password_file: Path | None
    vault_ids: tuple[str, ...]
    no_input: bool = False
    yes: bool = False
    plain: bool = False

    @property
    def may_ask(self) -> bool:
        """Whether there is a person who may be asked."""
        return not self.no_input and at_terminal()


@dataclass(frozen=True)
class HostPeople:
    """The people of a host as they are set now.

    variables: what is set for the host. configuration: what that means.
    """

    inventory: Inventory
    files: HostVars
    password: VaultPassword
    contract: Mapping[str, Any]
    variables: Mapping[str, Any]
    configuration: Configuration

    @property
    def users(self) -> list[Any]:
        """The entries as they stand in host_vars."""
        return list(self.variables.get(USERS) or [])


def list_users(options: UsersOptions, screen: Screen) -> None:
    """Tell who uses the bot of each host, and what everybody effectively gets."""
    document = {}
    for people in _read(options):
        configuration = people.configuration
        host = people.files.host
        service_user = configuration.host.get("service_user")
        entries = [
            {**person.as_dict(), "role": _role(people.contract, user)}
            for user, person in zip(configuration.users, configuration.people, strict=True)
        ]
        screen.table(
            f"People of {host}",
            ("name", "Telegram ID", "role", "OS user", "backend", "provider", "model", "from"),
            [
                (
                    entry["name"],
                    str(entry["telegram_id"]),
                    entry["role"],
                    entry["os_user"] or f"{service_user} (the service user)",
                    entry["backend"],
                    entry["provider"] or "",
                    entry["model"] or "",
                    MODEL_FROM[entry["model_from"]],
                )
                for entry in entries
            ],
        )
        problems = configuration.problems
        screen.notes(str(problem) for problem in problems)
        document[host] = {
            "people": entries,
            "problems": [problem.as_dict() for problem in problems],
        }
    screen.document(document)


def add_user(
    options: UsersOptions, given: Mapping[str, str], assignments: Sequence[str], screen: Screen
) -> None:
    """Add a person with the fields that were given, and ask for what is needed.

    given: fields by name. assignments: FIELD=VALUE words. Raises CommandError with every problem;
    nothing was written then.
    """
    people = _read_one(options)
    contract = people.contract
    fields, problems = _read_fields(contract, assignments)
    fields = {**_values(contract, given), **fields}
    if problems and options.may_ask:
        raise CommandError("Nothing was written.", problems=problems)
    missing = [
        name
        for name, spec in contract["user_fields"].items()
        if spec.get("required") and fields.get(name) is None
    ]
    if missing and options.may_ask:
        fields.update(_ask(people, fields, options))
        missing = []
    place = f"{USERS}[{len(people.users)}]"
    entry = {name: fields[name] for name in contract["user_fields"] if fields.get(name) is not None}
    changed = _changed(people, [*people.users, entry])
    left_out = {f"{place}.{name}" for name in missing}
    changed.problems = [
        *problems,
        *(_missing(contract, name) for name in missing),
        *(problem for problem in changed.problems if problem.where not in left_out),
    ]
    _write(
        options,
        people,
        [*people.users, entry],
        changed,
        screen,
    )
    _tell_next(options, people, changed, changed.people[-1], screen)


def edit_user(options: UsersOptions, who: str, assignments: Sequence[str], screen: Screen) -> None:
    """Set fields of a person, or clear them with an empty value. Raises as ``add_user`` does."""
    people = _read_one(options)
    index = _index_of(people, who)
    fields, problems = _read_fields(people.contract, assignments)
    if not assignments:
        raise refusal("--set", "no field", "one at least", "name fields with --set FIELD=VALUE")
    before = people.users[index]
    fields = {name: value for name, value in fields.items() if before.get(name) != value}
    merged = {**before, **fields}
    entry = {name: value for name, value in merged.items() if fields.get(name, "") is not None}
    users = [*people.users[:index], entry, *people.users[index + 1 :]]
    changed = _changed(people, users)
    changed.problems = [*problems, *changed.problems]
    _write(
        options,
        people,
        users,
        changed,
        screen,
    )
    _tell_next(options, people, changed, changed.people[index], screen)


def remove_user(options: UsersOptions, who: str, screen: Screen) -> None:
    """Remove a person, never the last one. Raises as ``add_user`` does."""
    people = _read_one(options)
    index = _index_of(people, who)
    if len(people.users) == 1:
        raise refusal(
            who,
            "the last person",
            "somebody else, as a bot without people does not start",
            "add somebody first: kai-ansible users add",
        )
    users = [*people.users[:index], *people.users[index + 1 :]]
    changed = _changed(people, users)
    _write(options, people, users, changed, screen)
    screen.say("Their directories and their account stay on the host.")
    _tell_next(options, people, changed, None, screen)


def _read(options: UsersOptions) -> list[HostPeople]:
    inventory = Inventory(options.inventory)
    hosts = inventory.hosts(options.host)
    password = inventory.vault_password(
        hosts, options.vault_password_file, options.vault_ids, may_ask=options.may_ask
    )
    found = []
    for host in hosts:
        variables = inventory.variables(host, password)
        files = inventory.host_vars(host)
        if not variables:
            raise nothing_known(host, files)
        contract = contract_of(str(variables.get(variable("release"), "1")))
        configuration = configuration_of(contract, variables)
        found.append(HostPeople(inventory, files, password, contract, variables, configuration))
    return found


def _read_one(options: UsersOptions) -> HostPeople:
    """Return the people of the one host of a command that changes them."""
    found = _read(options)
    if len(found) != 1:
        raise refusal(
            "the host", f"{options.host!r}, which names several", "one", "name one host at a time"
        )
    people = found[0]
    path = people.variables.get(USERS_FILE)
    if path:
        raise refusal(
            USERS_FILE,
            f"{path}, which has the people of {people.files.host} and one owner: you",
            f"people in {USERS}",
            f"edit that file, or move its entries to {USERS} and remove {USERS_FILE}",
        )
    settings = people.files.settings
    if people.users and _users_in(read_text(settings)) != people.users:
        raise refusal(
            USERS,
            "a value from elsewhere, or made from what stands there",
            f"a plain list in {settings}",
            "edit it where it is set: in group_vars, another file of host_vars, or a template",
        )
    return people


def _users_in(text: str) -> Any:
    # as Ansible reads it, but before it evaluates templates
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader

    try:
        loaded = DataLoader().load(text)
    except AnsibleError:
        return None
    return plain(loaded.get(USERS)) if isinstance(loaded, dict) else None


def _index_of(people: HostPeople, who: str) -> int:
    users = [(index, user) for index, user in enumerate(people.users) if isinstance(user, dict)]
    found = [pair for pair in users if str(pair[1].get("telegram_id")) == who]
    found = found or [pair for pair in users if pair[1].get("name") == who]
    if len(found) == 1:
        return found[0][0]
    if found:
        raise refusal(
            repr(who),
            f"several people: {_named(user for _, user in found)}",
            "one",
            "name one by the Telegram ID",
        )
    names = [str(user.get("name")) for _, user in users]
    raise refusal(
        repr(who),
        f"nobody{nearest(who, names)}",
        f"one of {_named(user for _, user in users)}",
        "name one of them",
    )


def _named(users: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{user.get('name')} ({user.get('telegram_id')})" for user in users)


def _role(contract: Mapping[str, Any], user: Mapping[str, Any]) -> str:
    return str(user.get("role") or contract["user_fields"]["role"]["default"])


def _read_fields(
    contract: Mapping[str, Any], assignments: Sequence[str]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the fields that FIELD=VALUE words give, None for an empty value, and problems."""
    known = contract["user_fields"]
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
                    "mend or leave it out",
                )
            )
        else:
            given[name] = value.strip()
    return _values(contract, given), problems


def _values(contract: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed as values; what cannot be read stays, for the rules to refuse."""
    values: dict[str, Any] = {}
    for name, typed in given.items():
        spec = contract["user_fields"][name]
        raw: Any = typed
        if spec["type"] == "list":
            raw = [part.strip() for part in typed.split(",") if part.strip()]
        try:
            values[name] = read_value(contract, spec, raw) if typed else None
        except UnacceptableValue:
            values[name] = raw
    return values


def _missing(contract: Mapping[str, Any], name: str) -> Problem:
    option = f"--{name.replace('_', '-')}"
    return Problem(
        option, "nothing", describe(contract, contract["user_fields"][name]), f"give {option}"
    )


def _ask(people: HostPeople, given: Mapping[str, Any], options: UsersOptions) -> dict[str, Any]:
    """Return answers for the fields that have a prompt and were not given."""
    from kai_ansible.terminal.prompts import prompter
    from kai_ansible.wizard.questions import ESSENTIAL, fault_of_answer, help_of, user_question

    asker = prompter(plain=options.plain)
    contract = people.contract
    holders = {str(user.get("telegram_id")): user for user in people.configuration.users}
    answers = {}
    for name, spec in contract["user_fields"].items():
        if given.get(name) is not None or spec["asked"] != ESSENTIAL:
            continue

        def fault(typed: str, name: str = name, spec: Mapping[str, Any] = spec) -> str | None:
            if spec.get("unique") and typed in holders:
                return f"{holders[typed].get('name')} has it."
            return fault_of_answer(contract, spec, typed)

        help_text = help_of(contract, user_question(contract, name))
        answers[name] = asker.text(spec["prompt"], "", fault, help_text)
    return _values(contract, answers)


def _changed(people: HostPeople, users: list[Any]) -> Configuration:
    return configuration_of(people.contract, {**people.variables, USERS: users})


def _write(
    options: UsersOptions,
    people: HostPeople,
    users: list[Any],
    changed: Configuration,
    screen: Screen,
) -> None:
    """Write other people to host_vars, unless something is wrong with the whole."""
    files, contract = people.files, people.contract
    if changed.problems:
        places = {
            name: files.vault if variable_is_secret(contract, name) else files.settings
            for name in [USERS, *people.variables]
        }
        raise CommandError("Nothing was written.", problems=changed.problems, places=places)
    _confirm_without_admin(options, people, changed)
    texts, _ = host_vars_texts(contract, files, {USERS: users}, people.password)
    if files.vault in texts:
        people.password.keep()
    written = write_host_vars(people.inventory, texts)
    screen.notes(note for note in changed.notes if note not in people.configuration.notes)
    for path in written:
        screen.good(f"Written: {path}")
    if not written:
        screen.good("Nothing to write: everything is as it should be.")


def _confirm_without_admin(
    options: UsersOptions, people: HostPeople, changed: Configuration
) -> None:
    had, has = (
        any(_role(people.contract, user) == ADMIN for user in configuration.users)
        for configuration in (people.configuration, changed)
    )
    if not had or has or options.yes:
        return
    warning = "Nobody would have the role admin, so nobody could manage the bot."
    if not options.may_ask:
        raise refusal(
            "people",
            warning.rstrip("."),
            "somebody as admin",
            "repeat it with --yes if that is meant",
        )
    from kai_ansible.terminal.prompts import prompter

    if not prompter(plain=options.plain).confirm(f"{warning} Go on?", default=False):
        raise CommandError("Nothing was written.", code=ExitCode.FAILED)


def _tell_next(
    options: UsersOptions,
    people: HostPeople,
    changed: Configuration,
    person: Person | None,
    screen: Screen,
) -> None:
    """Tell the login that a person needs and did not need before, and the next command."""
    notice = []
    if person:
        before = {(login.account, login.backend) for login in _logins(people, people.configuration)}
        notice = login_notice(
            login
            for login in _logins(people, replace(changed, people=[person]))
            if (login.account, login.backend) not in before
        )
    for line in notice:
        screen.say(line)
    host = people.files.host
    screen.say(f"Next: kai-ansible install {host} --inventory {options.inventory}")
    screen.document(
        {
            "host": host,
            "person": person.as_dict() if person else None,
            "people": [other.as_dict() for other in changed.people],
            "login_notice": notice,
        }
    )


def _logins(people: HostPeople, configuration: Configuration) -> list[Login]:
    paths = {
        backend: configuration.chosen[entry["binary"]["setting"]]
        for backend, entry in people.contract["backends"].items()
        if entry["binary"]["setting"] in configuration.chosen
    }
    return logins(people.contract, configuration, paths, [])
