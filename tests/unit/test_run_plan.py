"""What a run does on a host, decided from the contract, the variables and one probe."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from samples import probe, user, variables

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.operator_files import fields_of_users, read_with_files
from kai_ansible.rules.run_plan import (
    PROBES,
    Subject,
    checkup_plan,
    host_plan,
    install_plan,
    logins_plan,
    refusals,
    rollback_plan,
    status_plan,
    uninstall_problems,
    use_usual_places,
)
from tests.conftest import ROOT

SOURCE = {
    "release": "a1",
    "requires_python": ">=3.13",
    "constrained": True,
    "extras": [],
    "features": [],
    "mode_variable": None,
}
LOCKED = {"where": "/run/lock", "found": "another run", "expected": "none", "fix": "wait"}
LOOSE = {"where": "/opt/kai", "found": "0777", "expected": "0755", "fix": "chmod"}
# what kai_probe sees of an installed host; None where a test does not look at it
INSTALLED: dict[str, Any] = {
    "fault": None,
    "live": "a1",
    "hangs": False,
    "going": [],
    "interrupted": False,
    "unfinished": None,
    "damaged": [],
    "installs": [],
    "is_recorded": False,
    "releases": [{"id": "a1", "state": "good", "live": True}],
    "service": {
        "unit": "kai",
        "active": True,
        "enabled": True,
        "release": "a1",
        "state": "active",
        "restarts": 0,
        "since": None,
        "pid": 7,
    },
    "health": 200,
    "strangers": [],
    "free_space": [],
    "key": "k",
    "files": {},
    "layout": {"changes": [], "refused": [], "unseen": []},
}


def subject(
    contract: Contract, given: Mapping[str, Any] | None = None, **texts: str | None
) -> Subject:
    """Return what a plan is made for; a template is its name and its values, as JSON."""
    given = variables() if given is None else given
    read = read_with_files(contract, given, texts)
    return Subject(read, given, texts, render)


def render(name: str, values: Mapping[str, Any]) -> str:
    return f"{name} {json.dumps(values)}"


def planned(contract: Contract, seen: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """Return the plan of an install."""
    given, source = more.pop("given", None), more.pop("source", SOURCE)
    seen = {"installed": INSTALLED, **(probe() if seen is None else seen)}
    return install_plan(subject(contract, given), seen, source, **more)


def wheres(problems: list[dict[str, str]]) -> list[str]:
    return [problem["where"] for problem in problems]


# before the probe


@pytest.mark.parametrize("purpose", PROBES)
def test_the_task_that_probes_passes_every_argument(contract: Contract, purpose: str) -> None:
    path = ROOT / "roles" / "kai_install" / "tasks" / "probe.yml"
    [task] = yaml.safe_load(path.read_text(encoding="utf-8"))
    probed = task["kai.bot.kai_probe"]
    request = host_plan(subject(contract), purpose)["probe"].keys()
    own = {"exclusive", "ask_logins", "release"}
    assert request <= probed.keys()
    left_out = [text for name, text in probed.items() if name not in {*request, *own}]
    assert all("default(omit" in text for text in left_out)


def test_an_install_is_refused_with_all_problems_and_a_rollback_only_with_its_own(
    contract: Contract,
) -> None:
    given = variables(webhook_port=0, install_dir="not absolute", agent_backend="none")
    bad = subject(contract, given)
    found = {problem.where for problem in refusals(bad, "install")}
    assert found >= {"kai_install_webhook_port", "kai_install_install_dir"}
    for purpose in ("rollback", "uninstall", "host"):
        assert [problem.where for problem in refusals(bad, purpose)] == ["kai_install_install_dir"]
    assert refusals(subject(contract, variables(webhook_port=0)), "rollback") == []


def test_a_status_of_a_place_that_is_refused_looks_at_the_usual_one(contract: Contract) -> None:
    bad = subject(contract, variables(install_dir="not absolute"))
    use_usual_places(bad.configuration)
    assert refusals(bad, "status") == []
    assert host_plan(bad, "status")["probe"]["install_dir"] == "/opt/kai"


def test_what_is_refused_of_a_host_breaks_no_plan(contract: Contract) -> None:
    for name in contract.host:
        bad = subject(contract, variables(**{name: {"no": "such value"}}))
        found = [problem.where for problem in refusals(bad, "install")]
        assert f"kai_install_{name}" in found, name


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("users:\n- {telegram_id: 1, name: Ada, os_user: alice, model: opus}\n", [], ""),
        ("", ["users_file"], "no users"),
        ("{}", ["users_file"], "no users"),
        ("users:\n", ["users_file"], "no users"),
        ("users: 3\n", ["users_file"], "int"),
        ("- 1\n", ["users_file"], "no users"),
        ("users: [", ["users_file"], "text that is not YAML"),
    ],
)
@pytest.mark.parametrize("port", [8080, 0])
def test_the_operators_own_users_yaml(
    contract: Contract, text: str, where: list[str], found: str, port: int
) -> None:
    given = variables(users_file="/srv/users.yaml", webhook_port=port)
    del given["kai_install_users"]
    problems = refusals(subject(contract, given, users_file=text), "install")
    other = [] if port else ["kai_install_webhook_port"]
    assert sorted(problem.where for problem in problems) == sorted(
        [f"kai_install_{name}" for name in where] + other
    )
    assert found in "".join(problem.found for problem in problems)


def test_every_file_of_the_operator_is_judged_before_an_install(contract: Contract) -> None:
    files = {"services_file": "services: 5", "workspaces_file": "[]"}
    problems = refusals(subject(contract, **files), "install")
    assert [problem.where for problem in problems] == [
        "kai_install_services_file.services",
        "kai_install_workspaces_file",
    ]


# an install


def test_a_first_install_is_planned_whole(contract: Contract) -> None:
    seen = probe(accounts={"kai": None, "alice": None})
    plan = planned(contract, seen, given=variables(create_os_users=True))
    assert plan["problems"] == []
    assert plan["changes"] is True
    assert plan["release"] == {
        "name": "a1",
        "line": "1",
        "is_built": False,
        "path": "/opt/kai/releases/a1",
        "archive": "/opt/kai/releases/.a1.tar.gz",
        "python": "/usr/bin/python3.13",
        "directories": [
            entry
            for entry in plan["directories"]
            if entry["path"] in ("/opt/kai", "/opt/kai/releases")
        ],
    }
    assert len(plan["release"]["directories"]) == 2
    assert plan["new_accounts"]["service"] == ["kai"]
    assert plan["new_accounts"]["agents"] == ["alice"]
    assert [entry["name"] for entry in plan["new_accounts"]["recorded"]] == ["kai", "alice"]
    assert plan["policy"]["is_new"] is True
    # no secret stands where it would be kept or printed
    env = contract.protected_files["env"].path
    assert plan["files"][0] == {"path": env, "mode": contract.protected_files["env"].mode}
    shown = json.dumps([plan["report"], plan["proof"], plan["files"][0], plan["release"]])
    assert variables()["kai_install_telegram_bot_token"] not in shown
    assert plan["proof"]["secret_keys"] == ["TELEGRAM_BOT_TOKEN", "WEBHOOK_SECRET"]


def test_the_operators_own_files_are_deployed_byte_for_byte(contract: Contract) -> None:
    text = "users:\n- {telegram_id: 1, name: Ada, os_user: alice}  # mine\n"
    given = variables(users_file="/srv/users.yaml", services_file="/srv/services.yaml")
    del given["kai_install_users"]
    own = subject(contract, given, users_file=text, services_file="services: {}\n")
    assert own.configuration.problems == []
    plan = install_plan(own, {**probe(), "installed": INSTALLED}, SOURCE)
    files = {entry["path"]: entry for entry in plan["files"]}
    assert files["/etc/kai/users.yaml"]["content"] == text
    assert files["/etc/kai/services.yaml"]["content"] == "services: {}\n"
    assert files["/etc/kai/services.yaml"]["given"] is True
    assert files["/etc/kai/workspaces.yaml"]["given"] is False


def test_a_release_that_is_built_needs_no_python(contract: Contract) -> None:
    release = {**probe()["release"], "complete": ["a1"]}
    assert planned(contract, probe(interpreters=[], release=release))["problems"] == []
    problems = planned(contract, probe(interpreters=[]))["problems"]
    assert wheres(problems) == ["kai_install_python"]


def test_a_system_that_is_not_supported_is_all_that_is_reported(contract: Contract) -> None:
    fault = {"where": "the host", "found": "plan9", "expected": "Linux", "fix": "use another"}
    plan = planned(contract, probe(platform="plan9", faults=[fault]))
    assert plan.keys() == {"problems"}
    assert fault in plan["problems"]


def test_what_was_agreed_to_is_done_and_nothing_else(contract: Contract) -> None:
    shown = planned(contract, check=True)["report"]["plan"]
    assert planned(contract, check=True)["report"]["changes"]
    assert planned(contract, agreed=shown)["problems"] == []
    [problem] = planned(contract, agreed={**shown, "files": "another"})["problems"]
    assert problem["where"] == "host_vars"
    [problem] = planned(contract, agreed={**shown, "release": "b2"})["problems"]
    assert problem["where"] == "kai_install_source"
    assert "release b2" in problem["expected"]
    # another value in the environment is another plan, though no file that is shown has it
    given = variables(telegram_bot_token="987654321:" + "B" * 35)
    assert wheres(planned(contract, given=given, agreed=shown)["problems"]) == ["host_vars"]


@pytest.mark.parametrize(("turns", "words"), [(2, "2 running turn(s)"), (None, "unknown"), (0, "")])
def test_a_check_reports_users_who_are_being_answered(
    contract: Contract, turns: int | None, words: str
) -> None:
    seen = probe(service={**probe()["service"], "turns": turns})
    notes = planned(contract, seen, check=True)["report"]["notes"]
    assert [note for note in notes if "running turn" in note][:1] == (
        [note for note in notes if words in note][:1] if words else []
    )
    assert not [n for n in planned(contract, seen)["report"]["notes"] if "running turn" in n]


def test_a_build_without_constraints_is_noted(contract: Contract) -> None:
    notes = planned(contract, source={**SOURCE, "constrained": False})["report"]["notes"]
    assert any("/src/kai has no" in note for note in notes)
    assert not any("/src/kai has no" in note for note in planned(contract)["report"]["notes"])


# the other runs


def test_a_rollback_knows_what_it_goes_back_to() -> None:
    installs = [
        {"number": number, "release": "a1", "snapshot": False, "time": "", "rolled_back_to": None}
        for number in (1, 2)
    ]
    seen = {**probe(), "installed": {**INSTALLED, "installs": installs}}
    chosen = {"number": 1}
    assert rollback_plan(seen, "", with_database=False) == {"problems": [], "rollback": chosen}
    assert rollback_plan(seen, "2", with_database=False)["rollback"]["number"] == 2
    [problem] = rollback_plan(seen, "", with_database=True)["problems"]
    assert "no snapshot" in problem["found"]
    installs[1]["snapshot"] = True
    chosen = {"number": 1, "database": 2}
    assert rollback_plan(seen, "", with_database=True) == {"problems": [], "rollback": chosen}


def test_a_rollback_reports_everything_that_prevents_it_at_once() -> None:
    seen = {**probe(lock={"problems": [LOCKED]}), "installed": INSTALLED}
    problems = rollback_plan(seen, "7", with_database=False)["problems"]
    assert wheres(problems) == ["/run/lock", "the install to go back to"]


@pytest.mark.parametrize(
    ("seen", "where"),
    [
        # what others can change is not even read
        ({"places": [LOOSE], "installed": None}, "/opt/kai"),
        ({"installed": {**INSTALLED, "fault": LOOSE, "installs": None}}, "/opt/kai"),
        ({"installed": {**INSTALLED, "installs": None}}, "the records of installs"),
    ],
)
def test_a_rollback_without_records_names_what_hides_them(seen: Any, where: str) -> None:
    plan = rollback_plan({**probe(), **seen}, "", with_database=False)
    assert wheres(plan["problems"]) == [where]


def test_an_uninstall_needs_what_is_of_no_single_install() -> None:
    damaged = [
        {"number": 3, "needed": True, "problem": LOOSE},
        {"number": None, "needed": True, "problem": LOCKED},
    ]
    assert uninstall_problems(probe(damaged=damaged)) == [LOCKED]


def test_logins_of_an_unsupported_system_are_refused_and_not_called_complete(
    contract: Contract,
) -> None:
    fault = {"where": "the host", "found": "plan9", "expected": "Linux", "fix": "another host"}
    plan = logins_plan(subject(contract), probe(platform="plan9", faults=[fault]))
    assert [problem["where"] for problem in plan["problems"]] == ["the host"]
    assert "logins_report" not in plan


def test_who_has_to_log_in_is_reported(contract: Contract) -> None:
    logins = [{"account": "alice", "backend": "claude", "logged_in": False}]
    report = logins_plan(subject(contract), probe(logins=logins))["logins_report"]
    assert [login["account"] for login in report["logins"]] == ["alice"]
    assert report["login_notice"]


def test_a_status_reports_an_invalid_configuration_and_goes_on(contract: Contract) -> None:
    bad = subject(contract, variables(webhook_port=0, secret_extra_env=["no mapping"]))
    use_usual_places(bad.configuration)
    plan = status_plan(bad, {**probe(), "installed": INSTALLED})
    assert plan["status"]["healthy"] is False
    assert any(line.startswith("kai_install_webhook_port: ") for line in plan["lines"])
    assert checkup_plan(bad, {**probe(), "installed": INSTALLED})["checkup"]["commands"] == []


def test_fields_of_users_are_named_by_user() -> None:
    ada = user(1, "Ada", os_user="alice")
    assert fields_of_users(json.dumps({"users": [ada]}))["Ada (1): os_user"] == "alice"
    assert fields_of_users("- no users") == {}
    assert fields_of_users("[" * 10**5) == {}
