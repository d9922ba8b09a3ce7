"""The wizard as a person sees it, in a real terminal that knows lines only."""

import re
import socket
import stat
from typing import Any

import pytest

from kai_ansible.ansible.collection import DEFAULT_RELEASE, contract, lines
from kai_ansible.wizard.interview import LEAVE
from tests.cli.desk import FIELDS, REVIEW, SECONDS, TOKEN, WHICH, Desk, Wizard
from tests.conftest import BACKENDS, STAND_IN

AGENTS = ", ".join(BACKENDS)

FIRST_ASKED = [
    "source",
    "TELEGRAM_BOT_TOKEN",
    "telegram_id",
    "os_user",
    "AGENT_BACKEND",
]
# one question of each section that claude has something to ask in
ASKED_OF_CLAUDE = [
    "service_user",
    "TELEGRAM_TRANSPORT",
    "create_os_users",
    "CLAUDE_BIN",
    "CLAUDE_EFFORT_LEVEL",
    "WEBHOOK_PORT",
    "ALLOWED_WORKSPACES",
    "GITHUB_NOTIFY_CHAT_ID",
    "TTS_ENABLED",
    "MEMORY_ENABLED",
    "PERPLEXITY_API_KEY",
]
FIRST_RUN = {
    "source": "kai",
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "telegram_id": "77",
    "os_user": "alice",
}
GOOSE = [
    ("anthropic", "ANTHROPIC_API_KEY", "opus"),
    ("openai", "OPENAI_API_KEY", "gpt-5.4"),
    ("google", "GOOGLE_API_KEY", "gemini-3-flash"),
    ("openrouter", "OPENROUTER_API_KEY", None),
    ("ollama", None, None),
]


def mode(path: Any) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_run_writes_private_files(desk: Desk) -> None:
    wizard = Wizard(desk.spawn("config", "--no-probe"))
    assert wizard.go_on(FIRST_RUN) == 0

    written = [desk.inventory / "hosts.yml", *sorted(desk.host_vars().iterdir())]
    assert [path.name for path in written] == ["hosts.yml", "kai.yml", "vault.yml"]
    assert {mode(path) for path in [*written, desk.password_file]} == {0o600}
    assert desk.settings() == {
        "kai_install_contract_version": 1,
        "kai_install_source": str(desk.source),
        "kai_install_users": [
            {"telegram_id": 77, "name": "Alice", "os_user": "alice", "role": "admin"}
        ],
        "kai_install_agent_backend": "claude",
        "kai_install_default_model": "sonnet",
    }
    assert (desk.host_vars() / "vault.yml").read_text().startswith("$ANSIBLE_VAULT;")
    secrets = desk.secrets()
    assert secrets.pop("kai_install_telegram_bot_token") == TOKEN
    assert re.fullmatch("[0-9a-f]{64}", secrets.pop("kai_install_webhook_secret"))
    assert secrets == {}
    assert str(desk.password_file) in wizard.transcript
    assert not desk.password_file.is_relative_to(desk.work)


def test_secrets_are_never_on_the_screen(desk: Desk) -> None:
    wizard = desk.wizard()
    assert wizard.go_on({**FIRST_RUN, "WEBHOOK_SECRET": "a secret of mine"}) == 0
    again = desk.wizard()
    assert again.go_on({"TELEGRAM_BOT_TOKEN": "", "WEBHOOK_SECRET": ""}) == 0

    secrets = [*desk.secrets().values(), desk.password_file.read_text().strip()]
    assert "a secret of mine" in secrets
    for secret in secrets:
        assert secret not in wizard.transcript + again.transcript
    assert again.offered["TELEGRAM_BOT_TOKEN"] == again.offered["WEBHOOK_SECRET"] == ""
    marks = re.findall(r"\(set, fingerprint ([0-9a-f]{8}); Enter keeps it\)", again.transcript)
    assert len(set(marks)) == 2
    assert all(f"fingerprint {mark}" in wizard.transcript for mark in marks)


def test_a_first_run_asks_only_what_has_no_default(desk: Desk) -> None:
    wizard = desk.wizard()
    assert wizard.go_on(FIRST_RUN) == 0
    assert wizard.asked == [*FIRST_ASKED, REVIEW]


