# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a release line of Kai as types: a key that stands in no class is refused.

docs/contract.md says what each part means. Only the controller reads a contract, with a Python that
evaluates these annotations; a module on a host may name the types in annotations of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Mapping, Union, cast, get_args

from .contract_kinds import DeploymentMode, Feature, Helper, Migration, Readiness, Tier, Workshop
from .problems import Problem, Refused, listed
from .typed_data import Unfit, in_words, line_of, named, needed, read, text

_ENV_KEY = "[A-Z][A-Z0-9_]*"
_NAME = "[a-z][a-z0-9_]*"
_VARIABLE = "kai_install_[a-z0-9_]+"
_MODE = "[0-7]{4}"
_SEED_MODE = "0[0-7]{3}"
_ABSOLUTE = "/.*"
# below a directory that the operator chooses, perhaps
_PATH = r"(/|\{[a-z_]+\}).*"
_RELATIVE = "[^/].*"
_VERSION = r"[0-9]+\.[0-9]+\.[0-9]+"

Owner = Literal["root", "service", "agent"]
# how a user authenticates where no setting chooses
SUBSCRIPTION = "subscription"
System = Literal["linux", "darwin"]
Content = Literal[
    "settings",
    "users",
    "services_file",
    "workspaces_file",
    "memory_projects_file",
    "registry",
    "profiles",
    "bot",
]

# of a default, by the type of its value; that of any other is text
_KINDS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
}


def _expect(is_so: bool, fault: str) -> None:
    if not is_so:
        raise ValueError(fault)


@dataclass(frozen=True)
class Change:
    """What a version of the contract changed in the variables of the role."""

    version: int
    what: str
    renamed: Mapping[str, str] = text(_VARIABLE, keys=_VARIABLE, default={})
    removed: tuple[str, ...] = text(_VARIABLE, default=())
    changed: tuple[str, ...] = text(_VARIABLE, default=())

    def __post_init__(self) -> None:
        _expect(bool(self.renamed or self.removed or self.changed), "a change of nothing")


@dataclass(frozen=True)
class Condition:
    """When something holds: one kind of question alone.

    backend: a user's agent is of it, with this provider where one is named. global_backend: that of
    the bot itself. setting, equals: the effective value of a setting.
    """

    backend: str | None = None
    provider: str | None = None
    global_backend: str | None = None
    setting: str | None = text(_ENV_KEY, default=None)
    equals: Union[bool, float, str, None] = None
    any: tuple[When, ...] = ()
    all: tuple[When, ...] = ()
    not_: When | None = named("not", default=None)

    def __post_init__(self) -> None:
        given = {one.name for one in fields(self) if getattr(self, one.name) not in (None, ())}
        _expect(given in _QUESTIONS, f"a condition of {sorted(given)}")


_QUESTIONS = (
    {"backend"},
    {"backend", "provider"},
    {"global_backend"},
    {"setting", "equals"},
    {"any"},
    {"all"},
    {"not_"},
)

When = Union[Literal["always"], Condition]


@dataclass(frozen=True)
class Limits:
    """What a value may be."""

    type: Literal[
        "string",
        "integer",
        "number",
        "boolean",
        "choice",
        "path",
        "directory",
        "directory_list",
        "model",
        "url",
        "source",
        "account",
        "list",
        "environment",
        "bootstrap_plan",
    ] = "string"
    choices: tuple[str, ...] = ()
    choices_from: Literal["backends", "providers", None] = None
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    nonzero: bool = False
    infinite: bool = False
    from_number: bool = False
    or_zero: bool = False
    pattern: str | None = None
    pattern_help: str | None = None
    items: Literal["string", "directory"] = "string"
    item_pattern: str | None = None
    secret: bool = False

    def __post_init__(self) -> None:
        ends = (self.minimum, self.exclusive_minimum, self.maximum)
        if any(end is not None for end in ends) or self.nonzero or self.or_zero:
            _expect(self.type in ("integer", "number"), "a range of a value that is no number")
        sources = bool(self.choices) + bool(self.choices_from)
        _expect(sources == (self.type == "choice"), "not one source of choices for a choice alone")
        if self.pattern or self.item_pattern:
            kind = "string" if self.pattern else "list"
            _expect(self.type == kind, "a pattern of a value that is no text")


