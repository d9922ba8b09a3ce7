"""Running a playbook of the collection: one private directory per run, nothing left of it."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from kai_ansible.ansible.changes import Change, changes_by_host
from kai_ansible.ansible.children import PROGRAM, UNASKED, end_with, environment, lay_out
from kai_ansible.ansible.events import Event
from kai_ansible.ansible.failures import FailedTask, failed_tasks
from kai_ansible.ansible.playbooks import Report
from kai_ansible.ansible.published import fitting, published
from kai_ansible.ansible.reading import raise_if_full, vault_arguments
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.run_logs import RunLog
from kai_ansible.files import RUN_PID, private_directory, write_files
from kai_ansible.inventory.yaml_edit import literally
from kai_ansible.rules.problems import ProblemData

Listener = Callable[[Event], None]

# a strategy of the operator's may open it, and no user is there to answer
_DEBUGGER = r"\(debug\)>\s*$"
_POLL_SECONDS = 0.2
# the callback that prints for the one of the runner
ESCAPED = Path(__file__).with_name("callback_plugins") / "kai_escaped.py"
_CANCEL_SECONDS = 0.5
# Ansible kills its workers at once, but may be in the middle of starting one
_END_SECONDS = 5


# set in the thread that starts Ansible: the PID of this process, and the file in which the
# process of Ansible notes its own PID
_STARTS = threading.local()


def _end_with_parent() -> None:
    parent = getattr(_STARTS, "by", None)
    if parent:
        end_with(parent)
        _STARTS.pid_file.write_text(str(os.getpid()))


os.register_at_fork(after_in_child=_end_with_parent)


@dataclass(frozen=True)
class Outcome(Generic[Report]):
    """How a run ended.

    reports: the report of each host, in the form that the playbook gives it.
    failures: the tasks that ended it.
    preflight_problems: the problems that preflight found, by host; the run did not change these
    hosts.
    not_tried: the hosts of later batches, after a batch failed.
    changes: the changes of the tasks, by host; with ``check``, those that they would make.
    log: the run's log, None if it could not be written.
    """

    succeeded: bool
    interrupted: bool
    reports: Mapping[str, Report]
    failures: Sequence[FailedTask]
    changes: Mapping[str, Sequence[Change]]
    log: Path | None
    preflight_problems: Mapping[str, Sequence[ProblemData]] = field(default_factory=dict)

    not_tried: Sequence[str] = ()


def run_playbook(run: Run[Report], listener: Listener) -> Outcome[Report]:
    """Run a playbook and return its outcome; ``listener`` gets each event in the caller's thread.

    Always summarises the failures and then removes the run's directory. Only its log stays.
    """
    log = RunLog(run)
    ended = "failed"
    try:
        with private_directory() as directory:
            outcome = _run(run, directory, listener, log)
        if outcome.interrupted or outcome.succeeded:
            ended = "interrupted" if outcome.interrupted else "succeeded"
        return outcome
    finally:
        log.end(ended)


def _run(run: Run[Report], directory: Path, listener: Listener, log: RunLog) -> Outcome[Report]:
    from ansible_runner.interface import init_runner

    events: queue.Queue[Event] = queue.Queue()
    seen: list[Event] = []
    cancelled = False
    pid_file = directory / RUN_PID
    kill_at: float | None = None

    def is_to_be_killed() -> bool:
        """Let a cancelled run end its workers and itself, and return whether it took too long.

        The runner would kill Ansible, but not its workers, which have sessions of their own.
        """
        nonlocal kill_at
        if not cancelled:
            return False
        if kill_at is None:
            kill_at = time.monotonic() + _END_SECONDS
            # a full disk has no space for the file, and a process may have ended
            with suppress(OSError, ValueError):
                os.killpg(int(pid_file.read_text()), signal.SIGTERM)
        return time.monotonic() >= kill_at

    def keep_off_disk(event: Event) -> bool:
        events.put(event)
        return False

    def drain() -> None:
        while not events.empty():
            event = events.get_nowait()
            seen.append(event)
            log.event(event)
            listener(event)

    runner = init_runner(
        private_data_dir=str(directory),
        binary=PROGRAM,
        project_dir=str(Path.cwd()),
        inventory=_inventory(run, directory),
        cmdline=_command_line(run, directory),
        envvars=_environment(run, directory),
        settings={"suppress_ansible_output": True, "pexpect_timeout": _CANCEL_SECONDS},
        event_handler=keep_off_disk,
        status_handler=_remove_environment,
        cancel_callback=is_to_be_killed,
        passwords={_DEBUGGER: "quit"},
        fact_cache_type="",
        suppress_env_files=True,
        quiet=True,
    )
    _undo_settings_of_runner(runner.config.env, directory)
    ended = threading.Event()
    broken: list[BaseException] = []

    def work() -> None:
        _STARTS.by, _STARTS.pid_file = os.getpid(), pid_file
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
    succeeded = runner.rc == 0 and not cancelled
    reports, misfits = fitting(run.playbook.report, published(seen, "kai_install_reports"))
    failures = []
    if not (succeeded or cancelled):
        failures = failed_tasks(seen, output, run.reading.hosts, run.secrets)
        if not any(one.host for one in failures):
            raise_if_full(output, directory)
    if succeeded:
        # the runner leaves out what is too long, and a host without a report would be overlooked
        missing = [host for host in run.hosts if host not in reports]
        misfits = {**dict.fromkeys(missing, "no report, or one that is too long"), **misfits}
    failures += [FailedTask(host, "Publish the report", why, "") for host, why in misfits.items()]
    succeeded = succeeded and not failures
    return Outcome(
        succeeded=succeeded,
        interrupted=cancelled,
        reports=reports,
        failures=failures,
        changes=changes_by_host(seen),
        log=log.path,
        preflight_problems=fitting(list[ProblemData], published(seen, "kai_install_problems"))[0],
    )


def _remove_environment(status: Mapping[str, str], runner_config: Any) -> None:
    # the runner writes the whole environment beside the command before it starts the command
    if status["status"] == "running":
        Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)


def _undo_settings_of_runner(variables: dict[str, str], directory: Path) -> None:
    """Leave the runner's settings, such as the check of host keys, to the operator."""
    from ansible_runner.utils import get_callback_dir

    # Ansible searches for plugins beside a playbook as well
    callbacks = directory / "callback_plugins"
    callbacks.mkdir()
    for path in (*Path(get_callback_dir()).glob("*.py"), ESCAPED):
        (callbacks / path.name).symlink_to(path)
    for name in ("ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_CALLBACK_PLUGINS"):
        variables.pop(name)
        if name in os.environ:
            variables[name] = os.environ[name]


