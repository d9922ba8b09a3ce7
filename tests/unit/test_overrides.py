"""What changes the service besides its own file is named with its file, and wins where it wins."""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from samples import probe, user, variables
from test_host_status import SERVICE, installed, status

from kai_ansible.host import system, unit_overrides
from kai_ansible.host.look.releases import probe_installed
from kai_ansible.host.records import Installs
from kai_ansible.host.system import ServiceState
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.overrides import is_limit
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.run_plan import Subject, install_plan
from kai_ansible.rules.unit import MANAGER, assignments_of
from tests.conftest import ROOT

SETTINGS = {"DEFAULT_MODEL": True, "WEBHOOK_PORT": True, "TELEGRAM_BOT_TOKEN": False, "PATH": True}
UNIT = """[Unit]
Description=Kai
[Service]
ExecStart=/opt/kai/current/venv/bin/python -m kai
Environment="PATH=/usr/bin"
LimitCORE=0
"""


@pytest.fixture
def unseen() -> list[Problem]:
    """What the last look could not read."""
    return []


def silent() -> dict[str, str]:
    raise OSError("no answer")


@pytest.fixture
def manager() -> Callable[[], dict[str, str]]:
    """The environment that systemd gives every service."""
    return lambda: {"PATH": "/bin", "WEBHOOK_PORT": "9"}


@pytest.fixture
def drop_ins(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unseen: list[Problem],
    manager: Callable[[], dict[str, str]],
) -> Any:
    """Return the overrides of a unit with some drop-ins, and a process with an environment."""
    monkeypatch.setattr(system, "core_limit_of", lambda _pid: "0")

    def look(
        *texts: str, environment: dict[str, str] | None = None, **state: Any
    ) -> list[dict[str, Any]]:
        directory = tmp_path / "kai.service.d"
        directory.mkdir()
        (tmp_path / "kai.service").write_text(UNIT)
        paths = []
        for number, text in enumerate(texts):
            path = directory / f"{number}.conf"
            path.write_text(text.replace("DIRECTORY", str(tmp_path)))
            paths.append(str(path))
        own = str(tmp_path / "kai.service")
        # of a process that has nothing but what its unit gives
        seen = {"PATH": "/usr/bin"} if environment is None else environment
        monkeypatch.setattr(system, "environment_of", lambda _pid: seen)
        monkeypatch.setattr(system, "manager_environment", manager)
        given = {"file": own, "drop_ins": tuple(paths), "pid": 7, **state}
        state_of_unit = ServiceState(**given)
        found, unseen[:] = unit_overrides.overrides_of("kai", own, state_of_unit, SETTINGS)
        return [{**one, "file": one["file"].replace(f"{tmp_path}/", "")} for one in found]

    return look


def test_a_unit_without_drop_ins_has_no_overrides(drop_ins: Any) -> None:
    assert drop_ins(environment={"PATH": "/usr/bin", "LANG": "C"}) == []


@pytest.mark.parametrize(
    ("text", "name", "key", "value"),
    [
        ("[Service]\nEnvironment=DEFAULT_MODEL=opus\n", "Environment", "DEFAULT_MODEL", "opus"),
        (
            '[Service]\nEnvironment="A=1" \\\n "WEBHOOK_PORT=1"\n',
            "Environment",
            "WEBHOOK_PORT",
            "1",
        ),
        (
            "[Service]\nEnvironment=TELEGRAM_BOT_TOKEN=secret\n",
            "Environment",
            "TELEGRAM_BOT_TOKEN",
            None,
        ),
        ("[Service]\nEnvironment=HTTPS_PROXY=http://u:p@x\n", "Environment", "HTTPS_PROXY", None),
        ("[Service]\n# no\nMemoryMax=100M\n", "MemoryMax", "", "100M"),
        ("[Service]\nExecStart=\nExecStart=/bin/other\n", "ExecStart", "", "/bin/other"),
        ("[Service]\nLimitNOFILE=64\n", "LimitNOFILE", "", "64"),
        ("[Service]\nEnvironment=DEFAULT_MODEL=opus\nEnvironment=\n", "Environment", "", ""),
        ("[Service]\nEnvironmentFile=\n", "EnvironmentFile", "", ""),
        ("[Service]\nSetCredential=token:secret\n", "SetCredential", "", None),
    ],
)
def test_a_drop_in_is_named_with_what_it_sets(
    drop_ins: Any, text: str, name: str, key: str, value: str | None
) -> None:
    last = drop_ins(text)[-1]
    assert (last["file"], last["name"]) == ("kai.service.d/0.conf", name)
    assert (last["key"], last["value"]) == (key, value)


