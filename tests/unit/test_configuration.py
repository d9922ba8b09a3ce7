"""From variables to what the bot reads, and everything that is wrong on the way."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai import config as bot
from kai.models import PROVIDERS
from kai.protected import parse_env
from samples import SECRET, TOKEN, probe, user, variables
from whole_configurations import EVERYBODY, KEYS, answers_to_everything, texts

from kai_ansible.rules.configuration import Configuration, env_of, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.env_file import env_line
from tests.conftest import BACKENDS

AGENTS = ", ".join(BACKENDS)


def places(configuration: Configuration) -> list[str]:
    return [problem.where.removeprefix("kai_install_") for problem in configuration.problems]


def everything_told(configuration: Configuration) -> str:
    return "\n".join([*map(str, configuration.problems), *configuration.notes])


# What is accepted


def test_the_least_that_is_needed(contract: Contract) -> None:
    read = read_configuration(contract, variables())
    assert read.problems == []
    assert read.host["install_dir"] == "/opt/kai"
    assert read.notes == ["No model was chosen; sonnet is the default of claude."]
    assert env_of(read) == {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_PORT": "8080",
        "AGENT_BACKEND": "claude",
        "DEFAULT_MODEL": "sonnet",
        "VOICE_ENABLED": "false",
        "TTS_ENABLED": "false",
    }


@pytest.mark.slow
@given(st.data())
def test_what_was_answered_is_what_the_bot_reads(contract: Contract, data: st.DataObject) -> None:
    answers, expected = data.draw(answers_to_everything(contract))
    extra = {"OTHER": data.draw(texts), "NUMBER": 3}
    read = read_configuration(
        contract, variables(*EVERYBODY, **answers) | {"kai_install_extra_env": extra}
    )
    assert read.problems == []
    lines = [env_line(key, value) for key, value in env_of(read).items()]
    assert parse_env("\n".join(lines)) == {**expected, **extra, "NUMBER": "3"}


@pytest.fixture(scope="module")
def agents_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an executable of every agent."""
    directory = tmp_path_factory.mktemp("agents")
    for name in BACKENDS:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    return directory


backends = st.sampled_from(list(PROVIDERS))
providers = st.sampled_from(PROVIDERS["goose"])
models = st.sampled_from(["opus", "Sonnet", "gpt-5.5", "gpt-5.4", "gemini-3-flash", "vendor/x"])


@given(
    settings=st.fixed_dictionaries(
        {},
        optional={
            "agent_backend": backends,
            "llm_provider": providers,
            "default_model": models,
            "claude_effort_level": st.sampled_from(["low", "MAX"]),
            "codex_auth_mode": st.sampled_from(["subscription", "api_key"]),
            "memory_enabled": st.booleans(),
            "memory_extraction_enabled": st.booleans(),
            "telegram_webhook_url": st.just("https://kai.example/"),
            "budget_ceiling": st.sampled_from(["5", 0.5, 0]),
        },
    ),
    people=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "os_user": st.sampled_from(["alice", "bob"]),
                "agent_backend": backends,
                "llm_provider": providers,
                "model": models,
                "context_window": st.sampled_from([0, 60000]),
            },
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_the_bot_starts_with_whatever_is_accepted(
    contract: Contract,
    agents_directory: Path,
    samples_probe: dict[str, Any],
    settings: dict[str, Any],
    people: list[dict[str, Any]],
) -> None:
    keys = dict.fromkeys(KEYS, "k")
    users = [user(number, **fields) for number, fields in enumerate(people, start=1)]
    read = read_configuration(contract, variables(*users, **settings, **keys))
    if read.problems:
        return
    desired = desired_state(read, samples_probe)
    assert desired["problems"] == []
    files = {
        "env": "\n".join(env_line(key, value) for key, value in desired["env"].items()),
        "users.yaml": json.dumps({"users": desired["users"]}),
    }
    process = {"KAI_INSTALL_DIR": str(agents_directory), "PATH": str(agents_directory)}
    loaded = bot.load(bot.read_environment(process, files.get), files.get)
    assert [
        (person.backend, person.provider, person.model, person.os_user) for person in loaded.users
    ] == [
        (
            person.backend,
            person.provider,
            # the bot compares the model of a person in lower case
            str(person.model).lower() if "model" in entry else person.model,
            person.os_user,
        )
        for entry, person in zip(desired["users"], read.users, strict=True)
    ]


