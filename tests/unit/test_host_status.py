"""Whether a host is healthy, by one probe of it."""

from typing import Any

import pytest
import yaml
from samples import probe, user, variables

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.probe_requests import installed_request
from kai_ansible.rules.status import host_status

BINARY = {
    "path": "/usr/local/bin/claude",
    "source": "deployed",
    "fault": None,
    "version": "2.1",
    "changers": [],
}
SERVICE = {
    "unit": "kai",
    "active": True,
    "enabled": True,
    "state": "active",
    "since": "2026-01-02T03:04:05Z",
    "pid": 7,
    "restarts": 0,
    "release": "a",
}
INSTALL = {
    "number": 1,
    "release": "a",
    "time": "2026-01-02T03:04:05Z",
    "by": "ada@laptop",
    "snapshot": False,
    "rolled_back_to": None,
}


PROBLEM = {"where": "/opt/kai/x", "found": "a link", "expected": "a file", "fix": "mv"}


def installed(**more: Any) -> dict[str, Any]:
    return {
        "fault": None,
        "damaged": [],
        "live": "a",
        "unfinished": None,
        "releases": [{"id": "a", "state": "good", "live": True}],
        "installs": [INSTALL],
        "service": SERVICE,
        "health": 200,
        "strangers": [],
        "key": "k",
        "files": {},
        "layout": {"changes": [], "unseen": [], "refused": []},
        "free_space": [
            {"path": "/opt/kai", "size_mb": 900, "free_mb": 800, "files": 0, "free_files": 0}
        ],
        **more,
    }


