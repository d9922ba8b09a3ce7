"""Which copy of an agent's binary is used."""

from typing import Any

import pytest
from samples import user, variables

from kai_ansible.rules.binaries import (
    backends_in_use,
    choose_binary,
    notes_on_trust,
    resolvers,
    runners,
)
from kai_ansible.rules.configuration import Configuration, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.probe_requests import probe_request


def seen(path: str, source: str, fault: str | None = None) -> dict[str, Any]:
    return {"path": path, "source": source, "fault": fault, "changers": []}


@pytest.fixture(scope="module")
def everybody(contract: Contract) -> Configuration:
    """Ada and Ben on codex, Cem on claude without an account, Dia on goose."""
    return read_configuration(
        contract,
        variables(
            user(1, "Ada", os_user="alice", agent_backend="codex"),
            user(2, "Ben", os_user="bob", agent_backend="codex"),
            user(3, "Cem"),
            user(
                *(4, "Dia"),
                os_user="carol",
                agent_backend="goose",
                llm_provider="ollama",
                model="llama4:8b",
            ),
        ),
    )


def test_who_runs_what(contract: Contract, everybody: Configuration) -> None:
    assert everybody.problems == []
    assert backends_in_use(everybody) == ["codex", "claude", "goose"]
    assert runners(everybody, "codex") == ["alice", "bob"]
    assert runners(everybody, "claude") == ["kai"]
    # Kai 1.x starts goose without sudo, whatever account the person has
    assert runners(everybody, "goose") == ["kai"]


@pytest.mark.parametrize(
    ("candidates", "path", "source"),
    [
        (
            [
                seen("/home/bob/.npm-global/bin/codex", "deployed"),
                seen("/usr/local/bin/codex", "path"),
                seen("/usr/bin/codex", "usual"),
            ],
            *("/home/bob/.npm-global/bin/codex", "deployed"),
        ),
        (
            [
                seen("/gone/codex", "deployed", "does not exist"),
                seen("/home/alice/bin/codex", "path", "bob cannot execute"),
                seen("/usr/bin/codex", "path"),
                seen("/usr/local/bin/codex", "usual"),
            ],
            *("/usr/bin/codex", "path"),
        ),
        (
            [
                seen("/gone/codex", "deployed", "does not exist"),
                seen("/usr/local/bin/codex", "usual"),
            ],
            *("/usr/local/bin/codex", "usual"),
        ),
        ([seen("/opt/codex-1.2/run", "host_vars")], "/opt/codex-1.2/run", "host_vars"),
    ],
)
def test_the_first_that_works_is_used(
    contract: Contract,
    everybody: Configuration,
    candidates: list[dict[str, Any]],
    path: str,
    source: str,
) -> None:
    binary, problems = choose_binary(everybody, "codex", candidates)
    assert problems == []
    assert binary is not None
    assert (binary["path"], binary["source"]) == (path, source)


def test_a_working_path_of_the_host_is_never_replaced_by_a_guess(
    contract: Contract, everybody: Configuration
) -> None:
    """Issue 486, bug 4."""
    deployed = seen("/home/bob/.npm-global/bin/codex", "deployed")
    binary, _ = choose_binary(
        everybody, "codex", [deployed, seen("/opt/homebrew/bin/codex", "usual")]
    )
    assert binary is not None
    assert binary["path"] == "/home/bob/.npm-global/bin/codex"


def test_a_broken_path_of_host_vars_is_a_problem(
    contract: Contract, everybody: Configuration
) -> None:
    candidates = [
        seen("/opt/codex", "host_vars", "bob cannot execute"),
        seen("/usr/local/bin/codex", "deployed"),
    ]
    binary, (problem,) = choose_binary(everybody, "codex", candidates)
    assert binary is None
    assert problem.where == "kai_install_codex_bin"
    assert problem.found == "'/opt/codex', which bob cannot execute"
    assert problem.expected == "a path that every account of codex can execute (used by Ada, Ben)"
    assert "make install CODEX_BIN=/absolute/path" in problem.fix


def changeable(path: str, source: str, *accounts: str) -> dict[str, Any]:
    changers = [{"path": path, "accounts": list(accounts), "everybody": False}]
    return {**seen(path, source), "changers": changers}


def test_one_that_an_account_could_turn_against_another_comes_last(
    contract: Contract, everybody: Configuration
) -> None:
    risky, own, safe = (
        changeable("/home/kai/bin/codex", "path", "kai"),
        changeable("/home/me/bin/codex", "path", "me"),
        seen("/usr/bin/codex", "usual"),
    )
    for candidates, path in (([risky, safe], safe["path"]), ([own, safe], own["path"])):
        chosen, problems = choose_binary(everybody, "codex", candidates)
        assert (chosen and chosen["path"], problems) == (path, [])
    chosen, [problem] = choose_binary(everybody, "codex", [risky])
    assert chosen is not None
    assert problem.where == "kai_install_codex_bin"
    assert "kai_install_trust_user_binaries: true" in problem.fix
    trusting = read_configuration(
        contract,
        variables(user(1, "Ada", os_user="alice"), agent_backend="codex", trust_user_binaries=True),
    )
    assert choose_binary(trusting, "codex", [risky, safe])[1] == []


