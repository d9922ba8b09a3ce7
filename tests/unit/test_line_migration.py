"""Variables of Kai 1 as those of Kai 2: what is renamed, dropped, split and asked for."""

import copy
import itertools
from typing import Any

import pytest
from samples import SECRET, user, variables

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.line_migration import (
    Given,
    LineMigration,
    moved_to_line,
    users_without_account,
)

SILENT = (
    *("claude_model", "claude_user", "pr_review_enabled", "issue_triage_enabled"),
    "github_notify_chat_id",
)
ADA = user(os_user="alice")


@pytest.fixture(params=["2", "2.0"])
def target(request: pytest.FixtureRequest) -> Contract:
    """The contract of a line of Kai 2."""
    return contract_of_line(request.param)


class Moving:
    """A migration of variables of Kai 1 to a line, with secrets that are counted."""

    def __init__(self, former: Contract, target: Contract) -> None:
        self.former, self.target = former, target

    def __call__(self, given: dict[str, Any], **decisions: Any) -> LineMigration:
        numbers = itertools.count(1)
        answers = {"os_users": {}, "new_secret": lambda: f"secret-{next(numbers)}", **decisions}
        return moved_to_line(self.former, self.target, given, Given(**answers))


@pytest.fixture
def moving(contract: Contract, target: Contract) -> Moving:
    return Moving(contract, target)


def messages(found: LineMigration) -> str:
    return "\n".join(change.message for change in found.changes)


def test_todays_names_take_the_place_of_former_ones(moving: Moving) -> None:
    given = variables(
        ADA,
        agent_backend="codex",
        agent_timeout_seconds=90,
        claude_idle_timeout=5,
        claude_model="x",
    )
    found = moving(given)
    assert found.problems == []
    assert found.names["kai_install_agent_backend"] == "kai_install_default_backend"
    assert found.variables["kai_install_default_backend"] == "codex"
    assert found.variables["kai_install_default_timeout"] == 90
    assert found.variables["kai_install_agent_idle_timeout"] == 5
    # its name in Kai 1 is older still
    assert found.variables["kai_install_default_model"] == "x"
    assert not {"kai_install_agent_backend", "kai_install_claude_model"} & set(found.variables)
    assert "kai_install_agent_timeout_seconds becomes kai_install_default_timeout" in messages(
        found
    )


def test_what_kai_2_does_not_read_is_dropped_with_the_reason(moving: Moving) -> None:
    dead = {
        **dict.fromkeys(SILENT, ""),
        "budget_ceiling": 5,
        "claude_max_context_window": 100000,
        "memory_extraction_budget_usd": 1,
        "claude_user": "alice",
    }
    found = moving(variables(ADA, **dead))
    assert found.problems == []
    told = messages(found)
    for name in dead:
        assert f"kai_install_{name}" not in found.variables
        assert f"kai_install_{name} " in told
    assert told.count("without a word") == len(SILENT)
    assert "kai_install_budget_ceiling is removed: Kai keeps no budgets any more" in told


def test_two_values_for_one_setting_are_refused(moving: Moving) -> None:
    found = moving(variables(ADA, agent_backend="codex", default_backend="claude"))
    [problem] = found.problems
    assert problem.where == "kai_install_agent_backend"
    assert "kai_install_default_backend" in problem.found


def test_one_webhook_secret_becomes_two_new_ones(moving: Moving) -> None:
    found = moving(variables(ADA, telegram_webhook_secret="secret-1"))
    assert found.names["kai_install_webhook_secret"] is None
    # the first that was made is Telegram's already
    assert found.values["kai_install_github_webhook_secret"] == "secret-2"
    assert found.values["kai_install_generic_webhook_secret"] == "secret-3"
    [github] = [note for note in found.notes if "github_webhook_secret" in note]
    assert "/webhook/github" in github
    assert "secret-" not in "\n".join([messages(found), *found.notes])
    assert SECRET not in "\n".join([messages(found), *found.notes])


def test_the_former_secret_is_not_made_again(moving: Moving) -> None:
    found = moving(variables(ADA, webhook_secret="secret-1"))
    assert found.values["kai_install_github_webhook_secret"] == "secret-2"


def test_every_user_needs_an_os_user_and_is_asked_for_by_name(moving: Moving) -> None:
    given = variables(user(), user(2, "Ben"), user(3, "Cay", os_user="carol"))
    assert [one["name"] for one in users_without_account(given)] == ["Ada", "Ben"]
    refused = moving(given)
    assert [problem.where for problem in refused.problems] == [
        "kai_install_users[0].os_user",
        "kai_install_users[1].os_user",
    ]
    found = moving(given, os_users={"Ada": "alice", "2": "bob"})
    assert found.problems == []
    assert [one["os_user"] for one in found.variables["kai_install_users"]] == [
        *("alice", "bob", "carol"),
    ]