@pytest.fixture(scope="module")
def samples_probe(agents_directory: Path) -> dict[str, Any]:
    return probe(
        binaries={
            name: [
                {
                    "path": str(agents_directory / name),
                    "source": "path",
                    "fault": None,
                    "changers": [],
                }
            ]
            for name in BACKENDS
        }
    )


# What is refused


@pytest.mark.parametrize(
    ("settings", "where", "told"),
    [
        ({"agent_backend": "opencode"}, ["agent_backend"], f"one of {AGENTS}"),
        (
            {"agent_backend": "codex", "default_model": "opus"},
            ["default_model"],
            "kai_install_default_model: found 'opus', which codex does not have, expected one of "
            "gpt-5.5, gpt-5.4, gpt-5.4-mini, gpt-5.3-codex, gpt-5.3-codex-spark, gpt-5.2. "
            "Fix: set kai_install_default_model to gpt-5.5",
        ),
        ({"default_model": "claude-sonnet-4-6"}, ["default_model"], "opus, sonnet, haiku"),
        (
            {"agent_backend": "goose"},
            ["llm_provider"],
            "found no provider for goose, expected one of anthropic, openai, google, openrouter, "
            "ollama",
        ),
        (
            {"agent_backend": "goose", "llm_provider": "google", "google_api_key": "k"}
            | {"default_model": "gpt-5.4"},
            ["default_model"],
            "'gpt-5.4', which goose on google does not have",
        ),
        (
            {"agent_backend": "goose", "llm_provider": "ollama"},
            ["default_model"],
            "no model for goose on ollama, expected any model of ollama",
        ),
        (
            {"agent_backend": "goose", "llm_provider": "google"},
            ["google_api_key"],
            "nothing, because a user with backend goose on google exists (Ada), expected text. "
            "Fix: set kai_install_google_api_key in vault.yml",
        ),
        (
            {"agent_backend": "codex", "codex_auth_mode": "api_key"},
            ["openai_api_key"],
            "because a user with backend codex exists and CODEX_AUTH_MODE is api_key (Ada)",
        ),
        ({"codex_auth_mode": "token"}, ["codex_auth_mode"], "one of subscription, api_key"),
        (
            {"telegram_transport": "webhook"},
            ["telegram_webhook_url"],
            "because TELEGRAM_TRANSPORT is webhook",
        ),
        (
            {"telegram_transport": "polling", "telegram_webhook_url": "https://x"},
            ["telegram_webhook_url"],
            "a value although TELEGRAM_TRANSPORT is polling",
        ),
        (
            {"memory_extraction_enabled": True},
            ["memory_extraction_enabled"],
            "a value although MEMORY_ENABLED is not true",
        ),
        ({"pr_review_model_codex": "opus"}, ["pr_review_model_codex"], "gpt-5.3-codex-spark"),
        ({"telegram_bot_token": ""}, ["telegram_bot_token"], "@BotFather gave"),
        ({"webhook_secret": None}, ["webhook_secret"], "in vault.yml"),
        ({"source": None}, ["source"], "found nothing, expected a checkout, archive or wheel"),
        ({"service_user": "root"}, ["service_user"], "is the superuser"),
        ({"install_dir": "~/kai"}, ["install_dir"], "begins with ~"),
        ({"webhook_port": "0123"}, ["webhook_port"], "'0123'"),
    ],
)
def test_settings_that_cannot_be_right(
    contract: Contract, settings: dict[str, Any], where: list[str], told: str
) -> None:
    read = read_configuration(contract, variables(user(os_user="alice"), **settings))
    assert places(read) == where
    assert told in str(read.problems[0])


