"""What is said of variables that were written for another version of the contract."""

import json
from dataclasses import replace
from typing import Any

import pytest
from samples import variables

from kai_ansible.inventory.importing import from_host
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Change, Contract
from kai_ansible.rules.contract_changes import CONTRACT_VERSION, migrated
from kai_ansible.rules.host_record import recorded
from tests.later_contract import CHANGED, NEW_NAME, REMOVED, RENAMED, later

OLD = {RENAMED: 5, REMOVED: "http://gpu", CHANGED: 60}


@pytest.fixture
def newest() -> Contract:
    return later()


def places(problems: list[Any]) -> list[str]:
    return [problem.where for problem in problems]


def test_every_change_that_concerns_a_variable_is_reported_with_the_fix(
    newest: Contract,
) -> None:
    problems = read_configuration(newest, {**variables(), **OLD}).problems
    assert places(problems) == [RENAMED, REMOVED, CHANGED]
    told = [f"{problem}" for problem in problems]
    assert all(
        f"version {number} of the contract" in text
        for number, text in zip("223", told, strict=True)
    )
    assert f"expected {NEW_NAME}." in told[0]
    assert "releases that are kept are named by what they are" in told[0]
    assert "expected no such variable." in told[1]
    assert f"set {CONTRACT_VERSION} to 3" in told[2]
    assert all("kai-ansible migrate" in text for text in told)


def test_other_faults_are_reported_too_by_the_names_of_today(newest: Contract) -> None:
    read = read_configuration(newest, {**variables(webhook_port="no"), RENAMED: 0})
    assert places(read.problems) == [RENAMED, NEW_NAME, "kai_install_webhook_port"]


@pytest.mark.parametrize("version", [None, "", 1, "1", 2, 3])
def test_an_old_version_is_as_good_as_todays_where_no_change_concerns_it(
    newest: Contract, version: Any
) -> None:
    given = {**variables(), CONTRACT_VERSION: version, CHANGED: None}
    read = read_configuration(newest, given)
    assert (read.problems, read.notes) == ([], read_configuration(newest, variables()).notes)


def test_a_change_that_is_older_than_the_variables_does_not_concern_them(newest: Contract) -> None:
    given = {**variables(), CHANGED: 60}
    assert places(read_configuration(newest, {**given, CONTRACT_VERSION: 2}).problems) == [CHANGED]
    assert read_configuration(newest, {**given, CONTRACT_VERSION: 3}).problems == []


def test_a_newer_version_is_refused_and_nothing_else_is_judged(contract: Contract) -> None:
    given = {**variables(), CONTRACT_VERSION: 2, "kai_install_of_tomorrow": 1}
    [problem] = read_configuration(contract, given).problems
    assert problem.where == CONTRACT_VERSION
    assert "a newer kai-ansible wrote" in problem.found
    assert problem.fix.startswith("upgrade kai-ansible")


@pytest.mark.parametrize("version", [0, -1, "two", 1.5, [1]])
def test_a_version_that_is_none_is_refused(contract: Contract, version: Any) -> None:
    [problem] = read_configuration(contract, {**variables(), CONTRACT_VERSION: version}).problems
    assert problem.where == CONTRACT_VERSION
    assert "kai-ansible migrate" in problem.fix


def test_one_value_under_both_names_is_one_and_two_are_refused(newest: Contract) -> None:
    assert migrated(newest, {RENAMED: 5, NEW_NAME: 5}).faults == []
    found = migrated(newest, {RENAMED: 5, NEW_NAME: 6})
    assert found.variables == {NEW_NAME: 6}
    assert places(found.faults) == [RENAMED]
    assert f"remove {RENAMED} or {NEW_NAME}" in str(found.faults[0])


def test_changes_follow_one_another(newest: Contract) -> None:
    last = "kai_install_releases"
    shorter = Change(4, "shorter", renamed={NEW_NAME: last})
    found = migrated(replace(newest, version=4, changes=(*newest.changes, shorter)), {RENAMED: 5})
    assert found.variables == {last: 5}
    assert [(step.given, step.becomes) for step in found.steps] == [
        (RENAMED, NEW_NAME),
        (RENAMED, last),
    ]
    assert found.names == {RENAMED: last}
    gone = replace(
        newest,
        version=4,
        changes=(*newest.changes, Change(4, "none is kept", removed=(NEW_NAME,))),
    )
    assert migrated(gone, {RENAMED: 5}).names == {RENAMED: None}


def test_what_a_host_has_on_record_is_imported_by_the_names_of_today(
    contract: Contract, newest: Contract
) -> None:
    given = {**variables(), **OLD, CONTRACT_VERSION: 1}
    record = recorded(read_configuration(contract, given), given)
    assert record[CONTRACT_VERSION] == 1
    imported = from_host(newest, {newest.record.path: json.dumps(record)})
    assert imported.variables[NEW_NAME] == 5
    assert not {RENAMED, REMOVED, CONTRACT_VERSION} & set(imported.variables)
    assert any(f"{RENAMED} becomes {NEW_NAME}" in note for note in imported.notes)
    assert imported.problems == []


def test_a_record_of_a_newer_version_is_not_imported(contract: Contract) -> None:
    path = contract.record.path
    [problem] = from_host(contract, {path: json.dumps({CONTRACT_VERSION: 2})}).problems
    assert problem.where == f"{path}: {CONTRACT_VERSION}"
