"""A program of others gets so much time and so much room."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from kai_ansible.host import subprocesses
from kai_ansible.host.subprocesses import MOST_BYTES, run_bounded

# longer than any test; a program that is waited for makes the test hang
LONG = 3600.0


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def python(script: str, seconds: float = LONG, **options: bool) -> tuple[int | None, str]:
    return run_bounded([sys.executable, "-c", script], {"HOME": "/nowhere"}, seconds, **options)


def test_what_it_says_and_how_it_ends() -> None:
    script = "import os, sys; print(os.getcwd(), dict(os.environ)['HOME']); sys.exit(3)"
    assert python(script) == (3, "/ /nowhere\n")
    assert python("import sys; print('out'); print('error', file=sys.stderr)", errors=True) == (
        0,
        "error\n",
    )
    assert python("import sys; sys.stdout.buffer.write(b'\\xff\\x1b')") == (0, "\ufffd\x1b")


def test_of_much_only_the_beginning_is_kept_and_the_program_goes_on() -> None:
    code, said = python("print('first'); print('x' * 10_000_000); raise SystemExit(4)")
    assert (code, len(said), said[:6]) == (4, MOST_BYTES, "first\n")


@pytest.mark.parametrize(
    "script",
    [
        "while True: print('x' * 100_000)",
        "import time; time.sleep(3600)",
        "import os, time; os.close(1); time.sleep(3600)",
    ],
)
def test_one_that_does_not_end_is_ended(script: str) -> None:
    code, said = python(script, 0.5)
    assert code is None
    assert len(said) <= MOST_BYTES


STOPS = "import os, signal; print('before', flush=True); os.kill({whom}, signal.SIGSTOP)"


def test_one_that_is_stopped_is_ended_at_once() -> None:
    assert python(STOPS.format(whom="os.getpid()")) == (None, "before\n")
    # or something of what it has started
    script = "import os, time\nif os.fork() == 0:\n    {stops}\ntime.sleep(3600)"
    script = script.format(stops=STOPS.format(whom="os.getpid()"))
    assert python(script) == (None, "before\n")


def test_one_that_is_stopped_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocesses, "_START_SECONDS", 0.5)
    reading, writing = os.pipe()

    def stop() -> None:
        os.write(writing, str(os.getpid()).encode())
        os.kill(os.getpid(), signal.SIGSTOP)

    with pytest.raises(TimeoutError, match=r"does not start within 0\.5 s"):
        subprocesses.start_program(["true"], preexec_fn=stop)
    os.kill(int(os.read(reading, 20)), signal.SIGKILL)


def test_what_it_leaves_behind_is_not_waited_for_and_ends_with_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"""
import os, time
if os.fork() == 0:
    open({str(note)!r}, 'w').write(str(os.getpid()))
    while True:
        time.sleep(1)
while not os.path.exists({str(note)!r}) or not open({str(note)!r}).read():
    pass
print('done')
"""
    assert python(script) == (0, "done\n")
    pid = int(note.read_text())
    # gone, also while it is read, or dead and not reaped yet
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            pass


def test_it_has_no_terminal_of_ours() -> None:
    assert python("import os; print(os.getsid(0) == os.getpid())")[1] == "True\n"


def test_one_that_cannot_be_started_is_an_error() -> None:
    before = open_files()
    with pytest.raises(FileNotFoundError):
        run_bounded(["/nowhere/program"], {}, LONG)
    assert open_files() == before
