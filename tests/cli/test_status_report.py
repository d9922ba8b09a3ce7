"""What status prints of several hosts, and what it refuses. tests/machine does the rest."""

from pathlib import Path
from unittest.mock import Mock

import jsonschema
import pytest
import yaml

from kai_ansible.ansible.failures import FailedTask
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands import status_probe
from kai_ansible.commands.status import StatusOptions, show
from kai_ansible.errors import ExitCode
from kai_ansible.terminal.screen import Screen
from kai_ansible.terminal.status_page import render
from kai_ansible.terminal.status_view import (
    StatusProbe,
    age,
    few_of_each,
    free_space_in_words,
    next_commands,
    state_of,
)
from tests.cli.desk import Desk
from tests.cli.status_samples import FINDING, PROBE, TAKEN, report
from tests.conftest import ROOT

NOT_LOGGED_IN = {"account": "alice", "backend": "codex", "logged_in": "no"}
OPTIONS = StatusOptions(host="all")
SPACE = {"path": "/var", "size_mb": 9, "free_mb": 5, "files": 0, "free_files": 0}


def test_a_host_that_fails_keeps_no_other_from_being_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = FailedTask("bad", "Publish the report", "bad.live: not as expected", "")
    outcome = Outcome(False, False, {"good": report()}, [failure], {}, None)
    monkeypatch.setattr(status_probe, "run_as_root_if_possible", lambda _: outcome)
    probe = status_probe.probe_status(Mock(hosts=["bad", "good"]))
    assert probe.reports.keys() == {"good"}
    assert probe.failures == [failure]
    assert probe.code == ExitCode.FAILED
    show(probe, OPTIONS, Screen(plain=True), {})
    assert "2 hosts: 1 healthy, 1 not reached" in capsys.readouterr().out


def test_a_time_that_is_none_is_shown_as_it_is() -> None:
    assert age("tomorrow", TAKEN) == "'tomorrow'"


