"""A wrong sudo password is asked for again, at a real terminal."""

import pexpect
import pytest

from tests.cli.desk import Desk, exit_code

SUDO = """#!/bin/sh
case " $* " in
*" -n "*) exit 1 ;;
esac
read password
[ "$password" = right ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }
"""


@pytest.fixture
def guarded(desk: Desk) -> Desk:
    """A desk of this host, whose sudo wants a password."""
    path = desk.write("bin/sudo", SUDO)
    path.chmod(0o755)
    desk.given(desk.answers())
    desk.variables["PATH"] = f"{path.parent}:{desk.environment()['PATH']}"
    return desk


def test_a_wrong_password_is_asked_for_again(guarded: Desk) -> None:
    child = guarded.spawn("logins", "--ask-become-pass")
    child.expect(r"\[sudo\] password for \w+@localhost: ")
    child.sendline("wrong")
    child.expect("Sorry, try again")
    child.expect(r"\[sudo\] password for \w+@localhost: ")
    child.sendline("right")
    # nothing more is asked, however the run ends
    assert child.expect(["try again", pexpect.EOF]) == 1
    child.close()


def test_sudo_is_not_asked_about_the_password_of_another_program(guarded: Desk) -> None:
    with (guarded.inventory / "hosts.yml").open("a") as hosts:
        hosts.write("      ansible_become_method: ansible.builtin.su\n")
    child = guarded.spawn("logins", "--ask-become-pass")
    child.expect(r"\[su\] password for \w+@localhost: ")
    child.sendline("of root")
    # nothing more is asked, however the run ends
    assert child.expect(["try again", pexpect.EOF]) == 1
    child.close()


def test_the_third_wrong_password_is_the_last(guarded: Desk) -> None:
    child = guarded.spawn("logins", "--ask-become-pass")
    for _ in range(3):
        child.expect(r"\[sudo\] password for \w+@localhost: ")
        child.sendline("wrong")
    child.expect("3 wrong ones")
    child.expect(pexpect.EOF)
    assert exit_code(child) == 2


def test_a_log_is_not_followed_by_sudo_with_the_password_of_another_program(desk: Desk) -> None:
    desk.given(desk.answers())
    hosts = {"bot": {"ansible_become_method": "su", "ansible_become_password": "of root"}}
    program = desk.write("bin/ssh", f"#!/bin/sh\necho started >> {desk.work}/started\n")
    program.chmod(0o755)
    variables = {"ansible_ssh_executable": str(program)}
    desk.write("inventory/hosts.yml", {"all": {"hosts": hosts, "vars": variables}})
    refused = desk.run("logs", "bot", "--follow")
    assert refused.returncode == 2
    assert "ansible_become_method su" in refused.stderr
    assert not (desk.work / "started").exists()


def test_a_password_is_tried_where_the_inventory_has_no_other(desk: Desk) -> None:
    desk.given(desk.answers())
    # each host takes its own password alone
    program = desk.write(
        "bin/ssh",
        '#!/bin/sh\ncase "$*" in *BatchMode*) read password ;; *) exit 255 ;; esac\n'
        'case " $* " in *" $password "*) exit 0 ;; *) exit 1 ;; esac\n',
    )
    program.chmod(0o755)
    hosts = {"first": {"ansible_become_password": "first"}, "second": {}}
    variables = {"ansible_ssh_executable": str(program)}
    desk.write("inventory/hosts.yml", {"all": {"hosts": hosts, "vars": variables}})
    child = desk.spawn("logs", "all", "--ask-become-pass")
    child.expect(r"\[sudo\] password for second: ")
    child.sendline("second")
    assert child.expect(["try again", pexpect.EOF]) == 1
    child.close()