def test_a_re_run_begins_with_everything_and_where_it_comes_from(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="codex", WEBHOOK_PORT=8181))
    wizard = desk.wizard()
    wizard.go_to(REVIEW)
    shown = {" ".join(line.split()) for line in wizard.transcript.splitlines()}
    assert {
        "AGENT_BACKEND codex host_vars",
        "WEBHOOK_PORT 8181 host_vars",
        "Ada alice codex openai gpt-5.5",
    } <= shown
    # what is not set is only on request
    assert not any(line.startswith(("CLAUDE_EFFORT", "service_user")) for line in shown)
    wizard.child.sendline("Show everything")
    wizard.go_to(REVIEW)
    more = {" ".join(line.split()) for line in wizard.transcript.splitlines()}
    assert {"service_user kai Kai's default", "WORKSPACE_BASE not set"} <= more
    wizard.open("server")
    wizard.go_to("WEBHOOK_SECRET", WEBHOOK_PORT="9090")
    wizard.child.sendline()
    wizard.go_to(REVIEW)
    assert re.search(r"WEBHOOK_PORT +9090 +you, was 8181", wizard.transcript)
    wizard.open("agents")
    wizard.go_to("CODEX_AUTH_MODE")
    assert wizard.abort() == 130


def test_opening_every_section_and_pressing_enter_changes_nothing(desk: Desk) -> None:
    assert desk.wizard().go_on(FIRST_RUN) == 0
    before = desk.tree()
    again = desk.wizard()
    assert again.go_on(dict.fromkeys(ASKED_OF_CLAUDE, "")) == 0
    assert desk.tree() == before
    assert "Nothing to write" in again.transcript


def test_leaving_writes_nothing(desk: Desk) -> None:
    before = desk.tree()
    assert desk.wizard().go_on({**FIRST_RUN, REVIEW: LEAVE}) == 1
    assert desk.tree() == before


def test_a_question_mark_explains_and_asks_again(desk: Desk) -> None:
    wizard = desk.wizard()
    for prompt, told in (
        ("source", "or a git URL"),
        ("TELEGRAM_BOT_TOKEN", "TELEGRAM_BOT_TOKEN: "),
        ("telegram_id", "Send a message to @userinfobot"),
        ("AGENT_BACKEND", f"one of {AGENTS}. Kai's default: claude."),
        (REVIEW, "Nothing is written before you choose so"),
    ):
        wizard.go_to(prompt, **FIRST_RUN)
        wizard.child.sendline("?")
        assert told in wizard.refusal()
        wizard.child.sendline(FIRST_RUN.get(prompt, ""))
    assert wizard.end() == 0


def test_a_hyphen_clears_a_value_but_not_one_that_is_needed(desk: Desk) -> None:
    desk.given(desk.answers(WORKSPACE_BASE="/srv/work", PERPLEXITY_API_KEY="pplx-of-ada"))
    wizard = desk.wizard()
    replies = {"PERPLEXITY_API_KEY": "-", "WORKSPACE_BASE": "-"}
    wizard.go_to("TELEGRAM_BOT_TOKEN", **replies)
    wizard.child.sendline("-")
    assert "A value is required." in wizard.refusal()
    wizard.child.sendline()
    assert wizard.go_on(replies) == 0
    assert "kai_install_workspace_base" not in desk.settings()
    assert "kai_install_perplexity_api_key" not in desk.secrets()
    assert desk.secrets()["kai_install_telegram_bot_token"] == TOKEN


def test_an_abort_at_any_prompt_of_a_first_run_writes_nothing(desk: Desk) -> None:
    before = desk.tree()
    aborted: list[str] = []
    while REVIEW not in aborted:
        wizard = desk.wizard()
        for _ in aborted:
            wizard.child.sendline(FIRST_RUN.get(str(wizard.next_prompt()), ""))
        aborted.append(str(wizard.next_prompt()))
        assert wizard.abort() == 130, wizard.transcript
        assert desk.tree() == before, f"an abort at {aborted[-1]}"
    assert aborted == [*FIRST_ASKED, REVIEW]