def _inventory(run: Run[Any], directory: Path) -> list[str]:
    # a link stays one: beside it lie its own group_vars
    sources = [run.inventory.absolute()]
    if run.become_passwords:
        # after the operator's own, so that each host belongs to that inventory; without an
        # extension, because those of YAML are a setting
        sources.append(directory / "become-passwords")
        hosts = {
            host: {"ansible_become_password": password}
            for host, password in run.become_passwords.items()
        }
        write_files({sources[1]: literally({"all": {"hosts": hosts}})})
    return [str(source) for source in sources]


def _with_yaml(plugins: Sequence[str]) -> list[str]:
    """Return inventory plugins that read ours, which is YAML: by yaml, and before ini tries it."""
    names = [name.removeprefix("ansible.builtin.") for name in plugins]
    before_ini = names[: names.index("ini")] if "ini" in names else names
    return [*plugins] if "yaml" in before_ini else ["ansible.builtin.yaml", *plugins]


def _command_line(run: Run[Any], directory: Path) -> str:
    import shlex

    playbook = f"- ansible.builtin.import_playbook: kai.bot.{run.playbook.name}\n"
    arguments = [str(lay_out(directory, playbook)), "--diff"]
    if run.hosts:
        arguments += [f"--limit={','.join(run.hosts)}"]
    if run.forks:
        arguments += ["--forks", str(run.forks)]
    if run.check:
        arguments += ["--check"]
    if run.vault_password:
        arguments += vault_arguments(run.vault_password.secrets, directory)
    for option, typed in (
        ("connection", run.reading.session.typed_connection_password),
        ("become", run.become_password),
    ):
        if typed is not None:
            path = directory / f"{option}-password"
            write_files({path: typed})
            arguments += [f"--{option}-password-file", str(path)]
    if run.variables:
        path = directory / "variables.yml"
        write_files({path: literally(run.variables)})
        arguments += ["--extra-vars", f"@{path}"]
    return shlex.join(arguments)


def _environment(run: Run[Any], directory: Path) -> dict[str, str]:
    found = {**environment(directory), **UNASKED, "ANSIBLE_STDOUT_CALLBACK": ESCAPED.stem}
    if run.vault_password:
        # Ansible already has every password: no script runs twice, and no prompt repeats
        label = run.vault_password.label
        path = str(directory / "vault-password-0")
        found.update(
            ANSIBLE_VAULT_IDENTITY_LIST=f"{label}@{path}", ANSIBLE_VAULT_PASSWORD_FILE=path
        )
    session = run.reading.session
    if run.become_passwords and session.inventory_plugins:
        found["ANSIBLE_INVENTORY_ENABLED"] = ",".join(_with_yaml(session.inventory_plugins))
    if not session.sets_pipelining:
        found.setdefault("ANSIBLE_PIPELINING", "True")
    return found
