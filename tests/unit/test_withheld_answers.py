"""Each question whose answer does not come: it is unknown, and never taken for "no fault"."""

import errno
import importlib
import os
import pwd
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from samples import user, variables
from test_host_status import BINARY, SERVICE, status

from kai_ansible.host import (
    bot_account,
    built_release,
    database,
    install_probe,
    isolation,
    proof_cache,
    removal,
    root_places,
    run_as,
    run_lock,
    subprocesses,
    system,
    trusted_paths,
)
from kai_ansible.host.build import Build
from kai_ansible.host.look import agents, python, releases, storage, sudo
from kai_ansible.host.look import host as look_host
from kai_ansible.host.look import service as look_service
from kai_ansible.host.look.host import Host
from kai_ansible.host.records import Installs
from kai_ansible.host.run_as import FAILED, UNANSWERED
from kai_ansible.host.trusted_paths import changers_of, places_of
from kai_ansible.rules import binaries
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.installs import UNKNOWN_STATE
from kai_ansible.rules.preflight import NOT_ROOT
from kai_ansible.rules.problems import Refused
from kai_ansible.rules.program_trust import harmful, in_words
from kai_ansible.rules.typed_data import as_data

Make = Callable[..., Host]
NO_ANSWER = [FAILED, UNANSWERED]
LATE = TimeoutError(errno.ETIMEDOUT, "no answer within 20 s", "x")
TOOR = pwd.struct_passwd(("toor", "x", 0, 0, "", "/home/toor", "/bin/sh"))


def broken(*_: Any, **__: Any) -> Any:
    """Fail as a disk does."""
    raise OSError(errno.EIO, "Input/output error", "/some/where")


# ---- what stands for an answer


def test_a_killed_process_has_not_reported_that_nothing_is_wrong() -> None:
    answers = run_as.ask_as(None, [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: None])
    assert answers == [FAILED, None]


def test_a_program_that_takes_too_long_is_an_error_with_its_name() -> None:
    with pytest.raises(OSError, match=r"no answer within 0\.1 s") as error:
        system.run_program(["sleep", "60"], timeout=0.1)
    assert (error.value.filename, error.value.errno) == ("sleep", errno.ETIMEDOUT)


# ---- who can change a place


@pytest.mark.parametrize(
    ("number", "is_none"),
    [(errno.ENODATA, True), (errno.ENOTSUP, True), (errno.EIO, False), (errno.EACCES, False)],
)
def test_an_access_list_that_cannot_be_read_is_not_none(
    monkeypatch: pytest.MonkeyPatch, number: int, is_none: bool
) -> None:
    def getxattr(*_: Any, **__: Any) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "getxattr", getxattr)
    if is_none:
        assert places_of("/bin/sh")
        return
    with pytest.raises(OSError, match="access list"):
        places_of("/bin/sh")
    [entry] = changers_of("/bin/sh")
    assert os.strerror(number) in entry["unseen"]


def test_a_file_that_its_owner_holds_is_still_that_owners(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "python3"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)
    opens = os.open

    def leased(path: Any, *arguments: Any, **more: Any) -> int:
        if path == str(script):
            raise BlockingIOError(errno.EWOULDBLOCK, "Resource temporarily unavailable", path)
        return opens(path, *arguments, **more)

    monkeypatch.setattr(os, "open", leased)
    found = changers_of(str(script))
    assert {"path": str(script), "accounts": [], "everybody": True} in [
        {**entry, "accounts": []} for entry in found
    ]
    assert found[-1]["unseen"] == f"{script}: Resource temporarily unavailable"


def test_a_look_that_hangs_is_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        trusted_paths, "ask_as", lambda *_: run_as.ask_as(None, [threading.Event().wait], 0.1)
    )
    [entry] = changers_of("/bin/sh")
    assert entry["unseen"] == str(UNANSWERED)


UNSEEN = {"path": "/p", "accounts": [], "everybody": False, "unseen": "why not"}


def test_what_is_not_seen_is_harmful_and_has_words() -> None:
    assert harmful([UNSEEN], ["alice"], []) == [UNSEEN]
    assert in_words(UNSEEN) == "unknown accounts (through /p: why not)"