@pytest.mark.parametrize("prompt", ["DEFAULT_MODEL", "WEBHOOK_SECRET", REVIEW])
def test_an_abort_of_a_change_leaves_the_files_as_they_were(desk: Desk, prompt: str) -> None:
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    before = desk.tree()
    wizard = desk.wizard()
    replies = {"AGENT_BACKEND": "codex", "TELEGRAM_BOT_TOKEN": TOKEN.swapcase()}
    replies["source"] = str(STAND_IN)
    if prompt == REVIEW:
        wizard.go_to("DEFAULT_MODEL", **replies)
        wizard.child.sendline()
    wizard.go_to(prompt, **replies)
    assert wizard.abort() == 130, wizard.transcript
    assert desk.tree() == before


def test_the_end_of_the_input_is_an_abort(desk: Desk) -> None:
    wizard = desk.wizard()
    wizard.go_to("source")
    wizard.child.sendeof()
    assert wizard.end() == 130
    assert "Interrupted" in wizard.transcript


@pytest.mark.parametrize("run", ["first", "change"])
def test_an_abort_while_the_host_is_looked_at_ends_the_wizard(desk: Desk, run: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SECONDS)
        address = {"ansible_host": "127.0.0.1", "ansible_port": silent.getsockname()[1]}
        desk.write("inventory/hosts.yml", {"all": {"hosts": {"silent": address}}})
        if run == "change":
            desk.write("inventory/host_vars/silent/kai.yml", "---\n")
        before = desk.tree()
        wizard = desk.wizard("--plain")
        if run == "first":
            wizard.go_to("source")
            wizard.child.sendline("kai")
            wizard.child.expect_exact("Reading the deployed files of silent")
        else:
            wizard.go_to("os_user", **FIRST_RUN)
            wizard.child.sendline()
            wizard.child.expect_exact("Probing silent")
        with silent.accept()[0]:
            wizard.child.sendintr()
            assert wizard.end_without_answers() == 130
    assert desk.tree() == before


