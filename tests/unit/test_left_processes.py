"""What the bot's accounts have left at work in their data is ended, and nobody else's."""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host import data_copy, switch
from kai_ansible.host.data_copy import StagingArea
from kai_ansible.host.left_processes import end_listener, end_processes
from kai_ansible.host.system import Listener, ServiceState, strangers
from tests.conftest import PRIVATE
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has accounts to work as"),
]

OWNER, OTHER = 1, 2
# every account can run it
PYTHON = "/usr/bin/python3"
# says that it is at work, and is so until it is killed
_WAIT = "print('at work', flush=True)\nimport signal\nsignal.pause()\n"
CWD = f"import os, sys\nos.chdir(sys.argv[1])\n{_WAIT}"
FILE = f"import sys\nkept = open(sys.argv[1] + '/file', 'a')\n{_WAIT}"
THREAD = """
import ctypes, os, sys, threading
def work():
    # from now on its files are not those of the process
    ctypes.CDLL(None).unshare(0x400)
    os.open(sys.argv[1], os.O_RDONLY)
    print('at work', flush=True)
    threading.Event().wait()
threading.Thread(target=work).start()
"""
CHILDREN = f"import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(4):\n    os.fork()\n{_WAIT}"
WRITER = """
import os, sys
os.chdir(sys.argv[1])
print('at work', flush=True)
number = 0
while True:
    try:
        open(f'file{number}', 'w').close()
    except OSError:
        pass
    number += 1
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory with the home of a person, which both accounts can reach."""
    # everybody can enter it, which is not so for those of pytest
    with tempfile.TemporaryDirectory(dir=PRIVATE) as directory:
        Path(directory).chmod(0o755)
        yield laid_out(Path(directory) / "kai")


def laid_out(data_dir: Path) -> Path:
    home = data_dir / "home" / "1"
    home.mkdir(parents=True)
    (home / "file").touch()
    for path in (home, home / "file"):
        os.chown(path, OWNER, OWNER)
        path.chmod(0o777)
    return data_dir


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a script with the home of the person as an account, once it is at work."""
    running: list[subprocess.Popen[str]] = []

    def start(script: str, place: Path | str, uid: int = OWNER) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [PYTHON, "-I", "-c", script, str(place)],
            stdout=subprocess.PIPE,
            text=True,
            user=uid,
            start_new_session=True,
        )
        running.append(process)
        assert process.stdout
        assert process.stdout.readline() == "at work\n"
        return process

    yield start
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


LISTENS = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print('at work', flush=True)
import os, signal
os.fork()
signal.pause()
"""
# holds a socket that another account made, as a daemon does to which it was passed
LISTENS_FOR_ANOTHER = f"""
import os, signal, socket, sys
os.seteuid({OWNER})
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.seteuid(0)
print('at work', flush=True)
signal.pause()
"""
# takes the port again as soon as somebody frees it
TAKES_AGAIN = """
import os, socket, sys, time
print('at work', flush=True)
while True:
    if os.fork() == 0:
        try:
            server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
            time.sleep(3600)
        except OSError:
            os._exit(0)
    os.wait()
"""


