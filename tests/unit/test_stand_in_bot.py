"""Tests of the stand-in bot, so that what it refuses in other tests can be trusted."""

import dataclasses
import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import until, until_it_listens

SOURCE = Path(__file__).parents[1] / "fixtures" / "kai" / "src"
sys.path.insert(0, str(SOURCE))

from kai import agents, homes, models, protected  # noqa: E402 - found by the path above
from kai.config import Config, load, read_environment  # noqa: E402 - as above
from kai.users import Defaults, User, parse_users  # noqa: E402 - as above

SECRET = "stand-in-webhook-secret"
BASE = {"TELEGRAM_BOT_TOKEN": "1:stand-in"}
USERS = "users:\n  - {telegram_id: 1, name: Ada, role: admin}\n"
CLAUDE = Defaults("claude", "", "sonnet")

# Stands in for sudo: "cat /etc/kai/NAME" reads a test directory, everything else runs as the
# caller. Like sudo it stays the parent and passes on only the preserved variables. It signals by
# itself: procps 4.0.2 takes "kill -KILL -1234" for process -1, which for root is every process.
FAKE_SUDO = """#!{python} -IS
import os, signal, subprocess, sys
arguments = sys.argv[1:]
if arguments[:2] == ["-n", "cat"]:
    name = os.path.basename(arguments[2])
    os.execv("/bin/cat", ["cat", os.path.join({etc!r}, name)])
if arguments[:3:2] == ["-n", {user!r}]:
    command, number, target = arguments[3:]
    assert command == "/bin/kill" and abs(int(target)) > 1, arguments
    number = number[1:]
    os.kill(int(target), int(number) if number.isdigit() else signal.Signals["SIG" + number])
    sys.exit()
assert arguments[:3] == ["-H", "-u", {user!r}] and arguments[4] == "--", arguments
kept = arguments[3].removeprefix("--preserve-env=").split(",")
env = {{key: os.environ[key] for key in [*kept, "PATH"] if key in os.environ}}
sys.exit(subprocess.call(arguments[5:], env=env))
"""

# Stands in for an agent CLI: tells what it received, and stays when it is called for codex.
FAKE_AGENT = """#!{python} -IS
import json, os, sys, time
print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), sys.stdin.read()]), flush=True)
if sys.argv[1] in ("app-server", "exec"):
    time.sleep(30)
"""

AGENT_USER = "standin-agent"


def configure(
    tmp_path: Path,
    settings: Mapping[str, str],
    users: str | None = USERS,
    process: Mapping[str, str] | None = None,
) -> Config:
    """Load a configuration from protected files that exist only as text."""
    files = {"env": "".join(f"{key}='{value}'\n" for key, value in settings.items())}
    if users is not None:
        files["users.yaml"] = users
    process_env = {"KAI_INSTALL_DIR": str(tmp_path), "PATH": "/nowhere", **(process or {})}
    return load(read_environment(process_env, files.get), files.get)


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def person(number: object = 1, **fields: Any) -> dict[str, Any]:
    return {"telegram_id": number, "name": "Ada", "role": "admin", **fields}


def read_people(*entries: object, defaults: Defaults = CLAUDE) -> tuple[User, ...]:
    users = parse_users(json.dumps({"users": entries}), defaults)
    assert users is not None
    return users


