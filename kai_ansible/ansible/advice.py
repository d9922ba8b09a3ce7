"""What to do about messages of Ansible, sudo, su and ssh that name a fault of the operator's side.

tests/cli/test_advice.py and tests/machine/test_becoming_root.py let the real programs print them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

_OTHER_WAY = (
    "if no password was given, run the same command with --ask-become-pass. If one was given, "
    "{host} asks for it in a form that Ansible does not recognize (sudo-rs, doas): set "
    "ansible_become_exe of {host} to another sudo (on Debian and Ubuntu /usr/bin/sudo.ws), or let "
    "the account that logs in become root without a password"
)
_ANOTHER_TIME = (
    "run the same command with --ask-become-pass and the right password; to replace the "
    "one in the keyring: kai-ansible sudo-password {host}"
)
_ASKED_FOR = (
    "run the same command with --ask-become-pass, or keep the password in the keyring: "
    "kai-ansible sudo-password {host}"
)
_UNWRITABLE = "HOME=/a/directory/of/yours before the command, or ANSIBLE_HOME alone"
_OTHER_PYTHON = "set ansible_python_interpreter of {host} to the absolute path of a Python on it"
_UP = "check that {host} is up and reachable"
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
    (
        r"The number of processes \(--forks\) must be",
        "set forks in ansible.cfg or ANSIBLE_FORKS to 1 or more; ansible-config dump "
        "--only-changed lists yours",
    ),
    (r"Unable to create local directories", "name a home that you can write to: " + _UNWRITABLE),
)
# of a login that failed; the first names two of them
OF_LOGIN = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "find out why its key has changed; only if the host was reinstalled, forget the old key "
        "with ssh-keygen -R, and accept the new one: {accept}",
    ),
    (
        r"Host key verification failed",
        "compare the fingerprint that ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints on "
        "the machine with the one that this command shows, and accept it once: {accept}",
    ),
    (
        r"Permission denied",
        "check that you can log in: {ssh} (ansible_user of {host} sets the login name)",
    ),
    (r"Could not resolve hostname", "fix ansible_host of {host} in the inventory"),
    (r"Connection refused", "check that {host} is up and its ssh port is right"),
    (r"Connection timed out|No route to host", _UP),
)
# of a module that never began: what the host said in its place
OF_START = (
    # a version manager's command for a Python that it does not have at hand
    (r"pyenv: |No version is set for command", _OTHER_PYTHON),
    (
        r"is not in the sudoers file|is not allowed to execute|I'm afraid I can't do that",
        "let the account that logs in become root on {host} with a rule in /etc/sudoers.d, or set "
        "ansible_user of {host} to an account that may",
    ),
    (r"interactive authentication is required", _OTHER_WAY),
    (
        r"(?P<program>[\w./+-]+): (command )?not found",
        "install {program} on {host}, or become root in another way: ansible_become_method and "
        "ansible_become_exe of {host}",
    ),
)
NOT_BEGUN = "Module result deserialization failed"
# of becoming root, and of a module that is brought to a host
OF_HOST = (
    (r"The module interpreter '", _OTHER_PYTHON),
    (
        r"could not find matching plugin: '(community\.general\.)?doas'",
        "install the collection that has doas, on the machine that runs Ansible: ansible-galaxy "
        "collection install community.general; or remove ansible_become_method of {host}",
    ),
    (
        r"doas: Operation not permitted|doas is not enabled",
        "let the account that logs in become root on {host} with a rule in /etc/doas.conf, or set "
        "ansible_user of {host} to an account that may",
    ),
    (
        r"Invalid become method specified",
        "remove ansible_become_method of {host}, or set it to one that this lists: "
        "ansible-doc -t become -l",
    ),
    (
        r"the connection plugin '(?P<plugin>[^']*)' was not found",
        "remove ansible_connection of {host}, or set it to one that this lists: "
        "ansible-doc -t connection -l",
    ),
    (
        r"Duplicate become password prompt|Incorrect (community\.general\.)?\w+ password"
        r"|su: Authentication failure|doas: Authentication failed|Sorry, try again",
        _ANOTHER_TIME,
    ),
    (
        r"Missing (community\.general\.)?\w+ password|sudo: a password is required"
        r"|doas: Authentication required",
        _ASKED_FOR,
    ),
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


def advice_for(
    message: str,
    host: str = "",
    ssh: Sequence[str] = (),
    *,
    reached: bool = False,
    unreachable: bool = False,
) -> str:
    """Return what to do about a message, empty for one that is not known.

    host: the one that it is about. ssh: the command that logs in there. reached: whether a module
    ran there, which may quote a program, in which the same words have another meaning. unreachable:
    whether Ansible did not get there.
    """
    known = [*OF_CONTROLLER]
    if unreachable:
        known += OF_LOGIN
    if not reached:
        known += [*(OF_START if NOT_BEGUN in message else ()), *OF_HOST]
    for pattern, advice in known:
        found = re.search(pattern, message)
        if found:
            return advice.format_map(_words(host, ssh, found.groupdict()))
    return ""


def _words(host: str, ssh: Sequence[str], named: Mapping[str, str | None]) -> dict[str, str]:
    login = list(ssh) or ["ssh", host or "HOST"]
    # a configuration of ssh may forbid to ask
    accept = [login[0], "-o", "StrictHostKeyChecking=ask", *login[1:]]
    words = {"host": host or "the host", "ssh": shlex.join(login), "accept": shlex.join(accept)}
    return words | {name: text for name, text in named.items() if text}
