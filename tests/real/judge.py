"""Judge configurations with the loader of a Kai source tree, the real one or the stand-in.

usage: python judge.py SOURCE   (SOURCE has src/kai)

One JSON document a line on standard input: ``files`` (what /etc/kai holds, by file name) and
``environment`` (what the service definition gives the process). One a line on standard output:
``refused`` (the message, null when the bot starts), ``warnings``, and what is in effect:
``settings``, ``users``, ``services``, ``workspaces``. Standard library only, but for PyYAML: what
Kai's other modules import at the top, and a configuration does not use, is stubbed.
"""

import atexit
import json
import logging
import os
import shutil
import sys
import tempfile
import traceback
import types
from pathlib import Path
from typing import Any

STUBBED = ("aiohttp", "aiosqlite", "dotenv")


class Log(logging.Handler):
    """Keeps the warnings of one case."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


def stub_modules() -> None:
    """Provide the modules that a configuration does not need."""
    for name in STUBBED:
        module = types.ModuleType(name)
        # a local .env is never there, and nothing else of these is called
        module.load_dotenv = lambda *_: False  # type: ignore[attr-defined]
        sys.modules[name] = module


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, bool, int)) else repr(value)


# attributes of the real configuration that are not called like their env key
_KEYS = {"claude_timeout_seconds": "AGENT_TIMEOUT_SECONDS"}
# what has a place of its own in the verdict, or follows from where the bot is installed
_NO_SETTING = (
    *("user_configs", "workspace_configs", "allowed_user_ids", "session_db_path"),
    *("whisper_model_path", "piper_model_dir"),
)
USER_FIELDS = (
    *("telegram_id", "name", "role", "github", "github_repos", "github_notify_chat_id"),
    *("pr_review", "issue_triage", "workspace_base", "allowed_workspaces"),
)


def judge_real(files: dict[str, str]) -> dict[str, Any]:
    """Return what the real loader makes of the files. Raises what the loader raises."""
    from kai import config as loader
    from kai import pool, services

    loader._read_protected_file = lambda path: files.get(Path(path).name)
    config = loader.load_config()
    text = files.get("services.yaml")
    found = services.load_services_from_string(text) if text else {}
    ", ".join(found)
    keeper = pool.SubprocessPool(config=config, services_info=[])
    users = []
    for telegram_id in sorted(config.allowed_user_ids):
        entry = config.get_user_config(telegram_id)
        backend, provider = loader.get_user_backend_and_provider(entry, config)
        agent = keeper._create_instance(telegram_id)
        claude = getattr(agent, "claude_user", None)
        users.append(
            {
                **({name: plain(getattr(entry, name)) for name in USER_FIELDS} if entry else {}),
                "telegram_id": telegram_id,
                "os_user": entry.os_user if entry else config.claude_user,
                "runs_as": getattr(agent, "codex_user", claude),
                "backend": backend,
                "provider": provider,
                "model": agent.model,
                "budget": repr(float(agent.max_budget_usd)),
                "timeout": agent.timeout_seconds,
                "context_window": agent.max_context_window,
                "home": str(agent.home_workspace),
            }
        )
    return {
        "settings": {
            _KEYS.get(name, name.upper()): plain(value)
            for name, value in vars(config).items()
            if name not in _NO_SETTING
        },
        "users": users,
        "services": list(found),
        "workspaces": [str(path) for path in config.workspace_configs],
    }


def judge_stand_in(files: dict[str, str]) -> dict[str, Any]:
    """Return what the stand-in makes of the files. Raises what it raises."""
    from kai import agents
    from kai.config import load, read_environment

    config = load(read_environment(dict(os.environ), files.get), files.get)
    return {
        "settings": {key: plain(value) for key, value in config.effective.items()},
        "users": [
            {
                **(
                    {name: plain(getattr(user, name)) for name in USER_FIELDS}
                    if config.users_source != "ALLOWED_USER_IDS"
                    else {}
                ),
                "telegram_id": user.telegram_id,
                "os_user": user.os_user,
                "runs_as": None if user.backend == "goose" else user.os_user,
                "backend": user.backend,
                "provider": user.provider,
                "model": user.model,
                "budget": repr(float(config.budget_of(user))),
                "timeout": config.timeout_of(user),
                "context_window": config.context_window_of(user),
                "home": str(agents.home(config, user)),
            }
            for user in sorted(config.users, key=lambda user: user.telegram_id)
        ],
        "services": list(config.services),
        "workspaces": [str(path) for path in config.workspaces],
    }


def main() -> int:
    """Judge every line of standard input."""
    source = Path(sys.argv[1])
    scratch = tempfile.mkdtemp(prefix="kai-judge-")
    atexit.register(shutil.rmtree, scratch)
    # both are read when the package is imported
    os.environ["KAI_INSTALL_DIR"] = f"{scratch}/install"
    os.environ["KAI_DATA_DIR"] = f"{scratch}/data"
    for name in ("install", "data"):
        Path(scratch, name).mkdir()
    stub_modules()
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(source / "src"))
    from kai import config

    judge = judge_real if hasattr(config, "load_config") else judge_stand_in
    log = Log()
    logging.getLogger().addHandler(log)
    before = dict(os.environ)
    for line in sys.stdin:
        case = json.loads(line)
        os.environ.clear()
        os.environ.update(before)
        os.environ.update(case.get("environment", {}))
        log.lines = []
        verdict: dict[str, Any] = {"refused": None}
        try:
            verdict.update(judge(case["files"]))
        except SystemExit as error:
            verdict["refused"] = str(error)
        # a traceback ends the bot as well
        except Exception as error:  # noqa: BLE001
            verdict["refused"] = "".join(traceback.format_exception_only(error)).strip()
        verdict["warnings"] = log.lines
        print(json.dumps(verdict).replace(scratch, "@scratch@"), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