class TestParseEnv:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("KEY=1 # note", {"KEY": "1 # note"}),
            ('KEY="a\\"b\\\\c"', {"KEY": 'a\\"b\\\\c'}),
            ("""KEY='{"pr_review":"sonnet"}'""", {"KEY": '{"pr_review":"sonnet"}'}),
            ("export KEY = a=b ", {"KEY": "a=b"}),
            ("KEY=\"a'", {"KEY": "\"a'"}),
            ("KEY='\"a\"'", {"KEY": '"a"'}),
            ('KEY=" a "', {"KEY": " a "}),
            ('KEY="', {"KEY": '"'}),
            ('KEY=""', {"KEY": ""}),
            ("KEY=$HOME", {"KEY": "$HOME"}),
            ("# KEY=1", {}),
            ("KEY", {}),
            ("", {}),
        ],
    )
    def test_one_line(self, line: str, expected: dict[str, str]) -> None:
        assert protected.parse_env(line) == expected

    def test_the_first_of_two_lines_counts(self) -> None:
        assert protected.parse_env("A=1\nA=2\n") == {"A": "1"}

    @given(st.text())
    def test_any_text_gives_stripped_keys(self, text: str) -> None:
        for key, value in protected.parse_env(text).items():
            assert key == key.strip()
            assert "=" not in key
            assert len(f"{key}={value}".splitlines()) <= 1

    @given(
        st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029")),
        st.sampled_from("\"'"),
    )
    def test_a_quoted_value_on_one_line_comes_back_whole(self, value: str, quote: str) -> None:
        text = f"A=1\n  export KEY = {quote}{value}{quote}  \n"
        assert protected.parse_env(text) == {"A": "1", "KEY": value}


