"""What a status says of a host of Kai 2: profiles, the workshop, and the mode in the unit."""

from typing import Any

import pytest
from samples import probe, user, variables
from test_host_status import SERVICE, installed

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.rules.configuration import Configuration, read_configuration
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.line_status import deployed_source, profile_of, tree_of, unknown_workshop
from kai_ansible.rules.principal_ids import (
    channel_of_telegram,
    principal_of_telegram,
    profile_of_telegram,
)
from kai_ansible.rules.status import host_status
from kai_ansible.rules.yaml_text import yaml_text
from kai_ansible.terminal.status_view import users_table

CONTRACT = contract_of_line("2")
WORKSHOP = "wsp_" + "1" * 32
PROFILES = CONTRACT.protected_files[CONTRACT.profiles or ""].path
UNIT = CONTRACT.platforms["linux"].unit.path
OWN = profile_of_telegram(1)
PROFILE: dict[str, Any] = {
    "display_name": "Ada",
    "os_user": "alice",
    "backend": "claude",
    "provider": "anthropic",
    "model": "sonnet",
    "timeout_seconds": 120,
    "allowed_services": [],
    "allowed_workspaces": [],
    "home_workspace": None,
    "workspace_base": None,
}
VERSION_1 = {
    "version": 1,
    "runtime_profiles": {OWN: {**PROFILE, "compatibility_runtime_config_id": 1}},
}
VERSION_2 = {
    "version": 2,
    "backend_selection_policy_version": 1,
    "runtime_profiles": {
        OWN: {**PROFILE, "maximum_timeout_seconds": 600, "allowed_backends": ["claude"]}
    },
    "legacy_runtime_archive": {
        "version": 1,
        "removal_gate": "canonical_runtime_state_v1",
        "runtime_keys": {OWN: 1},
    },
}


def configuration() -> Configuration:
    settings = {"default_backend": "claude", "kai_enabled_adapters": "workshop"}
    given = {
        name: value
        for name, value in variables(user(1, "Ada", os_user="alice"), **settings).items()
        if name not in CONTRACT.elsewhere
    }
    read = read_configuration(CONTRACT, given)
    assert read.problems == []
    return read


def seen(
    document: Any = VERSION_1,
    workshop: dict[str, Any] | None = None,
    unit: str | None = None,
    layout: dict[str, Any] | None = None,
) -> Any:
    known = {"id": WORKSHOP, "assigned": [OWN], "owners": {}, "fault": None}
    files = {UNIT: {"kind": "file", "text": unit}} if unit is not None else {}
    nothing: dict[str, Any] = {"changes": [], "unseen": [], "refused": []}
    return probe(
        programs=dict.fromkeys(CONTRACT.programs, "/bin/x"),
        installed=installed(files=files, layout=layout or nothing, service=SERVICE),
        texts={PROFILES: yaml_text(document) if document else None},
        workshop=workshop or known,
    )


def status(**more: Any) -> Any:
    read, found = configuration(), seen(**more)
    desired = desired_state(read, found, deployed_source(CONTRACT, found))
    return host_status(read, found, desired, [])


@pytest.mark.parametrize("document", [VERSION_1, VERSION_2])
def test_each_user_has_account_backend_profile_and_directories(document: Any) -> None:
    found = status(document=document)
    assert found["line"] == "2"
    [person] = found["users"]
    told = [person[name] for name in ("account", "backend", "profile", "tree")]
    assert told == ["alice", "claude", OWN, "complete"]
    columns, [row] = users_table(found["users"])
    assert columns[-2:] == ["Profile", "Directories"]
    assert row[-2:] == ["yes", "complete"]
    assert not any("version 2" in problem["found"] for problem in found["problems"])


def test_a_user_without_a_profile_is_told_so() -> None:
    for document in (None, {"version": 1, "runtime_profiles": {}}, [1]):
        [person] = status(document=document)["users"]
        assert person["profile"] is None
    [stated] = configuration().users
    entry = {"runtime_profile_id": OWN}
    assert profile_of(VERSION_2, entry, stated) == OWN
    assert profile_of({"version": 1, "runtime_profiles": {}}, entry, stated) is None