def test_an_empty_assignment_takes_what_was_assigned_before(
    drop_ins: Any, unseen: list[Problem]
) -> None:
    text = "[Service]\nEnvironment=WEBHOOK_PORT=1\nEnvironment=\nEnvironment=DEFAULT_MODEL=opus\n"
    found = drop_ins(text, environment={"DEFAULT_MODEL": "opus"})
    assert [(one["key"], one["value"]) for one in found] == [("", ""), ("DEFAULT_MODEL", "opus")]
    assert unseen == []


def test_a_drop_in_of_every_service_counts_where_it_replaces_a_line_of_the_unit(
    drop_ins: Any, tmp_path: Path
) -> None:
    path = tmp_path / "service.d" / "all.conf"
    path.parent.mkdir()
    path.write_text("[Service]\nLimitCORE=infinity\nOOMPolicy=continue\n")
    [found] = drop_ins(drop_ins=(str(path),))
    assert (found["file"], found["name"], found["value"]) == (
        "service.d/all.conf",
        "LimitCORE",
        "infinity",
    )


@pytest.mark.parametrize(("limit", "names"), [("0", []), ("unlimited", ["LimitCORE"])])
def test_a_running_bot_that_may_leave_an_image_of_its_memory_is_named(
    drop_ins: Any, monkeypatch: pytest.MonkeyPatch, limit: str, names: list[str]
) -> None:
    monkeypatch.setattr(system, "core_limit_of", lambda _pid: limit)
    found = drop_ins()
    assert [entry["name"] for entry in found] == names
    assert {entry["file"] for entry in found} <= {"process 7"}


def test_a_limit_that_cannot_be_read_is_unknown(
    drop_ins: Any, unseen: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "core_limit_of", lambda _pid: None)
    assert drop_ins() == []
    [problem] = unseen
    assert problem.where == "process 7"


def test_the_limit_of_a_process_is_read() -> None:
    soft = resource.getrlimit(resource.RLIMIT_CORE)[0]
    expected = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    assert system.core_limit_of(os.getpid()) == expected
    assert system.core_limit_of(1 << 30) is None


def test_a_file_of_variables_is_named_itself(drop_ins: Any, tmp_path: Path) -> None:
    (tmp_path / "more.env").write_text("DEFAULT_MODEL=opus\n")
    [found] = drop_ins("[Service]\nEnvironmentFile=-DIRECTORY/more.env\n")
    assert (found["file"], found["key"], found["value"]) == ("more.env", "DEFAULT_MODEL", "opus")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[Service]\nEnvironmentFile=DIRECTORY/none.env\n", "none.env"),
        ("[Service]\nEnvironmentFile=-DIRECTORY/%H.env\n", "%H.env"),
        ("[Service]\nEnvironmentFile=-DIRECTORY/kai.service.d\n", "kai.service.d"),
    ],
)
def test_what_cannot_be_read_is_unknown(
    drop_ins: Any, unseen: list[Problem], text: str, where: str
) -> None:
    assert drop_ins(text, environment={"PATH": "/usr/bin"}) == []
    [problem] = unseen
    assert problem.where.endswith(where)


def test_a_drop_in_that_is_gone_is_unknown(drop_ins: Any, unseen: list[Problem]) -> None:
    drop_ins(drop_ins=("/nowhere/kai.service.d/a.conf",))
    assert [one.where for one in unseen] == ["/nowhere/kai.service.d/a.conf"]


def test_where_no_environment_can_be_read_that_of_systemd_counts(drop_ins: Any) -> None:
    [found] = drop_ins(environment={})
    assert (found["file"], found["key"]) == ("the environment of systemd", "WEBHOOK_PORT")


@pytest.mark.parametrize("manager", [silent], ids=["silent"])
def test_a_systemd_that_does_not_answer_is_unknown(drop_ins: Any, unseen: list[Problem]) -> None:
    assert drop_ins(environment={"PATH": "/usr/bin"}) == []
    assert [one.where for one in unseen] == ["the environment of systemd"]


def test_an_optional_file_need_not_be_there(drop_ins: Any, unseen: list[Problem]) -> None:
    drop_ins("[Service]\nEnvironmentFile=-DIRECTORY/none.env\n", environment={"PATH": "/usr/bin"})
    assert unseen == []


