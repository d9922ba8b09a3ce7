# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the operator's configuration from variables and check it as a whole.

The wizard calls this before it writes a configuration, the role before it applies one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .conditions import Circumstances, holds, in_words
from .contract import Setting
from .contract_changes import COMMAND, migrated
from .env_file import fault_of_key, fault_of_value
from .homes import Home, home_problems
from .models import belongs_elsewhere, normalised_model, providers_of, surface_of
from .problems import Problem, listed, nearest, shortened
from .releases import extras_by_feature, missing_extras
from .sources import without_password
from .start_checks import start_problems
from .users import User, effective_user, global_backend, has_admin, inherits_provider, pairs_in_use
from .values import UnacceptableValue, describe, env_text, fault_of_placeholder, read_value
from .variable_names import PREFIX, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contract import Contract, Model, Program, UserField, When

_OTHER_VARIABLES = (
    "release",
    "contract_version",
    "users",
    "users_file",
    "extra_env",
    "secret_extra_env",
)


@dataclass
class Configuration:
    """A whole configuration of a bot of the contract's release line.

    host: installation settings by name, defaults included.
    chosen: bot settings that the operator gave, by env key.
    settings: ``chosen`` and Kai's defaults together.
    entries: those of users.yaml, unknown fields included. places: of each, in host_vars.
    users: the same with everything inherited.
    extra_env: variables for the bot that the contract does not know, by env key.
    named_paths: what the operator's workspaces.yaml needs on the host, directory or file by path.
    users_file: whether users.yaml is the operator's own file, which nothing may be filled into.
    cleared: env keys that were explicitly emptied, so that the host may lose them.
    rejected: env keys and user places whose value was refused, so that nothing is built on them.
    notes: messages for the operator that are no problems.
    problems: everything that keeps this configuration from being applied.
    global_backend: that of users without one of their own.
    """

    contract: Contract
    host: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    extra_env: dict[str, str] = field(default_factory=dict)
    named_paths: dict[str, str] = field(default_factory=dict)
    users_file: bool = False
    cleared: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    global_backend: str | None = None

    @property
    def placed_users(self) -> list[tuple[str, dict[str, Any], User]]:
        """Each user with the place and the entry in host_vars."""
        return list(zip(self.places, self.entries, self.users))

    @property
    def circumstances(self) -> Circumstances:
        """The facts that the contract's conditions read."""
        return Circumstances(self.settings, pairs_in_use(self.users), self.global_backend)

    def add_problem(self, where: str, found: str, expected: str, fix: str) -> None:
        """Add a problem, as the fields of ``Problem``."""
        self.problems.append(Problem(where, found, expected, fix))

    def uses(self, backend: str) -> bool:
        """Return whether a user has the backend."""
        return any(user.backend == backend for user in self.users)


def read_configuration(
    contract: Contract,
    variables: Mapping[str, Any],
    users_from_file: list[Any] | None = None,
) -> Configuration:
    """Return the configuration that Ansible variables mean, with every problem found.

    variables: every variable whose name begins with ``kai_install_``; null and empty text clear a
        setting.
    users_from_file: the ``users`` list of kai_install_users_file, already parsed.
    """
    migration = migrated(contract, variables)
    configuration = Configuration(contract, problems=migration.problems)
    # by today's names, so that other faults are reported as well
    given = {name[len(PREFIX) :]: value for name, value in migration.variables.items()}
    _read_host(given, configuration)
    _read_settings(given, configuration)
    _read_extra_env(given, configuration)
    _report_unknown(given, configuration)
    _read_users(given, users_from_file, configuration)
    _fill_in(configuration)
    _check_pairs(configuration)
    _check_homes(configuration)
    _check_conditions(configuration)
    configuration.problems += start_problems(configuration)
    _choose_packages(configuration)
    if migration.is_newer:
        # what a later contract has would only look wrong
        configuration.problems = migration.problems
    return configuration


def env_of(configuration: Configuration) -> dict[str, str]:
    """Return the content of /etc/kai/env, by key; a binary that is not named is left out."""
    env = {}
    for key, spec in configuration.contract.settings.items():
        chosen = key in configuration.chosen
        if spec.written == "never" or not (chosen or spec.written == "always"):
            continue
        value = configuration.settings.get(key)
        if value is None or not applies(spec, configuration):
            continue
        env[key] = env_text(value)
    return {**env, **configuration.extra_env}