@pytest.mark.parametrize("name", ["home", "memory", "preferences", "files", "history"])
def test_a_missing_directory_makes_a_tree_incomplete(name: str) -> None:
    principal = principal_of_telegram(WORKSHOP, 1)
    part = channel_of_telegram(WORKSHOP, 1) if name == "history" else principal
    path = f"/var/lib/kai/{name}/{part}"
    change = {"path": path, "before": "", "after": "x"}
    layout = {"changes": [change], "unseen": [], "refused": []}
    [person] = status(layout=layout)["users"]
    assert person["tree"] == "incomplete"
    change["path"] = f"/var/lib/kai/{name}/{principal_of_telegram(WORKSHOP, 2)}"
    [person] = status(layout=layout)["users"]
    assert person["tree"] == "complete"


def test_before_the_first_start_there_is_no_tree_and_unread_is_unknown() -> None:
    [entry], [person] = configuration().entries, configuration().users
    new = seen(workshop={"id": None, "assigned": [], "owners": {}, "fault": None})
    assert tree_of(CONTRACT, entry, person, new) == "incomplete"
    locked = seen(workshop={"id": None, "assigned": None, "owners": {}, "fault": "kai.db: locked"})
    assert tree_of(CONTRACT, entry, person, locked) == "unknown"
    assert unknown_workshop(CONTRACT, new) == []
    [problem] = unknown_workshop(CONTRACT, locked)
    assert "kai.db: locked" in problem.found
    found = status(workshop={"id": None, "assigned": None, "owners": {}, "fault": "kai.db: locked"})
    assert "the database of the bot" in [one["where"] for one in found["unknown"]]
    assert unknown_workshop(contract_of_line("2.0"), locked) == []


def test_a_profile_that_the_database_assigns_and_nobody_has_is_a_problem() -> None:
    other = profile_of_telegram(2)
    found = status(workshop={"id": WORKSHOP, "assigned": [OWN, other], "owners": {}, "fault": None})
    [problem] = [one for one in found["problems"] if one["where"] == f"{PROFILES}: {other}"]
    assert "no such profile" in problem["found"]
    assert not found["healthy"]


def test_the_mode_in_the_unit_is_no_drift() -> None:
    """Its name comes from the source, which a status does not read."""
    named = '[Service]\nEnvironment="PATH=/bin"\nEnvironment="KAI_SOME_MODE=protected"\n'
    assert deployed_source(CONTRACT, seen(unit=named))["mode_variable"] == "KAI_SOME_MODE"
    desired = desired_state(configuration(), seen(), deployed_source(CONTRACT, seen(unit=named)))
    assert desired["unit"]["environment"]["KAI_SOME_MODE"] == "protected"
    other = named.replace("=protected", "=single_user")
    for unit in (other, "[Service]\n", None, named + 'Environment="B=protected"\n'):
        assert deployed_source(CONTRACT, seen(unit=unit))["mode_variable"] is None
    # a line without a mode has no variable for it
    assert deployed_source(contract_of_line("2.0"), seen(unit=named))["mode_variable"] is None


def test_profiles_of_version_2_come_from_a_source_that_reads_them() -> None:
    assert deployed_source(CONTRACT, seen(VERSION_2))["features"] == ["helpers"]
    assert deployed_source(CONTRACT, seen(VERSION_1))["features"] == []


def test_rules_for_a_helper_come_from_a_source_that_has_it() -> None:
    probed = seen(VERSION_1)
    rules = f"kai ALL=(root) NOPASSWD: {CONTRACT.helpers[0].path} *\n"
    probed["installed"]["files"][CONTRACT.sudoers.path] = {"kind": "file", "text": rules}
    assert deployed_source(CONTRACT, probed)["features"] == ["helpers"]
    probed["installed"]["files"][CONTRACT.sudoers.path]["text"] = rules.replace("kai/", "other/")
    assert deployed_source(CONTRACT, probed)["features"] == []
    # who cannot read the rules sees the programs
    probed["installed"]["files"][CONTRACT.sudoers.path] = {"kind": "unseen"}
    assert deployed_source(CONTRACT, probed)["features"] == []
    probed["installed"]["files"][CONTRACT.helpers[0].path] = {"kind": "file", "text": None}
    assert deployed_source(CONTRACT, probed)["features"] == ["helpers"]
