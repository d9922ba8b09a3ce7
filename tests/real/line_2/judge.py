"""Ask single modules of a Kai 2 source tree, the real one or a stand-in, what they make of data.

usage: python judge.py SOURCE   (SOURCE has src/kai)

One JSON document a line on standard input: ``ask`` and the values of that question. One a line on
standard output: ``answer``, or ``refused`` with the message of what Kai raises. Standard library
only, but for PyYAML: what Kai's modules import at the top and no question needs is stubbed.
"""

import ast
import importlib
import json
import os
import sqlite3
import stat
import sys
import tempfile
import traceback
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

STUBBED = ("aiohttp", "aiosqlite", "dotenv", "telegram", "telegram.error", "telegram.ext")


class Anything(types.ModuleType):
    """A module of which every name is a class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def kai(name: str) -> Any:
    """Return a module of Kai."""
    return importlib.import_module(f"kai.{name}" if name else "kai")


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value))
    return value if value is None or isinstance(value, (str, bool, int, float)) else repr(value)


class Judge:
    """Every question that can be asked."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def registry(self, data: Any) -> Any:
        """Return a registry that was written down, as Kai reads it."""
        path = self.scratch / "backends.yaml"
        # JSON is YAML, but for what no test writes
        path.write_text(json.dumps(data), encoding="utf-8")
        path.chmod(0o644)
        os.environ["KAI_BACKENDS_YAML"] = str(path)
        return kai("backend_registry").load_backend_registry(path)

    def ask_ids(self, workshop: str, telegram_id: int, key: str, profile: str) -> Any:
        """Return the identifiers of a user."""
        bootstrap, domain = kai("workshop.bootstrap"), kai("workshop.domain")
        profiles = kai("workshop.runtime_profiles")
        found = domain.WorkshopId(workshop)
        token = bootstrap._stable_token("telegram", str(telegram_id))
        derived = getattr(
            profiles,
            "compatibility_runtime_config_id_for_profile_id",
            getattr(profiles, "legacy_runtime_key_for_v1_profile_id", None),
        )
        assert derived is not None
        return {
            "principal": bootstrap.bootstrap_human_principal_id(
                found, "telegram", str(telegram_id)
            ),
            "channel": domain.ChannelId.derived(found, f"direct-channel:{token}"),
            "kai": domain.PrincipalId.derived(found, "agent-principal:kai"),
            "by_key": domain.PrincipalId.derived(found, f"operator-human:{key}"),
            "initial": domain.RuntimeProfileId.derived(found, f"initial-runtime:{key}"),
            "profile": profiles.runtime_profile_id_for_config_id(telegram_id),
            "number": derived(domain.RuntimeProfileId(profile)),
        }

    def ask_database(self, rows: dict[str, list[list[Any]]], queries: list[str]) -> Any:
        """Return what queries find in a database with the tables of Kai and some rows."""
        module = kai("workshop.schema")
        kept = [one for one in vars(module).values() if isinstance(one, module.SchemaMigration)]
        with sqlite3.connect(":memory:") as database:
            for migration in sorted(kept, key=lambda one: one.version):
                for statement in migration.statements:
                    database.execute(statement)
            for table, values in rows.items():
                marks = ", ".join("?" * len(values[0]))
                database.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
            return [database.execute(query).fetchall() for query in queries]

    def ask_memory_projects(self, text: str) -> Any:
        """Return the directories of each project that the loader takes from a file."""
        config = kai("config")
        config.validate_protected_file_metadata = lambda _name, **_: True
        config._read_protected_file = lambda _name: text
        found = config._load_memory_project_configs()
        return {name: list(map(str, one.workspace_roots)) for name, one in found.items()}

    def ask_registry(self, data: Any, configured: str) -> Any:
        """Return the backends of a registry, and the default one."""
        entries = self.registry(data)
        module = kai("backend_registry")
        default = module.load_backend_registry_default_backend(
            Path(os.environ["KAI_BACKENDS_YAML"])
        )
        try:
            resolved = module.resolve_default_backend(configured)
        except module.BackendRegistryError:
            resolved = None
        return {
            "installed": {
                name: [one.command, list(one.allowed_models)] for name, one in entries.items()
            },
            "default": default or None,
            "resolved": resolved,
        }

    def ask_model(self, backend: str, provider: str, model: str, ceiling: list[str]) -> Any:
        """Return the canonical name of a model, and whether it may be used."""
        config = kai("config")
        name = config.canonicalize_model_for_backend(model, backend)
        allowed = tuple(ceiling) or None
        policy = getattr(config, "validate_model_for_backend_policy", None)
        if policy is not None:
            found = policy(name, backend, provider, allowed_models=allowed)
        else:
            config._backend_registry_allowed_models = lambda _backend: allowed
            found = config.validate_model_for_backend(name, backend, provider)
        return [name, found]

    def ask_tables(self) -> Any:
        """Return what Kai knows of backends, providers and models."""
        config = kai("config")
        return {
            "providers": config.BACKEND_PROVIDERS,
            "keys": config.PROVIDER_KEY_VARS,
            "models": {name: list(found) for name, found in config.PROVIDER_MODELS.items()},
            "codex": list(config.CODEX_MODELS),
            "aliases": config._LEGACY_CODEX_MODEL_ALIASES,
            "open_ended": config.OPEN_ENDED_PROVIDERS,
            "roles": [role.value for role in config.ModelRole],
            "oneshot": config.ONESHOT_REASONER_BACKENDS,
            "registry": [
                [backend, provider, role.value, model]
                for (backend, provider, role), model in config.MODEL_REGISTRY.items()
            ],
            "effort": [config.EFFORT_LEVELS, config.CODEX_EFFORT_LEVELS],
        }

    def ask_policy(self, data: Any, registry: Any) -> Any:
        """Return the profiles of a file."""
        module = kai("workshop.runtime_profiles")
        installed = None if registry is None else self.registry(registry)
        found = module.WorkshopRuntimeProfileRegistry.from_document(
            data, backend_registry=installed
        )
        keys = getattr(found, "legacy_runtime_keys", None)
        profiles = {}
        for one in found.profiles:
            number = one.runtime_config_id if keys is None else keys.get(one.profile_id)
            profiles[one.profile_id] = {
                "display_name": one.display_name,
                "os_user": one.os_user,
                "backend": one.backend,
                "provider": one.provider,
                "model": one.model,
                "timeout_seconds": one.timeout_seconds,
                "allowed_services": one.allowed_services,
                "home_workspace": one.home_workspace,
                "workspace_base": one.workspace_base,
                "allowed_workspaces": one.allowed_workspaces,
                "key": number,
            }
        return profiles

    def ask_metadata(self, mode: int, uid: int, regular: bool, registry: bool) -> Any:
        """Return nothing for a protected file that may be read."""
        kind = stat.S_IFREG if regular else stat.S_IFDIR
        seen = os.stat_result((kind | mode, 1, 1, 1, uid, 0, 0, 0, 0, 0))
        module = kai("protected_config")
        path = "/etc/kai/backends.yaml" if registry else "/etc/kai/users.yaml"
        module.Path = lambda _path: types.SimpleNamespace(stat=lambda: seen)
        module.max_mode_for_protected_file = lambda _path: 0o644 if registry else 0o600
        return module.validate_protected_file_metadata(path)

    def ask_isolation(
        self, users: list[Any], service: str, uids: dict[str, int] | None, service_uid: int | None
    ) -> Any:
        """Return the accounts of users who are kept apart."""
        return kai("user_isolation").validate_protected_user_isolation(
            [tuple(user) for user in users],
            service,
            account_uid=None if uids is None else uids.__getitem__,
            service_uid=service_uid,
        )

    def ask_adapters(self, value: str | None) -> Any:
        """Return the adapters that a value enables."""
        return sorted(kai("config").parse_enabled_adapters(value))

    def ask_lan_host(self, value: str) -> Any:
        """Return an address of the Workshop."""
        return kai("config").normalize_workshop_lan_host(value)

    def ask_decode(self, value: str) -> Any:
        """Return the plan that a setting holds."""
        module = kai("workshop.initial_provisioning")
        found = module.WorkshopInitialProvisioning.from_json(value)
        return [
            *(found.workshop_id, found.provisioning_key, found.display_name, found.role),
            *(found.runtime_profile_id, found.to_json()),
        ]

    def ask_plan(self, value: str) -> Any:
        """Return the first user that the plan names, None without a plan."""
        module = kai("workshop.initial_provisioning")
        read = getattr(module, "parse", None) or module.parse_initial_provisioning
        found = read(value)
        if found is None:
            return None
        return [
            *map(str, (found.workshop_id, found.runtime_profile_id, found.provisioning_key)),
            *(found.display_name.strip(), found.role),
        ]

    def ask_create(self, name: str) -> Any:
        """Return the setting of a new plan."""
        module = kai("workshop.initial_provisioning")
        return module.WorkshopInitialProvisioning.create(name).to_json()

    def ask_handle(self, name: str) -> Any:
        """Return the handle of a user."""
        return kai("workshop.human_handles").derive_human_handle(name)

    def ask_spawns(self) -> Any:
        """Return what sudo is asked to preserve for a conversation, and for a single question."""
        found: dict[str, Any] = {}
        for name in ("claude", "codex"):
            [found[name]] = preserved_in(kai(name))
        for name, kind in (("goose", "GooseBackend"), ("opencode", "OpenCodeBackend")):
            found[name] = getattr(kai(name), kind).preserved_env_vars(None)
        found["pi"] = preserved_in(kai("pi"))[0]
        once = {
            name: kai("oneshot")._preserved_auth_vars_for(name) for name in found if name != "pi"
        }
        goose = kai("goose")
        return {
            "chat": found,
            "once": once,
            "pi": kai("pi")._PI_PROVIDER_ENV_VARS,
            "goose_models": goose._ANTHROPIC_MODEL_MAP,
            "goose_providers": goose._GOOSE_PROVIDER_MAP,
        }

    def ask_wrap(self, workspace: str) -> Any:
        """Return how an agent is started as another user."""
        command, user = ["/x/claude", "--print"], "alice"
        return kai("subprocess_identity").wrap_command_for_target_user(
            command, target_user=user, working_directory=Path(workspace), preserve_env=("A", "B")
        )

    def ask_sudoers(self, users: list[str], commands: dict[str, str]) -> Any:
        """Return the rules of Kai's own installer."""
        install = kai("install")
        install.shutil = types.SimpleNamespace(which=lambda name: f"/usr/bin/{name}")
        text = install._generate_sudoers(
            "kai", users, **{f"{name}_bin": path for name, path in commands.items()}
        )
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    def ask_registry_of_installer(self, commands: dict[str, str]) -> Any:
        """Return the backends.yaml of Kai's own installer."""
        install = kai("install")
        install._discover_backend_commands = lambda _service: commands
        install._collect_backends_from_yaml = lambda _path: set()
        return install._backend_registry_entries("kai", {"DEFAULT_BACKEND": next(iter(commands))})

    def ask_loader(self, files: dict[str, str], accounts: dict[str, int]) -> Any:
        """Return what the loader makes of the files of /etc/kai."""
        config = kai("config")
        uids = {"kai": os.geteuid(), **accounts}
        config.pwd = types.SimpleNamespace(
            getpwuid=lambda uid: types.SimpleNamespace(pw_name="kai"),
            getpwnam=lambda name: types.SimpleNamespace(pw_uid=uids[name]),
        )
        path = self.scratch / "backends.yaml"
        with suppress(FileNotFoundError):
            path.unlink()
        if "backends.yaml" in files:
            path.write_text(files["backends.yaml"], encoding="utf-8")
            path.chmod(0o644)
        os.environ["KAI_BACKENDS_YAML"] = str(path)
        config.validate_protected_file_metadata = lambda name, **_: Path(name).name in files
        config._read_protected_file = lambda name: files.get(Path(name).name)
        found = config.load_config()
        left_out = ("user_configs", "workspace_configs", "memory_projects", "session_db_path")
        return {
            "settings": {
                name: plain(value)
                for name, value in vars(found).items()
                if name not in (*left_out, "whisper_model_path", "piper_model_dir")
            },
            "users": {
                str(telegram_id): plain(vars(one))
                for telegram_id, one in found.user_configs.items()
            },
        }