@pytest.mark.parametrize(
    ("users", "where", "told"),
    [
        ([user(agent_backend="goose")], ["users[0].llm_provider"], "no provider for goose"),
        (
            [user(agent_backend="goose", llm_provider="openai")],
            ["openai_api_key"],
            "nothing, because a user with backend goose on openai exists (Ada)",
        ),
        ([user(model="gpt-5.5")], ["users[0].model"], "which claude does not have"),
        (
            [user(agent_backend="goose", llm_provider="openrouter")],
            ["users[0].model", "openrouter_api_key"],
            "no model for goose on openrouter",
        ),
        ([user(agent_backend="pi")], ["users[0].agent_backend"], f"one of {AGENTS}"),
        ([user(telegram_id=None)], ["users[0].telegram_id"], "a whole number, at least 1"),
        ([user(telegram_id=True)], ["users[0].telegram_id"], "True"),
        ([user(name="  ")], ["users[0].name"], "a name that is not blank"),
        ([user(os_user="root")], ["users[0].os_user"], "is the superuser"),
        ([user(os_user=1000)], ["users[0].os_user"], "put it in quotes"),
        ([user(os_user="kai")], ["users[0].os_user"], "which is the service user"),
        ([user(pr_review="maybe")], ["users[0].pr_review"], "true or false"),
        ([user(context_window=49999)], ["users[0].context_window"], "or 0"),
        ([user(home_workspace="~/x")], ["users[0].home_workspace"], "begins with ~"),
        ([user(home_workspace="/srv/{a}")], ["users[0].home_workspace"], "shell character"),
        ([user(home_workspace="/var/lib/kai")], ["users[0].home_workspace"], "of the bot"),
        ([user(home_workspace="/opt/kai/releases")], ["users[0].home_workspace"], "releases of"),
        (
            [user(home_workspace="/srv/a"), user(2, os_user="ben", home_workspace="/srv/a/b")],
            ["users[1].home_workspace"],
            "below /srv/a, the home of Ada",
        ),
        ([user(github_repos=["kai"])], ["users[0].github_repos"], "owner/repository"),
        (
            [user(7), user("7", name="Ben")],
            ["users[1].telegram_id"],
            "7, which Ada (kai_install_users[0]) has too",
        ),
        ([user(), "Ben"], ["users[1]"], "a mapping of fields"),
        (
            ["Ada", user(model="x"), user(2, timeout="never"), user(3, model="x")],
            ["users[0]", "users[2].timeout", "users[1].model", "users[3].model"],
            "a mapping of fields",
        ),
        ({"telegram_id": 1}, ["users"], "found dict"),
        ([], ["users"], "found no users"),
        (None, ["users"], "found no users"),
    ],
)
def test_people_that_cannot_be_right(
    contract: Contract, users: Any, where: list[str], told: str
) -> None:
    read = read_configuration(contract, variables() | {"kai_install_users": users})
    assert places(read) == where
    assert told in str(read.problems[0])


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("codex_bin", "bin/codex", "set kai_install_codex_bin to an absolute path"),
        ("service_user", "root", "set kai_install_service_user to the name of an account"),
        ("webhook_port", 0, "set kai_install_webhook_port to a whole number, at least 1 and"),
    ],
)
def test_the_fix_of_a_wrong_value_names_a_right_one(
    contract: Contract, name: str, value: Any, fix: str
) -> None:
    read = read_configuration(contract, {**variables(), f"kai_install_{name}": value})
    [problem] = [one for one in read.problems if one.where == f"kai_install_{name}"]
    assert problem.fix.startswith(fix)


