"""The console script: commands in, exit code out, no traceback for an operator."""

from __future__ import annotations

import sys

from kai_ansible.errors import CommandError
from kai_ansible.rules.printable import MOST_ON_A_SCREEN, printable


def main() -> None:
    """Run the command line and exit with its code."""
    from typer.main import get_command

    from kai_ansible.cli import app

    try:
        # it exits by itself, also when an option is wrong
        get_command(app).main()
    except CommandError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{printable(str(error), MOST_ON_A_SCREEN)}\n")
        sys.exit(error.code)


if __name__ == "__main__":
    main()
