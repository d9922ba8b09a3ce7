"""The command ``logs``: print the end of the bot's log, or follow it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from kai_ansible.ansible.playbooks import LOGS
from kai_ansible.commands.options import RunOptions
from kai_ansible.commands.role_run import ended, raise_unless_succeeded, run_role
from kai_ansible.commands.target import Target, checked_target, only_host
from kai_ansible.errors import ExitCode, usage_error
from kai_ansible.host.system import log_command
from kai_ansible.operator import SUDO
from kai_ansible.rules.redact import masked
from kai_ansible.terminal.screen import Screen


def print_log(options: RunOptions, screen: Screen, lines: int, *, follow: bool) -> None:
    """Print the end of the bot's log on each host, without secrets.

    lines: how many at most. follow: go on until Ctrl-C, which then is a normal end.
    Raises CommandError for a log that cannot be read.
    """
    if follow and screen.as_json:
        raise usage_error("--follow", "--json too", "one of the two", "leave out one of them")
    target = checked_target(options, valid=False)
    if follow:
        _follow(target, only_host(options, target.inventory), lines, screen)
        return
    # the log alone goes to standard output, so that it can be piped
    aside = Screen(as_json=True, plain=screen.plain, verbose=screen.verbose)
    outcome = run_role(target, LOGS, options, aside, {"kai_logs_lines": lines})
    for host, report in outcome.reports.items():
        mark = f"{host} | " if len(target.hosts) > 1 else ""
        for line in report["lines"]:
            screen.literal(mark + masked(line, target.secrets))
    screen.document({"hosts": dict(outcome.reports), **ended(outcome)})
    raise_unless_succeeded(outcome, screen)


def _follow(target: Target, host: str, lines: int, screen: Screen) -> None:
    password = target.inventory.known(host).become_password
    password = password or target.become_passwords.get(host) or target.become_password
    command = _command(target, host, lines, has_password=password is not None)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if password is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            if password is not None and process.stdin:
                process.stdin.write(f"{password}\n")
                process.stdin.close()
            for line in process.stdout or ():
                screen.literal(masked(line.rstrip("\n"), target.secrets))
        except KeyboardInterrupt:
            screen.say()
            return
        finally:
            process.terminate()
    if process.returncode:
        raise usage_error(
            f"{host}: the log",
            f"{shlex.join(command)} ended with exit code {process.returncode}",
            "a log that root can follow",
            "run the same command with --ask-become-pass",
            code=ExitCode.FAILED,
        )


def _command(target: Target, host: str, lines: int, *, has_password: bool) -> Sequence[str]:
    """Return the command that follows the log of a host, as root."""
    unit = target.contract.platforms["linux"].unit.name
    follow = log_command(unit, lines, follow=True)
    known = target.inventory.known(host)
    if known.local and os.geteuid() == 0:
        return follow
    # a password comes on standard input, and no prompt gets into the log
    as_root = ["sudo", *(["-S", "-p", ""] if has_password else ["-n"]), "--", *follow]
    by_sudo = known.become_method in ("", SUDO)
    if known.local and by_sudo:
        return as_root
    if known.ssh and by_sudo:
        return [*known.ssh, shlex.join(as_root)]
    raise usage_error(
        f"{host}: --follow",
        "a connection that is neither local nor ssh"
        if by_sudo
        # its password is none of sudo's
        else f"ansible_become_method {known.become_method}",
        "local or ssh" if by_sudo else SUDO,
        f"leave out --follow, or run on the host: {shlex.join(follow)}",
    )
