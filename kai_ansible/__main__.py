"""The console script. It turns every error into a message and an exit code."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import signal
import sys
import termios
from contextlib import suppress
from io import TextIOWrapper
from types import FrameType
from typing import TextIO

from kai_ansible.errors import CommandError, Ended, ExitCode
from kai_ansible.rules.sanitize import MOST_ON_A_SCREEN, printable

DEBUG = "KAI_ANSIBLE_DEBUG"
# in columns or lines: the kernel has 16 bits for each
LARGEST_SIZE = 0xFFFF
ENDS = (signal.SIGTERM, signal.SIGHUP)
# of pathlib
_HOMELESS = "Could not determine home directory"


def main() -> None:
    """Run the command line and exit with its code.

    SIGTERM and SIGHUP interrupt it as Ctrl-C does, so that private files are removed.
    With KAI_ANSIBLE_DEBUG in the environment, a bug shows its traceback.
    """
    prepare_streams()
    forget_useless_sizes()
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
            # a short output is written only now
            unwritten = _flush()
            if unwritten is None:
                raise
            failure = _unwritable(unwritten)
        else:
            failure = CommandError("Interrupted.", code=ExitCode.INTERRUPTED)
    except Exception as error:
        # without a buffer (PYTHONUNBUFFERED), no rest is left that would fail again: try a line
        is_unnamed = isinstance(error, OSError) and not error.filename
        unwritten = _flush("\n") if is_unnamed else None
        if unwritten and not _is_of_a_lost_terminal(unwritten):
            failure = _unwritable(
                unwritten, "The command may have stopped half-way. Run it again to finish."
            )
        elif _is_of_a_lost_terminal(error):
            failure = CommandError("Interrupted: the terminal is gone.", code=ExitCode.INTERRUPTED)
        elif os.environ.get(DEBUG):
            raise
        else:
            failure = unexpected(error)
    for number in (*ENDS, signal.SIGINT):
        # everything is cleaned up
        if callable(signal.getsignal(number)):
            signal.signal(number, lambda _number, _frame: os._exit(ExitCode.INTERRUPTED))
    unwritten = _flush()
    if unwritten and failure.code in (ExitCode.DONE, ExitCode.NOT_READY):
        # who reads nothing but the code would believe that the output is whole
        failure = _unwritable(unwritten)
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
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
        text = as_called(printable(str(failure), MOST_ON_A_SCREEN), GLUE)
        for line in wrapped(text, width) if text else ():
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        _drop(sys.stderr)
    if _flush():
        _drop(sys.stdout)


def _drop(stream: TextIO) -> None:
    """Send the rest of a stream nowhere: it would give Python an exit code of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())


def _flush(last: str = "") -> OSError | None:
    """Write the rest of standard output, and a last text; return the error if that fails."""
    try:
        sys.stdout.write(last)
        sys.stdout.flush()
    except OSError as error:
        return error
    return None


def _unwritable(error: OSError, consequence: str = "") -> CommandError:
    """Return the error of a standard output that cannot be written."""
    if _is_of_a_lost_terminal(error):
        return CommandError("Interrupted: the terminal is gone.", code=ExitCode.INTERRUPTED)
    message = f"Standard output cannot be written: {error.strerror}. {consequence}".rstrip()
    # a reader that has seen enough, such as head(1), needs no message
    is_left = error.errno == errno.EPIPE
    return CommandError("" if is_left else message, code=ExitCode.FAILED)


def prepare_streams() -> None:
    """Open a standard stream that is closed, and let no character end the command.

    Without this, the next file that the command opens would take the number of a closed stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            # the programs that the command starts need it as well
            os.set_inheritable(number, True)
            mode = "w" if number else "r"
            # it lives as long as the command
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        if number and isinstance(stream, TextIOWrapper):
            # an encoding such as ASCII lacks characters of a user's name
            stream.reconfigure(errors="backslashreplace")


def forget_useless_sizes() -> None:
    """Remove sizes of a terminal from the environment that no terminal has."""
    for name in ("COLUMNS", "LINES"):
        size = os.environ.get(name, "")
        if not (size.isascii() and size.isdigit() and 0 < int(size[:6]) <= LARGEST_SIZE):
            os.environ.pop(name, None)


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
    if isinstance(error, OSError) and error.filename:
        fix = f"ls -ld {shlex.quote(str(error.filename))} shows what is there"
        return usage_error(
            str(error.filename),
            str(error.strerror),
            "a place to read or write",
            fix,
            message=message,
            code=ExitCode.FAILED,
        )
    if isinstance(error, RuntimeError) and _HOMELESS in str(error):
        fix = "HOME=/a/directory/of/yours before the command"
        return usage_error("HOME", str(error), "a directory of yours", fix)
    log = None
    # they are below the home
    with suppress(RuntimeError):
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
