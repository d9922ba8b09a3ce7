"""A run that only reads is as root where that is possible, and without root elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible import as_root
from kai_ansible.ansible.failures import FailedTask
from kai_ansible.ansible.playbooks import STATUS
from kai_ansible.ansible.reading import HostReading, Reading
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import Outcome

HOSTS = {"here": HostReading(local=True), "far": HostReading(ssh=["ssh", "far"])}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run[Any]]:
    """The runs so far; sudo refuses the host far, and this account cannot become root here."""
    seen: list[Run[Any]] = []

    def run_playbook(run: Run[Any], listener: Callable[..., None]) -> Outcome[Any]:
        seen.append(run)
        become = run.variables["kai_become"]
        failed = [host for host in run.hosts if host == "far" and become]
        failures = [
            FailedTask(host, "Probe", "sudo: a password is required", "") for host in failed
        ]
        reports = {host: become for host in run.hosts if host not in failed}
        return Outcome(not failures, False, reports, failures, {}, None)

    monkeypatch.setattr(as_root, "run_playbook", run_playbook)
    monkeypatch.setattr(as_root, "may_become_root", lambda: False)
    return seen


def request(**more: Any) -> Run[Any]:
    return Run(STATUS, Path("inventory"), [*HOSTS], reading=Reading(HOSTS), **more)


def test_a_host_without_root_is_read_without_it(runs: list[Run[Any]]) -> None:
    outcome = as_root.run_as_root_if_possible(request(variables={"kai_x": 1}))
    assert outcome.reports == {"here": False, "far": False}
    assert (outcome.succeeded, outcome.failures) == (True, [])
    assert [(run.hosts, run.variables) for run in runs] == [
        (["far"], {"kai_x": 1, "kai_become": True}),
        (["here", "far"], {"kai_x": 1, "kai_become": False}),
    ]


def test_a_given_password_has_to_be_right(runs: list[Run[Any]]) -> None:
    outcome = as_root.run_as_root_if_possible(request(become_password="wrong"))
    assert outcome.reports == {"here": True}
    assert [failure.host for failure in outcome.failures] == ["far"]
    assert not outcome.succeeded
    assert len(runs) == 1


def test_a_kept_password_is_tried_and_not_taken_along(runs: list[Run[Any]]) -> None:
    outcome = as_root.run_as_root_if_possible(request(become_passwords={"here": "kept"}))
    assert outcome.reports == {"here": True, "far": False}
    assert [run.become_passwords for run in runs] == [{"here": "kept"}, {}]


def test_root_is_not_asked_for_where_no_host_is_this_machine(
    runs: list[Run[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_root, "may_become_root", lambda: pytest.fail("sudo was asked"))
    run = Run(STATUS, Path("inventory"), ["far"], reading=Reading(HOSTS))
    assert as_root.run_as_root_if_possible(run).reports == {"far": False}


def test_an_interrupted_run_is_no_result(
    runs: list[Run[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome: Outcome[Any] = Outcome(False, True, {}, [], {}, None)
    monkeypatch.setattr(as_root, "run_playbook", lambda *_: outcome)
    with pytest.raises(KeyboardInterrupt):
        as_root.run_as_root_if_possible(request())


def test_what_ends_ansible_itself_is_not_tried_again(
    runs: list[Run[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = FailedTask("", "Start Ansible", "no become plugin sudo", "")
    outcome: Outcome[Any] = Outcome(False, False, {}, [failure], {}, None)
    monkeypatch.setattr(as_root, "run_playbook", lambda *_: outcome)
    monkeypatch.setattr(as_root, "may_become_root", lambda: True)
    assert as_root.run_as_root_if_possible(request()).failures == [failure]


def test_a_fault_that_a_module_found_is_not_tried_again(
    runs: list[Run[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = FailedTask("far", "Probe", "/etc/sudoers.d is a file", "", module_ran=True)
    outcome: Outcome[Any] = Outcome(False, False, {}, [failure], {}, None)
    monkeypatch.setattr(as_root, "run_playbook", lambda *_: outcome)
    monkeypatch.setattr(as_root, "may_become_root", lambda: True)
    assert as_root.run_as_root_if_possible(request()).failures == [failure]
