"""Running a playbook of the collection: one private directory per run, nothing left of it."""

from __future__ import annotations

import ctypes
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kai_ansible.ansible.changes import Change, changes_by_host
from kai_ansible.ansible.collection import collection_root
from kai_ansible.ansible.failures import FailedTask, failed_tasks
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.run_logs import RunLog
from kai_ansible.files import write_private
from kai_ansible.inventory.yaml_edit import literally

Event = Mapping[str, Any]
Listener = Callable[[Event], None]

# what Ansible, ssh and pip need; anything else, a token for instance, has no business in a run
_PASSED_ON = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LANGUAGE",
        "TERM",
        "TMPDIR",
        "SHELL",
        "SSH_AUTH_SOCK",
        "SUDO_USER",
        "SUDO_UID",
        "PYTHONDONTWRITEBYTECODE",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    ]
)
_PASSED_ON_PREFIXES = ("LC_", "ANSIBLE_")
_POLL_SECONDS = 0.2
_CANCEL_SECONDS = 0.5
_REMOVE_SECONDS = 10


# set in the thread that starts Ansible: the process of which that is a part
_STARTS = threading.local()
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """Let Ansible end when this program is killed, instead of going on without anybody who sees it.

    The runner lets it ignore the end of its terminal. Only Linux tells a process that its parent is
    gone; elsewhere it goes on, and the next run is told who holds the lock of the host.
    """
    parent = getattr(_STARTS, "by", None)
    if parent and _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