def test_status_is_not_healthy_where_it_could_not_look(contract: Contract) -> None:
    one = Problem("/x.conf", "not readable", "a file", "ls -l /x.conf")
    report = status(contract, overrides_unseen=[one.as_dict()])
    assert [entry["where"] for entry in report["unknown"]] == ["/x.conf"]
    assert not report["healthy"]


def test_other_sections_change_no_setting(drop_ins: Any) -> None:
    assert drop_ins("[Unit]\nAfter=postgresql.service\n[Install]\nAlias=bot.service\n") == []


def test_what_the_process_got_counts(drop_ins: Any) -> None:
    """A drop-in that no start has read is not in force, and a variable has another source."""
    found = drop_ins(
        "[Service]\nEnvironment=DEFAULT_MODEL=opus\n",
        environment={"PATH": "/usr/bin", "WEBHOOK_PORT": "9", "DEFAULT_MODEL": "sonnet"},
    )
    assert [(one["file"], one["key"], one["effective"]) for one in found] == [
        ("kai.service.d/0.conf", "DEFAULT_MODEL", False),
        ("the environment of systemd", "WEBHOOK_PORT", True),
    ]


def test_a_variable_that_only_the_process_has_is_named_with_it(drop_ins: Any) -> None:
    [found] = drop_ins(environment={"PATH": "/home/x/bin"})
    assert (found["file"], found["value"]) == ("process 7", "/home/x/bin")


def test_masks_and_other_definitions(drop_ins: Any) -> None:
    assert [one["name"] for one in drop_ins(masked=True)] == ["mask"]


def test_another_definition_is_named(drop_ins: Any) -> None:
    [found] = drop_ins(file="/run/systemd/system.control/kai.service")
    assert found["file"] == "/run/systemd/system.control/kai.service"


def test_assignments_are_those_of_the_section_service() -> None:
    text = "[Service]\nA = 1\nB=2 \\\n; no\n 3\n[Unit]\nC=4\n"
    assert assignments_of(text) == [("A", "1"), ("B", "2  3")]


def override(key: str, value: str | None, name: str = "Environment", **more: Any) -> dict[str, Any]:
    file = "/etc/systemd/system/kai.service.d/override.conf"
    return {"file": file, "name": name, "key": key, "value": value, "effective": True, **more}


@pytest.mark.parametrize(
    ("entry", "where", "found", "fix"),
    [
        (
            override("DEFAULT_MODEL", "opus"),
            "override.conf: DEFAULT_MODEL",
            "'opus'",
            "kai_install_default_model",
        ),
        (
            override("WEBHOOK_PORT", "99"),
            "override.conf: WEBHOOK_PORT",
            "'99'",
            "kai_install_webhook_port",
        ),
        (
            override("TELEGRAM_BOT_TOKEN", None),
            "TELEGRAM_BOT_TOKEN",
            "a value,",
            "telegram_bot_token",
        ),
        (
            override("HTTPS_PROXY", None),
            "HTTPS_PROXY",
            "a value,",
            "kai_install_extra_env.HTTPS_PROXY",
        ),
        (override("", "no", "Restart"), "override.conf: Restart", "Restart=no", "edit /etc"),
        (override("", "1", "LimitCORE"), "override.conf: LimitCORE", "LimitCORE=1", "edit /etc"),
        (override("", "", "mask"), "mask", "masked", "systemctl unmask kai.service"),
        (override("PATH", "/x", effective=False), "PATH", "from the next start on", "remove it"),
    ],
)
def test_status_names_it_with_its_file(
    contract: Contract, entry: dict[str, Any], where: str, found: str, fix: str
) -> None:
    report = status(contract, overrides=[entry])
    [drift] = report["drift"]
    assert drift["where"].endswith(where)
    assert found in drift["found"]
    assert fix in drift["fix"]
    assert not report["healthy"]


LIMITS = ["MemoryMax", "MemoryHigh", "CPUQuota", "TasksMax", "IOReadIOPSMax", "LimitNOFILE"]


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_of_the_operator_is_shown_and_is_no_drift(contract: Contract, name: str) -> None:
    entry = override("", "100", name, effective=False)
    line = f"{entry['file']}: {name}=100, from the next start on"
    report = status(contract, overrides=[entry])
    assert (report["limits"], report["drift"], report["healthy"]) == ([line], [], True)
    assert line in planned(contract, entry)["report"]["notes"]