def status(
    contract: Contract,
    *,
    logged_in: bool | None = True,
    binary: dict[str, Any] | None = None,
    privileged: bool = True,
    settings: dict[str, Any] | None = None,
    models: dict[str, str] | None = None,
    logins: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    read = read_configuration(
        contract, variables(user(1, "Ada", os_user="alice"), **(settings or {}))
    )
    seen = probe(
        installed=installed(**more),
        privileged=privileged,
        models=models or {},
        programs=dict.fromkeys([*probe()["programs"], "ffmpeg", "whisper-cli"], "/bin/x"),
        binaries={"claude": [binary or BINARY]},
        logins=logins or [{"account": "alice", "backend": "claude", "logged_in": logged_in}],
    )
    desired = None if read.problems else desired_state(read, seen)
    return host_status(read, seen, desired, [])


def test_a_healthy_host(contract: Contract) -> None:
    found = status(contract)
    assert found["healthy"], found
    assert found["last_install"] == {
        "number": 1,
        "release": "a",
        "time": INSTALL["time"],
        "by": "ada@laptop",
        "outcome": "verified",
    }
    [person] = found["users"]
    assert (person["account"], person["backend"], person["logged_in"]) == ("alice", "claude", "yes")


def test_the_line_and_the_directories_of_each_user(contract: Contract) -> None:
    found = status(contract)
    [person] = found["users"]
    assert (found["line"], person["profile"], person["tree"]) == ("1", None, "complete")
    path = "/var/lib/kai/history/1"
    seen: dict[str, Any] = {"changes": [], "unseen": [], "refused": []}
    change = {"path": path, "before": "", "after": "kai:kai 0750"}
    for layout, tree in (
        ({**seen, "changes": [change]}, "incomplete"),
        ({**seen, "refused": [{**PROBLEM, "where": path}]}, "incomplete"),
        ({**seen, "unseen": [path]}, "unknown"),
        ({**seen, "changes": [{**change, "path": "/var/lib/kai/history/12"}]}, "complete"),
    ):
        [person] = status(contract, layout=layout)["users"]
        assert person["tree"] == tree, layout
    # before the first install nothing was looked at
    [person] = status(contract, live=None, installs=[])["users"]
    assert person["tree"] == "unknown"


def test_a_missing_model_is_reported_with_the_command_that_fetches_it(contract: Contract) -> None:
    path = "/opt/kai/models/ggml-base.en.bin"
    voice = {"voice_enabled": True}
    [problem] = status(contract, settings=voice, models={path: "absent"})["problems"]
    assert problem["where"] == path
    assert f"sudo curl --fail --location --output {path} https://" in problem["fix"]
    assert status(contract, settings=voice, models={path: "readable"})["healthy"]
    for models in ({path: "unseen"}, {}):
        unknown = status(contract, settings=voice, models=models)
        assert not unknown["healthy"]
        assert [entry["where"] for entry in unknown["unknown"]] == [path]


@pytest.mark.parametrize(
    ("more", "part", "found"),
    [
        ({"health": None}, "problems", "no answer"),
        ({"strangers": ["process 9 of bob (nc)"]}, "problems", "held by process 9 of bob (nc)"),
        ({"service": {**SERVICE, "release": "b"}}, "problems", "a process of release b"),
        ({"service": {**SERVICE, "release": None}}, "unknown", "may be older"),
        ({"fault": PROBLEM}, "problems", "a link"),
        ({"damaged": [{"number": 1, "needed": False, "problem": PROBLEM}]}, "problems", "a link"),
        ({"live": "b"}, "drift", "release b"),
        ({"logged_in": None}, "unknown", "whether alice is logged in"),
        ({"binary": {**BINARY, "version": ""}}, "problems", "reports no version to alice"),
        ({"binary": {**BINARY, "fault": "alice cannot execute"}}, "problems", "cannot execute"),
        (
            {"binary": {**BINARY, "changers": [
                {"path": "/opt", "accounts": [], "everybody": True}
            ]}},
            "problems",
            "changed by everybody (through /opt)",
        ),
        (
            {"layout": {"changes": [{"path": "/x", "before": "", "after": "y"}],
                        "unseen": [], "refused": []}},
            "drift",
            "nothing",
        ),
        ({"settings": {"webhook_port": "none"}}, "problems", "'none'"),
    ],
)  # fmt: skip
def test_each_problem_is_reported_where_it_belongs(
    contract: Contract, more: dict[str, Any], part: str, found: str
) -> None:
    report = status(contract, **more)
    assert not report["healthy"]
    words = [finding["found"] for finding in report[part]]
    assert any(found in word for word in words), report
    assert all(finding["fix"] for finding in report[part])


def test_a_missing_login_is_unhealthy_and_reported_ready_to_paste(contract: Contract) -> None:
    report = status(contract, logged_in=False)
    assert not report["healthy"]
    assert not report["problems"]
    assert "  sudo -iu alice /usr/local/bin/claude auth login" in report["login_notice"]


USERS_YAML = """\
users:
  - telegram_id: 1
    name: Ada
    os_user: alice
    agent_backend: codex
  - {telegram_id: 2, name: Bob, os_user: bob}
"""


def deployed(**env: str) -> dict[str, Any]:
    """Return the files of a host, whose users are Ada with codex and Bob."""
    seen = {"kind": "file", "mode": 0o600, "uid": 0, "gid": 0, "seal": "", "fault": None}
    values = {"AGENT_BACKEND": "claude", "DEFAULT_MODEL": "sonnet", **env}
    record = '{"kai_install_codex_bin": "/opt/codex"}'
    return {
        "/etc/kai/env": {**seen, "values": {}, "open": values, "text": None},
        "/etc/kai/users.yaml": {**seen, "values": {}, "open": {}, "text": USERS_YAML},
        "/etc/kai/kai-ansible.json": {**seen, "values": {}, "open": {}, "text": record},
    }


def test_the_users_and_agents_of_the_host_are_shown_and_those_of_host_vars_are_pending(
    contract: Contract,
) -> None:
    report = status(contract, files=deployed())
    found = [(one["name"], one["backend"], one["logged_in"]) for one in report["users"]]
    # the host was asked for the logins of host_vars
    assert found == [("Ada", "codex", "unknown"), ("Bob", "claude", "unknown")]
    assert report["users_from"] == "host"
    agents = {one["backend"]: (one["path"], one["accounts"]) for one in report["backends"]}
    assert agents == {"claude": (BINARY["path"], ["bob"]), "codex": ("/opt/codex", ["alice"])}
    assert report["pending"] == [
        "Ada: agent claude instead of codex, model sonnet instead of gpt-5.5",
        "Bob: removed",
    ]
    assert report["login_notice"] == []
    assert [one["where"] for one in report["unknown"]] == ["the login of alice", "the login of bob"]
    assert not report["healthy"]


def test_the_login_of_an_agent_that_only_the_host_names_is_what_the_host_answers(
    contract: Contract,
) -> None:
    logins = [
        {"account": "alice", "backend": "codex", "logged_in": False},
        {"account": "bob", "backend": "claude", "logged_in": True},
    ]
    report = status(contract, files=deployed(), logins=logins)
    assert [one["logged_in"] for one in report["users"]] == ["no", "yes"]
    assert report["login_notice"][1:] == ["  sudo -iu alice /opt/codex login"]
    assert report["unknown"] == []


def test_a_variable_of_the_process_is_deployed_as_well(contract: Contract) -> None:
    entry = {"file": "/x.conf", "name": "Environment", "key": "DEFAULT_MODEL", "value": "opus"}
    report = status(contract, files=deployed(), overrides=[{**entry, "effective": True}])
    assert [one["model"] for one in report["users"]] == ["gpt-5.5", "opus"]


@pytest.mark.parametrize("text", [None, "users: [", "none"])
def test_users_of_a_file_that_cannot_be_read_are_those_of_host_vars(
    contract: Contract, text: str | None
) -> None:
    files = deployed()
    files["/etc/kai/users.yaml"]["text"] = text
    report = status(contract, files=files)
    assert [one["backend"] for one in report["users"]] == ["claude"]
    assert (report["users_from"], report["pending"]) == ("host_vars", [])


def test_a_deployed_user_with_a_damaged_profile_is_known_by_the_telegram_id(
    contract: Contract,
) -> None:
    files = deployed()
    text = yaml.safe_load(USERS_YAML)
    text["users"][-1]["runtime_profile_id"] = {"a": 1}
    files["/etc/kai/users.yaml"]["text"] = yaml.safe_dump(text)
    assert "Bob: removed" in status(contract, files=files)["pending"]


def test_what_only_root_sees_is_unknown_and_never_healthy(contract: Contract) -> None:
    layout = {"changes": [], "unseen": ["/var/lib/kai/logs"], "refused": []}
    report = status(
        contract, privileged=False, installs=None, releases=None, strangers=None, layout=layout
    )
    assert not report["healthy"]
    assert not report["drift"]
    unknown = [finding["where"] for finding in report["unknown"]]
    assert unknown == [
        "the records of installs",
        "whether kai.service itself gives the answer",
        "/var/lib/kai/logs",
    ]


CHANGE = {
    "layout": {
        "changes": [{"path": "/x", "before": "", "after": "y"}],
        "unseen": [],
        "refused": [],
    }
}
ROLLED_BACK = [
    INSTALL,
    {**INSTALL, "number": 2, "release": "b"},
    {**INSTALL, "number": 3, "time": "2026-01-05T03:04:05Z", "rolled_back_to": 1},
]


def test_after_a_rollback_the_install_that_was_rolled_back_is_not_advised(
    contract: Contract,
) -> None:
    report = status(contract, installs=ROLLED_BACK, **CHANGE)
    assert report["last_install"]["outcome"] == "rolled back"
    [drift] = report["drift"]
    assert drift["fix"] == (
        "install 2 was rolled back on 2026-01-05 to install 1, and host_vars may still ask for it: "
        "correct them first; then kai-ansible install restores the state of host_vars"
    )
    gone = status(contract, installs=ROLLED_BACK, releases=[])
    assert any(
        problem["fix"].startswith("install 2 was rolled back on 2026-01-05")
        and problem["fix"].endswith("then build it again: kai-ansible install")
        for problem in gone["problems"]
    )


@pytest.mark.parametrize(
    "more",
    [
        {"installs": ROLLED_BACK[:2], "live": "b"},
        {"installs": [*ROLLED_BACK, {**INSTALL, "number": 4}]},
        {"installs": ROLLED_BACK, "unfinished": {"release": "c", "opened": INSTALL["time"]}},
        {"installs": None, "privileged": False},
    ],
    ids=["no rollback", "an install since", "an install that did not end", "unseen"],
)
def test_a_rollback_that_is_not_the_last_word_changes_no_advice(
    contract: Contract, more: dict[str, Any]
) -> None:
    report = status(contract, **CHANGE, **more)
    for problem in [*report["drift"], *report["problems"]]:
        assert "rolled back" not in problem["fix"]


def test_before_an_adoption_nothing_is_called_drift(contract: Contract) -> None:
    layout = {
        "changes": [{"path": "/x", "before": "", "after": "y"}],
        "unseen": [],
        "refused": [],
    }
    report = status(contract, live="flat", installs=[], layout=layout)
    assert report["drift"] == []


def test_one_request_names_every_path_that_an_install_lays(contract: Contract) -> None:
    read = read_configuration(contract, variables(user(1, "Ada", os_user="alice")))
    request = installed_request(read)
    desired = desired_state(read, probe())
    home = "{service_home}"
    assert [
        {**entry, "path": entry["path"].replace(home, "/home/kai")}
        for entry in request["directories"]
    ] == desired["directories"]
    assert [
        {**entry, "path": entry["path"].replace(home, "/home/kai")} for entry in request["seeds"]
    ] == desired["seeds"]
