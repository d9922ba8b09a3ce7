"""One file knows the operating system, and a system that it does not know is refused by name."""

import ast
import platform
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import samples
import yaml
from test_host_status import status

from kai_ansible.errors import CommandError
from kai_ansible.host import system
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.typed_data import as_data
from kai_ansible.wizard.host_view import HostView
from plugins.modules import kai_probe
from tests.conftest import ROOT

PLUGINS = ROOT / "plugins"
DOOR = PLUGINS / "module_utils/host/system.py"
FILES = sorted({*PLUGINS.glob("module_utils/host/**/*.py"), *PLUGINS.glob("modules/*.py")} - {DOOR})
WORDS = re.compile(
    r"/proc\b|/run/|/etc/(os-release|machine-id)|\b(systemctl|journalctl|launchctl|useradd|userdel"
    r"|getent|sysctl)\b"
)
CALLS = {
    ("platform", "system"),
    ("sys", "platform"),
    ("os", "getgrouplist"),
    ("os", "setgroups"),
    ("os", "initgroups"),
    ("os", "setresuid"),
    ("os", "setuid"),
}
DOCUMENTS = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def known_to(source: str) -> list[str]:
    """Return what a file knows of the operating system, its documentation aside."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        node.body = [  # type: ignore[attr-defined]
            one
            for one in body
            if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            and not (
                isinstance(one, ast.Assign)
                and isinstance(one.targets[0], ast.Name)
                and one.targets[0].id in DOCUMENTS
            )
        ]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [match[0] for match in WORDS.finditer(node.value)]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = (node.value.id, node.attr)
            found += [".".join(name)] if name in CALLS else []
    return found


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_only_one_file_knows_the_system(path: Path) -> None:
    assert known_to(path.read_text(encoding="utf-8")) == []


def test_what_that_file_knows_would_be_found_elsewhere() -> None:
    found = set(known_to(DOOR.read_text(encoding="utf-8")))
    assert {"/proc", "/run/", "systemctl", "journalctl", "useradd", "userdel", "getent"} <= found
    assert {"platform.system", "os.setgroups", "os.setresuid"} <= found


SYSTEMS = {
    "a Mac": ("Darwin", "", "macOS 15.1 with launchd"),
    "a BSD": ("FreeBSD", "", "FreeBSD 6.12 with rc"),
    "OpenRC": ("Linux", "/run/openrc", " with OpenRC"),
    "another init": ("Linux", "", " with "),
}


@pytest.fixture(params=SYSTEMS)
def foreign(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let this machine be another system; return the words that name it."""
    kernel, directory, words = SYSTEMS[request.param]
    monkeypatch.setattr(platform, "system", lambda: kernel)
    monkeypatch.setattr(platform, "release", lambda: "6.12")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("15.1", "", ""))
    real = system.os.path.isdir
    monkeypatch.setattr(
        system.os.path,
        "isdir",
        lambda path: path == directory if str(path).startswith("/run/") else real(path),
    )
    if kernel != "Linux":
        monkeypatch.setattr(kai_probe.system, "read_env", lambda _text: {})
    return words


@pytest.fixture
def seen(foreign: str, contract: Contract) -> dict[str, Any]:
    """What the probe returns."""
    host = kai_probe.Host(
        {
            "platforms": as_data(contract.platforms),
            "service_user": "kai",
            "os_users": ["alice"],
            "install_dir": "/opt/kai",
            "controller": [],
            "installed": {"unit": "kai"},
        }
    )
    assert host.system == ""
    found: dict[str, Any] = kai_probe.refuse(host)
    return found


def test_a_foreign_system_is_refused_by_name_and_for_nothing_else(
    seen: dict[str, Any], foreign: str, contract: Contract
) -> None:
    configuration = read_configuration(contract, samples.variables())
    plan = desired_state(configuration, seen)
    [problem] = plan["problems"]
    assert foreign in problem["found"]
    assert "not supported" in problem["found"]
    assert problem["expected"] == "Linux with systemd"
    assert problem["fix"]
    assert plan["notes"] == []


def test_the_status_of_a_foreign_system_names_it_once(
    seen: dict[str, Any], foreign: str, contract: Contract
) -> None:
    report = status(contract, **{**seen["installed"], "privileged": True})
    assert sum(foreign in one["found"] for one in report["problems"]) == 1


def test_a_foreign_system_has_every_part_of_the_answer(seen: dict[str, Any]) -> None:
    documented = yaml.safe_load(kai_probe.RETURN)["probe"]["contains"]
    assert set(seen) == set(documented)


def test_config_refuses_a_foreign_system(
    seen: dict[str, Any], foreign: str, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = HostView.__new__(HostView)
    view.contract, view.host = contract, "bot"
    monkeypatch.setattr(
        view, "_run", lambda *_: SimpleNamespace(succeeded=True, reports={"bot": seen})
    )
    with pytest.raises(CommandError) as error:
        view._probe({})
    [problem] = error.value.problems
    assert foreign in problem.found


def test_this_system_is_known(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "service_manager", lambda: "systemd")
    assert system.platform_name(contract.platforms) == "linux"
    assert system.platform_name(["darwin"]) == ""