def applies(spec: Setting | Program | Model, configuration: Configuration) -> bool:
    """Return whether a setting reaches the bot under this configuration.

    What the bot demands reaches it even where nobody uses it: Kai judges the global backend and its
    provider at every start.
    """
    conditions = [spec.applies, spec.required if isinstance(spec, Setting) else None]
    return any(
        holds(condition, configuration.circumstances) for condition in conditions if condition
    )


def concerned(condition: When, configuration: Configuration) -> list[User]:
    """Return the users whose backend or provider makes a condition of the contract hold.

    No users if it does not depend on a backend or provider in use.
    """

    def with_pairs(users: list[User]) -> Circumstances:
        return replace(configuration.circumstances, pairs=pairs_in_use(users))

    if holds(condition, with_pairs([])):
        return []
    return [one for one in configuration.users if holds(condition, with_pairs([one]))]


def is_secret(contract: Contract, key: str) -> bool:
    """Return whether a setting must be kept out of sight."""
    spec = contract.settings.get(key) or contract.host.get(key)
    return bool(spec and spec.secret)


def shown(contract: Contract, key: str, value: Any) -> str:
    """Return a value for a message: a secret only by its length."""
    if is_secret(contract, key):
        return f"a secret of {len(str(value))} characters"
    return shortened(without_password(repr(value)))


def canonical_key(contract: Contract, key: str) -> str:
    """Return today's env key of a setting that may be given by an old name."""
    for name, spec in contract.settings.items():
        if key in spec.old_names:
            return str(name)
    return key


def key_of(contract: Contract, name: str) -> str:
    """Return the key of a setting that an operator names as its variable, or in another case."""
    wanted = name.replace("-", "_").lower()
    wanted = wanted[len(PREFIX) :] if wanted.startswith(PREFIX) else wanted
    old = [one for spec in contract.settings.values() for one in spec.old_names]
    for key in (*contract.host, *contract.settings, *old):
        if key.lower() == wanted:
            return canonical_key(contract, key)
    return name


def _read_host(given: Mapping[str, Any], configuration: Configuration) -> None:
    contract = configuration.contract
    for name, spec in contract.host.items():
        raw = given.get(name)
        if raw in (None, ""):
            if spec.default is not None:
                configuration.host[name] = spec.default
            elif spec.required == "always":
                configuration.add_problem(
                    variable(name),
                    "nothing",
                    describe(contract, spec),
                    f"set {variable(name)}: {spec.help}",
                )
            continue
        try:
            configuration.host[name] = read_value(contract, spec, raw)
        except UnacceptableValue as error:
            configuration.problems.append(_unfit(contract, name, name, raw, error))


def _unfit(contract: Contract, key: str, name: str, raw: Any, error: UnacceptableValue) -> Problem:
    """Return the problem of a value. name: the key under which it was given."""
    # what follows says what is wrong with the present value
    wanted = error.expected.partition(";")[0]
    fix = f"set {variable(key)} to {wanted}"
    return Problem(variable(name), shown(contract, key, raw), error.expected, fix)


def _read_settings(given: Mapping[str, Any], configuration: Configuration) -> None:
    contract = configuration.contract
    for key, spec in contract.settings.items():
        found = {
            name: given[name.lower()]
            for name in (key, *spec.old_names)
            if given.get(name.lower()) not in (None, "")
        }
        if not found:
            if key.lower() in given:
                configuration.cleared.add(key)
            continue
        name, raw = next(iter(found.items()))
        if len({str(value) for value in found.values()}) > 1:
            configuration.add_problem(
                variable(key),
                "different values under " + listed(variable(other) for other in found),
                f"one value under {variable(key)}",
                f"keep {variable(key)} and remove the others",
            )
        if name != key:
            configuration.notes.append(f"{variable(name)} is the old name of {variable(key)}.")
        try:
            value = read_value(contract, spec, raw)
        except UnacceptableValue as error:
            configuration.problems.append(_unfit(contract, key, name, raw, error))
            configuration.rejected.add(key)
            continue
        if spec.type == "model":
            value = normalised_model(contract, value)
        if spec.surface:
            surface = contract.surfaces[spec.surface]
            if not surface.accepts(value):
                configuration.add_problem(
                    variable(name),
                    f"{value!r}, which {surface.name} does not have",
                    "one of " + listed(surface.names),
                    f"set {variable(key)} to one of them, or remove it",
                )
                configuration.rejected.add(key)
                continue
        configuration.chosen[key] = value


