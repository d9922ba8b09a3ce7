"""The action plugin kai_plan, as ansible-playbook runs it: what it reads and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from samples import TOKEN, probe, variables

from tests.conftest import ROOT

ROLE = str(ROOT / "roles" / "kai_install")
SOURCE = {
    "release": "a1",
    "requires_python": "",
    "constrained": True,
    "extras": [],
    "features": [],
    "mode_variable": None,
}


def plans(
    directory: Path, environment: dict[str, str], *cases: dict[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """Return the plans of cases, each with vars and arguments, and what Ansible printed."""
    tasks: list[dict[str, Any]] = []
    for number, case in enumerate(cases):
        tasks += [
            {
                "kai.bot.kai_plan": {"purpose": "install", "role_path": ROLE, **case["arguments"]},
                "vars": {"kai_install_release": "1", **case["vars"]},
                "register": "plan",
                "no_log": True,
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ {'plan': plan} | to_json }}",
                    "dest": f"{directory}/{number}.json",
                },
                "no_log": True,
            },
        ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": tasks,
    }
    (directory / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "-vvv", str(directory / "play.json"), "-i", "localhost,"],
        env={**environment, "ANSIBLE_LOCAL_TEMP": str(directory / "tmp")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    found = [json.loads((directory / f"{n}.json").read_text()) for n in range(len(cases))]
    return [entry["plan"] for entry in found], said


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


def test_what_cannot_be_read_is_named_with_everything_else(
    directory: Path, ansible_environment: dict[str, str]
) -> None:
    unreadable = variables(webhook_port=0, users_file="/nowhere/users.yaml")
    del unreadable["kai_install_users"]
    unreadable["kai_install_source"] = "{{ no_such_variable }}"
    unreadable["kai_install_webhook_secret"] = "{{ 'sesame' | from_json }}"
    line = {**variables(), "kai_install_release": "../2"}
    (one, two, three), said = plans(
        directory,
        ansible_environment,
        {"vars": unreadable, "arguments": {}},
        {"vars": line, "arguments": {}},
        {"vars": {"kai_install_data_dir": "{{ omit }}", **variables()}, "arguments": {}},
    )
    found = {problem["where"]: problem["found"] for problem in one["problems"]}
    assert found.keys() == {
        "kai_install_source",
        "kai_install_webhook_secret",
        "kai_install_users_file",
        "kai_install_webhook_port",
    }
    assert "no_such_variable" in found["kai_install_source"]
    assert "/nowhere/users.yaml" in found["kai_install_users_file"]
    # the message of the filter quotes the value
    assert "sesame" not in json.dumps(one)
    assert [problem["where"] for problem in two["problems"]] == ["kai_install_release"]
    assert three["problems"] == []
    assert three["host"]["data_dir"] == "/var/lib/kai"
    assert "Traceback" not in said


def test_a_plan_has_the_rendered_files_and_prints_no_secret(
    directory: Path, ansible_environment: dict[str, str]
) -> None:
    seen = probe(
        installed={
            "fault": None,
            "live": None,
            "hangs": False,
            "interrupted": False,
            "installs": [],
            "is_recorded": False,
            "service": {"active": False, "enabled": False},
            "files": {},
            "layout": {"changes": [], "refused": [], "unseen": []},
        }
    )
    given = {**variables(), "kai_install_telegram_bot_token": "{{ token }}", "token": TOKEN}
    arguments = {"probe": seen, "source": SOURCE}
    (plan,), said = plans(directory, ansible_environment, {"vars": given, "arguments": arguments})
    assert plan["problems"] == []
    assert f'TELEGRAM_BOT_TOKEN="{TOKEN}"' in plan["secret_contents"]["/etc/kai/env"]
    texts = {entry["path"]: entry.get("content", "") for entry in plan["files"]}
    assert "ALL=(alice) NOPASSWD: /usr/local/bin/claude" in texts["/etc/sudoers.d/kai"]
    assert "ExecStart=/opt/kai/current/venv/bin/python -m kai" in texts[
        "/etc/systemd/system/kai.service"
    ].replace('"', "")
    assert "name: Ada" in texts["/etc/kai/users.yaml"]
    assert TOKEN not in said
