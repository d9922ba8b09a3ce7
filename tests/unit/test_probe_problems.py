"""The holder that blocks the lock of a host is reported correctly."""

import errno
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host.look import agents, lock, storage
from kai_ansible.host.look.host import Host
from kai_ansible.host.run_lock import run_of_process


def locked(path: str) -> dict[str, Any]:
    host = object.__new__(Host)
    host.facts = {"lock": path}
    run = run_of_process(os.getpid(), "ada", "bot").as_dict()
    host.parameters = {"run": run, "ended_run": None}
    [problem] = lock.probe_lock(host)["problems"]
    return dict(problem)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_run_is_reported_as_that(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number), "/run/kai-ansible.lock")

    monkeypatch.setattr(lock, "take", full)
    problem = locked("/run/kai-ansible.lock")
    assert problem["where"] == "/run"
    assert problem["found"].startswith("no free space")
    assert "df -h /run" in problem["fix"]
    assert "rm " not in problem["fix"]


def test_only_what_is_no_record_is_to_be_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("something else")
    assert f"rm -r {lock}" in locked(str(lock))["fix"]


@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
def test_what_lies_in_place_of_a_file_is_neither_read_nor_waited_for(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "env"
    make: dict[str, Any] = {"pipe": os.mkfifo, "directory": os.mkdir}
    make.get(kind, lambda place: place.symlink_to("/etc/passwd"))(path)
    host = object.__new__(Host)
    host.faults, host.privileged = [], True
    assert host.deployed(str(path)) is None
    [problem] = host.faults
    assert problem.fix == f"move it away on the host: mv {path} {path}.old"


def test_the_home_of_an_account_is_seen(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kinds = {"": "directory", "file": "file", "none": "absent", "file/below": "absent"}
    host = object.__new__(Host)
    entry = pwd.getpwnam("nobody")
    host.accounts = {"gone": None}
    for name in kinds:
        fields = [*entry]
        fields[5] = str(tmp_path / name)
        host.accounts[f"of {name}"] = pwd.struct_passwd(fields)
    seen = storage.accounts_seen(host)
    assert seen.pop("gone") is None
    assert {name: found and found["home_kind"] for name, found in seen.items()} == {
        f"of {name}": kind for name, kind in kinds.items()
    }


def test_a_binary_is_tried_by_who_runs_it_and_by_who_looks_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def fault_of(path: str, accounts: list[str]) -> str | None:
        tried.append((path, accounts))
        return "kai cannot execute"

    host = object.__new__(Host)
    monkeypatch.setattr(host, "fault_of", fault_of)
    request = {"wanted": "/home/alice/codex", "accounts": ["alice"], "resolvers": ["kai"]}
    [found] = agents.candidates(host, request, {}, "", [])
    assert tried == [("/home/alice/codex", ["alice", "kai"])]
    assert found["fault"] == "kai cannot execute"
    assert "changers" not in found