class TestConfiguration:
    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"TELEGRAM_BOT_TOKEN": ""}, "TELEGRAM_BOT_TOKEN"),
            ({"AGENT_BACKEND": "opencode"}, "AGENT_BACKEND"),
            ({"AGENT_BACKEND": "codex", "DEFAULT_MODEL": "opus"}, "gpt-5.3-codex-spark"),
            ({"AGENT_BACKEND": "codex"}, "'sonnet' is not valid"),
            ({"AGENT_BACKEND": "goose"}, "LLM_PROVIDER"),
            ({"AGENT_BACKEND": "goose", "LLM_PROVIDER": "deepseek"}, "LLM_PROVIDER"),
            ({"AGENT_BACKEND": "goose", "LLM_PROVIDER": "google"}, "gemini-3-flash"),
            ({"DEFAULT_MODEL": "claude-sonnet-4-6"}, "DEFAULT_MODEL"),
            ({"CLAUDE_MODEL": "gpt-5.5"}, "DEFAULT_MODEL"),
            ({"DEFAULT_MODEL": ""}, "DEFAULT_MODEL"),
            ({"AGENT_BACKEND": ""}, "AGENT_BACKEND"),
            ({"CLAUDE_EFFORT_LEVEL": "minimal"}, "CLAUDE_EFFORT_LEVEL"),
            ({"CODEX_AUTH_MODE": "token"}, "CODEX_AUTH_MODE"),
            ({"WEBHOOK_PORT": "http"}, "WEBHOOK_PORT"),
            ({"CLAUDE_AUTOCOMPACT_PCT": "101"}, "CLAUDE_AUTOCOMPACT_PCT"),
            ({"MEMORY_DUPLICATE_THRESHOLD": "1.02"}, "MEMORY_DUPLICATE_THRESHOLD"),
            ({"CLAUDE_IDLE_TIMEOUT": ""}, "CLAUDE_IDLE_TIMEOUT must be an integer"),
            ({"PR_REVIEW_TIMEOUT_S": "0"}, "PR_REVIEW_TIMEOUT_S"),
            ({"WORKSPACE_BASE": "/no/such/directory"}, "WORKSPACE_BASE"),
            ({"TELEGRAM_WEBHOOK_URL": "https://kai.example"}, "TELEGRAM_WEBHOOK_SECRET"),
            ({"MEMORY_ENABLED": "yes", "MEMORY_EXTRACTION_ENABLED": "True"}, "claude"),
        ],
    )
    def test_refusal(self, tmp_path: Path, settings: dict[str, str], reason: str) -> None:
        with pytest.raises(SystemExit, match=reason):
            configure(tmp_path, BASE | settings)

    @pytest.mark.parametrize(
        "settings",
        [
            {"AGENT_BACKEND": " Codex ", "DEFAULT_MODEL": "gpt-5.5"},
            {"AGENT_BACKEND": "goose", "LLM_PROVIDER": "ollama"},
            {"AGENT_BACKEND": "goose", "LLM_PROVIDER": "openai", "DEFAULT_MODEL": "gpt-5.4-nano"},
            {"CLAUDE_EFFORT_LEVEL": ""},
            {"CLAUDE_MODEL": "haiku"},
            {"AGENT_TIMEOUT_SECONDS": " "},
            {"MEMORY_DUPLICATE_THRESHOLD": "nan"},
            {"GITHUB_NOTIFY_CHAT_ID": "x"},
            {"MEMORY_EXTRACTION_ENABLED": "true"},
            {"TELEGRAM_WEBHOOK_URL": "https://kai.example", "WEBHOOK_SECRET": "s"},
        ],
    )
    def test_acceptance(self, tmp_path: Path, settings: dict[str, str]) -> None:
        assert len(configure(tmp_path, BASE | settings).users) == 1

    def test_the_process_wins_even_with_an_empty_value(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match="TELEGRAM_BOT_TOKEN"):
            configure(tmp_path, BASE, process={"TELEGRAM_BOT_TOKEN": ""})

    def test_directories_come_from_the_process_alone(self, tmp_path: Path) -> None:
        config = configure(tmp_path, {**BASE, "KAI_DATA_DIR": "/elsewhere"})
        assert config.loaded.data_dir == tmp_path

    def test_faults_come_from_the_file_alone(self, tmp_path: Path) -> None:
        switch = {"KAI_STANDIN_NEVER_LISTEN": "1"}
        assert not configure(tmp_path, BASE, process=switch).loaded.faults.never_listen
        assert configure(tmp_path, BASE | switch).loaded.faults.never_listen

    @pytest.mark.parametrize("text", [None, ""])
    def test_fallback_to_local_files(self, tmp_path: Path, text: str | None) -> None:
        (tmp_path / ".env").write_text("TELEGRAM_BOT_TOKEN=local\n")
        (tmp_path / "users.yaml").write_text(USERS)
        files = {"env": text}
        loaded = read_environment({"KAI_INSTALL_DIR": str(tmp_path)}, files.get)
        config = load(loaded, files.get)
        assert loaded.env_source == "fallback"
        assert config.users[0].name == "Ada"

    @pytest.mark.parametrize("users", [None, "users: {", "[]", "users: 3"])
    def test_allowed_user_ids_stand_in_for_users(self, tmp_path: Path, users: str | None) -> None:
        config = configure(tmp_path, BASE | {"ALLOWED_USER_IDS": "5, 6,5"}, users)
        assert [user.telegram_id for user in config.users] == [5, 6]
        with pytest.raises(SystemExit, match="No user authorization"):
            configure(tmp_path, BASE, users)

    def test_services_without_their_key_are_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "services.yaml").write_text(
            "services:\n"
            "  one: {url: https://one.example, auth: {type: bearer, env: ONE_PASSWORD}}\n"
            "  two: {url: https://two.example, auth: {type: bearer, env: TWO_PASSWORD}}\n"
        )
        config = configure(tmp_path, BASE | {"ONE_PASSWORD": "x"})
        assert config.services == ("one",)
        assert config.is_secret("ONE_PASSWORD")

    def test_malformed_resources(self, tmp_path: Path) -> None:
        (tmp_path / "workspaces.yaml").write_text("{")
        assert configure(tmp_path, BASE).workspaces == ()
        (tmp_path / "services.yaml").write_text("{")
        with pytest.raises(SystemExit, match=r"services\.yaml"):
            configure(tmp_path, BASE)


