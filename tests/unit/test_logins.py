"""Who still has to log in, and how."""

from typing import Any

import pytest
from samples import user, variables

from kai_ansible.rules.configuration import Configuration, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.logins import login_files, login_notice, logins

BINARIES = {"claude": "/usr/local/bin/claude", "codex": "/opt/my tools/codex"}


def configured(contract: Contract, **settings: Any) -> Configuration:
    read = read_configuration(
        contract,
        variables(
            user(1, "Ada", os_user="alice", agent_backend="codex"),
            user(2, "Ben", os_user="bob", agent_backend="codex"),
            user(3, "Cem", os_user="alice", agent_backend="codex"),
            user(4, "Dia", os_user="alice"),
            user(5, "Eli"),
            user(
                *(6, "Fay"),
                os_user="carol",
                agent_backend="goose",
                llm_provider="ollama",
                model="llama4:8b",
            ),
            **settings,
        ),
    )
    assert read.problems == []
    return read


def test_one_login_for_each_account_and_backend(contract: Contract) -> None:
    """Issue 486, bug 3."""
    found = logins(configured(contract), BINARIES, [])
    assert [(login["account"], login["backend"], login["shared"]) for login in found] == [
        ("alice", "codex", False),
        ("bob", "codex", False),
        ("alice", "claude", False),
        ("kai", "claude", True),
    ]
    assert login_notice(found) == [
        "Log in once as each OS user, with these commands:",
        "  sudo -iu alice '/opt/my tools/codex' login",
        "  sudo -iu bob '/opt/my tools/codex' login",
        "  sudo -iu alice /usr/local/bin/claude auth login",
        "  sudo -H -u kai /usr/local/bin/claude auth login",
        "  kai is the service user: users without an os_user share its login.",
    ]


def test_without_a_binary_the_name_stands(contract: Contract) -> None:
    found = logins(configured(contract), {}, [])
    assert found[0]["line"] == "sudo -iu alice codex login"
    assert found[0]["command"] == ["codex", "login"]


def test_who_is_logged_in_is_not_asked_again(contract: Contract) -> None:
    seen = [
        {"account": "alice", "backend": "codex", "logged_in": True},
        {"account": "bob", "backend": "codex", "logged_in": False},
        {"account": "alice", "backend": "claude", "logged_in": None},
        {"account": "kai", "backend": "claude", "logged_in": True},
    ]
    found = logins(configured(contract), BINARIES, seen)
    assert [login["logged_in"] for login in found] == [True, False, None, True]
    assert login_notice(found) == [
        "Log in once as each OS user, with these commands:",
        "  sudo -iu bob '/opt/my tools/codex' login",
        "  sudo -iu alice /usr/local/bin/claude auth login",
    ]
    everybody = [{**entry, "logged_in": True} for entry in seen]
    assert login_notice(logins(configured(contract), BINARIES, everybody)) == []


def test_with_a_key_nobody_logs_in_to_codex(contract: Contract) -> None:
    by_key = configured(contract, codex_auth_mode="api_key", openai_api_key="k")
    assert {login["backend"] for login in logins(by_key, BINARIES, [])} == {"claude"}


@pytest.mark.parametrize(
    ("settings", "backend", "files"),
    [
        ({}, "claude", [".claude/.credentials.json"]),
        ({}, "codex", [".codex/auth.json"]),
        ({}, "goose", []),
        ({"codex_auth_mode": "api_key", "openai_api_key": "k"}, "codex", []),
    ],
)
def test_where_a_login_is_kept(
    contract: Contract, settings: dict[str, Any], backend: str, files: list[str]
) -> None:
    assert login_files(configured(contract, **settings), backend) == files
