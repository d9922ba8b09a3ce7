"""What an install of Kai 2 brings about, from host_vars and a probe."""

import ast
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from samples import TOKEN, probe, user

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.rules.bootstrap_plan import BootstrapPlan, encode
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.line_status import deployed_source
from kai_ansible.rules.operator_files import read_with_files
from kai_ansible.rules.principal_ids import (
    channel_of_telegram,
    principal_of_key,
    principal_of_telegram,
    profile_of_key,
    profile_of_telegram,
)
from kai_ansible.rules.run_plan import (
    Subject,
    checkup_plan,
    files_to_compare,
    host_plan,
    install_plan,
)
from kai_ansible.rules.user_places import placed

W = "wsp_" + "0123456789abcdef" * 2
PROFILES = "/etc/kai/runtime-profiles.yaml"
SOURCE: dict[str, Any] = {
    "release": "a1",
    "requires_python": ">=3.13",
    "constrained": True,
    "extras": [],
    "features": [],
    "mode_variable": None,
}
INSTALLED: dict[str, Any] = {
    "fault": None,
    "live": None,
    "hangs": False,
    "interrupted": False,
    "going": [],
    "installs": [],
    "is_recorded": False,
    "key": "k",
    "service": {"active": False, "enabled": False},
    "files": {},
    "layout": {"changes": [], "refused": [], "unseen": []},
}
ADA = user(os_user="alice")
BOB = user(2, "Bob", os_user="bob", backend="codex", role="user")


@pytest.fixture
def line_2() -> Contract:
    return contract_of_line("2")


