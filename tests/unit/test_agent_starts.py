"""Each agent is started before the first change, as its account and with its environment."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import probe, user, variables
from test_host_status import BINARY, status

from kai_ansible.host.look import agent_starts
from kai_ansible.host.look.host import Host
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state


def account(name: str, home: str = "/none") -> pwd.struct_passwd:
    """Return an entry of passwd for the account that runs the tests."""
    return pwd.struct_passwd((name, "x", os.getuid(), os.getgid(), "", home, "/bin/sh"))


Start = Callable[..., dict[str, Any]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a program of a text and a mode as some accounts; return its candidate."""

    def begin(
        text: str, *names: str, mode: int = 0o755, rules: str = "", named: str = ""
    ) -> dict[str, Any]:
        program = tmp_path / "agent"
        program.write_text(text)
        program.chmod(mode)
        candidate: dict[str, Any] = {"path": str(program), "source": "path", "fault": None}
        candidate["changers"] = []
        host = object.__new__(Host)
        host.facts = {"search_path": ["{service_home}/bin", str(tmp_path), "/usr/bin", "/bin"]}
        request = {"backend": "codex", "accounts": names or ("alice",)}
        host.parameters = {
            "binaries": [{**request, "env_key": "" if named else "CODEX_BIN"}],
            "versions": True,
            "trust_user_binaries": True,
            "service_user": "kai",
        }
        host.accounts = {"kai": account("kai", "/home/kai")}
        monkeypatch.setattr(host, "may_ask", lambda _account: True)
        monkeypatch.setattr("kai_ansible.host.system.start_as", lambda _account: {})
        monkeypatch.setattr(agent_starts, "account_of", account)
        found: Any = {"codex": [candidate]}
        agent_starts.finish_starts(host, agent_starts.begin_starts(host, found, rules))
        return candidate

    return begin


def test_an_agent_that_starts_tells_its_version(start: Start) -> None:
    found = start("#!/bin/sh\necho codex 1.2.3\n")
    assert found["version"] == "1.2.3"
    assert [(one["account"], one["fault"]) for one in found["starts"]] == [("alice", "")]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        # npm's codex under nvm, on a host without another node
        ("#!/usr/bin/env node-of-nvm\n", 0o755, "node-of-nvm"),
        ("#!/opt/nvm/bin/node\n", 0o755, "No such file"),
        ("#!/bin/sh\nexec ld-of-nothing\n", 0o755, "ld-of-nothing"),
        ("#!/bin/sh\necho 'cannot open libssl.so.3' >&2; exit 127\n", 0o755, "libssl.so.3"),
        ("#!/bin/sh\nkill -ILL $$\n", 0o755, "SIGILL"),
        ("#!/bin/sh\necho 1.0\n", 0o644, "denied"),
    ],
)
def test_an_agent_that_does_not_start_is_a_fault_with_its_reason(
    start: Start, text: str, mode: int, said: str
) -> None:
    found = start(text, mode=mode)
    assert said in found["starts"][0]["fault"]
    assert found["version"] == ""


def test_an_agent_that_is_late_is_unknown_and_not_broken(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_starts, "VERSION_SECONDS", 0.3)
    found = start("#!/bin/sh\nexec sleep 60\n")
    assert found["version"] is None
    assert [(one["late"], one["fault"]) for one in found["starts"]] == [(True, "")]


def test_a_program_that_hangs_is_not_waited_for_once_per_account(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_starts, "VERSION_SECONDS", 0.3)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    names = [f"user{number}" for number in range(20)]
    found = start(f"#!/bin/sh\necho >>{tmp_path}/starts\nexec sleep 60\n", *names)
    assert [one["late"] for one in found["starts"]] == [True] * len(names)
    assert found["version"] is None
    assert (tmp_path / "starts").read_text() == "\n"


def test_a_busy_host_has_time_enough() -> None:
    assert agent_starts.VERSION_SECONDS >= 60


def test_each_account_starts_it_with_the_path_that_it_will_have(start: Start) -> None:
    found = start("#!/bin/sh\necho 1.2.3\n", "alice", "kai", named="by name")
    home = Path(found["path"]).parent
    assert [one["path"] for one in found["starts"]] == [
        f"{home}:/usr/bin:/bin",
        f"{home}:/home/kai/bin:/usr/bin:/bin",
    ]


def test_of_the_accounts_that_were_verified_one_starts_it_again(
    start: Start, tmp_path: Path
) -> None:
    rules = "".join(
        f"kai ALL=({name}) NOPASSWD: SETENV: {tmp_path}/agent\n" for name in ("alice", "bob")
    )
    found = start("#!/bin/sh\necho 1.2.3\n", "alice", "bob", "carol", rules=rules)
    assert [one["account"] for one in found["starts"]] == ["alice", "carol"]


def test_a_fault_of_one_account_is_told_from_one_of_the_program(start: Start) -> None:
    found = start('#!/bin/sh\n[ "$USER" = nobody ] || exit 3\necho 1.2.3\n')
    assert [(one["account"], bool(one["fault"])) for one in found["starts"]] == [
        ("alice", True),
        ("nobody", False),
    ]


FAULT = {
    "account": "alice",
    "path": "/usr/bin",
    "command": "/usr/local/bin/codex --version",
    "version": "",
    "fault": "it ends with exit code 127: env: 'node': No such file or directory",
    "late": False,
}


def plan(contract: Contract, starts: list[dict[str, Any]], live: str | None) -> Any:
    configuration = read_configuration(
        contract, variables(user(os_user="alice", agent_backend="codex"))
    )
    seen = probe()
    seen["release"]["live"] = live
    seen["binaries"]["codex"][0]["starts"] = starts
    return desired_state(configuration, seen)  # type: ignore[arg-type]


@pytest.mark.parametrize("live", [None, "a"])
def test_what_does_not_start_stops_an_install_before_the_first_change(
    contract: Contract, live: str | None
) -> None:
    [problem] = plan(contract, [FAULT], live)["problems"]
    assert problem["where"] == "/usr/local/bin/codex"
    assert "'node': No such file" in problem["found"]
    assert "sudo -H -u alice env PATH=/usr/bin /usr/local/bin/codex --version" in problem["fix"]


def test_one_account_keeps_nobody_from_an_upgrade(contract: Contract) -> None:
    other = {**FAULT, "account": "nobody", "fault": "", "version": "1.2.3"}
    assert plan(contract, [FAULT, other], None)["problems"]
    found = plan(contract, [FAULT, other], "a")
    assert found["problems"] == []
    assert any("'node': No such file" in note for note in found["notes"])


def test_a_late_start_stops_no_install(contract: Contract) -> None:
    found = plan(contract, [{**FAULT, "fault": "", "late": True}], None)
    assert found["problems"] == []
    assert any("is unknown" in note for note in found["notes"])


def test_status_reports_a_late_start_as_unknown_and_a_failed_one_as_a_problem(
    contract: Contract,
) -> None:
    late = {**BINARY, "version": None, "starts": [{**FAULT, "fault": "", "late": True}]}
    report = status(contract, binary=late)
    assert report["problems"] == []
    assert ["no result within the time limit" in one["found"] for one in report["unknown"]] == [
        True
    ]
    report = status(contract, binary={**BINARY, "version": "", "starts": [FAULT]})
    assert ["does not start as alice" in one["found"] for one in report["problems"]] == [True]