def test_an_own_program_that_the_bot_finds_by_name_is_a_place_for_others(
    contract: Contract,
) -> None:
    ada = user(1, "Ada", os_user="alice")
    own = changeable("/home/alice/bin/claude", "path", "alice")
    read = read_configuration(contract, variables(ada, agent_backend="claude"))
    # its directory is searched for sudo, and for whatever else the bot and the agents start
    _, (problem,) = choose_binary(read, "claude", [own])
    assert "because its directory is in the search path of kai, alice" in problem.expected
    own = changeable("/home/alice/bin/codex", "path", "alice")
    read = read_configuration(contract, variables(ada, agent_backend="codex"))
    assert choose_binary(read, "codex", [own])[1] == []
    # the service user gives itself nothing
    own = changeable("/home/kai/bin/claude", "path", "kai")
    read = read_configuration(contract, variables(user(1, "Ada"), agent_backend="claude"))
    assert choose_binary(read, "claude", [own])[1] == []


def test_notes_about_who_can_change_a_program(contract: Contract, everybody: Configuration) -> None:
    def notes(candidate: dict[str, Any]) -> list[str]:
        chosen, _ = choose_binary(everybody, "codex", [candidate])
        assert chosen
        return notes_on_trust(everybody, "codex", chosen)

    assert notes(seen("/usr/bin/codex", "path")) == []
    assert notes(changeable("/home/me/codex", "path", "me")) == [
        "/home/me/codex can be changed by me (through /home/me/codex); it runs as alice, bob."
    ]
    assert notes({**seen("/nfs/codex", "path"), "changers": None}) == [
        "Which accounts can change /nfs/codex, which runs as alice, bob, is unknown."
    ]


def test_none_at_all_names_what_was_tried(contract: Contract, everybody: Configuration) -> None:
    binary, (problem,) = choose_binary(everybody, "codex", [])
    assert (binary, problem.found) == (None, "no codex on the host")
    assert "can execute it (sudo npm install --global @openai/codex), or run" in problem.fix
    candidates = [
        seen("/home/alice/bin/codex", "path", "bob cannot execute"),
        seen("/usr/bin/codex", "usual", "does not exist"),
    ]
    binary, (problem,) = choose_binary(everybody, "codex", candidates)
    assert binary is None
    assert problem.found == (
        "no codex on the host (/home/alice/bin/codex bob cannot execute; "
        "/usr/bin/codex does not exist)"
    )
    assert problem.expected == "codex installed for Ada, Ben"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/opt/claude-2.1/run", "is not named claude, and the bot starts it by that name"),
        ("/opt/a:b/claude", "has a colon, which separates directories in PATH"),
        ("/opt/(new)/claude", "has a control character, quote, backslash, glob or shell character"),
    ],
)
def test_a_path_that_the_bot_would_not_find(
    contract: Contract, everybody: Configuration, path: str, fault: str
) -> None:
    binary, (problem,) = choose_binary(everybody, "claude", [seen(path, "host_vars")])
    assert binary is None
    assert problem.found == f"{path!r}, which {fault}"
    # found on the host it is passed over
    usual = seen("/usr/bin/claude", "usual")
    other, problems = choose_binary(everybody, "claude", [seen(path, "path"), usual])
    assert problems == []
    assert other is not None
    assert other["path"] == "/usr/bin/claude"


EXTRACTING = {"memory_enabled": True, "memory_extraction_enabled": True, "extras": ["memory"]}


def with_memory(contract: Contract, *users: dict[str, Any], **settings: Any) -> Configuration:
    return read_configuration(contract, variables(*users, **(settings or EXTRACTING)))


def test_with_memory_extraction_the_service_user_has_to_execute_the_binary_too(
    contract: Contract,
) -> None:
    alice = user(1, "Ada", os_user="alice", agent_backend="codex")
    read = with_memory(contract, alice)
    assert read.problems == []
    [request] = probe_request(read)["binaries"]
    # it is nobody who runs it, so no login and no rule follows
    assert (request["accounts"], request["resolvers"]) == (["alice"], ["kai"])
    place = "/home/alice/bin/codex"
    shut = seen(place, "host_vars", "kai cannot execute, as it cannot enter /home/alice")
    _, [problem] = choose_binary(read, "codex", [shut])
    assert problem.where == "kai_install_codex_bin"
    assert problem.found.endswith("which kai cannot execute, as it cannot enter /home/alice")
    assert "and that kai can execute too" in problem.expected
    assert problem.fix.endswith("or set kai_install_memory_extraction_enabled to false")
    _, [problem] = choose_binary(read, "codex", [{**shut, "source": "path"}])
    assert problem.found.startswith(f"no codex on the host ({place} kai cannot execute")
    assert problem.fix.endswith("or set kai_install_memory_extraction_enabled to false")


def test_without_memory_extraction_only_those_who_run_it_have_to(contract: Contract) -> None:
    alice = user(1, "Ada", os_user="alice", agent_backend="codex")
    off = with_memory(contract, alice, memory_enabled=True, extras=["memory"])
    assert resolvers(off, "codex") == []
    # what the service user runs itself it is asked about once
    own = with_memory(contract, user(1, "Ada", agent_backend="codex"))
    assert resolvers(own, "codex") == []
    goose = user(1, "Ada", agent_backend="goose", llm_provider="ollama", model="x", os_user="alice")
    assert resolvers(with_memory(contract, goose), "goose") == []
