"""Print the commands of missing logins so that they can be pasted where the operator sits."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

_SUDO = "sudo "


def login_lines(notice: Sequence[str], ssh: Sequence[str] | None) -> Iterator[str]:
    """Return the lines of a login notice; over ssh, a login needs a terminal on the host.

    ssh: the command that logs in on the host, None where the operator is there already.
    """
    for line in notice:
        is_command = line.startswith(f"  {_SUDO}")
        yield f"  {on_host(line.strip(), ssh)}" if is_command else line


def on_host(command: str, ssh: Sequence[str] | None) -> str:
    """Return a command of the host as one to type here; other texts stay as they are.

    ssh: as for ``login_lines``.
    """
    if not ssh or not command.startswith(_SUDO):
        return command
    return shlex.join([ssh[0], "-t", *ssh[1:], command])
