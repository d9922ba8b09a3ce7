"""The console script. It turns every error into a message and an exit code."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import termios
from typing import TYPE_CHECKING

from kai_ansible.errors import CommandError, Ended, ExitCode
from kai_ansible.rules.sanitize import MOST_ON_A_SCREEN, printable

if TYPE_CHECKING:
    from types import FrameType

DEBUG = "KAI_ANSIBLE_DEBUG"
ENDS = (signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the command line and exit with its code.

    SIGTERM and SIGHUP interrupt it as Ctrl-C does, so that private files are removed.
    With KAI_ANSIBLE_DEBUG in the environment, a bug shows its traceback.
    """
    for number in ENDS:
        # nohup(1) and the like ignore one on purpose
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        from typer.main import get_command

        from kai_ansible.cli.app import app

        # Typer exits by itself, also for a wrong option
        get_command(app).main()
    except CommandError as error:
        failure = error
    except (KeyboardInterrupt, SystemExit) as ending:
        # before the command began, or when it was over
        if isinstance(ending, SystemExit) and ending.code != ExitCode.INTERRUPTED:
            raise
        failure = CommandError("Interrupted.", code=ExitCode.INTERRUPTED)
    except Exception as error:
        if _is_of_a_lost_terminal(error):
            failure = CommandError("Interrupted: the terminal is gone.", code=ExitCode.INTERRUPTED)
        elif os.environ.get(DEBUG):
            raise
        else:
            failure = unexpected(error)
    for number in (*ENDS, signal.SIGINT):
        # everything is cleaned up
        if callable(signal.getsignal(number)):
            signal.signal(number, lambda _number, _frame: os._exit(ExitCode.INTERRUPTED))
    _report(failure)
    if failure.code == ExitCode.INTERRUPTED:
        # while Python ends, signals have their default action, and a lost terminal sends several
        os._exit(failure.code)
    sys.exit(failure.code)


def _report(failure: CommandError) -> None:
    """Print why the command ended, if anybody still reads that."""
    from kai_ansible.calling import GLUE, as_called
    from kai_ansible.terminal.tables import wrapped

    try:
        sys.stdout.flush()
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
        text = as_called(printable(str(failure), MOST_ON_A_SCREEN), GLUE)
        for line in wrapped(text, width):
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        # what is left to print would give Python an exit code of its own
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())


def _is_of_a_lost_terminal(error: Exception) -> bool:
    # an error of a disk names a file
    is_of_terminal = isinstance(error, termios.error) or (
        isinstance(error, OSError) and error.filename is None
    )
    return is_of_terminal and error.args[:1] == (errno.EIO,)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt as Ctrl-C does, once: a lost terminal sends several signals, one after another.

    Another one would end the removal of the private files that the first began.
    """
    for other in (*ENDS, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    raise Ended


def unexpected(error: Exception) -> CommandError:
    """Return the error to report for a full disk, or for a bug in kai-ansible."""
    from kai_ansible import own_version
    from kai_ansible.ansible.advice import advice_for
    from kai_ansible.ansible.run_logs import latest
    from kai_ansible.errors import full_disk_error, usage_error

    # Ansible refuses its settings when they are first needed
    is_ansibles = any(kind.__module__ == "ansible.errors" for kind in type(error).__mro__)
    advice = advice_for(str(error)) if is_ansibles else ""
    if advice:
        return usage_error("Ansible", str(error), "Ansible to start", advice)
    message = "The command may have stopped half-way. Run it again to finish or fix that."
    full = full_disk_error(error, message) if isinstance(error, OSError) else None
    if full:
        return full
    log = latest()
    with_log = f" with the log of the last run, {log}" if log else ""
    return usage_error(
        f"kai-ansible {own_version()}",
        f"a bug: {type(error).__name__}: {error}",
        "no bug",
        f"run the command again with {DEBUG}=1 and report its output{with_log}",
        message=message,
        code=ExitCode.FAILED,
    )


if __name__ == "__main__":
    main()