def _read_extra_env(given: Mapping[str, Any], configuration: Configuration) -> None:
    contract = configuration.contract
    for name in ("extra_env", "secret_extra_env"):
        extra = given.get(name) or {}
        if not isinstance(extra, dict):
            configuration.add_problem(
                variable(name),
                type(extra).__name__,
                "a mapping of env keys to text",
                f"fix {variable(name)}",
            )
            continue
        for key, raw in extra.items():
            where = f"{variable(name)}.{key}"
            if raw is None:
                configuration.cleared.add(str(key))
                continue
            if key in contract.retired:
                configuration.notes.append(f"{where} is not written: {contract.retired[key]}.")
                continue
            if key in contract.systemd_environment:
                configuration.notes.append(
                    f"{where} is not written: systemd sets it, and systemd's value wins."
                )
                continue
            known = canonical_key(contract, str(key))
            if known in contract.process_environment:
                configuration.add_problem(
                    where,
                    "a key that belongs to the service definition",
                    "no value: the role sets it there",
                    f"remove {where}",
                )
                continue
            if known in contract.settings:
                configuration.add_problem(
                    where,
                    "a key that the contract knows",
                    f"{variable(known)} in its place",
                    f"move the value to {variable(known)}",
                )
                continue
            text = env_text(raw) if isinstance(raw, (str, int, float)) else ""
            secret = name == "secret_extra_env"
            fault = fault_of_key(str(key)) or fault_of_value(text)
            fault = fault or fault_of_placeholder(text, secret=secret)
            if not isinstance(raw, (str, int, float)):
                fault = "is not text"
            if fault:
                configuration.add_problem(
                    where, f"something that {fault}", "one line of text", f"fix {where}"
                )
                continue
            configuration.extra_env[str(key)] = text


def _report_unknown(given: Mapping[str, Any], configuration: Configuration) -> None:
    contract = configuration.contract
    retired = {key.lower(): reason for key, reason in contract.retired.items()}
    known = {key.lower() for key in contract.settings}
    for spec in contract.settings.values():
        known |= {old.lower() for old in spec.old_names}
    known |= set(contract.host) | set(_OTHER_VARIABLES)
    for name in sorted(set(given) - known):
        if PREFIX + name in contract.elsewhere:
            configuration.problems.append(_of_another_line(contract, PREFIX + name))
            continue
        if name in retired:
            configuration.notes.append(f"{PREFIX}{name} is not written: {retired[name]}.")
            continue
        configuration.add_problem(
            PREFIX + name,
            "an unknown variable" + nearest(name.lower(), known, PREFIX),
            f"a setting of {contract.title}",
            f"fix its name, or put it under {PREFIX}extra_env by its env key",
        )


def _of_another_line(contract: Contract, name: str) -> Problem:
    """Return the problem of a variable that only other lines have, with the way to its line."""
    titles = contract.elsewhere[name]
    reason = contract.retired.get(name[len(PREFIX) :].upper())
    migration = contract.migration
    if migration and migration.from_ in titles:
        fix = f"run {COMMAND} --to {contract.release}, which rewrites host_vars, or remove {name}"
    else:
        line, title = next(iter(titles.items()))
        fix = f"remove {name}, or, for a source of {title}, run {COMMAND} --to {line}"
    return Problem(
        name,
        f"a variable of {listed(titles.values())}" + (f": {reason}" if reason else ""),
        f"a variable of {contract.title}",
        fix,
    )