os.register_at_fork(after_in_child=_end_with_parent)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    reports: what the role reported, by host. failures: the tasks that ended it.
    obstacles: the problems that kept a host from being changed at all, by host.
    not_tried: the hosts whose turn never came, because a batch before theirs was not well.
    changes: what the tasks changed, by host; with ``check``, what they would change.
    log: where the run's log is, None when none could be written.
    """

    succeeded: bool
    interrupted: bool
    reports: Mapping[str, Mapping[str, Any]]
    failures: Sequence[FailedTask]
    changes: Mapping[str, Sequence[Change]]
    log: Path | None
    obstacles: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    not_tried: Sequence[str] = ()


def run_playbook(run: Run, listener: Listener) -> Outcome:
    """Run a playbook and return its outcome; ``listener`` gets each event in the caller's thread.

    The run's directory is removed afterwards, whatever happens, after what failed was summarised.
    What stays is its log.
    """
    log = RunLog(run)
    ended = "failed"
    directory = Path(tempfile.mkdtemp(prefix="kai-ansible-"))
    try:
        outcome = _run(run, directory, listener, log)
        if outcome.interrupted or outcome.succeeded:
            ended = "interrupted" if outcome.interrupted else "succeeded"
        return outcome
    finally:
        log.end(ended)
        _remove(directory)


def _remove(directory: Path) -> None:
    # a worker of Ansible outlives a run that was cut short, and may still write there
    deadline = time.monotonic() + _REMOVE_SECONDS
    shutil.rmtree(directory, ignore_errors=True)
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        shutil.rmtree(directory, ignore_errors=True)


def _run(run: Run, directory: Path, listener: Listener, log: RunLog) -> Outcome:
    from ansible_runner.interface import init_runner

    events: queue.Queue[Event] = queue.Queue()
    seen: list[Event] = []
    cancelled = False

    def keep_off_disk(event: Event) -> bool:
        events.put(event)
        return False

    def drain() -> None:
        while not events.empty():
            event = events.get_nowait()
            seen.append(event)
            log.event(event)
            listener(event)

    with _environment(directory):
        runner = init_runner(
            private_data_dir=str(directory),
            playbook=str(collection_root() / "playbooks" / f"{run.playbook}.yml"),
            inventory=_inventory(run, directory),
            cmdline=_command_line(run, directory),
            settings={"suppress_ansible_output": True, "pexpect_timeout": _CANCEL_SECONDS},
            event_handler=keep_off_disk,
            cancel_callback=lambda: cancelled,
            quiet=True,
        )
        ended = threading.Event()
        broken: list[BaseException] = []

        def work() -> None:
            _STARTS.by = os.getpid()
            try:
                runner.run()
            except BaseException as error:  # noqa: BLE001 # raised again in the caller's thread
                broken.append(error)
            finally:
                ended.set()

        threading.Thread(target=work, daemon=True).start()
        # an interrupted Thread.join takes a thread that still runs for one that ended
        while not ended.is_set():
            try:
                ended.wait(_POLL_SECONDS)
                drain()
            except KeyboardInterrupt:
                cancelled = True
            except BaseException:
                cancelled = True
                ended.wait()
                raise
        drain()
        if broken:
            raise broken[0]
        said = Path(directory, "artifacts").glob("*/stdout")
        output = "".join(path.read_text(encoding="utf-8", errors="replace") for path in said)
    stats = next((event for event in seen if event["event"] == "playbook_on_stats"), {})
    data = stats.get("event_data", {})
    told = data.get("artifact_data", {})
    succeeded = runner.rc == 0 and not cancelled
    return Outcome(
        succeeded=succeeded,
        interrupted=cancelled,
        reports=told.get("kai_install_reports", {}),
        failures=[] if succeeded or cancelled else failed_tasks(seen, output),
        changes=changes_by_host(seen),
        log=log.path,
        obstacles=told.get("kai_install_obstacles", {}),
    )


def _inventory(run: Run, directory: Path) -> list[str]:
    sources = [run.inventory.resolve()]
    if run.become_passwords:
        # behind the operator's own, so that a host counts as one of that
        sources.append(directory / "become-passwords.yml")
        hosts = {
            host: {"ansible_become_password": password}
            for host, password in run.become_passwords.items()
        }
        write_private({sources[1]: literally({"all": {"hosts": hosts}})})
    return [str(source) for source in sources]


def _command_line(run: Run, directory: Path) -> str:
    import shlex

    arguments = ["--diff"]
    if run.hosts:
        arguments += ["--limit", ",".join(run.hosts)]
    if run.forks:
        arguments += ["--forks", str(run.forks)]
    if run.check:
        arguments += ["--check"]
    if run.vault_password:
        path = run.vault_password.path
        for number, (label, secret) in enumerate(run.vault_password.secrets):
            if number or path is None or not path.exists():
                path = directory / f"vault-password-{number}"
                write_private({path: secret.bytes.decode()})
            arguments += ["--vault-id", f"{label}@{path.resolve()}"]
    if run.become_password is not None:
        path = directory / "become-password"
        write_private({path: run.become_password})
        arguments += ["--become-password-file", str(path)]
    if run.variables:
        path = directory / "variables.yml"
        write_private({path: literally(run.variables)})
        arguments += ["--extra-vars", f"@{path}"]
    return shlex.join(arguments)


@contextmanager
def _environment(directory: Path) -> Iterator[None]:
    # the runner writes the whole environment of the process into its artifacts
    links = directory / "collections" / "ansible_collections" / "kai"
    links.mkdir(parents=True)
    (links / "bot").symlink_to(collection_root())
    before = dict(os.environ)
    after = {
        name: value
        for name, value in before.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    others = [path for path in [before.get("ANSIBLE_COLLECTIONS_PATH")] if path]
    after["ANSIBLE_COLLECTIONS_PATH"] = ":".join([str(links.parent.parent), *others])
    after["PATH"] = f"{Path(sys.executable).parent}:{before.get('PATH', '/usr/bin:/bin')}"
    after["ANSIBLE_LOCAL_TEMP"] = str(directory / "tmp")
    # the runner switches the check of host keys off unless it is told
    after.setdefault("ANSIBLE_HOST_KEY_CHECKING", "True")
    after.setdefault("ANSIBLE_PIPELINING", "True")
    # a broken inventory would be a run without hosts, which succeeds
    after.update(
        ANSIBLE_INVENTORY_UNPARSED_FAILED="True", ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="True"
    )
    after.setdefault("ANSIBLE_LOCALHOST_WARNING", "False")
    # each password was read already, and a run cannot ask for one
    after.pop("ANSIBLE_VAULT_IDENTITY_LIST", None)
    # a talkative Ansible prints what modules return, a fetched file for one
    after.update(ANSIBLE_VERBOSITY="0", ANSIBLE_DEBUG="False")
    os.environ.clear()
    os.environ.update(after)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