def test_a_directory_of_programs_that_cannot_be_seen_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stat = os.stat

    def hidden(path: Any, *arguments: Any, **more: Any) -> os.stat_result:
        return broken() if path == "/hidden" else stat(path, *arguments, **more)

    monkeypatch.setattr(os, "stat", hidden)
    with pytest.raises(OSError, match="Input/output"):
        places_of("/bin/sh", ["/hidden"])
    assert places_of("/bin/sh", ["/not/there"])


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("#!/usr/bin/env python3", True),
        ("#!/usr/bin/env -S python3 -I", True),
        ("#!/usr/bin/env -Spython3 -I", True),
        ("#!/usr/bin/env -u HOME A=b python3", True),
        ("#!/usr/bin/env nothing", False),
    ],
)
def test_the_interpreter_that_env_finds_is_judged(tmp_path: Path, line: str, named: bool) -> None:
    (tmp_path / "python3").write_bytes(b"\x7fELF")
    (tmp_path / "script").write_text(f"{line}\n")
    found = [place.path for place in places_of(f"{tmp_path}/script", [str(tmp_path)])]
    assert (f"{tmp_path}/python3" in found) is named


def test_an_env_of_somebodys_own_is_judged_itself(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"\x7fELF")
    (tmp_path / "script").write_text(f"#!{tmp_path}/env python3\n")
    assert f"{tmp_path}/env" in [place.path for place in places_of(f"{tmp_path}/script")]


# ---- agents


@pytest.mark.parametrize("trusts", [False, True])
def test_an_agent_of_which_nobody_knows_who_changes_it_is_refused(
    contract: Contract, trusts: bool
) -> None:
    read = read_configuration(
        contract,
        variables(user(1, "Ada", os_user="alice"), trust_user_binaries=trusts),
    )
    candidate = {"path": "/opt/claude", "source": "host_vars", "fault": None, "changers": [UNSEEN]}
    chosen, problems = binaries.choose_binary(read, "claude", [candidate])
    assert chosen is not None
    [note] = binaries.notes_on_trust(read, "claude", chosen)
    assert "unknown accounts (through /p: why not)" in note
    if trusts:
        assert problems == []
        return
    [problem] = problems
    assert "unknown accounts" in problem.found
    assert "namei -l /p" in problem.fix
    assert "chown" not in problem.fix


def test_without_privilege_it_is_unknown_and_no_fault(contract: Contract) -> None:
    read = read_configuration(contract, variables(user(1, "Ada", os_user="alice")))
    candidate = {"path": "/opt/claude", "source": "host_vars", "fault": None, "changers": None}
    chosen, problems = binaries.choose_binary(read, "claude", [candidate])
    assert chosen is not None
    assert problems == []
    assert "is unknown" in binaries.notes_on_trust(read, "claude", chosen)[0]


# ---- kai_probe


@pytest.fixture(scope="module")
def modules(collection_plugins: None) -> dict[str, Any]:
    base = "ansible_collections.kai.bot.plugins.modules"
    return {
        name: importlib.import_module(f"{base}.{name}") for name in ("kai_checkup", "kai_backup")
    }


@pytest.fixture(params=NO_ANSWER)
def answer(request: pytest.FixtureRequest) -> Any:
    """What stands for no answer."""
    return request.param