def port_is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def test_what_holds_the_port_of_the_bot_is_ended(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start(LISTENS, str(port))
    [found] = strangers(port, 0, "")
    end_listener(found, thoroughly=False)
    until(lambda: port_is_free(port))


def test_a_link_in_place_of_the_database_ends_nobody(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch.system, "service_state", lambda _unit: ServiceState())
    monkeypatch.setattr(switch.system, "restart_service", lambda _unit, _state: None)
    with tempfile.TemporaryDirectory(dir=PRIVATE) as directory:
        home, data = Path(directory, "home"), Path(directory, "data")
        for place, uid in ((home, OTHER), (data, OWNER)):
            place.mkdir()
            os.chown(place, uid, uid)
        Path(directory).chmod(0o755)
        other = start(CWD, home, OTHER)
        database = data / "kai.db"
        parameters: Any = {
            "install_dir": directory,
            "unit": "kai",
            "service_user": pwd.getpwuid(OWNER).pw_name,
            "database": str(database),
        }
        bot = switch.Switch(parameters, dry=False, diff=False)
        database.symlink_to(home)
        bot.start()
        assert other.poll() is None
        # a process that has the database itself open may block the bot
        database.unlink()
        database.touch()
        os.chown(database, OWNER, OWNER)
        own = start("import sys\nkept = open(sys.argv[1])\n" + _WAIT, database)
        bot.start()
        assert own.wait(60) == -signal.SIGKILL


def test_who_was_handed_the_socket_of_another_account_is_not_ended(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    lister = start(LISTENS_FOR_ANOTHER, str(port), 0)
    [found] = strangers(port, 0, "")
    assert found.user == pwd.getpwuid(OWNER).pw_name
    end_listener(found, thoroughly=True)
    assert lister.poll() is None


def test_an_account_that_takes_the_port_again_and_again_is_ended_whole(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    account = pwd.getpwuid(OWNER).pw_name
    process = start(TAKES_AGAIN, str(port))
    other = start("import signal\nprint('at work', flush=True)\nsignal.pause()", "", OTHER)
    until(lambda: bool(strangers(port, 0, "")))
    end_listener(Listener(None, account, "", ""), thoroughly=True)
    assert process.wait(60) == -signal.SIGKILL
    until(lambda: port_is_free(port))
    assert other.poll() is None


def at_work(session: int) -> list[str]:
    """Return the states of what has not ended of a session, though nobody may have fetched it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _parent, _group, its_session = path.read_text().rpartition(")")[2].split()[:4]
            found += [state] if its_session == str(session) and state not in "ZX" else []
    return found


@pytest.mark.parametrize(
    "script",
    [CWD, FILE, THREAD, CHILDREN, WRITER],
    ids=["there", "a file", "a thread", "children", "writes"],
)
def test_what_an_account_has_left_in_its_data_is_ended(
    data: Path, start: Start, script: str
) -> None:
    process = start(script, data / "home" / "1")
    assert end_processes(str(data)) == []
    assert process.wait(60) == -signal.SIGKILL
    assert at_work(process.pid) == []


def test_who_has_one_file_open_is_ended_and_the_service_is_not(data: Path, start: Start) -> None:
    held = data / "home" / "1" / "file"
    process = start(FILE, data / "home" / "1")
    beside = start(CWD, data / "home" / "1")
    group = Path(f"/proc/{process.pid}/cgroup").read_text(encoding="utf-8")
    assert end_processes(str(held), spared=group.splitlines()[0].rpartition(":")[2]) == []
    assert process.poll() is None
    assert end_processes(str(held)) == []
    assert process.wait(60) == -signal.SIGKILL
    assert beside.poll() is None


def test_one_that_is_stopped_is_ended_too(data: Path, start: Start) -> None:
    # not in the directory of its own, but in one from which it reaches that
    process = start(CWD, data / "home")
    process.send_signal(signal.SIGSTOP)
    assert end_processes(str(data)) == []
    assert process.wait(60) == -signal.SIGKILL


def test_who_only_looks_around_and_who_is_elsewhere_goes_on(data: Path, start: Start) -> None:
    (data.parent / "kai-other").mkdir()
    others = [
        start(CWD, data / "home" / "1", OTHER),
        start(CWD, data.parent / "kai-other"),
        start(CWD, data / "home" / "1", 0),
    ]
    assert end_processes(str(data)) == []
    assert [process.poll() for process in others] == [None, None, None]


def test_what_nobody_needs_goes_though_its_owner_still_writes_in_it(
    data: Path, start: Start
) -> None:
    place = StagingArea(str(data))
    place.make()
    start(WRITER, data / "home" / "1")
    data.rename(place.former)
    assert place.discard() == []
    assert list(data.parent.iterdir()) == []
    assert place.discard() == []


def test_a_file_that_cannot_be_removed_is_reported_and_blocks_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StagingArea(str(data))
    place.make()
    data.rename(place.former)

    def quicker(*_arguments: object) -> None:
        raise OSError(39, "Directory not empty", "1")

    with monkeypatch.context() as held:
        held.setattr(data_copy, "remove_everything", quicker)
        [left] = place.discard()
        assert left.startswith(f"{place.path}.going-")
        assert left.endswith(": Directory not empty")
        # the next restore begins, and is verified
        place.make()
        assert len(place.discard()) == 2
    assert place.discard() == []
    assert list(data.parent.iterdir()) == []
