"""The console script: commands in, exit code out, no traceback for an operator."""

from __future__ import annotations

import sys

from kai_ansible.errors import CommandError, ExitCode


def main() -> None:
    """Run the command line and exit with its code."""
    import click
    from typer.main import get_command

    from kai_ansible.cli import app

    try:
        code = get_command(app).main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(_interrupted())
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.INVALID)
    except KeyboardInterrupt:
        sys.exit(_interrupted())
    except CommandError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{error}\n")
        sys.exit(error.code)
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _interrupted() -> ExitCode:
    sys.stderr.write("\nInterrupted; nothing was written.\n")
    return ExitCode.INTERRUPTED


if __name__ == "__main__":
    main()