@dataclass(frozen=True)
class Value(Limits):
    """The valid values of a setting, and its question."""

    asked: Literal["essential", "section", "never"] = "section"
    prompt: str = needed()
    help: str = needed()
    instead: str | None = None
    default: Any = None
    suggestion: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for value in (self.default, self.suggestion):
            fits = value is None or type(value) in _KINDS.get(self.type, (str,))
            _expect(fits, f"{value!r} in the place of a value of {self.type}")
        if self.secret:
            known = self.default is not None or self.suggestion is not None
            _expect(not known, "a secret with a public default")
        if self.pattern or self.item_pattern:
            _expect(self.pattern_help is not None, "a pattern without pattern_help")


@dataclass(frozen=True)
class HostSetting(Value):
    """A setting of the installation itself, which Kai never reads.

    on_controller: it leads the machine that runs Ansible to files there, or to what its operator
    can reach.
    """

    section: str = needed()
    required: Literal["always", None] = None
    on_controller: bool = False


@dataclass(frozen=True)
class Setting(Value):
    """A key of /etc/kai/env.

    feature: what a source must have for it. unproven: the source of a fact that no whole tree of
    Kai has confirmed. role_models: the value maps the tasks of an agent to models.
    """

    section: str = needed()
    written: Literal["always", "set", "never"] = "set"
    personal: bool = False
    generate: Literal["hex64", None] = None
    required: When | None = None
    applies: When = "always"
    asked_when: When = "always"
    conflicts: When | None = None
    old_names: tuple[str, ...] = text(_ENV_KEY, default=())
    surface: str | None = None
    feature: Feature = None
    unproven: str | None = None
    role_models: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _expect(self.secret or not self.generate, "a value that is generated and no secret")
        _expect(self.type == "model" or not self.surface, "a surface of a setting that is no model")


@dataclass(frozen=True)
class Alternative:
    """A field that does for a required one, where a condition holds."""

    field: str = text(_NAME)
    when: When = needed()


@dataclass(frozen=True)
class UserField(Value):
    """A field of an entry of users.yaml. The last four are as for a Setting.

    alternative: what does for a required one that is missing.
    """

    kai_on_violation: Literal[
        "entry skipped", "start refused", "ignored", "item dropped", "none"
    ] = needed()
    required: bool = False
    alternative: Alternative | None = None
    unique: bool = False
    unset_in_file: tuple[Literal["", None], ...] = (None,)
    old_names: tuple[str, ...] = text(_NAME, default=())
    role_models: bool = False
    feature: Feature = None
    unproven: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _expect(not self.secret, "a secret, as which no field of a user is kept")


@dataclass(frozen=True)
class FileField:
    """A field of a file that is deployed as the operator wrote it."""

    type: Literal[
        "text", "choice", "boolean", "number", "integer", "place", "places", "table", "fields"
    ]
    required: bool = False
    null_refused: bool = False
    pattern: str | None = None
    pattern_help: str | None = None
    choices: tuple[str, ...] = ()
    any_case: bool = False
    exclusive_minimum: float | None = None
    minimum: float | None = None
    environment: bool = False
    fields: Mapping[str, FileField] = text("", keys=_NAME, default={})


@dataclass(frozen=True)
class Provider:
    """Who serves models. key: the setting with the key for it."""

    key: str | None = text(_ENV_KEY)