class StandIn(Judge):
    """The questions that tests ask a stand-in too, for which it has names of its own."""

    def registry(self, data: Any) -> Any:
        """Return a registry that was written down, as the stand-in reads it."""
        path = self.scratch / "backends.yaml"
        path.write_text(json.dumps(data), encoding="utf-8")
        path.chmod(0o644)
        return kai("backend_registry").load(path)

    def ask_registry(self, data: Any, configured: str) -> Any:
        """Return the backends of a registry, and the default one."""
        module, registry = kai("backend_registry"), self.registry(data)
        try:
            resolved = module.default_backend(registry, configured)
        except module.BackendRegistryError:
            resolved = None
        return {
            "installed": {
                name: [one.command, list(one.models)] for name, one in registry.entries.items()
            },
            "default": registry.default or None,
            "resolved": resolved,
        }

    def ask_policy(self, data: Any, registry: Any) -> Any:
        """Return the profiles of a file."""
        installed = None if registry is None else self.registry(registry)
        found = kai("workshop.runtime_profiles").parse(data, installed)
        return {
            name: {key: value for key, value in vars(one).items() if key != "profile_id"}
            for name, one in found.items()
        }

    def ask_metadata(self, mode: int, uid: int, regular: bool, registry: bool) -> Any:
        """Return whether a protected file may be read."""
        kind = stat.S_IFREG if regular else stat.S_IFDIR
        seen = os.stat_result((kind | mode, 1, 1, 1, uid, 0, 0, 0, 0, 0))
        module = kai("protected")
        most = module.MOST_OF_REGISTRY if registry else module.MOST
        return module.check_metadata(types.SimpleNamespace(stat=lambda: seen), most)

    def ask_isolation(
        self, users: list[Any], service: str, uids: dict[str, int] | None, service_uid: int | None
    ) -> Any:
        """Return nothing for users who are kept apart. Raises ValueError for others."""
        assert uids is not None
        module = kai("users")
        people = [module.User(number, name, "user", os_user=own) for number, name, own in users]
        faults = module.isolation_faults(people, service, uids.__getitem__, service_uid)
        if faults:
            raise ValueError("; ".join(faults))
        return [str(one.os_user).strip() for one in people]

    def ask_ids(self, workshop: str, telegram_id: int, key: str, profile: str) -> Any:
        """Return the identifiers of a user."""
        found = kai("workshop.storage_namespaces").namespace(workshop, telegram_id, profile)
        return {"principal": found.principal, "channel": found.channel}

    def ask_spawns(self) -> Any:
        """Return what sudo is asked to preserve for a conversation."""
        module = kai("agents")
        return {"chat": {**module.PRESERVED, "pi": list(module.OWN)}, "pi": module.OF_PI}

    def ask_loader(self, files: dict[str, str], accounts: dict[str, int]) -> Any:
        """Return what the stand-in makes of the files of /etc/kai."""
        config, module = kai("config"), kai("protected")
        path = self.scratch / "backends.yaml"
        with suppress(FileNotFoundError):
            path.unlink()
        if "backends.yaml" in files:
            path.write_text(files["backends.yaml"], encoding="utf-8")
            path.chmod(0o644)
        os.environ["KAI_BACKENDS_YAML"] = str(path)
        protected = module.Protected()
        protected.is_there = lambda name: name in files
        protected.text = files.get

        def apart(people: Any) -> None:
            uids = {"kai": os.geteuid(), **accounts}
            faults = kai("users").isolation_faults(people, "kai", uids.__getitem__, os.geteuid())
            if faults:
                raise SystemExit("Protected installation requires one os_user: " + str(faults))

        loaded = config.read_environment(dict(os.environ), protected)
        found = config.load(loaded, protected, apart)
        return {
            "settings": {name: plain(value) for name, value in found.effective.items()},
            "users": {str(number): plain(vars(one)) for number, one in found.users.items()},
        }