def test_all_problems_are_listed_at_once(contract: Contract) -> None:
    given_variables = variables(
        user(name=""),
        user(2, agent_backend="goose"),
        "nobody",  # type: ignore[arg-type]
        telegram_bot_token="",
        webhook_port=0,
        install_dir="kai",
        claude_effort_level="huge",
        wehbook_port=8080,
        budget_ceiling="NaN",
        extra_env={"WEBHOOK_PORT": "1", "1A": "x"},
    )
    assert places(read_configuration(contract, given_variables)) == [
        "install_dir",
        "budget_ceiling",
        "claude_effort_level",
        "webhook_port",
        "extra_env.WEBHOOK_PORT",
        "extra_env.1A",
        "wehbook_port",
        "users[0].name",
        "users[2]",
        "users[1].llm_provider",
        "telegram_bot_token",
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("default_modle", "an unknown variable (did you mean kai_install_default_model?)"),
        ("user", "an unknown variable (did you mean kai_install_users?)"),
        ("DEFAULT_MODEL", "an unknown variable"),
        ("zzz", "an unknown variable, expected a setting of Kai 1.x"),
    ],
)
def test_an_unknown_variable_is_refused(contract: Contract, name: str, told: str) -> None:
    read = read_configuration(contract, {**variables(), f"kai_install_{name}": "x"})
    assert places(read) == [name]
    assert told in str(read.problems[0])


def test_what_is_needed_is_the_union_over_everybody(contract: Contract) -> None:
    people = [
        user(1, "Ada", os_user="alice"),
        user(2, "Ben", os_user="bob", agent_backend="codex"),
        user(3, "Cem", agent_backend="goose", llm_provider="google"),
        user(4, "Dia", agent_backend="goose", llm_provider="openai", model="gpt-5.4"),
        user(5, "Eli", agent_backend="goose", llm_provider="google"),
    ]
    read = read_configuration(contract, variables(*people, codex_auth_mode="api_key"))
    assert [(problem.where, problem.found) for problem in read.problems] == [
        (
            "kai_install_openai_api_key",
            "nothing, because a user with backend goose on openai exists or a user with backend "
            "codex exists and CODEX_AUTH_MODE is api_key (Ben, Dia)",
        ),
        (
            "kai_install_google_api_key",
            "nothing, because a user with backend goose on google exists (Cem, Eli)",
        ),
    ]


@pytest.mark.parametrize("backend", PROVIDERS)
def test_the_bot_and_the_contract_agree_on_who_extracts_memories(
    contract: Contract, backend: str
) -> None:
    given_variables = variables(
        user(os_user="alice", agent_backend=backend, llm_provider="anthropic"),
        memory_enabled=True,
        memory_extraction_enabled=True,
        anthropic_api_key="k",
    )
    read = read_configuration(contract, given_variables)
    assert read.problems == []
    told = any(note.startswith("The bot extracts no memories for Ada") for note in read.notes)
    desired = desired_state(read, probe())
    files = {
        "env": "\n".join(env_line(key, value) for key, value in desired["env"].items()),
        "users.yaml": json.dumps({"users": desired["users"]}),
    }
    # the bot looks for the agents of those who can, and there are none here
    looked_for = False
    try:
        bot.load(bot.read_environment({"PATH": "/nowhere"}, files.get), files.get)
    except SystemExit:
        looked_for = True
    assert looked_for is not told


# Names of former times


@pytest.mark.parametrize(
    ("old", "key", "value", "text"),
    [
        ("claude_model", "DEFAULT_MODEL", "Opus", "opus"),
        ("claude_timeout_seconds", "AGENT_TIMEOUT_SECONDS", "60", "60"),
        ("claude_max_budget_usd", "BUDGET_CEILING", 2.5, "2.5"),
    ],
)
def test_an_old_name_is_read(contract: Contract, old: str, key: str, value: Any, text: str) -> None:
    read = read_configuration(contract, variables(**{old: value}))
    assert read.problems == []
    assert env_of(read)[key] == text
    assert f"kai_install_{old} is the old name of kai_install_{key.lower()}." in read.notes
    assert old.upper() not in env_of(read)


