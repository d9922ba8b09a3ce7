"""What to do about messages of Ansible, sudo, su and ssh that name a fault of the operator's side.

tests/cli/test_advice.py lets the real programs print them.
"""

from __future__ import annotations

import re

_OTHER_WAY = (
    "the program that makes Ansible root asks in a way that it does not know (sudo-rs, doas), or "
    "asks for nothing: set ansible_become_exe of {host} to another sudo (on Debian and Ubuntu "
    "/usr/bin/sudo.ws), or let that account become root without a password"
)
_ANOTHER_TIME = (
    "run the same command with --ask-become-pass and the right password; one in the keyring is "
    "replaced by kai-ansible sudo-password {host}"
)
_ASKED_FOR = (
    "run the same command with --ask-become-pass, or keep the password in the keyring: "
    "kai-ansible sudo-password {host}"
)
_UNWRITABLE = "HOME=/a/directory/of/yours before the command, or ANSIBLE_HOME alone"
_LOCALE = "set a UTF-8 locale that this machine has before the command: LC_ALL=C.UTF-8 (locale -a)"
# of the machine that runs Ansible: they end it before it reaches a host
OF_CONTROLLER = (
    (r"could not initialize the preferred locale|requires the locale encoding", _LOCALE),
    (
        r"Error reading config file \((?P<file>[^)%]+)\)",
        "correct {file}, or name another file: "
        "ANSIBLE_CONFIG=/path/of/ansible.cfg before the command",
    ),
    (
        r"Config '\w+' from '(?P<file>[^']*)' has an invalid value",
        "correct that setting in {file}; ansible-config dump --only-changed lists yours",
    ),
    (r"Unable to create local directories", "name a home that you can write to: " + _UNWRITABLE),
)
# of becoming root, and of the way to a host
OF_HOST = (
    (
        r"Invalid become method specified",
        "remove ansible_become_method of {host}, or set it to one that this lists: "
        "ansible-doc -t become -l",
    ),
    (
        r"Duplicate become password prompt|Incorrect \w+ password|su: Authentication failure"
        r"|Sorry, try again",
        _ANOTHER_TIME,
    ),
    (r"Missing \w+ password|sudo: a password is required", _ASKED_FOR),
    (
        r"waiting for privilege escalation prompt|while waiting for password prompt"
        r"|sudo: a terminal is required|su: must be run from a terminal",
        _OTHER_WAY,
    ),
    (
        r"ControlPath too long|too long for Unix domain socket",
        "set a shorter control_path_dir in the section ssh_connection of ansible.cfg, or before "
        "the command: ANSIBLE_SSH_CONTROL_PATH_DIR=/tmp/cp",
    ),
    (
        r"Failed to create temporary directory",
        "let the account that logs in on {host} write to its home, or set ansible_remote_tmp of "
        "{host} to a directory that it can write to",
    ),
)


def advice_for(message: str, host: str = "", *, reached: bool = False) -> str:
    """Return what to do about a message, empty for one that is not known.

    host: the one that it is about. reached: whether a module ran there, which may quote a program,
    in which the same words have another meaning.
    """
    known = OF_CONTROLLER if reached else (*OF_CONTROLLER, *OF_HOST)
    for pattern, advice in known:
        found = re.search(pattern, message)
        if found:
            words = {"host": host or "the host", **found.groupdict()}
            return advice.format(**words)
    return ""