def _read_users(
    given: Mapping[str, Any], users_from_file: list[Any] | None, configuration: Configuration
) -> None:
    listed_users = given.get("users")
    if listed_users and given.get("users_file"):
        configuration.add_problem(
            variable("users"),
            f"both {variable('users')} and {variable('users_file')}",
            "one owner of users.yaml",
            "remove one of the two",
        )
    configuration.users_file = users_from_file is not None
    where = variable("users_file" if users_from_file is not None else "users")
    entries = users_from_file if users_from_file is not None else listed_users
    if not isinstance(entries, list) or not entries:
        configuration.add_problem(
            where,
            "no users" if not entries else type(entries).__name__,
            "a list of at least one user",
            "run kai-ansible config, or add an entry with telegram_id, name and role",
        )
        return
    seen: dict[int, str] = {}
    for index, entry in enumerate(entries):
        place = f"{where}[{index}]"
        if not isinstance(entry, dict):
            configuration.add_problem(
                place, type(entry).__name__, "a mapping of fields", f"fix {place}"
            )
            continue
        user = _read_user(place, entry, configuration)
        configuration.entries.append(user)
        configuration.places.append(place)
        telegram_id = user.get("telegram_id")
        if isinstance(telegram_id, int):
            if telegram_id in seen:
                configuration.add_problem(
                    f"{place}.telegram_id",
                    f"{telegram_id}, which {seen[telegram_id]} has too",
                    "an ID of its own",
                    f"remove {place} or fix its ID",
                )
            seen.setdefault(telegram_id, f"{user.get('name', 'another user')} ({place})")
    if not has_admin(configuration.entries):
        configuration.notes.append("No user has the role admin, so no user can manage the bot.")


def _read_user(
    place: str, entry: Mapping[str, Any], configuration: Configuration
) -> dict[str, Any]:
    contract = configuration.contract
    user = {key: value for key, value in entry.items() if value is not None}
    for name, spec in contract.user_fields.items():
        where = f"{place}.{name}"
        if not configuration.users_file:
            _take_old_names(name, spec, user, place, configuration)
        if spec.role_models:
            # judged together with the backend
            continue
        raw = user.get(name)
        if configuration.users_file and name in entry:
            expected = _fault_in_file(contract, spec, entry[name])
            if expected:
                configuration.add_problem(
                    where,
                    shortened(repr(entry[name])) + ", which Kai does not take",
                    expected,
                    f"correct {name} in that entry of the file, or remove the line",
                )
                configuration.rejected.add(place)
                user.pop(name, None)
                continue
        if raw in (None, ""):
            user.pop(name, None)
            if spec.required and not _has_alternative(spec, user, configuration):
                configuration.problems.append(_missing_field(name, place, configuration))
            continue
        try:
            user[name] = read_value(contract, spec, raw)
        except UnacceptableValue as error:
            configuration.add_problem(
                where, shortened(repr(raw)), error.expected, f"fix {name} in {place}"
            )
            del user[name]
            configuration.rejected.add(place)
    for name in user:
        if name not in contract.user_fields:
            configuration.notes.append(
                f"{place}.{name} is not a field of {contract.title}; it is carried over"
                f"{nearest(str(name), contract.user_fields)}."
            )
    return user


def _has_alternative(
    spec: UserField, user: Mapping[str, Any], configuration: Configuration
) -> bool:
    """Return whether another field of a user does for one."""
    chosen = Circumstances(configuration.chosen, frozenset())
    other = spec.alternative
    return bool(other and holds(other.when, chosen) and (not user or user.get(other.field)))


def _missing_field(name: str, place: str, configuration: Configuration) -> Problem:
    spec = configuration.contract.user_fields[name]
    fix = f"add {name} to {place}"
    if _has_alternative(spec, {}, configuration):
        fix = f"run kai-ansible config, which makes the first user of a Kai 2.1, or {fix}"
    return Problem(f"{place}.{name}", "nothing", describe(configuration.contract, spec), fix)


def _take_old_names(
    name: str, spec: UserField, user: dict[str, Any], place: str, configuration: Configuration
) -> None:
    for old in spec.old_names:
        if old not in user:
            continue
        value = user.pop(old)
        if user.setdefault(name, value) != value:
            found = f"another value than {name} has, which is its name now"
            fix = f"remove one of the two from {place}"
            configuration.add_problem(f"{place}.{old}", found, "one value", fix)
        configuration.notes.append(f"{place}.{old} is the old name of {name}.")