def test_comments_and_variables_of_ones_own_survive_a_change(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    path = desk.host_vars() / "kai.yml"
    text = path.read_text()
    mine = [
        "# asked for by Grace on Monday",
        'kai_install_extra_env: {NEW_KEY: "of tomorrow"}  # not known yet',
        "backup_window:   [ 2, 4 ]",
        "# the end",
    ]
    path.write_text(text + "\n".join(mine) + "\n")
    assert desk.wizard().go_on({"AGENT_BACKEND": "codex"}) == 0
    lines = path.read_text().splitlines()
    assert set(text.splitlines()) - set(lines) == {
        'kai_install_agent_backend: "claude"',
        'kai_install_default_model: "opus"',
    }
    assert "# asked for by Grace on Monday" in lines
    assert "# the end" in lines
    assert any("# not known yet" in line for line in lines)
    assert desk.settings()["kai_install_extra_env"] == {"NEW_KEY": "of tomorrow"}
    assert desk.settings()["backup_window"] == [2, 4]


def test_claude_to_codex_asks_for_the_model_again(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    wizard = desk.wizard()
    assert wizard.go_on({"AGENT_BACKEND": "codex"}) == 0
    assert "DEFAULT_MODEL 'opus' does not fit codex" in wizard.transcript
    assert wizard.offered["DEFAULT_MODEL"] == "gpt-5.5"
    assert desk.settings()["kai_install_agent_backend"] == "codex"
    assert desk.settings()["kai_install_default_model"] == "gpt-5.5"


def test_codex_to_claude_asks_for_the_model_again(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="codex", DEFAULT_MODEL="gpt-5.4"))
    wizard = desk.wizard()
    assert wizard.go_on({"AGENT_BACKEND": "claude"}) == 0
    assert "DEFAULT_MODEL 'gpt-5.4' does not fit anthropic" in wizard.transcript
    assert wizard.offered["DEFAULT_MODEL"] == "sonnet"
    assert desk.settings()["kai_install_default_model"] == "sonnet"


@pytest.mark.sample(1, "the same way with another provider")
@pytest.mark.parametrize(("provider", "key", "offered"), GOOSE)
def test_claude_to_goose_asks_for_all_that_the_provider_needs(
    desk: Desk, provider: str, key: str | None, offered: str | None
) -> None:
    desk.given(desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus"))
    replies = {"AGENT_BACKEND": "goose", "LLM_PROVIDER": provider}
    if key:
        replies[key] = "sk-test-of-the-provider"
    if offered is None:
        replies["DEFAULT_MODEL"] = "vendor/some-model"
    wizard = desk.wizard()
    assert wizard.go_on(replies) == 0
    fits = offered == "opus"
    assert ("'opus' does not fit" in wizard.transcript) is not fits
    assert wizard.offered.get("DEFAULT_MODEL") == (None if fits else offered or "")
    assert [name for name in wizard.asked if name.endswith("_API_KEY")] == ([key] if key else [])
    settings = desk.settings()
    assert settings["kai_install_llm_provider"] == provider
    assert settings["kai_install_default_model"] == (offered or "vendor/some-model")
    if key:
        assert desk.secrets()[f"kai_install_{key.lower()}"] == "sk-test-of-the-provider"


ON_OPENAI = {"LLM_PROVIDER": "openai", "OPENAI_API_KEY": "sk-test-of-openai"}


@pytest.mark.sample(1, "the same way with another pair")
@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ({"AGENT_BACKEND": "goose", "DEFAULT_MODEL": "gpt-5.4", **ON_OPENAI}, "claude", "sonnet"),
        ({"AGENT_BACKEND": "goose", "DEFAULT_MODEL": "gpt-5.4", **ON_OPENAI}, "codex", "gpt-5.4"),
        ({"AGENT_BACKEND": "codex", "DEFAULT_MODEL": "gpt-5.5"}, "goose", "gpt-5.4"),
    ],
)
def test_to_and_from_goose_the_model_fits_what_is_left(
    desk: Desk, before: dict[str, str], after: str, kept: str
) -> None:
    desk.given(desk.answers(**before))
    wizard = desk.wizard()
    replies = {"AGENT_BACKEND": after, **(ON_OPENAI if after == "goose" else {})}
    assert wizard.go_on(replies) == 0
    fits = before["DEFAULT_MODEL"] == kept
    assert ("does not fit" in wizard.transcript) is not fits
    assert desk.settings()["kai_install_agent_backend"] == after
    assert desk.settings()["kai_install_default_model"] == kept


def three_people(desk: Desk) -> dict[str, Any]:
    """Return Ada with a model of her own, Bob with a backend of his own, and Cleo with neither."""
    content = desk.answers(AGENT_BACKEND="claude", DEFAULT_MODEL="opus")
    content["users"][0]["model"] = "haiku"
    content["users"] += [
        {"telegram_id": 2, "name": "Bob", "os_user": "bob", "agent_backend": "claude"},
        {"telegram_id": 3, "name": "Cleo", "os_user": "carol"},
    ]
    content["users"][1]["model"] = "opus"
    return content


def test_a_model_of_a_persons_own_is_asked_again_too(desk: Desk) -> None:
    desk.given(three_people(desk))
    wizard = desk.wizard()
    assert wizard.go_on({"AGENT_BACKEND": "codex", "Model of Ada": "gpt-5.4-mini"}) == 0
    assert "the model of Ada 'haiku' does not fit codex" in wizard.transcript
    assert wizard.offered["Model of Ada"] == "gpt-5.5"
    assert [prompt for prompt in wizard.asked if prompt.startswith("Model of")] == ["Model of Ada"]
    models = [user.get("model") for user in desk.settings()["kai_install_users"]]
    assert models == ["gpt-5.4-mini", "opus", None]


def test_a_secret_in_the_plain_file_moves_to_the_vault(desk: Desk) -> None:
    desk.given(desk.answers())
    path = desk.host_vars() / "kai.yml"
    text = path.read_text()
    path.write_text(text + "kai_install_perplexity_api_key: pplx-of-ada\n")
    before = desk.secrets()
    wizard = desk.wizard()
    assert wizard.go_on() == 0
    assert "kai_install_perplexity_api_key moves from kai.yml to the vault" in (wizard.transcript)
    assert "pplx-of-ada" not in path.read_text() + wizard.transcript
    assert desk.secrets() == {**before, "kai_install_perplexity_api_key": "pplx-of-ada"}


