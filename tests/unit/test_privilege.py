"""A run that is not root reports that alone, whatever else it seems to see."""

from typing import Any

import pytest
from samples import probe, user, variables
from test_diagnosis import NO_FAULTS
from test_host_status import status

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.diagnosis import checkup_request, diagnosis
from kai_ansible.rules.preflight import NOT_ROOT
from kai_ansible.rules.run_plan import (
    Subject,
    bars,
    install_plan,
    rollback_plan,
    uninstall_problems,
)

LOCKED = {"where": "/run/x", "found": "no access", "expected": "a lock", "fix": "rm /run/x"}
BLIND: dict[str, Any] = {
    "privileged": False,
    "places": [LOCKED],
    "faults": [LOCKED],
    "lock": {"path": "/run/x", "taken": False, "by": "", "problems": [LOCKED]},
    "damaged": [{"number": None, "needed": True, "problem": LOCKED}],
    "binaries": {},
}


@pytest.fixture
def subject(contract: Contract) -> Subject:
    read = read_configuration(contract, variables(user(os_user="alice")))
    return Subject(read, {}, {}, lambda *_: "")


def test_install_says_so_alone(subject: Subject) -> None:
    source: Any = {"release": "a", "requires_python": "", "constrained": True}
    seen: Any = probe(**BLIND)
    assert install_plan(subject, seen, source)["problems"] == [NOT_ROOT.as_dict()]


def test_every_other_change_says_so_alone() -> None:
    seen: Any = probe(**BLIND, installed={"fault": LOCKED})
    expected = [NOT_ROOT.as_dict()]
    assert bars(seen) == expected
    assert uninstall_problems(seen) == expected
    assert rollback_plan(seen, "", with_database=False)["problems"] == expected


def test_status_says_so_alone(contract: Contract) -> None:
    broken = {"fault": "cannot be seen", "path": "/x", "source": "host_vars"}
    report = status(contract, privileged=False, binary=broken, health=None, strangers=None)
    assert report["problems"] == [NOT_ROOT.as_dict()]
    assert not report["healthy"]


def test_doctor_says_so_alone_and_tries_nothing(contract: Contract, subject: Subject) -> None:
    report: Any = status(contract, privileged=False, strangers=None)
    seen: Any = probe(**BLIND)
    checkup: Any = {**NO_FAULTS, "policy": "cannot be read", "trespasses": ["alice sees all"]}
    [finding] = diagnosis(subject.configuration, seen, None, report, checkup)
    assert finding.fix == NOT_ROOT.fix
    wanted = desired_state(subject.configuration, probe())  # type: ignore[arg-type]
    seen["installed"] = {"live": "a"}
    request = checkup_request(subject.configuration, seen, wanted)
    assert (request["service_user"], request["visudo"]) == (None, None)
    assert request["commands"] == request["private_directories"] == []


def test_an_unsupported_system_is_the_problem_and_not_the_privilege() -> None:
    assert bars(probe(privileged=False, platform="")) == []  # type: ignore[arg-type]