def _fault_in_file(contract: Contract, spec: UserField, value: Any) -> str | None:
    """Return what Kai expects where it does not take the raw value of a file as we read it."""
    if value in (None, ""):
        unset = value in spec.unset_in_file or spec.required
        return None if unset else describe(contract, spec)
    if spec.type == "boolean" and not isinstance(value, bool):
        return "true or false, without quotes"
    # Kai takes a number that is 0 for no name
    if spec.from_number and not isinstance(value, bool) and value == 0:
        return "text; put it in quotes"
    return None


def _fill_in(configuration: Configuration) -> None:
    contract = configuration.contract
    settings = {
        key: spec.default for key, spec in contract.settings.items() if spec.default is not None
    }
    settings.update(configuration.chosen)
    backend = configuration.global_backend = global_backend(contract, settings)
    if "DEFAULT_MODEL" not in settings:
        provider = effective_user(contract, settings, {}).provider
        surface = surface_of(contract, backend, provider)
        if surface and surface.default:
            settings["DEFAULT_MODEL"] = surface.default
            configuration.notes.append(
                f"No model was chosen; {surface.default} is the default of {backend}."
            )
    configuration.settings = settings
    configuration.users = [
        effective_user(contract, settings, user) for user in configuration.entries
    ]


def _check_pairs(configuration: Configuration) -> None:
    contract = configuration.contract
    choice = contract.agent_choice
    field_of_provider = choice.provider.field
    if configuration.rejected & {choice.backend.setting, choice.provider.setting, "DEFAULT_MODEL"}:
        return
    settings = configuration.settings
    everyone = effective_user(contract, settings, {"model": settings.get("DEFAULT_MODEL")})
    _check_pair(
        configuration, variable("default_model"), variable(choice.provider.setting), everyone
    )
    service_user = configuration.host.get("service_user")
    for place, entry, user in configuration.placed_users:
        if place in configuration.rejected:
            continue
        if configuration.users_file and inherits_provider(contract, settings, entry, user):
            configuration.add_problem(
                f"{place}.{field_of_provider}",
                f"no provider for {user.backend}; in Kai no user inherits it from "
                f"{configuration.global_backend}",
                "one of " + listed(providers_of(contract, user.backend)),
                f"add '{field_of_provider}: {user.provider}' to that entry of the file",
            )
        typed = entry.get("model", "").strip()
        if typed and typed != user.model and user.model == typed.lower():
            configuration.notes.append(
                f"{place}.model: Kai turns {typed!r} into {user.model!r}; only "
                f"{variable('default_model')}, or /model in the chat, keeps capitals."
            )
        inherited = user.model_from != "own" and (
            (user.backend, user.provider, user.model)
            == (everyone.backend, everyone.provider, everyone.model)
        )
        # report a wrong global value once, in its own place
        if not inherited:
            provider_place = f"{place}.{field_of_provider}"
            _check_pair(configuration, f"{place}.model", provider_place, user)
        if user.os_user and user.os_user == service_user:
            configuration.add_problem(
                f"{place}.os_user",
                f"{user.os_user!r}, which is the service user",
                "an OS user of the user's own",
                "name another account, or remove os_user to run as the service user",
            )
        backend = contract.backends.get(user.backend)
        if user.os_user and backend and not backend.spawn["chat"].as_os_user:
            configuration.notes.append(
                f"{user.name} has the os_user {user.os_user}, but {contract.title} runs "
                f"{user.backend} as the service user {service_user}, which can read the bot's "
                f"secrets."
            )
        if user.os_user is None:
            configuration.notes.append(
                f"{user.name} has no os_user: their agents run as the service user "
                f"{service_user}, which can read the bot's secrets."
            )
        if user.model_from == "default" and user.model and configuration.users_file:
            configuration.add_problem(
                f"{place}.model",
                f"no model, so {user.backend} would get {settings.get('DEFAULT_MODEL')!r}",
                f"a model of {user.backend}",
                f"add 'model: {user.model}' to that entry of the file",
            )
        elif user.model_from == "default" and user.model:
            configuration.notes.append(
                f"{user.name} uses {user.backend}, which has no model "
                f"{settings.get('DEFAULT_MODEL')!r}: users.yaml gets its default {user.model}."
            )