@pytest.fixture
def host(contract: Contract, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Return a function that prepares to probe this machine as root."""
    monkeypatch.setattr(system, "platform_name", lambda _platforms: "linux")

    def make(**parameters: Any) -> Host:
        given = {
            "service_user": "nobody",
            "os_users": [],
            "install_dir": str(tmp_path / "kai"),
            "data_dir": None,
            "wheelhouse": None,
            "index": None,
            "python": "",
            "directories": [],
            "access": [],
            "targets": [],
            "files": [],
            "release": "",
            "port": 1,
            "programs": [],
            "versions": False,
            "ask_logins": False,
            "deployed_logins": [],
            "trust_user_binaries": False,
            "env_file": str(tmp_path / "env"),
            "sudoers_file": str(tmp_path / "sudoers"),
            "platforms": as_data(contract.platforms),
            "installed": None,
            "binaries": [],
            **parameters,
        }
        probed = Host(given)
        probed.privileged = True
        return probed

    return make


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_probe_an_index_of_another_account(host: Make, tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    os.chown(index, pwd.getpwnam("nobody").pw_uid, -1)
    assert str(index) in [problem.where for problem in host(index=str(index)).loose_places()]


def test_probe_whether_an_account_can_run_a_program(
    host: Make, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(look_host, "ask_each", lambda _asked: [None, answer])
    fault = host().fault_of("/bin/sh", ["nobody"])
    assert fault
    assert "does not answer" in fault or f"({answer})" in fault


def test_probe_a_program_of_an_account_that_is_root(
    host: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (look_host, agents):
        monkeypatch.setattr(module, "account_of", lambda _name: TOOR)
    probed = host()
    assert "UID 0" in str(probed.fault_of("/bin/sh", ["toor"]))
    request: dict[str, Any] = {"accounts": ["toor"], "name": "sh"}
    assert agents.in_path_of(probed, request) == ([], [])


def test_probe_the_path_of_a_login_shell_that_is_late(
    host: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = pwd.struct_passwd(("ada", "x", 12345, 12345, "", "/home/ada", "/bin/sh"))
    monkeypatch.setattr(agents, "account_of", lambda _name: ada)
    monkeypatch.setattr(agents, "ask_as", lambda *_: [UNANSWERED])
    request = {"accounts": ["ada"], "name": "codex", "env_key": "CODEX_BIN", "wanted": ""}
    more = {"resolvers": [], "usual_places": {}}
    [found] = agents.candidates(host(), {**request, **more}, {}, "", [])
    assert found["path"] == "the PATH of ada"
    assert "gave no answer" in str(found["fault"])


def test_probe_whether_an_account_can_enter(
    host: Make, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(storage, "ask_each", lambda _asked: [answer])
    access = [{"path": "/srv", "account": "nobody", "write": False}]
    [seen] = storage.probe_access(host(access=access))
    assert seen["fault"]


def test_probe_an_account_that_cannot_be_asked_whether_it_can_enter(
    host: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "account_of", lambda _name: TOOR)
    access = [{"path": "/srv", "account": "toor", "write": False}]
    [seen] = storage.probe_access(host(access=access))
    assert seen["fault"]


def test_probe_what_a_directory_is(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(storage, "ask_as", lambda *_: [answer])
    [seen] = storage.kinds_of(["/srv"]).values()
    # in words, as the answer itself is none that a module could return
    assert isinstance(seen, str)
    assert seen != "directory"


def test_probe_where_files_will_be_written(
    host: Make, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(storage, "ask_as", lambda *_: [answer, answer])
    probed = host(targets=["/srv"])
    assert storage.probe_targets(probed) == {}
    assert probed.faults


def test_probe_a_python_of_which_nobody_knows_who_changes_it(
    host: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python, "changers_of", lambda *_: [UNSEEN])
    monkeypatch.setattr(python, "run_program", lambda *_, **__: pytest.fail("it ran"))
    assert "unknown accounts" in python.probe_interpreter(host(), "/usr/bin/python3")["fault"]


def test_probe_an_agent_of_which_nobody_knows_who_changes_it_is_not_started(host: Make) -> None:
    request = {"backend": "codex", "accounts": ["nobody"]}
    for found in ([UNSEEN], None):
        candidates: dict[str, Any] = {
            "codex": [{"path": "/bin/sh", "fault": None, "changers": found}]
        }
        assert agents.to_start(host(), request, candidates) is None
        assert agents.to_start(host(trust_user_binaries=True), request, candidates) is not None


@pytest.mark.parametrize(
    "command",
    ["sudo -V", "getent shadow", "sudo -n -l -U nobody", "sudo -n -l -U root"],
)
def test_probe_what_sudo_and_the_accounts_report(
    host: Make, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def run(words: list[str], *_: Any, **__: Any) -> Any:
        if " ".join(words).startswith(command):
            raise LATE
        return subprocess.CompletedProcess(words, 0, "Sudo version 1.9.16\n", "")

    monkeypatch.setattr(look_host, "run_program", run)
    monkeypatch.setattr(sudo, "reads_directory", lambda *_: True)
    probed = host()
    sudo.probe_sudo(probed)
    assert any("no answer within 20 s" in fault.found for fault in probed.faults)


def test_probe_a_listing_of_sudo_that_is_none(host: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: list[str], *_: Any, **__: Any) -> Any:
        said = "Sudo version 1.9\n" if "-V" in words else "sudo: error in /etc/sudo.conf\n"
        return subprocess.CompletedProcess(words, 1, said, "")

    monkeypatch.setattr(look_host, "run_program", run)
    monkeypatch.setattr(sudo, "reads_directory", lambda *_: True)
    probed = host()
    sudo.probe_sudo(probed)
    assert [fault.found for fault in probed.faults] == ["no answer: sudo: error in /etc/sudo.conf"]


def test_probe_a_policy_that_cannot_be_read(host: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sudo, "reads_directory", broken)
    probed = host()
    sudo.probe_sudo(probed)
    assert any("cannot be read" in fault.found for fault in probed.faults)


def test_probe_a_file_that_cannot_be_seen_is_not_absent(
    host: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed = host(files=["/etc/kai/totp.secret"])
    monkeypatch.setattr(storage, "look", broken)
    assert storage.probe_file_sizes(probed) == {}
    assert [fault.where for fault in probed.faults] == ["/etc/kai/totp.secret"]


@pytest.mark.parametrize("refused", [False, True])
def test_probe_an_install_that_cannot_be_read_is_not_absent(
    host: Make, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    def fail(_installs: Any) -> None:
        raise Refused("current is not a link") if refused else LATE

    monkeypatch.setattr(Installs, "live", fail)
    probed = host()
    releases.probe_release(probed)
    assert len(probed.faults) == 1


def test_probe_addresses_of_the_host(host: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # one of TEST-NET-1 (RFC 5737), which no host has
    probed = host(addresses=["127.0.0.1", "192.0.2.7"])
    assert look_service.probe_addresses(probed) == ["192.0.2.7"]
    assert probed.faults == []
    monkeypatch.setattr(socket.socket, "bind", broken)
    assert look_service.probe_addresses(probed) == []
    assert len(probed.faults) == 2


def test_probe_who_listens_on_the_port(host: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "strangers", broken)
    probed = host()
    assert look_service.probe_port(probed, None, {}, None) == []
    assert probed.faults


@pytest.mark.parametrize("said", [LATE, "Failed to connect to bus: Connection refused\n"])
def test_probe_what_systemd_reports(host: Make, monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    def run(*words: str, **_: Any) -> Any:
        if isinstance(said, OSError):
            raise said
        return subprocess.CompletedProcess(words, 1, said, "")

    monkeypatch.setattr(system, "_run", run)
    probed = host()
    assert look_service.probe_state(probed) is None
    assert look_service.probe_manager_version(probed) is None
    assert len(probed.faults) == 2


def test_probe_a_login_that_cannot_be_probed_for(
    host: Make, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    probed = host()
    monkeypatch.setattr(os, "stat", broken)
    with pytest.raises(OSError, match="Input/output"):
        agents.any_file("/home/x", ["auth.json"])
    monkeypatch.setattr(agents, "ask_each", lambda _asked: [answer])
    assert agents.keep_logins(probed, [("nobody", {"login_files": ["x"]})]) == [None]


def test_probe_the_login_of_an_account_that_only_the_deployed_rules_name(
    host: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"backend": "codex", "name": "codex", "login_files": [".codex/auth.json"]}
    probed = host(binaries=[], deployed_logins=[login])
    monkeypatch.setattr(agents, "keep_logins", lambda _host, wanted: [False] * len(wanted))
    rules = "kai ALL=(daemon) NOPASSWD: /opt/codex\nkai ALL=(games) NOPASSWD: /opt/claude\n"
    found = agents.probe_logins(probed, {}, rules)
    assert [(one["account"], one["logged_in"]) for one in found] == [
        ("nobody", False),
        ("daemon", False),
    ]


def test_probe_a_pipe_in_place_of_a_file_is_read_by_nobody(host: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "env")
    probed = host()
    assert probed.deployed(str(tmp_path / "env")) is None
    assert "a named pipe" in probed.faults[0].found


def test_probe_reads_nothing_where_others_can_write(
    host: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kai").mkdir()
    (tmp_path / "kai").chmod(0o777)
    probed = host()
    probed.places = probed.loose_places()
    assert probed.distrusted
    for name in ("live", "built", "journal"):
        monkeypatch.setattr(Installs, name, lambda *_: pytest.fail("it was read"))
    nothing = {"live": None, "complete": [], "missing": False, "size": None, "has_models": True}
    assert releases.probe_release(probed) == nothing
    assert releases.verified_env(probed, {"A": "1"}) == {"A": "1"}


# ---- systemd, /proc, and the records


@pytest.mark.parametrize(
    "ended", [LATE, (1, ""), (0, ""), (1, "ActiveState=active\n"), (0, "MainPID=1\n")]
)
def test_a_unit_that_systemd_does_not_report_is_not_inactive(
    monkeypatch: pytest.MonkeyPatch, ended: Any
) -> None:
    def run(*words: str, **_: Any) -> Any:
        if isinstance(ended, OSError):
            raise ended
        return subprocess.CompletedProcess(words, *ended, "Failed to connect to bus")

    monkeypatch.setattr(system, "_run", run)
    with pytest.raises(OSError, match=r"answer|does not report"):
        system.service_state("kai")


def test_a_status_without_an_answer_of_systemd(contract: Contract) -> None:
    silent = {**SERVICE, "active": False, "enabled": False, "pid": None, "release": None}
    report = status(contract, service={**silent, "state": UNKNOWN_STATE}, health=None)
    assert not report["healthy"]
    assert report["problems"] == []
    assert [found["where"] for found in report["unknown"]] == ["kai.service"]


def test_a_status_without_the_sockets(contract: Contract) -> None:
    report = status(contract, strangers=None)
    assert not report["healthy"]
    assert report["problems"] == []
    assert [found["where"] for found in report["unknown"]] == [
        "which process listens on the port of kai.service"
    ]


def test_a_status_that_sees_no_install_at_all(contract: Contract) -> None:
    unseen: dict[str, Any] = dict.fromkeys(("live", "unfinished", "releases", "installs"))
    report = status(contract, privileged=False, strangers=None, **unseen)
    assert report["problems"] == [NOT_ROOT.as_dict()]
    assert "the records of installs" in [found["where"] for found in report["unknown"]]


def test_a_status_of_an_agent_that_was_not_started(contract: Contract) -> None:
    binary = {name: value for name, value in BINARY.items() if name != "version"}
    report = status(contract, binary={**binary, "changers": [UNSEEN]})
    assert [found["where"] for found in report["problems"]] == ["kai_install_claude_bin"]


class Unreadable:
    install_dir = "/opt/kai"

    def journal(self) -> None:
        broken()

    live = journal


def test_records_that_cannot_be_read_are_not_absent() -> None:
    installs: Any = Unreadable()
    assert "Input/output error" in install_probe.installs_seen(installs, [])["fault"]["found"]


def test_a_link_that_cannot_be_seen_either() -> None:
    class Hidden(Unreadable):
        def journal(self) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        live = journal

    installs: Any = Hidden()
    assert install_probe.installs_seen(installs, []) == {
        **dict.fromkeys(("live", "unfinished", "releases", "installs")),
        "damaged": [],
        "is_recorded": False,
        "fault": None,
    }


def test_sockets_that_nobody_shows_are_not_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(system, "TABLES", (str(tmp_path / "a"), str(tmp_path / "b")))
    with pytest.raises(OSError, match="No such file"):
        system.sockets(system.LISTENING, 80)
    assert run_lock._connected("1") is True
    monkeypatch.setattr(install_probe.os, "geteuid", lambda: 0)
    assert install_probe.strangers_seen(80, system.ServiceState()) is None
    (tmp_path / "a").write_text("header\n")
    assert system.sockets(system.LISTENING, 80) == {}
    assert run_lock._connected("1") is False


def test_a_process_that_is_hidden_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = run_lock.run_of_process(os.getpid(), "ada", "bot")
    here = system.boot_and_namespace()
    assert not run_lock.is_gone(holder, here)

    def hidden(_pid: int) -> str:
        raise PermissionError(errno.EPERM, "hidden")

    monkeypatch.setattr(run_lock, "started", hidden)
    assert not run_lock.is_gone(holder, here)


def test_what_proc_hides_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    real = open

    def no_stat(path: Any, *arguments: Any, **more: Any) -> Any:
        if path == "/proc/1/stat":
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        return real(path, *arguments, **more)

    monkeypatch.setattr("builtins.open", no_stat)
    with pytest.raises(PermissionError):
        system.started(1)
    monkeypatch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(ProcessLookupError()))
    assert system.started(1) is None


def test_what_a_removal_cannot_see_has_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert removal.owner("/not/there") is None
    monkeypatch.setattr(os, "lstat", broken)
    with pytest.raises(OSError, match="Input/output"):
        removal.owner("/somewhere")


def test_data_that_cannot_be_seen_is_not_nothing(
    modules: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parameters = {"install_dir": str(tmp_path), "data_dir": str(tmp_path / "data")}
    assert modules["kai_backup"].make(parameters) == {"changed": False, "size": 0}
    monkeypatch.setattr(modules["kai_backup"].os, "lstat", broken)
    with pytest.raises(OSError, match="Input/output"):
        modules["kai_backup"].make(parameters)


# ---- the doctor


@pytest.fixture
def checkup(modules: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    return modules["kai_checkup"]


def test_a_log_whose_secrets_are_not_known_is_not_shown(
    checkup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "deployed_env", broken)
    monkeypatch.setattr(checkup, "last_starts", lambda _unit: ["1"])
    monkeypatch.setattr(checkup, "log_of", lambda *_, **__: "a secret")
    assert checkup.Checkup({"env_file": "/x", "secret_keys": [], "unit": "kai"}).log() == []


def test_a_visudo_that_does_not_end_has_not_accepted_the_policy(
    checkup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "deployed_env", lambda _path: {})
    monkeypatch.setattr(checkup, "run_bounded", lambda *_, **__: (None, ""))
    judge = checkup.Checkup({"env_file": "/x", "secret_keys": [], "visudo": "/bin/true"})
    assert "no answer" in judge.policy()


def test_a_file_that_takes_hours_to_read_is_not_tried(
    checkup: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small, huge, pipe, link = (tmp_path / name for name in ("small", "huge", "pipe", "link"))
    small.touch()
    # the operator's own file may be one
    link.symlink_to(small)
    huge.touch()
    os.truncate(huge, 100 << 30)
    os.mkfifo(pipe)
    tried: list[str] = []
    bot = SimpleNamespace(fault_of_command=lambda argv: tried.append(argv[0]) or "")
    monkeypatch.setattr(checkup, "deployed_env", broken)
    monkeypatch.setattr(checkup, "BotAccount", lambda *_: bot)
    places = [None, *map(str, (small, link, huge, pipe, tmp_path / "absent"))]
    commands = [{"only_if_exists": place, "argv": [place]} for place in places]
    given = {"env_file": "/x", "secret_keys": [], "service_user": "kai", "environment": {}}
    assert checkup.Checkup({**given, "commands": commands}).faults() == []
    assert {*tried} == {None, str(small), str(link)}


@pytest.mark.parametrize("answer", NO_ANSWER)
def test_an_account_that_does_not_report_directories(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(isolation, "ask_as", lambda *_: [answer])
    found, [told] = isolation.trespasses([{"path": "/srv", "account": "nobody"}], ["nobody"])
    assert found == []
    assert str(answer) in told


# ---- releases and places of root's


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho /tmp\n")
    python.chmod(0o755)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    monkeypatch.setattr(built_release, "found_by", lambda looks: {path: [] for path in looks})
    return str(tmp_path)


def test_a_python_that_gives_no_answer_is_not_broken(
    release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert built_release.environment_works(release) is True

    def late(*_: Any, **__: Any) -> None:
        raise LATE

    monkeypatch.setattr(built_release, "run_program", late)
    with pytest.raises(OSError, match="no answer"):
        built_release.environment_works(release)


@pytest.mark.parametrize("name", ["venv/bin/python", "venv/pyvenv.cfg"])
def test_a_release_of_which_nobody_knows_who_changes_it_is_not_run(
    release: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hidden = f"{release}/{name}"
    found = {hidden: [UNSEEN]}
    monkeypatch.setattr(
        built_release, "found_by", lambda looks: {path: found.get(path, []) for path in looks}
    )
    monkeypatch.setattr(built_release, "run_program", lambda *_, **__: pytest.fail("it ran"))
    assert built_release.environment_works(release) is False


def test_a_place_that_cannot_be_seen_is_no_place_for_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(root_places, "way_to", lambda _path: broken())
    [problem] = root_places.place_problems(str(tmp_path))
    assert "unknown accounts" in problem.found
    assert "namei -l" in problem.fix
    with pytest.raises(Refused, match="unknown accounts"):
        root_places.refuse_places(str(tmp_path))
    # without privilege nothing that root does depends on it
    monkeypatch.setattr(root_places.os, "geteuid", lambda: 1000)
    assert root_places.place_problems(str(tmp_path)) == []


def test_a_proof_that_depends_on_what_is_not_seen_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getxattr", broken)
    with pytest.raises(OSError, match="access list"):
        proof_cache.facts_of_directory("/srv", None)


# ---- root by another name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_nothing_runs_as_an_account_that_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_as.ask_as(TOOR, [lambda: 1]) == [FAILED]
    with pytest.raises(PermissionError, match="UID 0"):
        subprocesses.run_bounded(["/bin/true"], {}, 1, account=TOOR)
    with pytest.raises(PermissionError, match="UID 0"):
        database._as_account(TOOR, lambda: pytest.fail("it ran"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: TOOR)
    with pytest.raises(PermissionError, match="UID 0"):
        bot_account.BotAccount("toor", {}, [], {})
    with pytest.raises(Refused, match="UID is 0"):
        root_places.refuse_service_as_root("toor")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_no_agent_is_started_for_one_and_no_release_is_verified_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bot = bot_account.BotAccount("nobody", {}, [], {})
    build: Any = object.__new__(Build)
    build.parameters = {"service_user": "toor"}
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: TOOR)
    monkeypatch.setattr(bot_account, "fault_of_agent", lambda *_: pytest.fail("it ran"))
    assert "UID 0" in bot.fault_of_agent({"account": "toor"})
    with pytest.raises(PermissionError, match="UID 0"):
        build.prove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize(
    ("found", "is_started", "is_own"),
    [
        ([], True, True),
        ([{"path": "/p", "accounts": ["nobody"], "everybody": False}], True, True),
        ([{"path": "/p", "accounts": ["alice"], "everybody": False}], False, True),
        ([{"path": "/p", "accounts": [], "everybody": True}], False, True),
        ([{"path": "/p", "accounts": [], "everybody": False, "unseen": "I/O"}], False, False),
    ],
)
def test_the_service_user_starts_no_program_that_another_account_may_exchange(
    monkeypatch: pytest.MonkeyPatch, found: list[Any], is_started: bool, is_own: bool
) -> None:
    bot, started = bot_account.BotAccount("nobody", {}, [], {}), []
    monkeypatch.setattr(bot_account, "changers_of", lambda *_: found)
    monkeypatch.setattr(bot_account, "fault_of_agent", lambda *_: started.append(1) or "")
    monkeypatch.setattr(bot_account.BotAccount, "fault_of_command", lambda *_: "")
    agent: Any = {
        "account": "alice",
        "program": "/p",
        "argv": ["sudo", "-u", "alice", "--", "/p"],
        "kill": ["/bin/kill"],
        "sets": {},
        "copies": {},
    }
    assert bot.is_own_fault(agent, []) is is_own
    assert bool(started) is is_started
