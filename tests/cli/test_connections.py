"""Which machines ssh comes to on its way to a host, and whether their keys are known."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.inventory.ssh import hop_of, login_of, unknown_keys


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A file of known hosts with the key of one machine, on a port of its own."""
    key = tmp_path / "key"
    generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(generate, check=True, stdin=subprocess.DEVNULL)
    kind, blob = key.with_suffix(".pub").read_text().split()[:2]
    path = tmp_path / "known hosts"
    path.write_text(f"[192.0.2.1]:2222 {kind} {blob}\nbot.example {kind} {blob}\n")
    return path


@pytest.fixture
def address(known: Path, tmp_path: Path) -> dict[str, Any]:
    """The variables of a host whose key is known, with a configuration of ssh that is empty."""
    config = tmp_path / "config"
    config.write_text("Host *\n  GlobalKnownHostsFile none\n  UserKnownHostsFile none\n")
    options = ["-F", str(config), "-o", f'UserKnownHostsFile="{known}"']
    return {
        "ansible_host": "192.0.2.1",
        "ansible_port": 2222,
        "ansible_user": "operator",
        "ansible_ssh_common_args": shlex.join(options),
    }


def found(variables: dict[str, Any]) -> list[str]:
    hop = hop_of({"inventory_hostname": "bot", **variables})
    return [problem.found for problem in unknown_keys({"bot": hop})]


def test_a_key_is_known_under_the_name_and_the_port_that_ssh_uses(address: dict[str, Any]) -> None:
    assert found(address) == []
    assert found({**address, "ansible_port": 2223}) == ["no known key of [192.0.2.1]:2223"]
    alias = f"{address['ansible_ssh_common_args']} -o HostKeyAlias=bot.example"
    assert found({**address, "ansible_port": 2223, "ansible_ssh_common_args": alias}) == []


@pytest.mark.parametrize(
    ("option", "machines"),
    [
        ("-J jumper@jump:2200", ["[jump]:2200"]),
        ("-o ProxyJump=one,two", ["one", "two"]),
        ("-o ProxyCommand='ssh -q -p 2200 -W %h:%p jump'", ["[jump]:2200"]),
        # what is no ssh says nothing of a key
        ("-o ProxyCommand='nc %h %p'", []),
    ],
)
def test_each_machine_on_the_way_needs_a_known_key(
    address: dict[str, Any], option: str, machines: list[str]
) -> None:
    through = f"{address['ansible_ssh_common_args']} {option}"
    told = found({**address, "ansible_ssh_common_args": through})
    assert told == [f"no known key of {machine}" for machine in machines]


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_connection": "local"},
        {"ansible_host_key_checking": False},
        {"ansible_ssh_extra_args": "-o StrictHostKeyChecking=accept-new"},
        {"ansible_ssh_extra_args": "-o KnownHostsCommand=/bin/keys"},
    ],
)
def test_a_key_that_nobody_wants_in_a_file_is_not_missed(
    address: dict[str, Any], variables: dict[str, Any]
) -> None:
    assert found({**address, "ansible_port": 2223, **variables}) == []


def test_the_command_that_accepts_a_key_asks_also_where_ssh_was_told_not_to(
    address: dict[str, Any],
) -> None:
    strict = "-o StrictHostKeyChecking=yes -o BatchMode=yes"
    address = {**address, "ansible_port": 2223, "ansible_ssh_extra_args": strict}
    hops = {name: hop_of({"inventory_hostname": name, **address}) for name in ("bot", "other")}
    [problem] = unknown_keys(hops)
    # the same machine under two names is told once
    assert problem.where == "bot, other"
    command = shlex.split(problem.fix.partition(": compare")[0])
    asked = subprocess.run([command[0], "-G", *command[1:]], capture_output=True, text=True)
    settings = asked.stdout.splitlines()
    assert {"user operator", "hostname 192.0.2.1", "port 2223"} <= set(settings)
    assert {"stricthostkeychecking ask", "batchmode no"} <= set(settings)


def test_a_login_is_told_as_ssh_will_make_it(address: dict[str, Any]) -> None:
    assert login_of(hop_of({"inventory_hostname": "bot", **address})) == "operator@192.0.2.1:2222"
