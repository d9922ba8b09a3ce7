"""Print the commands of missing logins so that they can be pasted where the operator sits."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

_COMMAND = "  sudo "


def login_lines(notice: Sequence[str], ssh: Sequence[str] | None) -> Iterator[str]:
    """Return the lines of a login notice; over ssh, a login needs a terminal on the host.

    ssh: the command that logs in on the host, None where the operator is there already.
    """
    for line in notice:
        if ssh and line.startswith(_COMMAND):
            yield f"  {shlex.join([ssh[0], '-t', *ssh[1:], line.strip()])}"
        else:
            yield line