@dataclass(frozen=True)
class Surface:
    """The models that a backend takes of a provider, and the one without a choice.

    Some are names that Kai knows, others have a form alone: the agent knows what there is.
    models: those that every source of the line knows. only_with: those that only a source with a
    feature knows, by the feature. prefixes: what any other name may begin with. open_ended: any
    name. form: "path" for provider/model, "own path" for the same with the effective provider, or
    one name alone. aliases: names that Kai reads as another one. name: the contract sets it.
    """

    name: str = ""
    models: tuple[str, ...] = ()
    only_with: Mapping[str, tuple[str, ...]] = text(".+", keys=_NAME, default={})
    default: str | None = None
    open_ended: bool = False
    prefixes: tuple[str, ...] = ()
    aliases: Mapping[str, str] = text(".+", keys=".+", default={})
    form: Literal["path", "own path", None] = None

    def __post_init__(self) -> None:
        kinds = sum((self.open_ended, bool(self.models), self.form is not None))
        _expect(kinds == 1, "neither a list of models, nor a form, nor an open end alone")
        _expect(self.open_ended or self.default is not None, "no default")
        if self.default is not None:
            is_there = self.accepts(self.default, self.default.split("/")[0])
            _expect(is_there, f"the default {self.default}, which is none of its models")

    @property
    def names(self) -> tuple[str, ...]:
        """The models that some source of the line knows by name."""
        return (*self.models, *(one for more in self.only_with.values() for one in more))

    @property
    def in_words(self) -> str:
        """The models that Kai takes, for the expectation of a problem."""
        if self.open_ended:
            return f"any model of {self.name}"
        if self.form == "own path":
            return f"a name alone, or provider/model, like {self.default}"
        if self.form:
            return f"provider/model, like {self.default}"
        others = "".join(f", or one that begins with {one}" for one in self.prefixes)
        return f"one of {listed(self.names)}{others}"

    def canonical(self, model: str) -> str:
        """Return the name that Kai uses for a model."""
        return self.aliases.get(model, model)

    def accepts(self, model: str, provider: str | None = None) -> bool:
        """Return whether Kai starts with a model here. provider: the effective one."""
        name = self.canonical(model)
        parts = name.split("/")
        if not name.strip():
            return False
        if self.form == "path":
            return len(parts) > 1 and all(parts)
        if self.form == "own path":
            return len(parts) == 1 or (all(parts) and parts[0] == provider)
        return self.open_ended or name in self.names or name.startswith(self.prefixes)


@dataclass(frozen=True)
class Binary:
    """The program of an agent. usual_places: its paths on a system if nothing else names one.

    install_command: of its vendor, for every account of a host; None where that is no one command.
    """

    setting: str = text(_ENV_KEY)
    name: str = needed()
    started_by: Literal["name", "setting"] = needed()
    usual_places: Mapping[System, tuple[str, ...]] = text(_PATH)
    install_command: str | None = None


@dataclass(frozen=True)
class Greeting:
    """The first message to an agent, and the part of its answer that it has to have."""

    say: Mapping[str, Any]
    hear: Mapping[str, Any]


@dataclass(frozen=True)
class Spawn:
    """How the bot starts an agent with a provider. enters: sudo enters the directory, with -D.

    provider_env: variables that sudo preserves as well, by provider. provider_names: the agent's
    own names of providers, where they differ from Kai's.
    """

    arguments: tuple[str, ...]
    as_os_user: bool = True
    preserve_env: tuple[str, ...] = ()
    sets: Mapping[str, str] = text("", default={})
    context_arguments: tuple[str, ...] = ()
    copies: Mapping[str, str] = text(_ENV_KEY, default={})
    env_keep: tuple[str, ...] = text(_ENV_KEY, default=())
    model_names: Mapping[str, Mapping[str, str]] = text("", default={})
    greeting: Greeting | None = None
    enters: bool = False
    provider_env: Mapping[str, tuple[str, ...]] = text(_ENV_KEY, keys=".+", default={})
    provider_names: Mapping[str, str] = text(".+", keys=".+", default={})


@dataclass(frozen=True)
class Login:
    """How an OS user logs in to an agent, how that is asked for, and where it is kept."""

    command: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    then: str | None = None
    kept_in: tuple[str, ...] = ()
    env_keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect(bool(self.command) == bool(self.kept_in), "a login without a place, or the reverse")
        _expect(bool(self.command) or self.then is None, "input for no program")


@dataclass(frozen=True)
class Backend:
    """A kind of agent.

    surfaces: by provider. spawn: by purpose. login: by how a user authenticates, SUBSCRIPTION
    where no setting chooses. role_tiers: its models for single tasks, by provider and tier.
    """

    surfaces: Mapping[str, str]
    names_provider: bool
    binary: Binary
    spawn: Mapping[str, Spawn]
    login: Mapping[str, Login]
    role_models: Mapping[str, str] = text("", default={})
    effort_setting: str | None = text(_ENV_KEY, default=None)
    auth_setting: str | None = text(_ENV_KEY, default=None)
    role_tiers: Mapping[str, Mapping[Tier, str]] = text("", default={})

    def __post_init__(self) -> None:
        _expect("chat" in self.spawn, "no way to start a chat")