def _check_homes(configuration: Configuration) -> None:
    contract, host = configuration.contract, configuration.host
    if {"install_dir", "data_dir"} <= host.keys():
        configuration.problems += home_problems(contract, host, named_homes(configuration))


def named_homes(configuration: Configuration) -> list[Home]:
    """Return the homes that the users of a configuration name."""
    return [
        Home(
            where=f"{place}.home_workspace",
            name=user.name,
            account=user.os_user or "",
            path=entry["home_workspace"],
            fix=f"name another directory in {place}, or remove home_workspace from it",
        )
        for place, entry, user in configuration.placed_users
        if "home_workspace" in entry
    ]


def _check_pair(
    configuration: Configuration, model_place: str, provider_place: str, user: User
) -> None:
    contract = configuration.contract
    offered = providers_of(contract, user.backend)
    surface = surface_of(contract, user.backend, user.provider)
    if surface is None:
        found = f"no provider for {user.backend}"
        if user.provider is not None:
            found = f"{user.provider!r}, which {user.backend} does not have"
        configuration.add_problem(
            provider_place, found, "one of " + listed(offered), f"set {provider_place}"
        )
        return
    pair = user.backend if len(offered) == 1 else f"{user.backend} on {user.provider}"
    if not user.model or not surface.accepts(user.model, user.provider):
        found = (
            f"{user.model!r}, which {pair} does not have" if user.model else f"no model for {pair}"
        )
        advice = surface.default or f"a model that {surface.name} offers"
        configuration.add_problem(
            model_place, found, surface.in_words, f"set {model_place} to {advice}"
        )
    elif belongs_elsewhere(contract, surface, user.model):
        configuration.notes.append(
            f"{model_place} is {user.model!r}, a name of another provider: make sure that "
            f"{surface.name} has it."
        )


def _check_conditions(configuration: Configuration) -> None:
    contract = configuration.contract
    circumstances = configuration.circumstances
    for key, spec in contract.settings.items():
        value = configuration.settings.get(key)
        required = spec.required
        pair = key in ("DEFAULT_MODEL", contract.agent_choice.provider.setting)
        missing = value is None and key not in configuration.rejected and not pair
        if missing and required and holds(required, circumstances):
            why = "" if required == "always" else f", because {in_words(required, circumstances)}"
            needing = concerned(required, configuration)
            if needing:
                why += f" ({listed(user.name for user in needing)})"
            configuration.add_problem(
                variable(key),
                f"nothing{why}",
                spec.pattern_help or describe(contract, spec),
                f"set {variable(key)}" + (" in vault.yml" if spec.secret else ""),
            )
        conflict = spec.conflicts
        given = key in configuration.chosen and value is not False
        if given and conflict and holds(conflict, circumstances):
            configuration.add_problem(
                variable(key),
                f"a value although {in_words(conflict)}",
                "one of the two",
                f"remove {variable(key)}, or change the other",
            )
        if key in configuration.chosen and not applies(spec, configuration):
            configuration.notes.append(
                f"{variable(key)} is kept but does not reach the bot, because it is only used when "
                f"{in_words(spec.applies)}."
            )
        if key in configuration.chosen and spec.instead and value:
            configuration.notes.append(
                f"{variable(key)} applies to all users, and the bot owns the directories that it "
                f"makes there, so agents with an OS user cannot write in them. Give each user "
                f"{spec.instead} (docs/workspaces.md)."
            )
    if configuration.settings.get("MEMORY_EXTRACTION_ENABLED"):
        configuration.notes += [
            f"The bot extracts no memories for {user.name}: {user.backend} does not support it."
            for user in configuration.users
            if user.backend not in contract.memory_extraction_backends
        ]


def _choose_packages(configuration: Configuration) -> None:
    host = configuration.host
    circumstances = configuration.circumstances
    if "extras" not in host:
        host["extras"] = extras_by_feature(configuration.contract, circumstances)
    configuration.problems += missing_extras(configuration.contract, circumstances, host["extras"])
    if "index_url" in host and "wheelhouse" in host:
        configuration.add_problem(
            variable("wheelhouse"),
            f"both {variable('wheelhouse')} and {variable('index_url')}",
            "one place that packages come from",
            "remove one of the two",
        )