def test_two_names_with_one_value_are_no_problem(contract: Contract) -> None:
    same = read_configuration(contract, variables(claude_model="opus", default_model="opus"))
    assert same.problems == []
    other = read_configuration(contract, variables(claude_model="opus", default_model="haiku"))
    assert places(other) == ["default_model"]
    assert "different values under kai_install_default_model, kai_install_claude_model" in str(
        other.problems[0]
    )


def test_what_kai_no_longer_reads_is_reported_and_not_written(contract: Contract) -> None:
    by_name = variables(allowed_user_ids="1,2")
    by_key = variables(extra_env={"ALLOWED_USER_IDS": "1,2"})
    for given_variables in (by_name, by_key):
        read = read_configuration(contract, given_variables)
        assert read.problems == []
        assert "ALLOWED_USER_IDS" not in env_of(read)
        assert any("users.yaml says who may talk to the bot" in note for note in read.notes)


# Settings that do not apply, that were emptied, that are unknown


def test_a_setting_that_does_not_apply_is_kept_and_reported(contract: Contract) -> None:
    read = read_configuration(contract, variables(codex_bin="/opt/codex", openai_api_key="k"))
    assert read.problems == []
    assert read.chosen["CODEX_BIN"] == "/opt/codex"
    assert not {"CODEX_BIN", "OPENAI_API_KEY"} & set(env_of(read))
    assert (
        "kai_install_codex_bin is kept but does not reach the bot, because it is only used when "
        "a user with backend codex exists." in read.notes
    )


def test_the_provider_of_the_global_backend_reaches_the_bot(contract: Contract) -> None:
    # Kai judges the global pair although nobody uses it
    read = read_configuration(
        contract,
        variables(
            user(agent_backend="claude", model="opus"),
            agent_backend="goose",
            llm_provider="ollama",
            default_model="llama4:8b",
        ),
    )
    assert read.problems == []
    assert env_of(read)["LLM_PROVIDER"] == "ollama"


def test_emptied_settings(contract: Contract) -> None:
    read = read_configuration(
        contract,
        variables(
            spec_dir="",
            memory_search_floor=None,
            webhook_port="",
            extra_env={"GONE": None, "EMPTY": ""},
        ),
    )
    assert read.problems == []
    assert read.cleared == {"SPEC_DIR", "MEMORY_SEARCH_FLOOR", "WEBHOOK_PORT", "GONE"}
    env = env_of(read)
    assert (env["WEBHOOK_PORT"], env["EMPTY"]) == ("8080", "")
    assert not {"SPEC_DIR", "MEMORY_SEARCH_FLOOR", "GONE"} & set(env)


@pytest.mark.parametrize(
    ("extra", "where", "told"),
    [
        ({"WEBHOOK_PORT": "1"}, "extra_env.WEBHOOK_PORT", "kai_install_webhook_port in its place"),
        ({"CLAUDE_MODEL": "opus"}, "extra_env.CLAUDE_MODEL", "kai_install_default_model in its"),
        ({"KAI_DATA_DIR": "/x"}, "extra_env.KAI_DATA_DIR", "belongs to the service definition"),
        ({"A B": "x"}, "extra_env.A B", "not the name of an environment variable"),
        ({1: "x"}, "extra_env.1", "not the name of an environment variable"),
        ({"A": "x\ny"}, "extra_env.A", "a line break or NUL"),
        ({"A": ["x"]}, "extra_env.A", "is not text"),
        (["A=1"], "extra_env", "a mapping of env keys to text"),
    ],
)
@pytest.mark.parametrize("name", ["extra_env", "secret_extra_env"])
def test_extra_env_that_cannot_be_right(
    contract: Contract, extra: Any, where: str, told: str, name: str
) -> None:
    read = read_configuration(contract, variables(**{name: extra}))
    assert places(read) == [where.replace("extra_env", name)]
    assert told in str(read.problems[0])