def preserved_in(module: Any) -> list[Any]:
    """Return the names that each call which starts an agent as another user preserves."""
    found = []
    for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
        listed: ast.AST | None = None
        if isinstance(node, ast.keyword) and node.arg == "preserve_env":
            listed = node.value
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "preserve":
            assert isinstance(node.value, ast.Call)
            [listed] = node.value.args
        elif isinstance(node, ast.Constant):
            # before sudo entered a directory, the words of the command stood there themselves
            names = str(node.value).removeprefix("--preserve-env=")
            found += [names.split(",")] if names not in (str(node.value), "") else []
        if listed is not None:
            assert isinstance(listed, ast.Tuple)
            found.append([one.value for one in listed.elts if isinstance(one, ast.Constant)])
    return found


def prepare(source: Path) -> None:
    """Let the modules of a source be imported, and nothing that they need besides."""
    for name in STUBBED:
        sys.modules[name] = Anything(name)
    sys.modules["dotenv"].load_dotenv = lambda *_: False  # type: ignore[attr-defined]
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(source / "src"))
    # the package itself imports the whole of Workshop
    package = types.ModuleType("kai.workshop")
    package.__path__ = [str(source / "src/kai/workshop")]
    kai("")
    sys.modules["kai.workshop"] = package


def main() -> int:
    """Answer every line of standard input."""
    with tempfile.TemporaryDirectory(prefix="kai-judge-") as directory:
        os.environ["KAI_DATA_DIR"] = directory
        prepare(Path(sys.argv[1]))
        is_real = hasattr(kai("config"), "load_config")
        judge = (Judge if is_real else StandIn)(Path(directory))
        before = dict(os.environ)
        for line in sys.stdin:
            given = json.loads(line)
            os.environ.clear()
            os.environ.update(before)
            question: Callable[..., Any] = getattr(judge, f"ask_{given.pop('ask')}")
            try:
                verdict = {"answer": plain(question(**given))}
            except (SystemExit, Exception) as error:  # noqa: BLE001 - either ends the bot
                verdict = {"refused": "".join(traceback.format_exception_only(error)).strip()}
            print(json.dumps(verdict).replace(directory, "@scratch@"), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