@dataclass(frozen=True)
class Choice:
    """The names of one choice: for all users, and in an entry of users.yaml."""

    setting: str = text(_ENV_KEY)
    field: str = text(_NAME)


@dataclass(frozen=True)
class AgentChoice:
    """How users choose an agent."""

    backend: Choice
    provider: Choice


@dataclass(frozen=True)
class Record:
    """The file of kai-ansible itself."""

    path: str = text(_ABSOLUTE)
    mode: str = text(_MODE)


@dataclass(frozen=True)
class ProtectedFile:
    """A file of root that the bot reads, through sudo or direct. from_: what it is made of."""

    path: str = text(_PATH)
    mode: str = text(_MODE)
    access: tuple[Literal["read", "write"], ...] = needed()
    from_: Content = named("from")
    nothing_without: str | None = text(_NAME, default=None)
    direct: bool = False


@dataclass(frozen=True)
class KillArguments:
    """The forms of kill that the bot uses, and from which sudo on one rule can say them."""

    forms: tuple[str, ...] = text("-.+")
    regular_expressions_since: str = text(_VERSION)


@dataclass(frozen=True)
class Sudoers:
    """The rules of sudo. harmful_defaults: options that break them, and how.

    enters: agents are started with -D, which the rules must allow.
    """

    path: str = text(_PATH)
    mode: str = text(_MODE)
    minimum_version: str = text(_VERSION)
    harmful_defaults: Mapping[str, str] = needed()
    kill_arguments: KillArguments = needed()
    enters: bool = False


@dataclass(frozen=True)
class Directory:
    """A directory that the installation makes.

    reader, grants: who else may enter and read it. A reader does so through a group where that has
    no other member, grants always name the account in an access list, which new files inherit.
    former: the directory of the same user in earlier lines, of which it is a copy at first.
    renames: what gets another place in that copy. template: the file of an earlier release that
    this was made from.
    """

    path: str = text(_PATH)
    owner: Owner = needed()
    mode: str = text(_MODE)
    reader: Literal["agent", None] = None
    grants: Literal["agent", "service", None] = None
    feature: Feature = None
    former: str | None = text(_PATH, default=None)
    renames: Mapping[str, str] = text(_RELATIVE, keys=_RELATIVE, default={})
    template: str | None = text(_RELATIVE, default=None)


@dataclass(frozen=True)
class Seed:
    """A file that is made once, from a source in the release or from a text.

    backend: only for a user of this backend.
    """

    path: str = text(_PATH)
    owner: Literal["service", None] = None
    mode: str | None = text(_SEED_MODE, default=None)
    source: str | None = None
    fallback: str | None = text("(?s).*", default=None)
    backend: str | None = None

    def __post_init__(self) -> None:
        is_made = self.source is not None or self.fallback is not None
        _expect(is_made, "neither a source nor a fallback")


@dataclass(frozen=True)
class Extra:
    """An extra of Kai's package: the feature that needs it, and the modules that it brings."""

    modules: tuple[str, ...] = text("[A-Za-z_][A-Za-z0-9_.]*")
    feature: When | None = None


@dataclass(frozen=True)
class Package:
    """What the virtual environment of a release is made of."""

    constraints: str = text(_RELATIVE)
    extras: Mapping[str, Extra] = needed()


@dataclass(frozen=True)
class OwnInstaller:
    """What Kai's own installer makes in the directory of the installation."""

    parts: tuple[str, ...] = text(_RELATIVE)


