"""Write the manual page of kai-ansible from its commands and their options.

usage: python -m tools.manual [--check]

``--check`` writes nothing and exits with 1 if the page is stale.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from kai_ansible import own_version
from kai_ansible.cli.app import app
from kai_ansible.cli.help import term
from kai_ansible.errors import ExitCode
from tools.stale import write_or_check

WIDTH = 60
PAGE = Path(__file__).resolve().parent.parent / "docs" / "kai-ansible.1"
EXIT_STATUS = {
    ExitCode.DONE: "Done, or nothing to do.",
    ExitCode.FAILED: "Failed. The host is as before, unless the message says otherwise.",
    ExitCode.INVALID: "Wrong usage or invalid configuration. Nothing was changed.",
    ExitCode.NOT_READY: "The status, doctor or logins command found a problem.",
    ExitCode.INTERRUPTED: "Interrupted. Run the same command again to finish or fix what it began.",
}
ENVIRONMENT = {
    "ANSIBLE_VAULT_PASSWORD_FILE": "File or script with the vault password.",
    "KAI_ANSIBLE_DEBUG": "If set, a bug in kai-ansible shows its traceback.",
    "XDG_CONFIG_HOME, XDG_STATE_HOME": "Directories for the vault password and for logs of runs.",
}
FILES = {
    "inventory/host_vars/HOST/kai.yml": "Settings of a host.",
    "inventory/host_vars/HOST/vault.yml": "Secrets of a host, encrypted with ansible-vault.",
    "~/.config/kai-ansible/vault-password": "The vault password, unless you name another place.",
    "~/.local/state/kai-ansible/runs/": "Log of each run as JSON lines, without secrets.",
}


def escaped(text: str) -> str:
    """Return text that roff prints as it is, in lines that are not too long."""
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    shown = [line.replace("\\", "\\e").replace("-", "\\-") for line in lines]
    return "\n".join(f"\\&{line}" if line[0] in ".'" else line for line in shown)


def entries(rows: dict[str, str]) -> Iterator[str]:
    """Yield a list of terms and what each means."""
    for name, text in rows.items():
        yield from (".TP", f"\\fB{escaped(name)}\\fR", escaped(text))


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its whole name."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
    for part, child in (below or {}).items():
        yield from commands(child, f"{name} {part}")


def meaning(parameter: Any) -> str:
    """Return what an option or an argument is for."""
    default = parameter.default
    known = f" Default: {default}." if isinstance(default, (str, Path)) and default else ""
    return f"{parameter.help}{known}"


def page() -> str:
    """Return the manual page."""
    tree: Any = get_command(app)
    lines = [
        '.\\" Generated from the commands by: python -m tools.manual',
        f'.TH KAI\\-ANSIBLE 1 "" "kai\\-ansible {escaped(own_version())}" "User Commands"',
        ".SH NAME",
        f"kai\\-ansible \\- {escaped(tree.help.splitlines()[0].rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B kai\\-ansible",
        "COMMAND [OPTIONS] [HOST]",
        ".SH COMMANDS",
    ]
    for name, command in commands(tree, "kai-ansible"):
        lines.append(f'.SS "{escaped(name)}"')
        lines.append("\n.P\n".join(map(escaped, command.help.split("\n\n"))))
        lines += entries({term(given): meaning(given) for given in command.params})
        lines += [".P", escaped(command.epilog)]
    lines += [".SH EXIT STATUS", *entries({str(int(c)): EXIT_STATUS[c] for c in ExitCode})]
    lines += [".SH ENVIRONMENT", *entries(ENVIRONMENT), ".SH FILES", *entries(FILES)]
    lines += [".SH SEE ALSO", ".BR ansible\\-playbook (1),", ".BR ansible\\-vault (1)"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check the page. Returns the exit code."""
    return write_or_check({PAGE: page()})


if __name__ == "__main__":
    sys.exit(main())