def given(*users: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return variables of a valid installation of Kai 2."""
    return {
        "kai_install_source": "/src/kai",
        "kai_install_telegram_bot_token": TOKEN,
        "kai_install_default_backend": "claude",
        "kai_install_users": list(users) or [ADA, BOB],
        **{f"kai_install_{name.lower()}": value for name, value in settings.items()},
    }


def render(name: str, values: Mapping[str, Any]) -> str:
    return f"{name} {json.dumps(values, default=str)}"


def subject(contract: Contract, variables: dict[str, Any]) -> Subject:
    return Subject(read_with_files(contract, variables, {}), variables, {}, render)


def seen(workshop: str | None = None, text: str | None = None, **more: Any) -> dict[str, Any]:
    """Return what a probe finds."""
    assigned: list[str] = more.pop("assigned", [])
    owners: dict[str, Any] = {
        profile: {"channels": [one["channel"]], **one}
        for profile, one in more.pop("owners", {}).items()
    }
    programs = dict.fromkeys(("setfacl", "gh", "python3", *probe()["programs"]), "/bin/x")
    return {
        "installed": INSTALLED,
        **probe(programs=programs, **more),
        "texts": {PROFILES: text},
        "workshop": {"id": workshop, "assigned": assigned, "owners": owners, "fault": None},
    }


def unread() -> dict[str, Any]:
    """Return what a probe finds that could not read the database."""
    nothing = {"id": None, "assigned": None, "owners": {}, "fault": "kai.db: locked"}
    return {**seen(), "workshop": nothing}


def planned(
    contract: Contract, found: dict[str, Any], variables: dict[str, Any], **more: Any
) -> Any:
    source = {**SOURCE, **more.pop("source", {})}
    if isinstance(more.get("workshop"), str):
        more["workshop"] = seen(more["workshop"])["workshop"]
    return install_plan(subject(contract, variables), found, source, **more)  # type: ignore[arg-type]


def text_of(plan: Any, path: str) -> str:
    return next(str(one["content"]) for one in plan["files"] if one["path"] == path)


def wheres(contract: Contract, *users: dict[str, Any], **settings: Any) -> list[str]:
    found = read_with_files(contract, given(*users, **settings), {})
    return [problem.where for problem in found.problems]


def test_a_valid_configuration_has_no_problem(line_2: Contract) -> None:
    plan = planned(line_2, seen(), given())
    assert plan["problems"] == []


def test_users_whom_kai_2_1_cannot_tell_apart_are_named(line_2: Contract) -> None:
    same = given(ADA, user(2, "ADA!", os_user="bob", backend="codex", role="user"))
    assert planned(line_2, seen(), same)["problems"] == []
    [problem] = planned(line_2, seen(), same, source={"features": ["handles"]})["problems"]
    assert problem["where"] == "kai_install_users[1].name"
    assert "the handle ada" in problem["found"]


HELPERS = {"features": ["helpers"]}
MODELS_OF_2_1 = {"features": ["claude_models"]}


@pytest.mark.parametrize(
    ("variables", "where", "model"),
    [
        (given({**ADA, "model": "opus[1m]"}), "users[0].model", "opus[1m]"),
        (given({**ADA, "models": {"pr_review": "best"}}), "users[0].models.pr_review", "sonnet"),
        (given(ADA, default_model="opusplan"), "default_model", "opusplan"),
    ],
)
def test_a_model_of_2_1_is_refused_only_for_a_source_before_it(
    line_2: Contract, variables: dict[str, Any], where: str, model: str
) -> None:
    [problem] = planned(line_2, seen(), variables)["problems"]
    assert problem["where"] == f"kai_install_{where}"
    assert "kai_install_source" in problem["fix"]
    plan = planned(line_2, seen(), variables, source=MODELS_OF_2_1)
    assert plan["problems"] == []
    profile = yaml.safe_load(text_of(plan, PROFILES))["runtime_profiles"][profile_of_telegram(1)]
    assert profile["model"] == model


def test_2_0_has_no_model_of_2_1() -> None:
    refused = wheres(contract_of_line("2.0"), {**ADA, "model": "opus[1m]"})
    assert refused == ["kai_install_users[0].model"]


def test_a_field_that_the_source_does_not_read_is_refused(line_2: Contract) -> None:
    linked = {**ADA, "runtime_profile_id": "rtp_" + "a" * 32}
    [problem] = planned(line_2, seen(), given(linked))["problems"]
    assert problem["where"] == "kai_install_users[0].runtime_profile_id"
    assert planned(line_2, seen(), given(linked), source=HELPERS)["problems"] == []


def test_the_name_on_github_is_in_the_profile_that_2_1_reads(line_2: Contract) -> None:
    named = given({**ADA, "github": "ada"})
    for source, login in ((HELPERS, "ada"), ({}, None)):
        text = text_of(planned(line_2, seen(), named, source=source), PROFILES)
        profile = yaml.safe_load(text)["runtime_profiles"][profile_of_telegram(1)]
        assert profile.get("github_login") == login


def test_a_source_with_helpers_gets_them_and_their_rules(line_2: Contract) -> None:
    paths = [helper.path for helper in line_2.helpers]
    for source, is_given in (({}, False), (HELPERS, True)):
        plan = planned(line_2, seen(W), given(), source=source)
        files = {file["path"]: file for file in plan["files"]}
        assert {files[path]["absent"] for path in paths} == {not is_given}
        rules = text_of(plan, "/etc/sudoers.d/kai")
        assert all((path in rules) == is_given for path in paths)
        proofs = [proof["what"] for proof in plan["proof"]["commands"]]
        assert all((f"the bot may run {path}" in proofs) == is_given for path in paths)


def test_helpers_know_the_users_once_the_workshop_is_known(line_2: Contract) -> None:
    path = "/etc/kai/read-principal-document"
    ada = principal_of_telegram(W, 1)
    before = planned(line_2, seen(), given(), source=HELPERS)
    assert before["files_of_users"] == []
    assert ada not in text_of(before, path)
    after = planned(line_2, seen(), given(), source=HELPERS, workshop=W)
    [file] = [file for file in after["files_of_users"] if file["path"] == path]
    assert file["content"] == text_of(after, path)
    assert ada in file["content"]
    # nothing is written that the source does not ask for
    assert planned(line_2, seen(), given(), workshop=W)["files_of_users"] == []


def test_the_outbox_of_a_user_is_private_to_the_agent(line_2: Contract) -> None:
    plan = planned(line_2, seen(W), given(), source=HELPERS)
    path = f"/var/lib/kai/files/{principal_of_telegram(W, 1)}/outbox"
    [outbox] = [one for one in plan["private_directories"] if one["path"] == path]
    assert (outbox["account"], outbox["only_reads"]) == ("alice", False)
    assert "kai" not in {one["account"] for one in plan["private_directories"]}


def test_no_proof_of_a_helper_runs_as_an_agent(line_2: Contract) -> None:
    plan = planned(line_2, seen(W), given(), source=HELPERS)
    helpers = {helper.path for helper in line_2.helpers}
    proofs = [one["argv"] for one in plan["proof"]["commands"] if helpers & set(one["argv"])]
    assert len(proofs) == len(helpers)
    assert {tuple(argv[:4]) for argv in proofs} == {("sudo", "-n", "-l", "--")}


def with_rules(line_2: Contract, workshop: str | None) -> Any:
    """Return what a probe finds on a host with a rule for a helper."""
    rules = f"kai ALL=(root) NOPASSWD: {line_2.helpers[0].path} *\n"
    files = {line_2.sudoers.path: {"kind": "file", "text": rules}}
    return {**seen(workshop), "installed": {**INSTALLED, "live": "a1", "files": files}}


def test_doctor_asks_for_the_rules_of_helpers(line_2: Contract) -> None:
    request = checkup_plan(subject(line_2, given()), with_rules(line_2, W))["checkup"]
    asked = {word for one in request["commands"] for word in one["argv"]}
    assert {helper.path for helper in line_2.helpers} <= asked


def test_helpers_of_unknown_users_are_not_compared(line_2: Contract) -> None:
    names_users = {helper.path for helper in line_2.helpers if helper.documents}
    for workshop, compared in ((W, names_users), (None, set())):
        found, ours = with_rules(line_2, workshop), subject(line_2, given())
        source = deployed_source(line_2, found)
        desired = desired_state(ours.configuration, found, source)
        files = files_to_compare(ours, desired, found)
        assert {file.path for file in files} & names_users == compared


def test_the_data_of_a_backup_may_have_another_workshop(line_2: Contract) -> None:
    plan = planned(line_2, seen(W), given(), source=HELPERS, with_data=True)
    assert plan["awaits_workshop"]
    assert principal_of_telegram(W, 1) not in text_of(plan, "/etc/kai/read-principal-document")
    assert not planned(line_2, seen(W), given(), source=HELPERS)["awaits_workshop"]


def test_helpers_know_who_came_by_the_workshop_alone(line_2: Contract) -> None:
    path = "/etc/kai/read-principal-document"
    document = yaml.safe_load(text_of(planned(line_2, seen(), given()), PROFILES))
    profiles, (cyd, dan) = document["runtime_profiles"], ("rtp_" + one * 32 for one in "cd")
    ada = principal_of_telegram(W, 1)
    of_cyd, of_dan = ("prn_" + one * 32 for one in "cd")
    profiles[cyd] = {**profiles[profile_of_telegram(2)], "display_name": "Cyd", "os_user": "carol"}
    # they have no Telegram ID
    del profiles[cyd]["compatibility_runtime_config_id"]
    profiles[dan] = {**profiles[cyd], "display_name": "Dan", "home_workspace": "/srv/dan"}
    # nobody is taken for a user of host_vars
    of = {cyd: of_cyd, dan: of_dan, "rtp_" + "e" * 32: ada}
    owners = {one: {"principal": who, "channel": "chn_" + "0" * 32} for one, who in of.items()}
    text = yaml.safe_dump(document)
    found = seen(W, text, assigned=[cyd, dan], owners=owners)
    program = text_of(planned(line_2, found, given(), source=HELPERS), path)
    [line] = [line for line in program.splitlines() if "prn_" in line]
    values = json.loads(line.partition(" ")[2])
    known = json.loads(ast.literal_eval(values["documents"]))
    assert known[of_cyd]["os_user"] == "carol"
    assert known[of_cyd]["principal_policy"] == f"/var/lib/kai/home/{of_cyd}/AGENTS.md"
    assert known[of_dan]["principal_policy"] == "/srv/dan/AGENTS.md"
    assert known[ada]["os_user"] == "alice"


def test_who_came_by_the_workshop_alone_gets_directories(line_2: Contract) -> None:
    document = yaml.safe_load(text_of(planned(line_2, seen(), given()), PROFILES))
    profiles, cyd = document["runtime_profiles"], "rtp_" + "c" * 32
    profiles[cyd] = {**profiles[profile_of_telegram(2)], "display_name": "Cyd", "os_user": "carol"}
    del profiles[cyd]["compatibility_runtime_config_id"]
    text, own = (
        yaml.safe_dump(document),
        {"principal": "prn_" + "c" * 32, "channel": "chn_" + "d" * 32},
    )
    # of a profile whose user is not known there is nothing
    for owners, expected in (({cyd: own}, True), ({}, False)):
        plan = planned(
            line_2, seen(W, text, assigned=[cyd], owners=owners), given(), source=HELPERS
        )
        paths = {one["path"]: one for one in plan["directories"]}
        home = f"/var/lib/kai/home/{own['principal']}"
        assert (home in paths) == expected
        assert plan["awaits_workshop"] is not expected
        assert ("/var/lib/kai/tmp/carol" in paths) is True
        if expected:
            assert (paths[home]["owner"], paths[home]["mode"]) == ("carol", "0700")
            assert "former" not in paths[home]
            history = paths[f"/var/lib/kai/history/{own['channel']}"]
            assert (history["reader"], history["listed"]) == ("carol", True)
            assert paths[f"/var/lib/kai/files/{own['principal']}/outbox"]["owner"] == "carol"
            private = {one["path"]: one["account"] for one in plan["private_directories"]}
            assert private[home] == "carol"
            seeds = {one["path"]: one["owner"] for one in plan["seeds"]}
            assert seeds[f"{home}/AGENTS.md"] == "carol"
            # codex reads no file of claude
            assert f"{home}/.claude/CLAUDE.md" not in seeds


CYD = "rtp_" + "c" * 32
OF_CYD = {"principal": "prn_" + "c" * 32, "channel": "chn_" + "c" * 32}


def seen_with_cyd(
    line_2: Contract, owner: Mapping[str, str] = OF_CYD, **fields: Any
) -> dict[str, Any]:
    """Return what a probe finds where profiles and database have a user of the Workshop alone."""
    document = yaml.safe_load(text_of(planned(line_2, seen(), given()), PROFILES))
    profiles = document["runtime_profiles"]
    profiles[CYD] = {**profiles[profile_of_telegram(2)], "display_name": "Cyd", "os_user": "carol"}
    del profiles[CYD]["compatibility_runtime_config_id"]
    profiles[CYD].update(fields)
    return seen(W, yaml.safe_dump(document), assigned=[CYD], owners={CYD: dict(owner)})


def with_cyd(line_2: Contract, owner: Mapping[str, str] = OF_CYD, **fields: Any) -> Any:
    """Return the plan for such a host."""
    return planned(line_2, seen_with_cyd(line_2, owner, **fields), given(), source=HELPERS)


def test_users_of_the_workshop_alone_are_probed_as_those_of_host_vars(line_2: Contract) -> None:
    ours, found = subject(line_2, given()), seen_with_cyd(line_2)
    source: Any = {**SOURCE, **HELPERS}
    for purpose in ("install", "status", "doctor"):
        before = host_plan(ours, purpose, seen(W), source)  # type: ignore[arg-type]
        assert not before["probes_others"]
        assert not host_plan(ours, purpose)["probes_others"]
        after = host_plan(ours, purpose, found, source)  # type: ignore[arg-type]
        assert after["probes_others"]
        assert after["probe"]["os_users"] == [*before["probe"]["os_users"], "carol"]
        more = [one["path"] for one in after["probe"]["installed"]["directories"]]
        for one in before["probe"]["installed"]["directories"]:
            more.remove(one["path"])
        assert placed(f"/var/lib/kai/memory/{{principal:{CYD}}}", found["workshop"]) in [
            placed(path, found["workshop"]) for path in more
        ]
        assert "/var/lib/kai/tmp/carol" in more


def account(uid: int) -> dict[str, Any]:
    return {"uid": uid, "gid": uid, "home": "/x", "home_kind": "directory"}


@pytest.mark.parametrize(
    ("accounts", "found"),
    [
        ({"carol": None}, "'carol', which is no account on the host"),
        ({"carol": account(0)}, "'carol', which has the same UID as root"),
        ({"carol": account(7), "kai": account(7)}, "'carol', which has the same UID as kai"),
        ({"carol": account(7), "bob": account(7)}, "'carol', which has the same UID as bob"),
        ({"carol": account(7), "bob": account(8)}, None),
        # a probe that did not ask for it
        ({}, None),
    ],
)
def test_the_account_of_a_deployed_profile_is_known_before_the_build(
    line_2: Contract, accounts: dict[str, Any], found: str | None
) -> None:
    seen_there = seen_with_cyd(line_2)
    seen_there["accounts"] = {**seen_there["accounts"], **accounts}
    problems = planned(line_2, seen_there, given(create_os_users=True))["problems"]
    if found is None:
        assert problems == []
        return
    [problem] = problems
    assert (problem["where"], problem["found"]) == (f"{PROFILES}: {CYD}.os_user", found)
    assert f"sudoedit {PROFILES}" in problem["fix"]


def test_a_database_that_lies_hides_no_account_from_the_probe(line_2: Contract) -> None:
    of_ada = {**OF_CYD, "principal": principal_of_telegram(W, 1)}
    ours, found = subject(line_2, given()), seen_with_cyd(line_2, of_ada)
    source: Any = {**SOURCE, **HELPERS}
    again = host_plan(ours, "install", found, source)  # type: ignore[arg-type]
    assert again["probes_others"]
    assert "carol" in again["probe"]["os_users"]
    # it gets no directories, so none are compared
    paths = [one["path"] for one in again["probe"]["installed"]["directories"]]
    assert not [path for path in paths if CYD in path or "carol" in path]
    found["accounts"] = {**found["accounts"], "carol": account(0)}
    [problem] = planned(line_2, found, given(), source=HELPERS)["problems"]
    assert problem["found"] == "'carol', which has the same UID as root"


def test_before_a_restore_the_account_of_every_profile_is_probed(line_2: Contract) -> None:
    ours, found = subject(line_2, given()), seen_with_cyd(line_2)
    # the database of the backup may assign it, whatever that of the host says
    found["workshop"] = {**found["workshop"], "assigned": [], "owners": {}}
    source: Any = {**SOURCE, **HELPERS}
    for with_data, asked in ((False, []), (True, ["carol"])):
        plan = host_plan(ours, "install", found, source, with_data=with_data)  # type: ignore[arg-type]
        assert plan["probe"]["os_users"] == ["alice", "bob", *asked]


def test_an_agent_reads_the_history_of_every_channel_of_its_user(line_2: Contract) -> None:
    own, more = channel_of_telegram(W, 1), "chn_" + "7" * 32
    owner: dict[str, Any] = {"principal": principal_of_telegram(W, 1), "channel": own}
    owner["channels"] = [own, more]
    found = seen(W, assigned=[profile_of_telegram(1)], owners={profile_of_telegram(1): owner})
    plan = planned(line_2, found, given())
    readers = {
        one["path"].rpartition("/")[2]: (one["owner"], one["reader"], one["listed"])
        for one in plan["directories"]
        if one["path"].startswith("/var/lib/kai/history/chn_")
    }
    granted = ("kai", "alice", True)
    assert readers == {own: granted, more: granted, channel_of_telegram(W, 2): ("kai", "bob", True)}
    private = {one["path"]: one["only_reads"] for one in plan["private_directories"]}
    assert private[f"/var/lib/kai/history/{more}"]
    assert not plan["awaits_workshop"]
    owner["channels"] = [f"chn_{number:032x}" for number in range(20)]
    half = seen(W, owners={profile_of_telegram(1): owner})
    waiting = planned(line_2, half, given(ADA, {**BOB, "runtime_profile_id": CYD}), source=HELPERS)
    # more directories of one user do not make up for that of another
    assert waiting["awaits_workshop"]


def test_a_profile_that_the_service_user_made_up_keeps_no_install_away(line_2: Contract) -> None:
    found = seen(W, assigned=[CYD], owners={CYD: OF_CYD})
    plan = planned(line_2, found, given())
    assert plan["problems"] == []
    [note] = [one for one in plan["report"]["notes"] if CYD in one]
    assert note.startswith(f"{PROFILES}: {CYD}: found no such profile")
    assert f"the user {OF_CYD['principal']}" in note
    assert "kai-ansible users add" in note
    # any number of them bury no other note
    many = planned(line_2, seen(W, assigned=[f"rtp_{n:032x}" for n in range(500)]), given())
    assert len(many["report"]["notes"]) < 20
    assert any("490 more profiles missing" in one for one in many["report"]["notes"])
    # of a profile without an owner as well
    unknown = planned(line_2, seen(W, assigned=[CYD]), given())
    assert any(CYD in one for one in unknown["report"]["notes"])


HOME_OF_ADA = f"/var/lib/kai/home/{principal_of_telegram(W, 1)}"


@pytest.mark.parametrize(
    ("home", "found"),
    [
        ("/var/lib/kai", "/var/lib/kai, a directory of the bot"),
        ("/", "'/', which is the root directory"),
        ("/var", "/var, which contains /var/lib/kai, a directory of the bot"),
        ("/etc", "/etc, which contains /etc/kai, the configuration of Kai"),
        ("/etc/kai/x", "/etc/kai/x, below /etc/kai, the configuration of Kai"),
        ("/etc/sudoers.d", "/etc/sudoers.d, the rules of sudo"),
        ("/opt/kai/releases/a1", "/opt/kai/releases/a1, below /opt/kai, the releases of Kai"),
        ("/var/lib/kai/home", "/var/lib/kai/home, a directory of the bot"),
        ("/var/lib/kai/history/x", "/var/lib/kai/history/x, below /var/lib/kai/history, a"),
        (HOME_OF_ADA, f"{HOME_OF_ADA}, the home of Ada"),
        (f"{HOME_OF_ADA}/x", f"{HOME_OF_ADA}/x, below {HOME_OF_ADA}, the home of Ada"),
        ("/var/lib/kai/home/{principal:5}", "'/var/lib/kai/home/{principal:5}', which has a"),
        ("~/x", "'~/x', which begins with ~"),
    ],
)
def test_a_home_of_a_deployed_profile_is_the_users_alone(
    line_2: Contract, home: str, found: str
) -> None:
    [problem] = with_cyd(line_2, home_workspace=home)["problems"]
    assert problem["where"] == f"{PROFILES}: {CYD}.home_workspace"
    assert problem["found"].startswith(found)
    assert problem["expected"].endswith("Cyd's alone")


def test_a_home_that_a_profile_alone_names_is_judged_for_users_of_host_vars_too(
    line_2: Contract,
) -> None:
    document = yaml.safe_load(text_of(planned(line_2, seen(), given()), PROFILES))
    bob = profile_of_telegram(2)
    document["runtime_profiles"][bob]["home_workspace"] = HOME_OF_ADA
    [problem] = planned(line_2, seen(W, yaml.safe_dump(document)), given())["problems"]
    assert problem["where"] == f"{PROFILES}: {bob}.home_workspace"


@pytest.mark.parametrize(
    ("os_user", "found"),
    [
        ("root", "root for Cyd"),
        ("kai", "the service user kai for Cyd"),
        ("alice", "alice for Cyd, Ada"),
        (None, "no OS user for Cyd"),
        ("", "no OS user for Cyd"),
    ],
)
def test_an_account_of_a_deployed_profile_is_judged_as_one_of_host_vars(
    line_2: Contract, os_user: str | None, found: str
) -> None:
    [problem] = with_cyd(line_2, os_user=os_user)["problems"]
    assert problem["where"].startswith(f"{PROFILES}: rtp_")
    assert problem["found"] == found
    assert f"sudoedit {PROFILES}" in problem["fix"]


@pytest.mark.parametrize(
    ("fields", "home"),
    [
        ({"home_workspace": "/var/lib/kai/../../../srv"}, None),
        ({"home_workspace": "/var/lib/kai/x/../home/cyd"}, "/var/lib/kai/home/cyd"),
        ({"home_workspace": " //var/lib/kai/home/cyd "}, "/var/lib/kai/home/cyd"),
        ({"os_user": " carol ", "backend": " Codex "}, f"/var/lib/kai/home/{OF_CYD['principal']}"),
    ],
)
def test_a_deployed_profile_is_taken_as_kai_reads_it(
    line_2: Contract, fields: dict[str, Any], home: str | None
) -> None:
    plan = with_cyd(line_2, **fields)
    assert plan["problems"] == []
    own = {
        one["path"]: one["owner"]
        for one in plan["directories"]
        if one["owner"] not in ("root", "kai", "alice", "bob")
    }
    assert set(own.values()) == {"carol"}
    assert all(path.startswith("/var/lib/kai/") and ".." not in path for path in own)
    assert home is None or home in own
    rules = json.loads(text_of(plan, "/etc/sudoers.d/kai").partition(" ")[2])["sudo"]
    assert ("carol", "codex") in [(one["account"], one["backend"]) for one in rules["agents"]]


@pytest.mark.parametrize(
    "of_ada",
    [{"principal": principal_of_telegram(W, 1)}, {"channel": channel_of_telegram(W, 1)}],
)
def test_the_database_gives_no_user_the_directories_of_another(
    line_2: Contract, of_ada: dict[str, str]
) -> None:
    plan = with_cyd(line_2, {**OF_CYD, **of_ada})
    paths = [one["path"] for one in plan["directories"]]
    assert len(set(paths)) == len(paths)
    for one in plan["directories"]:
        assert "carol" not in (one["owner"], one["reader"])
    assert any(
        f"No directories for Cyd (profile {CYD})" in note for note in plan["report"]["notes"]
    )


def test_a_user_with_a_profile_of_the_workshop_has_the_directories_of_then(
    line_2: Contract,
) -> None:
    """Kai links the Telegram ID to whom it knows, and makes nobody new."""
    cyd = "rtp_" + "c" * 32
    own = {"principal": "prn_" + "c" * 32, "channel": "chn_" + "d" * 32}
    found = seen(W, assigned=[cyd], owners={cyd: own})
    plan = planned(line_2, found, given({**ADA, "runtime_profile_id": cyd}), source=HELPERS)
    homes = [one["path"] for one in plan["directories"] if "/home/" in one["path"]]
    assert homes[0] == f"/var/lib/kai/home/{own['principal']}"
    assert not [one for one in homes if principal_of_telegram(W, 1) in one]
    [agent] = plan["proof"]["agents"]
    assert homes[0] in agent["argv"]


def test_without_other_accounts_no_helper_of_agents_is_given(line_2: Contract) -> None:
    alone = {"kai_install_users": [user()], "kai_install_user": "kai"}
    plan = planned(line_2, seen(W), {**given(), **alone}, source=HELPERS)
    absent = {file["path"] for file in plan["files"] if file.get("absent")}
    assert "/etc/kai/read-principal-memory" in absent
    assert "/etc/kai/read-principal-document" not in absent


def test_what_is_no_first_user_of_the_workshop_is_refused(line_2: Contract) -> None:
    settings = {"KAI_ENABLED_ADAPTERS": "workshop", "KAI_WORKSHOP_BOOTSTRAP": "v1.e30"}
    assert "kai_install_kai_workshop_bootstrap" in wheres(line_2, ADA, **settings)


OF_2_1 = {"features": ["bootstrap", "handles", "helpers"]}
ALONE = {"kai_enabled_adapters": "workshop", "telegram_bot_token": None}
PLAN = BootstrapPlan(W, "Ada", profile_of_key(W, "initial-admin"), "initial-admin", "admin")
FIRST = {"name": "Ada", "role": "admin", "os_user": "alice"}
FIRST["runtime_profile_id"] = PLAN.runtime_profile_id


def test_the_first_user_of_the_workshop_is_made_by_the_plan(line_2: Contract) -> None:
    variables = given(FIRST, **ALONE, kai_workshop_bootstrap=encode(PLAN))
    before = planned(line_2, seen(), variables, source=OF_2_1)
    assert before["problems"] == []
    assert f'"{encode(PLAN)}"' in before["secret_contents"]["/etc/kai/env"]
    [(name, profile)] = yaml.safe_load(text_of(before, PROFILES))["runtime_profiles"].items()
    assert (name, profile["os_user"]) == (PLAN.runtime_profile_id, "alice")
    assert "compatibility_runtime_config_id" not in profile
    # the ids are read once Kai has made the user
    assert before["awaits_workshop"]
    assert before["report"]["enrol"] == ["Ada"]
    own = {"principal": principal_of_key(W, "initial-admin"), "channel": "chn_" + "d" * 32}
    started = seen(W, assigned=[name], owners={name: own})["workshop"]
    after = planned(line_2, seen(), variables, source=OF_2_1, workshop=started)
    assert after["problems"] == []
    paths = {one["path"]: one["owner"] for one in after["directories"]}
    assert paths[f"/var/lib/kai/home/{own['principal']}"] == "alice"
    assert paths[f"/var/lib/kai/history/{own['channel']}"] == "kai"
    [reader] = [one for one in after["files_of_users"] if one["path"].endswith("-document")]
    assert own["principal"] in reader["content"]
    [agent] = after["proof"]["agents"]
    assert agent["account"] == "alice"


@pytest.mark.parametrize(
    ("users", "settings", "found", "wheres"),
    [
        # nobody would be made
        ([ADA], {}, seen(), ["kai_install_users[0]"]),
        # who is not the first one
        ([FIRST, BOB], {"bootstrap": PLAN}, seen(), ["kai_install_users[1]"]),
        # a database of before, with whom a Kai before 2.1 made
        ([ADA], {}, seen(W, assigned=[profile_of_telegram(1)]), []),
        ([FIRST], {"bootstrap": PLAN}, seen(W, assigned=[PLAN.runtime_profile_id]), []),
        (
            [FIRST],
            {"bootstrap": replace(PLAN, workshop_id="wsp_" + "9" * 32)},
            seen(W, assigned=[PLAN.runtime_profile_id]),
            ["kai_install_kai_workshop_bootstrap"],
        ),
        # what cannot be read says nothing
        ([ADA], {}, unread(), []),
    ],
)
def test_whom_a_kai_2_1_without_telegram_does_not_make_is_refused(
    line_2: Contract,
    users: list[dict[str, Any]],
    settings: dict[str, Any],
    found: dict[str, Any],
    wheres: list[str],
) -> None:
    chosen = {f"kai_workshop_{name}": encode(one) for name, one in settings.items()}
    variables = given(*users, **ALONE, **chosen)
    problems = planned(line_2, found, variables, source=OF_2_1)["problems"]
    assert [one["where"] for one in problems] == wheres
    # with Telegram it makes everybody of users.yaml
    if users == [ADA]:
        assert planned(line_2, found, given(ADA), source=OF_2_1)["problems"] == []


def test_a_user_without_telegram_needs_a_profile_and_a_bot_without_telegram(
    line_2: Contract,
) -> None:
    nobody = {name: value for name, value in FIRST.items() if name != "runtime_profile_id"}
    assert wheres(line_2, FIRST, **ALONE) == []
    for users, settings in ((nobody, ALONE), (FIRST, {}), ({**FIRST, "telegram_id": 0}, {})):
        assert wheres(line_2, users, **settings) == ["kai_install_users[0].telegram_id"]
    [problem] = read_with_files(line_2, given(nobody, **ALONE), {}).problems
    assert "kai-ansible config" in problem.fix
    [problem] = read_with_files(line_2, given(nobody), {}).problems
    assert "kai-ansible config" not in problem.fix


def test_a_source_before_2_1_refuses_a_user_without_telegram(line_2: Contract) -> None:
    variables = given(FIRST, **ALONE, kai_workshop_bootstrap=encode(PLAN))
    problems = planned(line_2, seen(), variables)["problems"]
    assert [one["where"] for one in problems] == [
        "kai_install_kai_workshop_bootstrap",
        "kai_install_users[0].runtime_profile_id",
    ]


def test_the_registry_names_every_agent_in_use(line_2: Contract) -> None:
    plan = planned(line_2, seen(), given())
    [file] = [one for one in plan["files"] if one["path"] == "/etc/kai/backends.yaml"]
    assert file["mode"] == "0644"
    assert yaml.safe_load(file["content"]) == {
        "version": 1,
        "default_backend": "claude",
        "backends": {
            name: {"driver": name, "runtime": "local_process", "command": f"/usr/local/bin/{name}"}
            for name in ("claude", "codex")
        },
    }
    # the paths stand there alone
    env = plan["secret_contents"]["/etc/kai/env"]
    assert "_BIN" not in env
    assert "DEFAULT_BACKEND" in env


def test_profiles_are_made_once_and_then_merged(line_2: Contract) -> None:
    first = text_of(planned(line_2, seen(), given()), PROFILES)
    document = yaml.safe_load(first)
    ada, bob = (profile_of_telegram(number) for number in (1, 2))
    assert document["version"] == 1
    assert document["runtime_profiles"].keys() == {ada, bob}
    assert document["runtime_profiles"][ada]["model"] == "sonnet"
    # what others wrote stays, comments too where nothing changes
    document["runtime_profiles"][ada]["granted_by_hand"] = ["x"]
    text = "# mine\n" + yaml.safe_dump(document)
    assert text_of(planned(line_2, seen(text=text), given()), PROFILES) == text
    # a change in host_vars reaches the profile
    switched = {**ADA, "backend": "codex"}
    changed = given(switched, BOB, default_backend="codex")
    after = yaml.safe_load(text_of(planned(line_2, seen(text=text), changed), PROFILES))
    profile = after["runtime_profiles"][ada]
    assert (profile["backend"], profile["model"]) == ("codex", "gpt-5.5")
    assert profile["granted_by_hand"] == ["x"]


def test_what_host_vars_no_longer_say_leaves_the_profile(line_2: Contract) -> None:
    mine = {**ADA, "allowed_services": ["search"], "models": {"pr_review": "opus"}}
    text = text_of(planned(line_2, seen(), given(mine, BOB)), PROFILES)
    ada = profile_of_telegram(1)
    assert yaml.safe_load(text)["runtime_profiles"][ada]["allowed_services"] == ["search"]
    for former, services in (([mine, BOB], []), ([ADA, BOB], ["search"]), (None, ["search"])):
        found = seen(text=text)
        found["texts"]["/etc/kai/users.yaml"] = former and yaml.safe_dump({"users": former})
        profile = yaml.safe_load(text_of(planned(line_2, found, given()), PROFILES))
        entry = profile["runtime_profiles"][ada]
        # what somebody else wrote there stays
        assert entry["allowed_services"] == services
        assert ("models" in entry) == bool(services)


@pytest.mark.parametrize("damaged", [{"telegram_id": [1]}, {"runtime_profile_id": {"a": 1}}])
def test_a_damaged_users_file_states_nothing(line_2: Contract, damaged: dict[str, Any]) -> None:
    found = seen()
    found["texts"]["/etc/kai/users.yaml"] = yaml.safe_dump({"users": [{**ADA, **damaged}]})
    assert planned(line_2, found, given())["problems"] == []


def test_a_profile_that_the_database_assigns_keeps_its_rules(line_2: Contract) -> None:
    text = text_of(planned(line_2, seen(), given()), PROFILES)
    bob = profile_of_telegram(2)
    found = seen(W, text, assigned=[bob, profile_of_telegram(1)])
    cara = user(3, "Cara", os_user="carol", backend="codex")
    plan = planned(line_2, found, given(ADA, cara))
    assert bob in yaml.safe_load(text_of(plan, PROFILES))["runtime_profiles"]
    assert any("keeps the profile of Bob" in note for note in plan["report"]["notes"])
    rules = json.loads(text_of(plan, "/etc/sudoers.d/kai").partition(" ")[2])["sudo"]
    assert ("bob", "/usr/local/bin/codex") in [
        (agent["account"], agent["command"]) for agent in rules["agents"]
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [", PROFILES),
        ("[]", f"{PROFILES}: runtime-profiles.yaml"),
        ("version: 9\nruntime_profiles: {}", f"{PROFILES}: version"),
        ("version: 1\nruntime_profiles: {}", f"{PROFILES}: runtime_profiles"),
        ("version: 2\nruntime_profiles:\n  rtp_1: {}", f"{PROFILES}: runtime_profiles.rtp_1"),
    ],
)
def test_profiles_that_kai_cannot_read_are_a_problem(
    line_2: Contract, text: str, where: str
) -> None:
    plan = planned(line_2, seen(text=text), given())
    assert [one["where"] for one in plan["problems"]] == [where]


def test_directories_of_users_wait_for_the_workshop(line_2: Contract) -> None:
    before = planned(line_2, seen(), given())
    assert before["awaits_workshop"] is True
    assert not [one for one in before["directories"] if "/home/" in one["path"]]
    assert before["proof"]["agents"] == []
    after = planned(line_2, seen(), given(), workshop=W)
    paths = {one["path"]: one for one in after["directories"]}
    for number, account in ((1, "alice"), (2, "bob")):
        person, channel = principal_of_telegram(W, number), channel_of_telegram(W, number)
        for name in ("home", "memory", "preferences"):
            entry = paths[f"/var/lib/kai/{name}/{person}"]
            assert (entry["owner"], entry["mode"]) == (account, "0700")
        history = paths[f"/var/lib/kai/history/{channel}"]
        assert history["reader"] == account
        assert history["listed"] is True
        # what Kai needs before a turn is there before the home, without which it waits
        order = list(paths)
        home = order.index(f"/var/lib/kai/home/{person}")
        assert order.index(f"/var/lib/kai/memory/{person}") < home
        assert order.index(f"/var/lib/kai/preferences/{person}") < home
        # every account may pass through the uploads, whose files are private
        private = {one["path"]: one["account"] for one in after["private_directories"]}
        assert private[f"/var/lib/kai/home/{person}"] == account
        assert private[history["path"]] == account
        assert f"/var/lib/kai/files/{person}" not in private
    seeds = {one["path"] for one in after["seeds"]}
    ada, bob = (f"/var/lib/kai/home/{principal_of_telegram(W, one)}" for one in (1, 2))
    assert f"{ada}/.claude/CLAUDE.md" in seeds
    assert f"{bob}/.claude/CLAUDE.md" not in seeds
    assert f"{bob}/AGENTS.md" in seeds
    # a bot that has run before needs no second look
    known = planned(line_2, seen(W), given())
    assert known["awaits_workshop"] is False
    assert known["directories"] == after["directories"]
    # the files are the same, so that nothing is switched for them
    assert known["files"] == after["files"]


def test_agents_are_proven_in_the_home_of_their_user(line_2: Contract) -> None:
    plan = planned(line_2, seen(W), given())
    for agent, number, account in zip(
        plan["proof"]["agents"], (1, 2), ("alice", "bob"), strict=True
    ):
        home = f"/var/lib/kai/home/{principal_of_telegram(W, number)}"
        assert agent["argv"][:6] == ["sudo", "-H", "-D", home, "-u", account]
        # the bot cannot enter it
        assert agent["directory"] == "/"


def test_sudo_may_enter_directories(line_2: Contract) -> None:
    sudo = json.loads(
        text_of(planned(line_2, seen(), given()), "/etc/sudoers.d/kai").partition(" ")[2]
    )["sudo"]
    assert sudo["enters"] is True
    old = {"version": "Sudo version 1.9.2", "flags": []}
    rust = {"version": "sudo-rs 0.2.5", "flags": []}
    for found in (old, rust):
        problems = planned(line_2, seen(sudo=found), given())["problems"]
        assert [one["where"] for one in problems] == ["sudo on the host"]
        assert "1.9.3" in problems[0]["expected"]


def test_the_mode_of_deployment_is_recorded_where_kai_reads_it(line_2: Contract) -> None:
    for name in (None, "KAI_MODE"):
        plan = planned(line_2, seen(), given(), source={"mode_variable": name})
        environment = plan["proof"]["environment"]
        assert environment.get("KAI_MODE") == (name and "protected")


def test_a_bot_is_proven_to_be_ready(line_2: Contract) -> None:
    plan = planned(line_2, seen(), given())
    places = ["core.ready", "adapters.http.ready", "adapters.*.ready"]
    assert plan["proof"]["readiness"] == [*places, "adapters.telegram.ready"]
    alone = planned(line_2, seen(), given(kai_enabled_adapters="workshop"))
    assert alone["problems"] == []
    assert alone["proof"]["readiness"] == places
    assert "TELEGRAM_BOT_TOKEN" not in alone["secret_contents"]["/etc/kai/env"]


def test_backends_yaml_is_read_by_the_bot_itself(line_2: Contract) -> None:
    commands = planned(line_2, seen(), given())["proof"]["commands"]
    argv = {one["what"]: one["argv"] for one in commands}
    assert argv["the bot reads /etc/kai/backends.yaml"] == ["cat", "/etc/kai/backends.yaml"]
    assert argv["the bot reads /etc/kai/env"][0] == "sudo"


def test_the_probe_reads_what_a_merge_needs(line_2: Contract) -> None:
    request = host_plan(subject(line_2, given()), "install")["probe"]
    assert request["texts"] == [PROFILES, "/etc/kai/users.yaml"]
    assert request["workshop"] is not None
    assert request["workshop"]["database"] == "/var/lib/kai/kai.db"
    assert request["installed"] is not None
    paths = [entry["path"] for entry in request["installed"]["directories"]]
    assert "/var/lib/kai/home/{principal:1}" in paths


@pytest.mark.parametrize(
    ("users", "settings", "where"),
    [
        ([user(os_user=None)], {}, "kai_install_users[0].os_user"),
        ([ADA, {**BOB, "os_user": "alice"}], {}, "kai_install_users[1].os_user"),
        ([user(os_user="kai")], {}, "kai_install_users[0].os_user"),
        ([ADA], {"default_backend": None}, "kai_install_default_backend"),
        ([ADA], {"default_backend": "codex"}, None),
        ([BOB], {}, "kai_install_default_backend"),
        ([{**ADA, "model": "gpt-5.5"}], {}, "kai_install_users[0].model"),
        ([{**ADA, "models": {"no": "opus"}}], {}, "kai_install_users[0].models.no"),
        (
            [{**ADA, "models": {"pr_review": "gpt-5.5"}}],
            {},
            "kai_install_users[0].models.pr_review",
        ),
        ([{**ADA, "models": "opus"}], {}, "kai_install_users[0].models"),
        ([{**ADA, "models": {"pr_review": "opus"}}], {}, None),
        ([ADA], {"default_models_json": "{"}, "kai_install_default_models_json"),
        ([ADA], {"default_models_json": '{"pr_review": "opus"}'}, None),
        (
            [ADA],
            {"github_webhook_secret": "a", "generic_webhook_secret": "a"},
            "kai_install_generic_webhook_secret",
        ),
        (
            [{**ADA, "backend": "pi"}, BOB],
            {"default_backend": "codex"},
            "kai_install_users[0].provider",
        ),
    ],
)
def test_what_stops_a_start_is_told_before(
    line_2: Contract, users: list[dict[str, Any]], settings: dict[str, Any], where: str | None
) -> None:
    assert wheres(line_2, *users, **settings) == ([where] if where else [])


def test_former_names_of_fields_are_read(line_2: Contract) -> None:
    former = user(2, "Bob", os_user="bob", agent_backend="codex")
    found = read_with_files(line_2, given(ADA, former), {})
    assert found.problems == []
    assert [person.backend for person in found.users] == ["claude", "codex"]
    assert any("agent_backend is the old name of backend" in note for note in found.notes)


@pytest.mark.parametrize(
    ("backend", "provider", "model"),
    [
        ("goose", "anthropic", "claude-sonnet-4-6"),
        ("goose", "deepseek", "deepseek-v4-pro"),
        ("opencode", "google", "google/gemini-2.5-pro"),
        ("pi", "openai-codex", "openai-codex/gpt-5.5"),
    ],
)
def test_every_backend_gets_its_provider_and_model(
    line_2: Contract, backend: str, provider: str, model: str
) -> None:
    keys = {"google_api_key": "k", "deepseek_api_key": "k", "anthropic_api_key": "k"}
    binaries = {
        backend: [{"path": f"/usr/bin/{backend}", "source": "path", "fault": None, "changers": []}]
    }
    ada = {**ADA, "backend": backend, "provider": provider}
    variables = given(ada, default_backend=backend, default_provider=provider, **keys)
    plan = planned(line_2, seen(W, binaries=binaries), variables)
    assert plan["problems"] == []
    [profile] = yaml.safe_load(text_of(plan, PROFILES))["runtime_profiles"].values()
    assert (profile["backend"], profile["provider"]) == (backend, provider)
    assert profile["model"] == model
    [agent] = plan["proof"]["agents"]
    assert f"/usr/bin/{backend}" in agent["argv"]


def test_line_2_0_names_directories_by_telegram_and_has_no_profiles() -> None:
    line = contract_of_line("2.0")
    found = {**seen(), "workshop": None}
    plan = planned(line, found, given())
    assert plan["problems"] == []
    assert plan["awaits_workshop"] is False
    paths = {one["path"] for one in plan["files"]}
    assert "/etc/kai/backends.yaml" in paths
    assert PROFILES not in paths
    assert "/var/lib/kai/home/1" in {one["path"] for one in plan["directories"]}
    assert plan["proof"]["readiness"] == []
    assert plan["proof"]["agents"][0]["argv"][:3] == ["sudo", "-H", "-u"]


def test_two_identities_of_a_user_are_refused_before_the_first_start_alone(
    line_2: Contract,
) -> None:
    files = {
        ".claude/CLAUDE.md": {"kind": "file", "sha256": "a"},
        "AGENTS.md": {"kind": "file", "sha256": "b"},
    }
    found = {"/var/lib/kai/home/1": {"files": files, "template": None}}
    plan = planned(line_2, seen(identities=found), given())
    assert [one["where"] for one in plan["problems"]] == ["/var/lib/kai/home/1/.claude/CLAUDE.md"]
    assert "may have changed" in " ".join(plan["report"]["notes"])
    # the same run, once the bot has started
    plan = planned(line_2, seen(identities=found), given(), workshop=W)
    assert plan["problems"] == []
    assert "may have changed" in " ".join(plan["report"]["notes"])
    plan = planned(line_2, seen(W, identities=found), given())
    assert plan["problems"] == []
    assert "may have changed" not in " ".join(plan["report"]["notes"])