def test_a_line_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "ls /srv/:warning:/[red]x[/red]"
    Screen(plain=True).literal(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_a_fleet_has_a_line_for_each_host_and_more_for_unhealthy_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(PROBE, OPTIONS, Screen(plain=True), {})
    said = capsys.readouterr().out
    lines = [line.split() for line in said.splitlines()]
    assert ["bot1", "healthy", "0a1b2c3d4e5f", "200", "0", "0", "0", "0"] in lines
    assert ["bot2", "unhealthy", "0a1b2c3d4e5f", "200", "1", "0", "0", "0"] in lines
    assert "bot1: healthy" not in said
    assert "bot2: unhealthy" in said
    assert "   fix:      kai-ansible install" in said
    assert "  sudo -iu alice codex login" in said


def test_after_a_rollback_it_says_to_what_and_whether_host_vars_differ(
    capsys: pytest.CaptureFixture[str],
) -> None:
    last = {**report()["last_install"], "number": 3, "outcome": "rolled back"}
    installs = [
        {"number": number, "release": last["release"], "time": last["time"], "rolled_back_to": to}
        for number, to in ((1, None), (2, None), (3, 1))
    ]
    for drift, said in (
        ([FINDING], "Rollback to install 1; host_vars differ\n"),
        ([], "Rollback to install 1\n"),
    ):
        host = report(healthy=not drift, last_install=last, installs=installs, drift=drift)
        show(StatusProbe(TAKEN, {"bot1": host}, []), OPTIONS, Screen(plain=True), {})
        assert said in capsys.readouterr().out
    show(StatusProbe(TAKEN, {"bot1": report()}, []), OPTIONS, Screen(plain=True), {})
    assert "Rollback" not in capsys.readouterr().out


def test_without_root_one_command_answers_all_that_is_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unknown = [{**FINDING, "where": f"/etc/kai/{number}"} for number in range(23)]
    host = report(healthy=False, as_root=False, unknown=unknown)
    show(StatusProbe(TAKEN, {"bot1": host}, []), OPTIONS, Screen(plain=True), {})
    said = capsys.readouterr().out
    assert "23 facts are only for root." in said
    assert "  kai-ansible status bot1 --ask-become-pass\n" in said
    assert "/etc/kai/" not in said


def test_a_login_on_another_host_is_a_command_for_this_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    host = report(healthy=False, login_notice=["Log in:", "  sudo -iu alice codex login"])
    probe, ssh = StatusProbe(TAKEN, {"bot1": host}, []), {"bot1": ["ssh", "bot1.example"]}
    command = "ssh -t bot1.example 'sudo -iu alice codex login'"
    show(probe, OPTIONS, Screen(plain=True), ssh)
    assert f"\n  {command}\n" in capsys.readouterr().out
    assert (command, "Log in once.") in next_commands(host, [], ssh["bot1"])


def test_a_limit_of_the_operator_is_shown_and_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    line = "/etc/systemd/system/kai.service.d/limit.conf: MemoryMax=2G"
    probe = StatusProbe(TAKEN, {"bot1": report(limits=[line])}, [])
    show(probe, OPTIONS, Screen(plain=True), {})
    out = capsys.readouterr().out
    assert "bot1: healthy" in out
    assert f"bot1: your own limits of the service:\n  {line}\n" in out
    assert f"<li>{line}</li>" in render(probe, {}, OPTIONS.words)


def test_a_pending_change_is_not_shown_as_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    line = "Alice: agent claude instead of codex"
    probe = StatusProbe(TAKEN, {"bot1": report(pending=[line])}, [])
    show(probe, OPTIONS, Screen(plain=True), {})
    out = capsys.readouterr().out
    assert f"bot1: pending in host_vars, until the next install:\n  {line}\n" in out
    assert f"<li>{line}</li>" in render(probe, {}, OPTIONS.words)
    unread = report(users_from="host_vars")
    show(StatusProbe(TAKEN, {"bot1": unread}, []), OPTIONS, Screen(plain=True), {})
    assert (
        "bot1: users of host_vars, as those of the host are not known:" in capsys.readouterr().out
    )


@pytest.mark.parametrize(("count", "left"), [(4, {}), (5, {"/etc/sudoers.d/kai": 2})])
def test_a_file_that_differs_much_is_not_listed_whole(count: int, left: dict[str, int]) -> None:
    drift = [{**FINDING, "where": f"/etc/sudoers.d/kai: rule {number}"} for number in range(count)]
    shown, more = few_of_each([FINDING, *drift])
    assert (len(shown), more) == (1 + count - sum(left.values()), left)


def test_the_free_space_of_one_file_system_is_said_once() -> None:
    one = {"size_mb": 4096, "free_mb": 512, "files": 10, "free_files": 9}
    rooms = [{**one, "path": path} for path in ("/opt/kai", "/var/lib/kai")]
    same = "512 MB of 4.0 GB free, 90 % of its inodes"
    assert free_space_in_words(rooms) == [f"/opt/kai, /var/lib/kai: {same}"]
    other = {**rooms[1], "free_mb": 2048, "files": 0}
    assert free_space_in_words([rooms[0], other]) == [
        f"/opt/kai: {same}",
        "/var/lib/kai: 2.0 GB of 4.0 GB free",
    ]


def test_the_samples_are_what_the_schema_says() -> None:
    schema = yaml.safe_load((ROOT / "docs" / "status.schema.json").read_text(encoding="utf-8"))
    screen = Screen(as_json=True, command="status")
    screen.document(PROBE.as_dict())
    jsonschema.validate(screen.envelope(None), schema)


@pytest.mark.parametrize(
    ("host", "state"),
    [
        (report(), "healthy"),
        (report(healthy=False, problems=[{}]), "unhealthy"),
        (report(healthy=False, unknown=[{}]), "UNKNOWN"),
        (report(healthy=False, users=[NOT_LOGGED_IN]), "unhealthy"),
    ],
)
def test_only_known_facts_are_called_healthy_or_unhealthy(
    host: dict[str, object], state: str
) -> None:
    assert state_of(host) == state
    code = ExitCode.DONE if state == "healthy" else ExitCode.NOT_READY
    assert StatusProbe(TAKEN, {"bot": host}, []).code == code


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ("2026-01-02T03:04:00Z", "5 s"),
        ("2026-01-02T03:00:05Z", "4 min"),
        ("2026-01-01T23:00:00Z", "4 h"),
        ("2025-12-01T00:00:00Z", "32 d"),
        # clocks differ
        ("2026-01-02T03:05:00Z", "0 s"),
    ],
)
def test_the_age_of_a_service(since: str, text: str) -> None:
    assert age(since, TAKEN) == text


def test_a_program_gets_one_document(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk")
    done = desk.run("status", "--watch", "--json")
    assert done.returncode == 2
    assert "leave out one of them" in done.stderr