REFUSED = [
    ("source", "-", "A value is required"),
    ("TELEGRAM_BOT_TOKEN", "hunter2", "@BotFather"),
    ("telegram_id", "@ada", "whole number"),
    ("os_user", "root", "superuser"),
    ("AGENT_BACKEND", "gemini", AGENTS),
    ("service_user", "ALL", "sudoers"),
    ("install_dir", "opt/kai", "absolute"),
    ("CLAUDE_BIN", "bin/claude", "absolute"),
    ("DEFAULT_MODEL", "gpt-5.5", "opus, sonnet, haiku"),
    ("WEBHOOK_PORT", "65536", "65535"),
]


def test_an_unacceptable_answer_is_asked_again_with_the_reason(desk: Desk) -> None:
    wizard = desk.wizard()
    for prompt, refused, reason in REFUSED:
        wizard.go_to(prompt, **FIRST_RUN)
        wizard.child.sendline(refused)
        assert reason in wizard.refusal(), prompt
        wizard.child.sendline(FIRST_RUN.get(prompt, ""))
    assert wizard.go_on() == 0
    assert desk.settings()["kai_install_agent_backend"] == "claude"


def test_a_section_that_is_named_is_opened_at_once(desk: Desk) -> None:
    desk.given(desk.answers())
    wizard: Wizard = desk.wizard("--no-probe", "--section", "server")
    assert wizard.go_on({"WEBHOOK_PORT": "8181"}) == 0
    assert wizard.asked == ["WEBHOOK_PORT", "WEBHOOK_SECRET", REVIEW]
    assert desk.settings()["kai_install_webhook_port"] == 8181


def test_people_are_added_changed_and_removed(desk: Desk) -> None:
    content = desk.answers(AGENT_BACKEND="codex")
    content["users"][0]["shoe_size"] = 43
    content["users"] += [{"telegram_id": 2, "name": "Bob", "os_user": "bob"}]
    desk.given(content)
    path = desk.host_vars() / "kai.yml"
    path.write_text(path.read_text().replace('os_user: "alice"', 'os_user: "alice"  # hers'))
    wizard = desk.wizard("--no-probe", "--section", "users")
    for choice, fields in (
        ("Add a user", {"telegram_id": "3", "name": "Cleo", "os_user": "carol"}),
        ("Change Ada (1)", {"agent_backend": "claude", "model": "opus", "timeout": "240"}),
        ("Remove Bob (2)", {}),
    ):
        wizard.go_to("Users")
        wizard.child.sendline(choice)
        names = list(contract().user_fields)
        if choice.startswith("Change"):
            # one question for each field, and not for all of them
            for field, value in fields.items():
                assert wizard.next_prompt() == FIELDS
                # the provider, which comes before the later ones, is not offered
                offered = [name for name in names if name != "llm_provider"]
                wizard.child.sendline(str(offered.index(field) + 2))
                assert wizard.next_prompt() == field
                wizard.child.sendline(value)
            assert wizard.next_prompt() == FIELDS
            wizard.child.sendline()
        elif fields:
            wizard.go_to(names[-1], **fields)
            wizard.child.sendline()
    assert wizard.go_on() == 0
    assert desk.settings()["kai_install_users"] == [
        {
            "telegram_id": 1,
            "name": "Ada",
            "role": "admin",
            "os_user": "alice",
            "shoe_size": 43,
            "agent_backend": "claude",
            "model": "opus",
            "timeout": 240,
        },
        {"telegram_id": 3, "name": "Cleo", "os_user": "carol"},
    ]
    assert 'os_user: "alice"  # hers\n' in path.read_text()