# One owner of users.yaml


def test_both_owners_are_refused(contract: Contract) -> None:
    both = variables(users_file="/srv/users.yaml")
    assert places(read_configuration(contract, both, [user()])) == ["users"]
    del both["kai_install_users"]
    assert read_configuration(contract, both, [user(os_user="alice")]).problems == []


def test_nothing_can_be_filled_into_the_operators_file(contract: Contract) -> None:
    entries = [user(os_user="alice"), user(2, name="Ben", os_user="bob", agent_backend="codex")]
    owned = variables(*entries, default_model="opus")
    read = read_configuration(contract, owned)
    assert read.problems == []
    assert (
        "Ben uses codex, which has no model 'opus': users.yaml gets its default gpt-5.5."
        in read.notes
    )
    del owned["kai_install_users"]
    owned["kai_install_users_file"] = "/srv/users.yaml"
    (problem,) = read_configuration(contract, owned, entries).problems
    assert problem.where == "kai_install_users_file[1].model"
    assert problem.found == "no model, so codex would get 'opus'"
    assert problem.fix == "add 'model: gpt-5.5' to that entry of the file"


def test_an_empty_file_names_itself(contract: Contract) -> None:
    without = variables(users_file="/srv/users.yaml")
    del without["kai_install_users"]
    assert places(read_configuration(contract, without, [])) == ["users_file"]


# People


def test_an_unknown_field_is_carried_over(contract: Contract) -> None:
    read = read_configuration(contract, variables(user(os_user="alice", timeot=3, shoe=44)))
    assert read.problems == []
    assert read.entries == [user(os_user="alice", timeot=3, shoe=44)]
    assert (
        "kai_install_users[0].timeot is not a field of Kai 1.x; it is carried over (did you "
        in (everything_told(read))
    )


def test_values_of_people_are_normalised_and_blanks_dropped(contract: Contract) -> None:
    entry = user(
        "7", os_user="", role="ADMIN", agent_backend=" Claude", model=None, pr_review="yes"
    )
    read = read_configuration(contract, variables(entry))
    assert read.entries == [user(7, agent_backend="claude", pr_review=True)]


def test_what_a_person_should_know(contract: Contract) -> None:
    read = read_configuration(
        contract,
        variables(
            user(role="user"),
            user(
                *(2, "Ben"),
                role="user",
                os_user="bob",
                agent_backend="goose",
                llm_provider="ollama",
                model="opus",
            ),
            memory_enabled=True,
            memory_extraction_enabled=True,
            default_model="opus",
        ),
    )
    assert read.problems == []
    assert read.notes == [
        "No user has the role admin, so no user can manage the bot.",
        "Ada has no os_user: their agents run as the service user kai, which can read the bot's "
        "secrets.",
        "kai_install_users[1].model is 'opus', a name of another provider: make sure that ollama "
        "has it.",
        "Ben has the os_user bob, but Kai 1.x runs goose as the service user kai, which can read "
        "the bot's secrets.",
        "The bot extracts no memories for Ben: goose does not support it.",
    ]


def test_one_wrong_value_brings_no_others(contract: Contract) -> None:
    backend = read_configuration(contract, variables(agent_backend="codx", default_model="gpt-5.5"))
    assert places(backend) == ["agent_backend"]
    role = read_configuration(contract, variables(user(agent_backend="codx", model="gpt-5.5")))
    assert places(role) == ["users[0].agent_backend"]


# Secrets