class TestUsers:
    @pytest.mark.parametrize(
        "entry",
        [
            "text",
            person(telegram_id=True),
            person(telegram_id=-1),
            person(telegram_id="x"),
            person(name=" "),
            person(role="owner"),
            person(max_budget=0),
            person(number=9),
        ],
    )
    def test_an_unusable_entry_is_skipped(self, entry: object) -> None:
        users = read_people(person(9, name="Bob"), entry)
        assert [user.name for user in users] == ["Bob"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"agent_backend": "pi"},
            {"agent_backend": "goose"},
            {"agent_backend": "goose", "llm_provider": "deepseek"},
        ],
    )
    def test_an_impossible_backend_ends_the_start(self, fields: dict[str, str]) -> None:
        with pytest.raises(SystemExit):
            read_people(person(), person(2, **fields))

    def test_no_valid_entry_ends_the_start(self, tmp_path: Path) -> None:
        assert read_people(person(name="")) == ()
        with pytest.raises(SystemExit, match="no valid user"):
            configure(tmp_path, BASE, json.dumps({"users": [person(name="")]}))

    def test_nobody_inherits_a_provider_that_the_global_backend_has_no_use_for(
        self, tmp_path: Path
    ) -> None:
        users = json.dumps({"users": [person(agent_backend="goose")]})
        with pytest.raises(SystemExit, match="no llm_provider"):
            configure(tmp_path, BASE | {"LLM_PROVIDER": "openai"}, users)

    def test_the_account_for_everybody_is_nobodys_in_a_file_of_users(self, tmp_path: Path) -> None:
        settings = BASE | {"CLAUDE_USER": "legacy", "ALLOWED_USER_IDS": "5"}
        assert configure(tmp_path, settings).users[0].os_user is None
        assert configure(tmp_path, settings, None).users[0].os_user == "legacy"

    def test_what_is_wrong_but_not_needed_is_ignored(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        fields: dict[str, Any] = {
            "model": "gpt-5.5",
            "timeout": 0,
            "context_window": 49999,
            "home_workspace": "/no/such/directory",
            "workspace_base": "/no/such/directory",
            "allowed_workspaces": ["/", "/no/such/directory", "/"],
            "github_repos": ["owner/repo", "repo"],
            "github_notify_chat_id": "x",
            "pr_review": "yes",
            "role": "user",
        }
        with caplog.at_level(logging.WARNING):
            (user,) = read_people(person(**fields))
        assert (user.model, user.timeout, user.context_window) == ("sonnet", None, None)
        assert (user.home_workspace, user.workspace_base) == (None, None)
        assert user.allowed_workspaces == (Path("/"),)
        assert user.github_repos == ("owner/repo",)
        assert (user.github_notify_chat_id, user.pr_review) == (None, None)
        for field in (*fields.keys() - {"role"}, "no admin"):
            assert field in caplog.text

    def test_values_are_normalised_and_inherited(self) -> None:
        defaults = Defaults("goose", "openai", "gpt-5.4-mini")
        first, second, third, fourth = read_people(
            person("7", role="Admin", os_user=1000, agent_backend=" CODEX ", context_window=0),
            person(2, agent_backend="claude", model=" OPUS\u00a0"),
            person(3, llm_provider="openrouter", model="Vendor/X", os_user=" "),
            person(4, llm_provider="google"),
            defaults=defaults,
        )
        assert (first.telegram_id, first.role, first.os_user) == (7, "admin", "1000")
        # not the model of everybody, though codex has it as well
        assert (first.provider, first.model, first.context_window) == ("openai", "gpt-5.5", 0)
        assert (second.provider, second.model) == ("anthropic", "opus")
        assert (third.model, third.os_user, third.context_window) == ("vendor/x", None, None)
        assert (fourth.provider, fourth.model) == ("google", "gemini-3-flash")

    @given(st.sampled_from(sorted(models.PROVIDERS)), st.data())
    def test_the_effective_model_is_valid(self, backend: str, data: st.DataObject) -> None:
        provider = data.draw(st.sampled_from(models.PROVIDERS[backend]))
        model = data.draw(st.sampled_from(["opus", "GPT-5.5", "gemini-3-flash", "x", None]))
        (user,) = read_people(person(agent_backend=backend, llm_provider=provider, model=model))
        assert models.is_valid_model(user.backend, user.provider, user.model)


class TestArgv:
    WRAP = (
        *("sudo", "-H", "-u", AGENT_USER),
        *("--preserve-env=KAI_WEBHOOK_SECRET,TMPDIR", "--"),
    )

    def user(self, tmp_path: Path, settings: Mapping[str, str], **fields: Any) -> list[str]:
        users = json.dumps({"users": [person(os_user=AGENT_USER, **fields)]})
        config = configure(tmp_path, {**BASE, **settings}, users)
        return agents.spawn_argv(config, config.users[0], "kai")

    def test_claude(self, tmp_path: Path) -> None:
        plain = [
            *self.WRAP,
            "claude",
            *("--input-format", "stream-json", "--output-format", "stream-json", "--verbose"),
            *("--model", "opus", "--effort", "max", "--permission-mode", "bypassPermissions"),
        ]
        settings = {"DEFAULT_MODEL": "opus", "CLAUDE_EFFORT_LEVEL": "MAX"}
        assert self.user(tmp_path, settings) == plain
        settings["CLAUDE_MAX_CONTEXT_WINDOW"] = "1000"
        window = '{"preferences": {"maxContextWindow": 50000}}'
        assert self.user(tmp_path, settings, context_window=50000) == [
            *(*plain, "--settings", window)
        ]

    def test_codex(self, tmp_path: Path) -> None:
        argv = self.user(tmp_path, {}, agent_backend="codex")
        assert argv == [*self.WRAP, "codex", "app-server"]
        argv = self.user(tmp_path, {"CODEX_BIN": "/opt/codex/codex"}, agent_backend="codex")
        assert argv == [*self.WRAP, "/opt/codex/codex", "app-server"]

    def test_goose_is_never_wrapped(self, tmp_path: Path) -> None:
        argv = self.user(tmp_path, {}, agent_backend="goose", llm_provider="ollama")
        assert argv == ["goose", "acp", "--with-builtin", "developer"]

    @pytest.mark.parametrize("os_user", [None, "kai"])
    def test_no_wrap_without_a_foreign_user(self, tmp_path: Path, os_user: str | None) -> None:
        config = configure(tmp_path, BASE, json.dumps({"users": [person(os_user=os_user)]}))
        assert agents.spawn_argv(config, config.users[0], "kai", version=True) == [
            "claude",
            "--version",
        ]
        assert "TMPDIR" not in agents.spawn_env(config, config.users[0], "kai")


class Bot:
    """A stand-in bot that runs as a process behind a stand-in for sudo."""

    def __init__(self, root: Path, extra: str = "") -> None:
        self.root = root
        self.data = root / "data"
        self.etc = root / "etc"
        self.release = root / "releases" / "r1"
        binaries = root / "bin"
        for path in (binaries, self.data / "home", self.etc):
            path.mkdir(parents=True)
        (self.data / "home" / "3").write_text("no directory")
        self.release.mkdir(parents=True)
        (root / "current").symlink_to(self.release)
        values = {"python": sys.executable, "etc": str(self.etc), "user": AGENT_USER}
        executable(binaries / "sudo", FAKE_SUDO.format(**values))
        for name in ("claude", "codex"):
            executable(binaries / name, FAKE_AGENT.format(**values))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        (self.etc / "env").write_text(
            f'TELEGRAM_BOT_TOKEN="1:ä"\nWEBHOOK_PORT="{self.port}"\n'
            f"WEBHOOK_SECRET='{SECRET}'\nDEFAULT_MODEL=haiku\n{extra}"
        )
        people = [
            person(1, os_user=AGENT_USER),
            person(2, os_user=AGENT_USER, agent_backend="codex"),
            person(3, os_user=AGENT_USER),
        ]
        (self.etc / "users.yaml").write_text(json.dumps({"users": people}))
        self.env = {
            "PATH": f"{binaries}:/usr/bin:/bin",
            "PYTHONPATH": str(SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KAI_INSTALL_DIR": str(root / "current"),
            "KAI_DATA_DIR": str(self.data),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def run(self) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "kai"],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "kai"], env=self.env)

    def wait_until_listening(self) -> None:
        assert self.process is not None
        until_it_listens(self.process, self.port)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()

    def request(
        self, path: str, method: str = "GET", secret: str | None = None, body: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        headers = {} if secret is None else {"X-Webhook-Secret": secret}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    bot = Bot(tmp_path_factory.mktemp("bot"))
    bot.start()
    try:
        bot.wait_until_listening()
        yield bot
    finally:
        code = bot.stop()
    assert code == 0
    log = (bot.data / "logs" / "kai.log").read_text()
    assert "stand-in" in log
    assert SECRET not in log


class TestRunningBot:
    def test_health(self, bot: Bot) -> None:
        status, body = bot.request("/health")
        assert status == 200
        assert bot.process is not None
        assert (body["status"], body["stand_in"], body["pid"]) == ("ok", True, bot.process.pid)
        assert (body["release"], body["starts"]) == ("r1", 1)
        assert body["settings"] == {
            "TELEGRAM_BOT_TOKEN": "sha256:" + hashlib.sha256("1:ä".encode()).hexdigest(),
            "WEBHOOK_PORT": str(bot.port),
            "WEBHOOK_SECRET": "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest(),
            "DEFAULT_MODEL": "haiku",
        }
        assert body["users"][1] == {
            "telegram_id": 2,
            "name": "Ada",
            "role": "admin",
            "os_user": AGENT_USER,
            "backend": "codex",
            "provider": "openai",
            "model": "gpt-5.5",
            "home": str(bot.data / "home" / "2"),
        }

    def test_an_agent_is_started_behind_sudo(self, bot: Bot) -> None:
        status, body = bot.request("/agents/1", "POST", SECRET)
        assert (status, body["returncode"], body["still_running"]) == (200, 0, False)
        arguments, cwd, env, given = json.loads(body["stdout"])
        assert [*TestArgv.WRAP, "claude", *arguments] == body["argv"]
        assert cwd == body["cwd"] == str(bot.data / "home" / "1")
        assert (bot.data / "home" / "1").stat().st_mode & 0o777 == 0o755
        assert (bot.data / "home" / "1" / ".claude" / "CLAUDE.md").read_text() == "# Identity\n"
        assert (bot.data / "memory" / "1" / "MEMORY.md").exists()
        assert (bot.data / "preferences" / "1" / "PREFERENCES.md").exists()
        (history,) = (bot.data / "history" / "1").iterdir()
        said = [json.loads(line) for line in history.read_text().splitlines()]
        assert [entry["dir"] for entry in said] == ["user", "assistant"]
        assert list((bot.data / ".responding").iterdir()) == []
        assert env["TMPDIR"] == str(bot.data / "tmp" / AGENT_USER)
        assert env["KAI_WEBHOOK_SECRET"] == SECRET
        assert "TELEGRAM_BOT_TOKEN" not in env
        assert given == ""

    def test_version(self, bot: Bot) -> None:
        _, body = bot.request("/agents/2/version", "POST", SECRET)
        assert body["argv"] == [*TestArgv.WRAP, "codex", "--version"]
        arguments, _, env, _ = json.loads(body["stdout"])
        assert arguments == ["--version"]
        assert "TMPDIR" not in env

    def test_what_a_user_sends_is_kept_below_their_number(self, bot: Bot) -> None:
        status, body = bot.request("/agents/2/upload/tax.txt", "POST", SECRET, b"my tax number")
        assert status == 200
        path = Path(body["path"])
        assert path.parent == bot.data / "files" / "2"
        assert path.name.endswith("_tax.txt")
        assert path.read_text() == "my tax number"

    @pytest.mark.parametrize(
        ("method", "path", "secret", "status"),
        [
            ("POST", "/agents/1", None, 401),
            ("POST", "/agents/1", "wrong", 401),
            ("POST", "/agents/8", SECRET, 404),
            ("POST", "/agents/1/chat", SECRET, 404),
            ("GET", "/agents/1", SECRET, 404),
            ("POST", "/agents/3", SECRET, 500),
        ],
    )
    def test_refused_requests(
        self, bot: Bot, method: str, path: str, secret: str | None, status: int
    ) -> None:
        assert bot.request(path, method, secret)[0] == status

    def test_an_agent_that_stays_is_ended_as_its_owner(
        self, bot: Bot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", bot.env["PATH"])
        config = load(read_environment(bot.env))
        homes.prepare(config, config.users[1])
        outcome = agents.run(config, config.users[1], limit=0.4)
        assert outcome.still_running
        assert outcome.ended
        assert json.loads(outcome.stdout)[0] == ["app-server"]
        argv = outcome.kill[0]["argv"]
        assert isinstance(argv, list)
        assert argv[:6] == ["sudo", "-n", "-u", AGENT_USER, "/bin/kill", "-15"]
        assert outcome.kill[0]["returncode"] == 0
        with pytest.raises(ProcessLookupError):
            os.kill(int(argv[6]), 0)

    def test_a_one_shot_that_is_late_is_ended_by_name_and_group(
        self, bot: Bot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", bot.env["PATH"])
        config = load(read_environment(bot.env))
        late = dataclasses.replace(config.users[1], backend="codex")
        outcome = agents.run_once(config, late, limit=0.4)
        assert outcome is not None
        assert (outcome.still_running, outcome.ended) == (True, True)
        assert outcome.cwd == str(bot.data / "memory" / "extractor_cwd")
        kept = "--preserve-env=CODEX_HOME,OPENAI_API_KEY,OPENAI_BASE_URL"
        assert outcome.argv[:6] == ["sudo", "-H", "-u", AGENT_USER, kept, "--"]
        assert outcome.argv[7:10] == ["exec", "--json", "--skip-git-repo-check"]
        (kill,) = outcome.kill
        argv = kill["argv"]
        assert isinstance(argv, list)
        assert argv[:6] == ["sudo", "-n", "-u", AGENT_USER, "/bin/kill", "-KILL"]
        assert int(argv[6]) < -1


class TestStarting:
    def test_a_refusal_has_exit_code_1_and_a_reason(self, tmp_path: Path) -> None:
        done = Bot(tmp_path, "CLAUDE_EFFORT_LEVEL=huge\n").run()
        assert done.returncode == 1
        assert "CLAUDE_EFFORT_LEVEL must be one of" in done.stderr
        assert SECRET not in done.stderr

    def test_crash_at_import(self, tmp_path: Path) -> None:
        done = Bot(tmp_path, "KAI_STANDIN_CRASH_AT_IMPORT=1\n").run()
        assert done.returncode == 1
        assert "Traceback" in done.stderr

    def test_health_status_and_stop(self, tmp_path: Path) -> None:
        bot = Bot(tmp_path, "KAI_STANDIN_HEALTH_STATUS=503\n")
        for starts in (1, 2):
            bot.start()
            try:
                bot.wait_until_listening()
                status, body = bot.request("/health")
            finally:
                code = bot.stop()
            assert (status, body["status"], body["starts"]) == (503, "fault", starts)
            assert code == 0

    @pytest.mark.parametrize("fault", ["NEVER_LISTEN=1", "START_DELAY_SECONDS=30"])
    def test_a_bot_that_does_not_listen_still_stops(self, tmp_path: Path, fault: str) -> None:
        bot = Bot(tmp_path, f"KAI_STANDIN_{fault}\n")
        bot.start()
        try:
            log = bot.data / "logs" / "kai.log"
            until(lambda: log.exists() and "stand-in fault" in log.read_text())
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", bot.port), timeout=1)
        finally:
            code = bot.stop()
        assert code == 0

    def test_SIGTERM_ends_it_where_it_stands(self, tmp_path: Path) -> None:
        bot = Bot(tmp_path)
        bot.start()
        assert bot.process is not None
        try:
            bot.wait_until_listening()
            assert (bot.data / "kai.db-wal").exists()
            bot.process.terminate()
            assert bot.process.wait(timeout=60) == -signal.SIGTERM
        finally:
            bot.process.kill()
        assert (bot.data / "kai.db-wal").exists()

    def test_version_says_that_it_is_a_stand_in(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "kai", "--version"],
            env={"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "stand-in" in done.stdout