@dataclass(frozen=True)
class Program:
    """A program that the preflight searches for. package: of the same name where it is not said."""

    package: str | None = None
    use: str = needed()
    applies: When = "always"
    platforms: tuple[System, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Model:
    """A file of a model that Kai expects beside its code."""

    file: str = text("[A-Za-z0-9_-][A-Za-z0-9._/-]*")
    url: str = text("https://.+")
    use: str = needed()
    applies: When = needed()


@dataclass(frozen=True)
class Amounts:
    """How much of something has to be free at the least."""

    release: int
    building: int
    manager: int
    files: int


@dataclass(frozen=True)
class Space:
    """What has to be free: megabytes and inodes."""

    MB: Amounts
    inodes: Amounts


@dataclass(frozen=True)
class Service:
    """How the bot is started, asked for its health and ended.

    readiness: None where its health page says only that the bot is alive.
    """

    module: str
    requires_python: str = text("[<>=!~].*")
    health_path: str = text(_ABSOLUTE)
    health_host: str = needed()
    port_setting: str = text(_ENV_KEY)
    database: str = needed()
    turns: str = needed()
    stop_signal: str | None = text("SIG[A-Z0-9]+", default=None)
    stop_seconds: int | None = None
    readiness: Readiness | None = None


@dataclass(frozen=True)
class Symptom:
    """A line of the log of a bot that does not do its work, its cause and its fix.

    examples: such lines, one at least for each alternative in the pattern. final: whether a bot
    that logs one at its start will never be ready.
    """

    name: str = text("[a-z][a-z_]*")
    pattern: str = needed()
    examples: tuple[str, ...] = needed()
    stage: Literal["host", "service", "files", "sudo", "agents", "logins", "telegram"] = "files"
    cause: str = needed()
    fix: str = needed()
    where: str | None = None
    final: bool = False


@dataclass(frozen=True)
class Unit:
    """The file of the service's definition."""

    name: str
    path: str = text(_PATH)
    mode: str = text(_MODE)


@dataclass(frozen=True)
class Platform:
    """What differs between the systems on which the bot runs."""

    manager: Literal["systemd", "launchd"]
    lock: str = text(_ABSOLUTE)
    proofs: str = text(_ABSOLUTE)
    unit: Unit = needed()
    search_path: tuple[str, ...] = text(_PATH)
    cat: tuple[str, ...] = text(_PATH)
    tee: tuple[str, ...] = text(_PATH)
    kill: tuple[str, ...] = text(_PATH)
    visudo: tuple[str, ...] = text(_PATH)
    home_base: str = text(_PATH)
    minimum_manager_version: int | None = None


@dataclass(frozen=True, repr=False)
class Contract:
    """Everything that is known about one release line of Kai.

    What only some lines have is None or empty in the others. registry, profiles: names of protected
    files. distinct_secrets: settings whose values must differ. elsewhere: for each variable that
    other lines alone have, their titles by line; controller/contracts.py adds it, no file has it.
    """

    release: str = text("[0-9]+([.][0-9]+)?")
    title: str = needed()
    version: int = needed()
    changes: tuple[Change, ...] = needed()
    sections: Mapping[str, str] = text(".+", keys=_NAME)
    host: Mapping[str, HostSetting] = text("", keys=_NAME)
    settings: Mapping[str, Setting] = text("", keys=_ENV_KEY)
    retired: Mapping[str, str] = text(".+", keys=_ENV_KEY)
    systemd_environment: tuple[str, ...] = text(_ENV_KEY)
    process_environment: Mapping[str, str] = text(".+", keys=_ENV_KEY)
    providers: Mapping[str, Provider] = needed()
    surfaces: Mapping[str, Surface] = needed()
    backends: Mapping[str, Backend] = text("", keys=_NAME)
    memory_extraction_backends: tuple[str, ...] = needed()
    user_fields: Mapping[str, UserField] = text("", keys=_NAME)
    agent_choice: AgentChoice = needed()
    service_fields: Mapping[str, FileField] = text("", keys=_NAME)
    workspace_fields: Mapping[str, FileField] = text("", keys=_NAME)
    config_dir: Directory = needed()
    record: Record = needed()
    protected_files: Mapping[str, ProtectedFile] = text("", keys=_NAME)
    sudoers: Sudoers = needed()
    directories: tuple[Directory, ...] = needed()
    user_directories: tuple[Directory, ...] = needed()
    os_user_directories: tuple[Directory, ...] = needed()
    default_home: str = text(_PATH)
    user_seeds: tuple[Seed, ...] = needed()
    service_seeds: tuple[Seed, ...] = needed()
    backend_seeds: Mapping[str, tuple[Seed, ...]] = needed()
    package: Package = needed()
    own_installer: OwnInstaller = needed()
    programs: Mapping[str, Program] = text("", keys="[a-z][a-z0-9-]*")
    models_dir: Literal["{install_dir}/models"] = needed()
    models: tuple[Model, ...] = needed()
    space: Space = needed()
    service: Service = needed()
    symptoms: tuple[Symptom, ...] = needed()
    platforms: Mapping[str, Platform] = text("", keys="|".join(get_args(System)))
    role_tiers: Mapping[str, Tier] = text("", keys=_NAME, default={})
    memory_project_fields: Mapping[str, FileField] = text("", keys=_NAME, default={})
    registry: str | None = text(_NAME, default=None)
    profiles: str | None = text(_NAME, default=None)
    distinct_secrets: tuple[str, ...] = text(_ENV_KEY, default=())
    helpers: tuple[Helper, ...] = ()
    deployment_mode: DeploymentMode | None = None
    workshop: Workshop | None = None
    migration: Migration | None = None
    extra_features: Mapping[str, Feature] = text("", default={})
    elsewhere: Mapping[str, Mapping[str, str]] = text("", default={})

    @property
    def open_variables(self) -> frozenset[str]:
        """The variables of the bot whose values may be shown."""
        known = {key for key, spec in self.settings.items() if not spec.secret}
        return frozenset(known | set(self.process_environment))

    def __post_init__(self) -> None:
        agents = "|".join(self.backends)
        symptoms = [
            replace(one, pattern=one.pattern.replace("{agents}", agents)) for one in self.symptoms
        ]
        object.__setattr__(self, "symptoms", tuple(symptoms))
        surfaces = {name: replace(one, name=name) for name, one in self.surfaces.items()}
        object.__setattr__(self, "surfaces", surfaces)
        for name, backend in self.backends.items():
            choices = {SUBSCRIPTION}
            if backend.auth_setting:
                is_set = backend.auth_setting in self.settings
                _expect(is_set, f"no setting {backend.auth_setting}, by which {name} logs in")
                choices = {*self.settings[backend.auth_setting].choices}
            unknown = backend.login.keys() - choices
            _expect(not unknown, f"a login of {name} by {listed(unknown)}")
        for choice in (self.agent_choice.backend, self.agent_choice.provider):
            _expect(choice.setting in self.settings, f"no setting {choice.setting}")
            _expect(choice.field in self.user_fields, f"no field {choice.field} of a user")
        if self.workshop:
            for key in ("adapters_setting", "lan_setting", "first_user_setting"):
                setting = getattr(self.workshop, key)
                _expect(setting in self.settings, f"no setting {setting}, its {key}")
        for kind in (self.registry, self.profiles):
            _expect(kind is None or kind in self.protected_files, f"no protected file {kind}")
        missing = {*get_args(System)} - {*self.platforms}
        _expect(not missing, f"no {listed(missing)} among its platforms")


def read_contract(content: str, path: str) -> Contract:
    """Return the contract that a YAML file holds.

    path: how the file is called. Raises Refused with every fault, each with its line.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return cast("Contract", read(Contract, yaml.load(content, Loader=loader)))  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        raise Refused(f"{path} is not YAML: {error}. Fix: install the collection again") from error
    except Unfit as error:
        document = yaml.compose(content, Loader=loader)
        problems = [
            Problem(
                f"{path}:{line_of(document, place)}: {in_words(place)}",
                found,
                expected,
                "correct it there; docs/contract.md explains each part",
            )
            for place, found, expected in error.faults
        ]
        raise Refused("\n".join(map(str, problems))) from error


def composed_contract(document: Mapping[str, Any], path: str) -> Contract:
    """Return the contract that ``line_composition`` has made of several files.

    path: the file of the line itself. Raises Refused with every fault; it has no line there, since
    another file may hold its place.
    """
    try:
        return cast("Contract", read(Contract, document))
    except Unfit as error:
        fix = (
            "correct it there or in a line that it is based on; docs/contract.md explains each part"
        )
        problems = [
            Problem(f"{path}: {in_words(place)}", found, expected, fix)
            for place, found, expected in error.faults
        ]
        raise Refused("\n".join(map(str, problems))) from error