@given(
    secret=st.text("abcdefghijklmnop0123456789:\n\x00 '\"é", min_size=9),
    key=st.sampled_from(
        [
            "TELEGRAM_BOT_TOKEN",
            "TELEGRAM_WEBHOOK_SECRET",
            "WEBHOOK_SECRET",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "GOOGLE_API_KEY",
            "OPENROUTER_API_KEY",
            "PERPLEXITY_API_KEY",
            "OPENWEATHER_API_KEY",
            "JINA_API_KEY",
        ]
    ),
    wrap=st.sampled_from([lambda text: text, lambda text: [text], lambda text: {"value": text}]),
)
def test_a_secret_is_never_printed(contract: Contract, secret: str, key: str, wrap: Any) -> None:
    marked = "q-Zz" + secret + "zZ-q"
    given_variables = variables(agent_backend="codex", **{key: wrap(marked)})
    given_variables["kai_install_secret_extra_env"] = {"OTHER_KEY": wrap(marked)}
    told = everything_told(read_configuration(contract, given_variables))
    assert "q-Zz" not in told
    assert "zZ-q" not in told


def test_the_contract_is_not_changed(contract: Contract) -> None:
    before = copy.deepcopy(contract)
    given_variables = variables(user(agent_backend="codex"), allowed_workspaces="/a,/b")
    kept = copy.deepcopy(given_variables)
    read_configuration(contract, given_variables)
    assert contract == before
    assert given_variables == kept


@pytest.mark.parametrize(
    ("settings", "env"),
    [
        ({"pr_review_cooldown": 0}, {"PR_REVIEW_COOLDOWN": "0"}),
        ({"budget_ceiling": "inf"}, {"BUDGET_CEILING": "inf"}),
        ({"budget_ceiling": float("inf")}, {"BUDGET_CEILING": "inf"}),
        ({"telegram_webhook_secret": "aB_-9"}, {"TELEGRAM_WEBHOOK_SECRET": "aB_-9"}),
    ],
)
def test_what_the_bot_takes_is_not_refused(
    contract: Contract, settings: dict[str, Any], env: dict[str, str]
) -> None:
    read = read_configuration(contract, variables(**settings))
    assert read.problems == []
    assert env.items() <= env_of(read).items()


def test_a_number_may_be_a_name(contract: Contract) -> None:
    read = read_configuration(contract, variables(user(name=7)))
    assert (read.problems, read.entries[0]["name"]) == ([], "7")


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u3000"])
def test_blanks_that_the_bot_takes_away_are_refused_by_name(contract: Contract, blank: str) -> None:
    fields = {"home_workspace": f"/srv/a{blank}", "workspace_base": f"/srv/b{blank}"}
    person = user(**fields, allowed_workspaces=[f"/srv/c{blank}"])
    settings = {
        "workspace_base": f"/srv/d{blank}",
        "allowed_workspaces": [f"/srv/e{blank}"],
        "webhook_secret": blank * 3,
        "telegram_webhook_secret": f"abc{blank}",
    }
    read = read_configuration(contract, variables(person, **settings))
    assert set(places(read)) >= {
        *settings,
        *(f"users[0].{name}" for name in (*fields, "allowed_workspaces")),
    }


def test_what_systemd_sets_is_not_written(contract: Contract) -> None:
    extra = {"HOME": "/elsewhere", "LANG": "de", "INVOCATION_ID": "1", "OTHER": "1"}
    read = read_configuration(contract, variables(extra_env=extra))
    assert (read.problems, read.extra_env) == ([], {"OTHER": "1"})
    assert len([note for note in read.notes if "systemd sets it" in note]) == 3


def test_one_base_for_everybody_is_advised_against(contract: Contract) -> None:
    settings = {"workspace_base": "/srv/work", "allowed_workspaces": "/srv/a"}
    notes = read_configuration(contract, variables(**settings)).notes
    for name in settings:
        assert any(note.startswith(f"kai_install_{name} applies to all users") for note in notes)


@pytest.mark.parametrize("home", ["/srv/ada", "/var/lib/kai/home/ada", "/var/lib/kai/ada"])
def test_a_home_may_be_anywhere_else(contract: Contract, home: str) -> None:
    own = {"os_user": "ada", "home_workspace": home}
    # agents of one account see each other in any case
    users = [user(1, **own), user(2, **own), user(3, os_user="ben")]
    assert read_configuration(contract, variables(users=users)).problems == []