def test_without_a_password_file_the_vault_password_is_asked_unseen(desk: Desk) -> None:
    desk.given(desk.answers())
    password = desk.password_file.read_text().strip()
    desk.password_file.unlink()
    before = desk.tree()
    # it is Ansible that asks
    wizard = Wizard(desk.spawn("config", "--no-probe"))
    wizard.go_to("Vault password")
    wizard.child.sendline("a wrong one")
    assert wizard.end() == 2
    assert "does not open" in wizard.transcript
    assert "--vault-password-file" in wizard.transcript
    wizard = Wizard(desk.spawn("config", "--no-probe", "--section", "server"))
    assert wizard.go_on({"Vault password": password, "WEBHOOK_PORT": "8181"}) == 0
    assert password not in wizard.transcript
    assert not desk.password_file.exists()
    assert desk.tree().keys() == before.keys()


def test_a_first_run_has_at_most_six_prompts_and_each_tells_of_its_help(desk: Desk) -> None:
    wizard = desk.wizard()
    assert wizard.go_on(FIRST_RUN) == 0
    assert len(wizard.asked) <= 6
    assert wizard.transcript.count("(? for help)") == len(wizard.asked)
    assert "< or Esc goes back" in wizard.transcript


def test_the_default_source_is_the_public_repository_at_the_newest_known_ref(desk: Desk) -> None:
    wizard = desk.wizard()
    assert wizard.go_on({**FIRST_RUN, "source": ""}) == 0
    known = next(one for one in lines().lines if one.line == DEFAULT_RELEASE)
    assert (
        f"Enter takes {known.title} ({known.is_}) from its public repository" in wizard.transcript
    )
    assert desk.settings()["kai_install_source"] == "https://github.com/dcellison/kai.git"
    assert desk.settings()["kai_install_version"] == known.ref


def test_less_than_goes_back_and_everything_after_it_is_asked_again(desk: Desk) -> None:
    wizard = desk.wizard()
    wizard.go_to("AGENT_BACKEND", **FIRST_RUN)
    wizard.child.sendline("<")
    wizard.go_to("os_user")
    wizard.child.sendline("<")
    wizard.go_to("telegram_id")
    wizard.child.sendline("78")
    assert wizard.go_on({"os_user": "bob", "AGENT_BACKEND": "codex"}) == 0
    [user] = desk.settings()["kai_install_users"]
    assert (user["telegram_id"], user["os_user"]) == (78, "bob")
    assert desk.settings()["kai_install_agent_backend"] == "codex"


def test_from_the_first_question_there_is_no_way_back(desk: Desk) -> None:
    wizard = desk.wizard()
    wizard.go_to("source")
    wizard.child.sendline("<")
    assert wizard.next_prompt() == "source"
    wizard.child.sendline(FIRST_RUN["source"])
    rest = {key: value for key, value in FIRST_RUN.items() if key != "source"}
    assert wizard.go_on(rest) == 0
    assert "This is the first question." in wizard.transcript


def test_a_section_that_was_opened_by_mistake_is_left_unchanged(desk: Desk) -> None:
    desk.given(desk.answers(AGENT_BACKEND="codex"))
    before = desk.tree()
    wizard = desk.wizard()
    wizard.go_to(REVIEW)
    wizard.open("agents")
    assert wizard.next_prompt() == "AGENT_BACKEND"
    wizard.child.sendline("claude")
    wizard.next_prompt()
    for prompt in ("AGENT_BACKEND", WHICH, REVIEW):
        wizard.child.sendline("<")
        assert wizard.next_prompt() == prompt
    wizard.child.sendline("")
    assert wizard.end() == 0
    assert desk.tree() == before


def test_answers_are_kept_on_ctrl_c_if_the_operator_wants_that(desk: Desk) -> None:
    wizard = desk.wizard()
    wizard.go_to("os_user", **FIRST_RUN)
    wizard.child.send("\x03\r")
    wizard.child.expect("Save your answers")
    wizard.child.sendline("yes")
    assert wizard.end() == 130
    assert "Continue with:\r\n  kai-ansible config\r\n" in wizard.transcript
    assert desk.secrets()["kai_install_telegram_bot_token"] == TOKEN
    again = desk.wizard()
    again.go_to(REVIEW)
    assert "This cannot be written yet" in again.transcript
    assert again.abort() == 130