@pytest.mark.parametrize("state", [{"health": None}, {"service": {**SERVICE, "active": False}}])
def test_a_limit_may_be_why_a_bot_does_not_answer(contract: Contract, state: Any) -> None:
    entry = override("", "10M", "MemoryMax")
    [problem] = status(contract, overrides=[entry], **state)["drift"]
    assert problem["where"] == f"{entry['file']}: MemoryMax"
    assert "remove it if it is not wanted" in problem["fix"]


def test_what_the_unit_of_an_install_sets_is_no_limit_of_the_operator() -> None:
    text = (ROOT / "roles/kai_install/templates/kai.service.j2").read_text(encoding="utf-8")
    names = {name for name, _value in assignments_of(text)}
    assert {"ExecStart", "LimitCORE"} <= names
    assert not [name for name in names if is_limit(name)]


def test_status_shows_the_model_that_the_bot_uses(contract: Contract) -> None:
    [person] = status(contract, overrides=[override("DEFAULT_MODEL", "opus")])["users"]
    assert person["model"] == "opus"
    late = override("DEFAULT_MODEL", "opus", effective=False)
    [person] = status(contract, overrides=[late])["users"]
    assert person["model"] != "opus"


def test_what_has_the_value_of_host_vars_changes_nothing(contract: Contract) -> None:
    entry = override("WEBHOOK_PORT", "9191")
    assert status(contract, settings={"webhook_port": 9191}, overrides=[entry])["drift"] == []


def planned(contract: Contract, entry: dict[str, Any]) -> Any:
    read = read_configuration(contract, variables(user(os_user="alice")))
    subject = Subject(read, {}, {}, lambda *_: "")
    seen: Any = probe(installed={**installed(), "overrides": [entry], "hangs": False})
    seen["accounts"]["alice"] = None
    source: Any = {"release": "a", "requires_python": "", "constrained": True}
    source |= {"features": [], "mode_variable": None, "extras": []}
    return install_plan(subject, seen, source, check=True)


def test_a_check_names_it_too(contract: Contract) -> None:
    notes = planned(contract, override("DEFAULT_MODEL", "opus"))["report"]["notes"]
    assert any("kai.service.d/override.conf: DEFAULT_MODEL" in note for note in notes)


def test_what_the_unit_sets_wins_over_systemd(contract: Contract) -> None:
    """systemd gives every service a PATH, before the first install as well."""
    entry = override("PATH", "/usr/bin", file=MANAGER)
    notes = planned(contract, entry)["report"]["notes"]
    assert not [note for note in notes if MANAGER in note]
    assert status(contract, overrides=[entry])["drift"] == []
    other = override("WEBHOOK_PORT", "9", file=MANAGER)
    notes = planned(contract, other)["report"]["notes"]
    assert [note for note in notes if f"{MANAGER}: WEBHOOK_PORT" in note]


def test_a_masked_unit_stops_an_install(contract: Contract) -> None:
    problems = planned(contract, override("", "", "mask"))["problems"]
    assert any("is masked" in problem["found"] for problem in problems)


def test_the_port_of_the_process_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def health(_host: str, port: int, _path: str) -> int:
        asked.append(port)
        return 200

    monkeypatch.setattr("kai_ansible.host.install_probe.health", health)
    monkeypatch.setattr(system, "environment_of", lambda _pid: {"WEBHOOK_PORT": "9999"})
    monkeypatch.setattr(system, "manager_environment", dict)
    env = tmp_path / "env"
    env.write_text("WEBHOOK_PORT=8080\n")
    request = {
        "unit": "kai",
        "host": "127.0.0.1",
        "health_path": "/health",
        "patience": 1,
        "port_key": "WEBHOOK_PORT",
        "default_port": 8080,
        "data_dir": None,
        "files": [],
        "directories": [],
        "seeds": [],
        "free_space": [],
        "settings": SETTINGS,
    }
    state = ServiceState(state="active", pid=SERVICE["pid"] or 7)
    host: Any = SimpleNamespace(
        parameters={"installed": request, "env_file": str(env), "port": 8080},
        installs=Installs(str(tmp_path / "kai")),
        facts={"unit": {"path": ""}},
        distrusted="",
        service_home="/home/kai",
    )
    seen = probe_installed(host, [], state, None)
    assert seen is not None
    assert asked == [9999]
    assert [one["key"] for one in seen["overrides"]] == ["WEBHOOK_PORT"]
