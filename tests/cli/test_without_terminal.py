"""Configuring without a person: answers, assignments, and everything that is refused."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.cli.desk import KAI_ANSIBLE, TOKEN, Desk

QUIETLY = ("config", "--no-probe", "--no-input")
SECRET = "0f" * 32
# an inventory that cannot be read, a host that is not there, a file that is no text
WARNED_OF = (
    "pars",
    "Could not match supplied host pattern",
    "This file must be UTF-8 encoded",
    "Non UTF-8 encoded data replaced",
    "Error getting vault password file",
)


def given(desk: Desk, content: Any, *arguments: str) -> Any:
    """Run config on an answers file and return how it ended."""
    return desk.run(*QUIETLY, "--answers", str(desk.write("answers.yml", content)), *arguments)


def test_the_same_answers_give_the_same_files_as_the_prompts(tmp_path: Any) -> None:
    typed, written = Desk(tmp_path / "one"), Desk(tmp_path / "two", tmp_path / "one/work/kai")
    replies = {
        "source": "kai",
        "install_dir": "/srv/kai",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "telegram_id": "1",
        "os_user": "alice",
        "AGENT_BACKEND": "goose",
        "LLM_PROVIDER": "openai",
        "OPENAI_API_KEY": "sk-of-ada",
        "GOOSE_BIN": "/usr/local/bin/goose",
        "WEBHOOK_PORT": "8181",
        "WEBHOOK_SECRET": SECRET,
    }
    assert typed.wizard().go_on(replies) == 0
    content = {
        "host": {"install_dir": "/srv/kai", "source": str(written.source)},
        "users": [{"telegram_id": 1, "name": "Alice", "role": "admin", "os_user": "alice"}],
        "settings": {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "AGENT_BACKEND": "goose",
            "LLM_PROVIDER": "openai",
            "OPENAI_API_KEY": "sk-of-ada",
            "GOOSE_BIN": "/usr/local/bin/goose",
            "DEFAULT_MODEL": "gpt-5.4",
            "WEBHOOK_PORT": 8181,
            "WEBHOOK_SECRET": SECRET,
        },
    }
    done = given(written, content)
    assert done.returncode == 0, done.stderr
    one, two = (desk.host_vars() / "kai.yml" for desk in (typed, written))
    assert one.read_bytes() == two.read_bytes()
    assert typed.secrets() == written.secrets()
    assert SECRET not in done.stdout
    assert "sk-of-ada" not in done.stdout


def test_print_writes_nothing_and_shows_no_secret(desk: Desk) -> None:
    path = desk.write("answers.yml", desk.answers(WEBHOOK_SECRET=SECRET))
    before = desk.tree()
    done = desk.call(*QUIETLY, "--print", "--answers", str(path))
    assert done.returncode == 0, done.stderr
    assert desk.tree() == before
    assert 'kai_install_source: "' in done.stdout
    assert "kai_install_webhook_secret: fingerprint " in done.stdout
    for secret in (TOKEN, SECRET):
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("config", "--no-input", "--import", ""),
        ("config", "--no-input", "--section", ""),
        ("upgrade", "--ref", "", "--yes"),
        ("upgrade", "--source", "", "--yes"),
    ],
)
def test_an_option_without_a_value_is_not_taken_for_none(
    desk: Desk, words: tuple[str, ...]
) -> None:
    done = desk.call(*words)
    assert done.returncode == 2
    assert f"{words[words.index('') - 1]}\n   found:    nothing" in done.stderr


def test_answers_may_come_through_a_pipe(desk: Desk) -> None:
    text = yaml.safe_dump(desk.answers(WEBHOOK_PORT=8123))
    done = subprocess.run(
        [KAI_ANSIBLE, *QUIETLY, "--answers", "/dev/stdin"],
        cwd=desk.work,
        env=desk.environment(),
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert desk.settings()["kai_install_webhook_port"] == 8123
    assert desk.settings()["kai_install_users"]


def test_json_is_one_document(desk: Desk) -> None:
    done = given(desk, desk.answers(), "--json")
    document = json.loads(done.stdout)
    written = document["hosts"]["localhost"]["written"]
    assert [path.rpartition("/")[2] for path in written] == [
        "kai.yml",
        "vault.yml",
        "hosts.yml",
    ]
    refused = desk.run(*QUIETLY, "--json", "--set", "WEBHOOK_PORT=0")
    assert refused.returncode == 2
    document = json.loads(refused.stdout)
    assert document["exit_code"] == 2
    assert document["problems"][0]["where"] == "kai_install_webhook_port"


def test_an_assignment_changes_one_setting_and_an_empty_one_clears_it(desk: Desk) -> None:
    desk.given(desk.answers(CODEX_BIN="/usr/bin/codex"))
    assert desk.call(*QUIETLY, "--set", "CLAUDE_TIMEOUT_SECONDS=240").returncode == 0
    assert desk.settings()["kai_install_agent_timeout_seconds"] == 240
    assert desk.call(*QUIETLY, "--set", "CODEX_BIN=").returncode == 0
    assert "kai_install_codex_bin" not in desk.settings()


def test_the_default_of_the_new_backend_is_taken_and_reported(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    done = desk.call(*QUIETLY, "--set", "AGENT_BACKEND=codex")
    assert done.returncode == 0
    assert "DEFAULT_MODEL 'opus' does not fit codex; its default is gpt-5.5" in done.stdout
    assert desk.settings()["kai_install_default_model"] == "gpt-5.5"


def test_a_key_that_is_not_used_now_is_kept(desk: Desk) -> None:
    goose = {"AGENT_BACKEND": "goose", "LLM_PROVIDER": "google", "GOOGLE_API_KEY": "g-of-ada"}
    desk.given(desk.answers(**goose))
    for assignment in ("AGENT_BACKEND=claude", "AGENT_BACKEND=goose"):
        assert desk.call(*QUIETLY, "--set", assignment).returncode == 0
        assert desk.secrets()["kai_install_google_api_key"] == "g-of-ada"
    assert desk.settings()["kai_install_default_model"] == "gemini-3-flash"


def test_a_script_as_password_file_is_run(desk: Desk) -> None:
    script = desk.write("password.sh", "#!/bin/sh\necho open sesame\n")
    script.chmod(0o755)
    desk.variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(script)
    desk.given(desk.answers())
    assert not desk.password_file.exists()
    del desk.variables["ANSIBLE_VAULT_PASSWORD_FILE"]
    assert desk.run(*QUIETLY).returncode == 2
    assert desk.run(*QUIETLY, "--vault-password-file", str(script)).returncode == 0


Prepare = Callable[[Desk], tuple[str, ...]]


def with_answers(change: Callable[[dict[str, Any]], Any]) -> Prepare:
    """Return a preparation: a valid answers file after a change of it."""

    def prepare(desk: Desk) -> tuple[str, ...]:
        content = desk.answers()
        change(content)
        return (*QUIETLY, "--answers", str(desk.write("answers.yml", content)))

    return prepare


def with_text(name: str, text: str, *arguments: str) -> Prepare:
    """Return a preparation: a configured host, one of its files replaced by a text."""

    def prepare(desk: Desk) -> tuple[str, ...]:
        desk.given(desk.answers())
        desk.write(f"inventory/{name}", text)
        return arguments or QUIETLY

    return prepare


def configured(*arguments: str) -> Prepare:
    """Return a preparation: a configured host, and arguments."""

    def prepare(desk: Desk) -> tuple[str, ...]:
        desk.given(desk.answers())
        return arguments

    return prepare


def nothing(*arguments: str) -> Prepare:
    """Return a preparation: an empty desk, and arguments."""
    return lambda desk: arguments


def with_a_wrong_password(*arguments: str) -> Prepare:
    def prepare(desk: Desk) -> tuple[str, ...]:
        desk.given(desk.answers())
        return (*arguments, "--vault-password-file", str(desk.write("wrong", "not this one\n")))

    return prepare


def without_password(desk: Desk) -> tuple[str, ...]:
    desk.given(desk.answers())
    desk.password_file.unlink()
    return QUIETLY


def settings(**values: Any) -> Prepare:
    return with_answers(lambda content: content["settings"].update(values))


def user(**fields: Any) -> Prepare:
    return with_answers(lambda content: content["users"][0].update(fields))


BAD_INPUT: dict[str, tuple[Prepare, list[str]]] = {
    "no host": (
        with_text("hosts.yml", "all: {hosts: {}}\n"),
        ["inventory", "no hosts", "hosts.yml"],
    ),
    "no inventory": (nothing("install"), ["1. inventory", "no inventory", "kai-ansible config"]),
    "unknown host": (
        configured(*QUIETLY, "botany"),
        ["no host 'botany'", "one of localhost"],
    ),
    "unknown host of a new inventory": (nothing(*QUIETLY, "botany"), ["'botany'", "hosts.yml"]),
    "several hosts": (
        with_text("hosts.yml", "all: {hosts: {one: , two: }}\n"),
        ["several hosts: one, two", "the name of one"],
    ),
    "host_vars that are not YAML": (
        with_text("host_vars/localhost/kai.yml", "kai_install_source: [1\n"),
        ["kai.yml", "line 2"],
    ),
    "host_vars that are a list": (
        with_text("host_vars/localhost/kai.yml", "- kai_install_source\n"),
        ["kai.yml found: a list", "a mapping of variables", "name: value"],
    ),
    "host_vars with a wrong type": (
        with_text("host_vars/localhost/kai.yml", "kai_install_webhook_port: [8080]\n"),
        [
            "inventory/host_vars/localhost/kai.yml: kai_install_webhook_port",
            "found:    [8080]",
            "expected: a whole number",
            "fix:      set kai_install_webhook_port",
        ],
    ),
    "host_vars with a wrong type at install": (
        with_text("host_vars/localhost/kai.yml", "kai_install_users: Ada\n", "install"),
        ["inventory/host_vars/localhost/kai.yml: kai_install_users", "found:    str", "a list"],
    ),
    "an unknown variable": (
        with_text("host_vars/localhost/kai.yml", "kai_install_webhook_prot: 8080\n"),
        ["kai_install_webhook_prot", "did you mean kai_install_webhook_port?"],
    ),
    "a template that cannot be evaluated": (
        with_text("host_vars/localhost/kai.yml", "kai_install_source: '{{ nowhere }}'\n"),
        ["kai_install_source", "'nowhere' is undefined", "kai.yml:1"],
    ),
    "an unreadable inventory": (
        with_text("hosts.yml", "all: [\n"),
        ["inventory", "hosts.yml", "that Ansible can read"],
    ),
    "an unknown part of the answers": (
        with_answers(lambda content: content.update(setings={})),
        ["answers.yml: setings", "did you mean settings?"],
    ),
    "an unknown key of the answers": (
        settings(DEFAULT_MODLE="opus"),
        ["settings.DEFAULT_MODLE", "did you mean DEFAULT_MODEL?"],
    ),
    "an unknown key of the host": (
        with_answers(lambda content: content["host"].update(sevice_user="kai")),
        ["host.sevice_user", "did you mean service_user?"],
    ),
    "answers that are no YAML": (
        lambda desk: (*QUIETLY, "--answers", str(desk.write("answers.yml", "host: [\n"))),
        ["answers.yml", "no valid YAML: line 2"],
    ),
    "answers that are not there": (
        nothing(*QUIETLY, "--answers", "none.yml"),
        ["none.yml", "no file", "an answers file"],
    ),
    "an unknown assignment": (
        configured(*QUIETLY, "--set", "CODEXBIN=/x"),
        ["--set", "CODEXBIN", "did you mean CODEX_BIN?"],
    ),
    "a secret in an assignment": (
        configured(*QUIETLY, "--set", f"TELEGRAM_BOT_TOKEN={TOKEN}"),
        ["--set TELEGRAM_BOT_TOKEN", "a secret on the command line", "--answers FILE"],
    ),
    "a secret in an assignment at install": (
        configured("install", "--set", f"TELEGRAM_BOT_TOKEN={TOKEN}"),
        ["--set TELEGRAM_BOT_TOKEN", "a secret on the command line"],
    ),
    "a model of another backend": (
        settings(AGENT_BACKEND="codex", DEFAULT_MODEL="opus"),
        ["kai_install_default_model", "'opus', which codex does not have", "set", "gpt-5.5"],
    ),
    "a person's model of another backend": (
        user(agent_backend="codex", model="sonnet"),
        ["kai_install_users[0].model", "'sonnet', which codex does not have", "gpt-5.5"],
    ),
    "goose without a provider": (
        settings(AGENT_BACKEND="goose"),
        ["kai_install_llm_provider", "no provider for goose", "anthropic, openai, google"],
    ),
    "a person's goose without a provider": (
        user(agent_backend="goose"),
        ["kai_install_users[0].llm_provider", "no provider for goose"],
    ),
    "a person's goose without a key": (
        user(agent_backend="goose", llm_provider="google"),
        ["kai_install_google_api_key", "a user with backend goose on google exists", "vault.yml"],
    ),
    "goose on a provider without a default model": (
        settings(AGENT_BACKEND="goose", LLM_PROVIDER="ollama"),
        ["DEFAULT_MODEL", "no model for ollama", "--set DEFAULT_MODEL="],
    ),
    "a relative path of a binary": (
        settings(CLAUDE_BIN="bin/claude"),
        ["kai_install_claude_bin", "'bin/claude'", "an absolute path"],
    ),
    "a source that is not there": (
        with_answers(lambda content: content["host"].update(source="/srv/none")),
        ["kai_install_source", "'/srv/none'", "no such file"],
    ),
    "an account that may not be": (
        user(os_user="root"),
        ["kai_install_users[0].os_user", "'root'", "superuser"],
    ),
    "two people with one ID": (
        with_answers(lambda content: content["users"].append(dict(content["users"][0]))),
        ["kai_install_users[1].telegram_id", "which Ada (kai_install_users[0]) has too"],
    ),
    "a wrong vault password": (
        with_a_wrong_password(*QUIETLY),
        ["vault.yml", "does not open", "--vault-password-file"],
    ),
    "a wrong vault password at install": (
        with_a_wrong_password("install"),
        ["vault.yml", "does not open", "--vault-password-file"],
    ),
    "no vault password": (
        without_password,
        ["vault", "no vault password", "--vault-password-file"],
    ),
    "a vault password file that is not there": (
        configured(*QUIETLY, "--vault-password-file", "none"),
        ["none", "--vault-password-file"],
    ),
    "no terminal": (configured("config"), ["no terminal to ask questions", "--no-input"]),
    "an unknown section": (
        configured(*QUIETLY, "--section", "modles"),
        ["no section 'modles'", "did you mean models?"],
    ),
    "an unknown option": (nothing("config", "--no-imput"), ["No such option", "--no-input"]),
    "an unknown command": (nothing("instal"), ["No such command", "install"]),
}


@pytest.mark.sample(8, "the same way with another input")
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_reported_and_nothing_is_written(desk: Desk, case: str) -> None:
    prepare, words = BAD_INPUT[case]
    arguments = prepare(desk)
    before = desk.tree()
    done = desk.run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    told = " ".join(done.stderr.split())
    for word in words:
        assert " ".join(word.split()) in told
    assert TOKEN not in done.stdout + done.stderr
    assert desk.tree() == before


def test_all_problems_of_one_run_are_listed_together(desk: Desk) -> None:
    content = desk.answers(AGENT_BACKEND="codex", DEFAULT_MODEL="opus", WEBHOOK_PORT=0)
    content["settings"]["WEBHOOK_PROT"] = 1
    content["host"]["data_dir"] = "var"
    content["users"][0] |= {"os_user": "ALL", "telegram_id": "Ada"}
    before = {name for name in desk.tree() if name.startswith("work/inventory")}
    done = given(desk, content, "--set", "CODEXBIN=/x")
    assert done.returncode == 2
    for number, place in enumerate(
        (
            "answers.yml: settings.WEBHOOK_PROT",
            "--set: CODEXBIN",
            "kai_install_data_dir",
            "kai_install_webhook_port",
            "kai_install_users[0].telegram_id",
            "kai_install_users[0].os_user",
            "kai_install_default_model",
        ),
        start=1,
    ):
        assert f"{number}. " in done.stderr
        assert place in done.stderr
    assert done.stderr.endswith("Nothing was written.\n")
    assert {name for name in desk.tree() if name.startswith("work/inventory")} == before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        # to Ansible it is a list of hosts
        ("inventory/hosts.yml", "inventory\n   found:    a host named"),
        ("inventory/host_vars/localhost/kai.yml", "inventory/host_vars/localhost/kai.yml"),
    ],
)
def test_a_file_that_is_no_text_stops_the_run(desk: Desk, name: str, told: str) -> None:
    # root reads what modes forbid, so the file is one that nobody can read as text
    desk.given(desk.answers())
    (desk.work / name).write_bytes(b"\xff\xfe\x00kai")
    before = desk.tree()
    done = desk.run(*QUIETLY, "--set", "WEBHOOK_PORT=8181")
    assert done.returncode == 2
    assert told in done.stderr
    assert desk.tree() == before