@pytest.mark.parametrize(
    ("accounts", "words"),
    [({"Ada": "bob", "Ben": "bob"}, "bob for Ada, Ben"), ({"Ada": "kai", "Ben": "bob"}, "service")],
)
def test_an_os_user_is_nobody_elses_and_not_the_bots(
    moving: Moving, accounts: dict[str, str], words: str
) -> None:
    found = moving(variables(user(), user(2, "Ben")), os_users=accounts)
    [problem] = found.problems
    assert words in problem.found


def test_a_user_keeps_what_kai_2_calls_otherwise(moving: Moving) -> None:
    given = variables(
        {**ADA, "agent_backend": "goose", "llm_provider": "openai", "max_budget": 3, "github": "a"}
    )
    found = moving(given)
    [one] = found.variables["kai_install_users"]
    assert one == {**ADA, "backend": "goose", "provider": "openai", "github": "a"}
    told = messages(found)
    assert "kai_install_users[0].agent_backend becomes backend" in told
    assert "kai_install_users[0].max_budget is removed" in told


def test_what_was_everybodys_becomes_each_users_own(moving: Moving) -> None:
    given = variables(
        ADA,
        user(2, "Ben", os_user="bob", pr_review=False, github_notify_chat_id=-7),
        pr_review_enabled="true",
        issue_triage_enabled=False,
        github_notify_chat_id=-5,
    )
    ada, ben = moving(given).variables["kai_install_users"]
    assert (ada["pr_review"], ada["github_notify_chat_id"]) == (True, -5)
    assert (ben["pr_review"], ben["github_notify_chat_id"]) == (False, -7)
    assert "issue_triage" not in ada


def test_services_that_everybody_had_are_listed_for_each_user(moving: Moving) -> None:
    given = variables(ADA, user(2, "Ben", os_user="bob", allowed_services=[]))
    ada, ben = moving(given, services=["search", "weather"]).variables["kai_install_users"]
    assert ada["allowed_services"] == ["search", "weather"]
    assert ben["allowed_services"] == []


def test_the_operators_own_file_is_left_alone_with_a_note(moving: Moving) -> None:
    given = variables(ADA, users_file="users.yaml", pr_review_enabled=True)
    del given["kai_install_users"]
    found = moving(given)
    assert found.problems == []
    assert any("pr_review: true" in note for note in found.notes)


def test_other_variables_for_the_bot_become_settings_where_there_is_one_now(
    moving: Moving,
) -> None:
    extra = {
        "CODEX_EFFORT_LEVEL": "high",
        "GOOSE_MODEL": "x",
        "MINE": "1",
        "AGENT_BACKEND": "codex",
    }
    secret = {"DEEPSEEK_API_KEY": "key", "CODEX_EFFORT_LEVEL": "low"}
    found = moving(variables(ADA, extra_env=extra, secret_extra_env=secret))
    assert found.values["kai_install_extra_env"] == {"MINE": "1"}
    assert found.values["kai_install_deepseek_api_key"] == "key"
    assert found.values["kai_install_codex_effort_level"] == "high"
    assert found.values["kai_install_default_backend"] == "codex"
    # a secret is not moved to where everybody reads it
    assert found.values["kai_install_secret_extra_env"] == {"CODEX_EFFORT_LEVEL": "low"}
    assert "kai_install_extra_env.GOOSE_MODEL is removed" in messages(found)
    assert "key" not in messages(found).split()


def test_the_line_is_written_down(moving: Moving) -> None:
    found = moving(variables(ADA, release="1"))
    assert found.values["kai_install_release"] == moving.target.release


@pytest.mark.parametrize("given", [variables(ADA, max_budget=1, budget_ceiling=2), {}])
def test_a_second_migration_changes_nothing(moving: Moving, given: dict[str, Any]) -> None:
    before = copy.deepcopy(given)
    first = moving(given, services=["search"])
    assert given == before
    again = moving(first.variables, services=["search"])
    assert (again.changes, again.names, again.values, again.users) == ([], {}, {}, [])
    assert again.notes == []
    assert again.variables == first.variables


@pytest.mark.parametrize(("raw", "words"), [("perhaps", "true or false"), ([1], "true or false")])
def test_a_value_that_cannot_be_read_is_refused(moving: Moving, raw: Any, words: str) -> None:
    [problem] = moving(variables(ADA, pr_review_enabled=raw)).problems
    assert problem.where == "kai_install_pr_review_enabled"
    assert words in problem.expected
