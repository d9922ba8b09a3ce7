"""What sudo, sudo-rs, su and doas say through each ansible-core has an advice that helps."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.failures import failed_tasks
from tests.testbed.machines import Machine
from tools.sanity import pythons, releases

pytestmark = pytest.mark.later("tests/cli/test_advice.py tries what needs no host")

PLAY = """
- hosts: all
  gather_facts: false
  become: true
  tasks: [ansible.builtin.command: id]
"""
# the bundle that brings community.general for each ansible-core
BUNDLES = {"2.19": 12, "2.20": 13, "2.21": 14}
# carol may become root with the password "right", bob may not
PREPARE = """
set -e
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq sudo-rs opendoas >/dev/null
printf 'carol:right\\nbob:right\\nroot:other\\n' | chpasswd
echo 'carol ALL=(ALL:ALL) ALL' >/etc/sudoers.d/carol
chmod 0440 /etc/sudoers.d/carol
echo 'permit carol' >/etc/doas.conf
for name in bob carol; do
    install -d -o $name -g $name -m 0700 /home/$name/.ssh
    install -o $name -g $name -m 0600 ~operator/.ssh/authorized_keys /home/$name/.ssh/
done
"""
RIGHT, WRONG = ({"ansible_become_password": word} for word in ("right", "wrong"))
BOB = {"ansible_user": "bob"}
SU = {"ansible_become_method": "ansible.builtin.su"}
WITH_DOAS = {"ansible_become_method": "doas"}
RS = {"ansible_become_exe": "/usr/bin/sudo-rs"}
# Ansible waits that long for a question
SOON = {"ansible_ssh_timeout": 8}
ABSENT = {"ansible_become_exe": "/usr/bin/absent"}
PYTHON = {"ansible_python_interpreter": "/usr/bin/python9"}
NO_HOME = {"ansible_remote_tmp": "/proc/none", "ansible_become": False, "ansible_pipelining": False}
# as ansible.cfg has it by default: ssh gives the programs a terminal
PLAIN = {"ansible_pipelining": False}
FAULTS = {
    "sudo, wrong": (WRONG, "--ask-become-pass and the right password"),
    "sudo, none": ({}, "--ask-become-pass, or keep"),
    "sudo, not allowed": ({**BOB, **RIGHT}, "/etc/sudoers.d"),
    "su, wrong": ({**SU, **WRONG}, "--ask-become-pass and the right password"),
    "su, none": ({**SU, **SOON}, "if no password was given"),
    "sudo-rs, right": ({**RS, **RIGHT, **SOON}, "ansible_become_exe of bot to another sudo"),
    "sudo-rs, none": (RS, "if no password was given"),
    "sudo-rs, not allowed": ({**RS, **BOB}, "/etc/sudoers.d"),
    "doas, none": (WITH_DOAS, "--ask-become-pass, or keep"),
    "doas, wrong": ({**WITH_DOAS, **WRONG}, "--ask-become-pass and the right password"),
    "doas, not allowed": ({**WITH_DOAS, **BOB}, "/etc/doas.conf"),
    "plain, sudo, wrong": ({**PLAIN, **WRONG}, "--ask-become-pass and the right password"),
    "plain, sudo, none": (PLAIN, "--ask-become-pass, or keep"),
    "plain, sudo, not allowed": ({**PLAIN, **BOB, **RIGHT}, "/etc/sudoers.d"),
    "plain, su, wrong": ({**PLAIN, **SU, **WRONG}, "--ask-become-pass and the right password"),
    "plain, su, none": ({**PLAIN, **SU, **SOON}, "if no password was given"),
    "plain, sudo-rs, none": ({**PLAIN, **RS}, "if no password was given"),
    "plain, sudo-rs, not allowed": ({**PLAIN, **RS, **BOB}, "/etc/sudoers.d"),
    "plain, absent": ({**PLAIN, **ABSENT}, "install /usr/bin/absent on bot"),
    "absent": (ABSENT, "install /usr/bin/absent on bot"),
    "unknown method": ({"ansible_become_method": "nosuch"}, "ansible-doc -t become -l"),
    "unwritable": (NO_HOME, "ansible_remote_tmp of bot"),
    "another Python": ({**PYTHON, **RIGHT}, "ansible_python_interpreter of bot"),
    "no login": ({"ansible_user": "nobody-here"}, "check that you can log in"),
    "no port": ({"ansible_port": 1}, "its ssh port is right"),
    "no name": ({"ansible_host": "kai.invalid"}, "ansible_host of bot"),
}


@pytest.fixture(scope="module")
def host(machine: Machine) -> dict[str, Any]:
    """The variables with which Ansible reaches a host as carol."""
    machine.run(["sh", "-c", PREPARE])
    return dict(machine.inventory_entry("carol"))


@pytest.fixture(scope="module", params=BUNDLES)
def playbook(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ansible-playbook of a release, with the collection that has doas."""
    fitting = [python for python in pythons() if request.param in releases(python)]
    if not fitting:
        pytest.skip(f"no Python here runs ansible-core {request.param}")
    place = tmp_path_factory.mktemp("core")
    pip = [str(place / "bin/pip"), "--quiet"]
    bundle = f"ansible=={BUNDLES[request.param]}.*"
    for command in (
        [str(fitting[0]), "-m", "venv", str(place)],
        [*pip, "install", f"ansible-core=={request.param}.*"],
        [*pip, "download", "--no-deps", "--dest", str(place), bundle],
    ):
        subprocess.run(command, check=True, timeout=300)
    [wheel] = place.glob("ansible-*.whl")
    [packages] = place.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as bundled:
        names = [name for name in bundled.namelist() if "/community/general/" in name]
        bundled.extractall(packages, names)
    return place / "bin" / "ansible-playbook"


def events(output: str) -> list[dict[str, Any]]:
    """Return the events of failed tasks, as ansible-runner has them, from Ansible's own output."""
    return [
        {
            "event": f"runner_on_{kind.lower()}",
            "event_data": {"host": "bot", "task": "Probe", "res": json.loads(result)},
        }
        for kind, result in re.findall(
            r"^fatal: \[bot\]: (FAILED|UNREACHABLE)! => (.*)$", output, re.M
        )
    ]


def advice(playbook: Path, host: dict[str, Any], variables: dict[str, Any], place: Path) -> str:
    """Return the advice for a run that fails, with some variables of its host."""
    inventory = {"all": {"hosts": {"bot": {"ansible_pipelining": True, **host, **variables}}}}
    (place / "hosts.json").write_text(json.dumps(inventory))
    (place / "play.yml").write_text(PLAY)
    done = subprocess.run(
        [str(playbook), "-i", "hosts.json", "play.yml"],
        cwd=place,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    [failure] = failed_tasks(events(done.stdout), done.stdout)
    return f"{failure.fix}\n\n{done.stdout}"


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_programs_say_has_an_advice(
    playbook: Path, host: dict[str, Any], tmp_path: Path, fault: str
) -> None:
    variables, expected = FAULTS[fault]
    said = advice(playbook, host, variables, tmp_path)
    assert expected in said.partition("\n\n")[0], said


def test_doas_without_rules_has_an_advice(
    playbook: Path, host: dict[str, Any], machine: Machine, tmp_path: Path
) -> None:
    machine.run(["mv", "/etc/doas.conf", "/etc/doas.conf.away"])
    try:
        said = advice(playbook, host, WITH_DOAS, tmp_path)
    finally:
        machine.run(["mv", "/etc/doas.conf.away", "/etc/doas.conf"])
    assert "a rule in /etc/doas.conf" in said.partition("\n\n")[0], said
