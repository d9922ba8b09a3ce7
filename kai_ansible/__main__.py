"""The console script: commands in, exit code out, no traceback for an operator."""

from __future__ import annotations

import os
import sys

from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.rules.sanitize import MOST_ON_A_SCREEN, printable

DEBUG = "KAI_ANSIBLE_DEBUG"


def main() -> None:
    """Run the command line and exit with its code.

    With KAI_ANSIBLE_DEBUG in the environment an error of the program itself shows where it is.
    """
    from typer.main import get_command

    from kai_ansible.cli.app import app

    try:
        # it exits by itself, also when an option is wrong
        get_command(app).main()
    except CommandError as error:
        told = error
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        told = unexpected(error)
    sys.stdout.flush()
    sys.stderr.write(f"{printable(str(told), MOST_ON_A_SCREEN)}\n")
    sys.exit(told.code)


def unexpected(error: Exception) -> CommandError:
    """Return what an operator is told of an error that the program itself made."""
    from kai_ansible import own_version
    from kai_ansible.ansible.run_logs import latest
    from kai_ansible.errors import refusal

    log = latest()
    seen = f" and {log}, the log of the last run" if log else ""
    return refusal(
        f"kai-ansible {own_version()}",
        f"an error of its own: {type(error).__name__}: {error}",
        "none",
        f"run it again with {DEBUG}=1, and report what that shows{seen}",
        told="It is not known how far this came; the same command finishes or mends it.",
        code=ExitCode.FAILED,
    )


if __name__ == "__main__":
    main()
