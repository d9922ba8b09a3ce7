"""Who is let into the Workshop, by which command, and that the bot runs again whatever happens."""

import os
import pwd
import shlex
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands.options import HostOptions
from kai_ansible.commands.workshop import _show
from kai_ansible.host import enrolment as host_enrolment
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.enrolment import (
    argv_for,
    chosen_user,
    enrol_hint,
    enrol_lines,
    enrolment_plan,
    no_workshop,
    pages,
    read_enrolment,
    who_may_enrol,
    without_token,
)
from kai_ansible.rules.problems import Problem, Refused
from kai_ansible.rules.users import User
from kai_ansible.terminal.outcome_view import report_next_steps
from kai_ansible.terminal.screen import Screen

TOKEN = "kai_ws_enroll_v1.abc.DEF-g_1"
ANSWER = f"""\
Enrollment: eng_0123
Channel: chn_0123
Expires: 2026-11-28T20:30:00+00:00
Token: {TOKEN}
The token is shown once; Kai stores only its hash.
"""
USERS: Any = [
    {"name": "Ada", "key": 1},
    {"name": "Ben", "key": 2},
    {"name": "Ben", "key": 3},
]


NAMES = [(1, "Ada"), (2, "Ben"), (3, "Ben")]


def configuration(line: str = "2", **settings: Any) -> Configuration:
    return Configuration(
        contract_of_line(line),
        host={"install_dir": "/opt/kai", "data_dir": "/var/lib/kai"},
        settings={
            "KAI_ENABLED_ADAPTERS": "telegram,workshop",
            "WEBHOOK_PORT": 8090,
            **settings,
        },
        users=[User(1, "Ada", "alice", "claude", "anthropic", "sonnet", "own")],
    )


def test_whom_an_install_can_let_in() -> None:
    read = configuration(KAI_ENABLED_ADAPTERS="telegram,workshop")
    read.users = [replace(read.users[0], telegram_id=n, name=name) for n, name in NAMES]
    assert who_may_enrol(read) == ["Ada", "2", "3"]
    read.settings["KAI_ENABLED_ADAPTERS"] = "telegram"
    assert who_may_enrol(read) == []
    for line in ("1", "2.0"):
        assert who_may_enrol(configuration(line)) == []


def report(**changes: Any) -> Any:
    return {"install": 1, "enrol": ["Ada", "Ben"], **changes}


def test_after_an_install_the_hint_says_how_to_let_a_user_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = Outcome(True, False, {"bot1": report()}, [], {}, None)
    options = HostOptions("all", Path("place"))
    report_next_steps(Screen(plain=True), outcome, options.words)
    title, command = capsys.readouterr().out.splitlines()[-2:]
    assert title.startswith("bot1: let Ada into the Workshop, which stops the bot for a moment")
    assert "(repeat this for Ben)" in title
    assert command == "  kai-ansible workshop enrol Ada bot1 --inventory place"


@pytest.mark.parametrize(
    ("pages", "ssh", "forwarded"),
    [
        (["http://127.0.0.1:8080/workshop/"], ["ssh", "-p", "22", "bot1"], True),
        (["http://127.0.0.1:8080/workshop/"], None, False),
        (["http://127.0.0.1:8080/workshop/", "http://10.0.0.2:8080/workshop/"], ["ssh"], False),
    ],
)
def test_a_page_of_another_host_comes_with_the_command_that_forwards_it(
    pages: list[str], ssh: list[str] | None, forwarded: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _show("Ada", {"minutes": 10, "pages": pages}, "a-token", ssh, Screen(plain=True))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "  a-token"
    assert ("  ssh -N -L 8080:127.0.0.1:8080 -p 22 bot1" in lines) is forwarded


def test_a_playbook_prints_a_command_that_a_shell_takes() -> None:
    [line] = enrol_lines(report(enrol=["Ada O'Neil"]))
    assert shlex.split(line.partition(": ")[2])[-1] == "Ada O'Neil"


@pytest.mark.parametrize("changes", [{"install": None}, {"enrol": []}])
def test_where_nothing_was_installed_or_there_is_no_workshop_there_is_no_hint(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    assert enrol_hint(report(**changes)) is None
    assert enrol_lines(report(**changes)) == []
    outcome = Outcome(True, False, {"bot1": report(**changes)}, [], {}, None)
    report_next_steps(Screen(plain=True), outcome, HostOptions().words)
    assert capsys.readouterr().out == ""


def test_the_command_is_the_one_of_the_live_release() -> None:
    plan = enrolment_plan(configuration())
    assert plan is not None
    assert plan["users"] == [{"name": "Ada", "key": 1}]
    assert argv_for(plan["argv"], plan["argv_of"], plan["users"][0], None) == [
        *("/opt/kai/current/venv/bin/python", "-m", "kai", "workshop", "client-access"),
        *("issue-enrollment", "--telegram-user-id", "1"),
    ]
    assert plan["environment"] == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "KAI_INSTALL_DIR": "/opt/kai/current",
        "KAI_DATA_DIR": "/var/lib/kai",
    }


def test_a_user_without_telegram_is_named_by_the_ids_of_the_database() -> None:
    read = configuration()
    profile = "rtp_" + "a" * 32
    read.users = [replace(read.users[0], telegram_id=0, profile_id=profile)]
    plan = enrolment_plan(read)
    assert plan is not None
    assert plan["database"] is not None
    assert plan["database"]["database"] == "/var/lib/kai/kai.db"
    user = chosen_user(plan["users"], "Ada")
    assert not isinstance(user, Problem)
    assert chosen_user(plan["users"], profile) == user
    owner: Any = {profile: {"principal": "prn_1", "channel": "chn_1"}}
    seen: Any = {"id": "wsp_1", "assigned": [profile], "owners": owner, "fault": None}
    argv = argv_for(plan["argv"], plan["argv_of"], user, seen)
    assert argv[-4:] == ["--principal-id", "prn_1", "--channel-id", "chn_1"]
    for unknown in (
        None,
        {**seen, "owners": {}},
        {**seen, "owners": {}, "fault": "kai.db: locked"},
    ):
        with pytest.raises(Refused, match=profile) as refused:
            argv_for(plan["argv"], plan["argv_of"], user, unknown)
        assert str((unknown or {}).get("fault") or "") in str(refused.value)


def test_pages_are_those_that_the_bot_answers() -> None:
    assert pages(configuration()) == ["http://127.0.0.1:8090/workshop/"]
    lan = configuration(WORKSHOP_LAN_HOST="192.168.1.5")
    assert pages(lan)[1] == "http://192.168.1.5:8090/workshop/"


def test_the_contract_names_the_settings_of_the_workshop() -> None:
    contract = contract_of_line("2")
    assert contract.workshop is not None
    renamed = replace(
        contract.workshop, adapters_setting="CLIENTS", adapter="web", lan_setting="WEBHOOK_PORT"
    )
    contract = replace(contract, workshop=renamed, settings={"CLIENTS": None, **contract.settings})
    assert (
        pages(replace(configuration(CLIENTS="web"), contract=contract))[1]
        == "http://8090:8090/workshop/"
    )
    closed = no_workshop(replace(configuration(CLIENTS="telegram"), contract=contract))
    assert closed is not None
    assert closed.where == "kai_install_clients"


@pytest.mark.parametrize(
    ("line", "settings", "where"),
    [
        ("1", {}, "kai_install_release"),
        ("2.0", {}, "kai_install_release"),
        ("2", {"KAI_ENABLED_ADAPTERS": "telegram"}, "kai_install_kai_enabled_adapters"),
    ],
)
def test_a_bot_without_a_workshop_is_refused(
    line: str, settings: dict[str, Any], where: str
) -> None:
    problem = no_workshop(configuration(line, **settings))
    assert problem is not None
    assert problem.where == where
    assert no_workshop(configuration()) is None


@pytest.mark.parametrize(("who", "telegram_id"), [("Ada", 1), ("1", 1), ("3", 3)])
def test_a_user_is_named_or_given_by_the_telegram_id(who: str, telegram_id: int) -> None:
    found = chosen_user(USERS, who)
    assert not isinstance(found, Problem)
    assert found["key"] == telegram_id


@pytest.mark.parametrize(
    ("who", "words"), [("Ben", "several users"), ("Adda", "did you mean Ada"), ("", "''")]
)
def test_nobody_is_guessed(who: str, words: str) -> None:
    found = chosen_user(USERS, who)
    assert isinstance(found, Problem)
    assert words in found.found


def test_the_answer_is_read_and_the_token_in_no_message() -> None:
    found = read_enrolment(ANSWER)
    assert found is not None
    assert (found.token, found.expires) == (TOKEN, "2026-11-28T20:30:00+00:00")
    assert TOKEN not in repr(found)
    assert TOKEN not in without_token(ANSWER)
    assert "Channel: chn_0123" in without_token(ANSWER)


@pytest.mark.parametrize("answer", ["", "no such human", "Token: none", "Token:"])
def test_an_answer_without_a_token_is_none(answer: str) -> None:
    assert read_enrolment(answer) is None


class Bot:
    """A bot, and what was done to it, in order."""

    def __init__(self, answer: str = ANSWER, code: int = 0, active: bool = True) -> None:
        self.answer, self.code, self.active = answer, code, active
        self.done: list[str] = []
        self.run: Any = None

    def state(self, _unit: str) -> Any:
        return SimpleNamespace(active=self.active, state="active")

    def stop(self, unit: str) -> None:
        self.done.append(f"stop {unit}")

    def restart(self, unit: str, _state: Any) -> None:
        self.done.append(f"start {unit}")

    def issue(self, argv: list[str], _seconds: int, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        self.done.append("issue")
        self.run = (argv, options)
        return subprocess.CompletedProcess(argv, self.code, self.answer, "")


@pytest.fixture
def bot(monkeypatch: pytest.MonkeyPatch) -> Bot:
    bot = Bot()
    monkeypatch.setattr(host_enrolment, "service_state", bot.state)
    monkeypatch.setattr(host_enrolment, "stop_service", bot.stop)
    monkeypatch.setattr(host_enrolment, "restart_service", bot.restart)
    monkeypatch.setattr(
        host_enrolment, "run_group", lambda *given, **more: bot.issue(*given, **more)
    )
    return bot


def enrol() -> Any:
    account = pwd.getpwuid(65534) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    argv = ["python", "issue-enrollment", "--telegram-user-id", "1"]
    return host_enrolment.enrol("kai", account, argv, {"KAI_DATA_DIR": "/d"})


def test_an_enrolment_is_issued_with_the_bot_stopped_and_no_signal_leaves_it_so(bot: Bot) -> None:
    before = signal.getsignal(signal.SIGTERM)
    found, restarted = enrol()
    assert found.token == TOKEN
    assert restarted
    assert bot.done == ["stop kai", "issue", "start kai"]
    argv, options = bot.run
    assert argv[-1] == "1"
    assert options["env"] == {"KAI_DATA_DIR": "/d"}
    if os.geteuid() == 0:
        assert options["user"] == 65534
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_bot_that_did_not_run_is_left_so(bot: Bot) -> None:
    bot.active = False
    assert enrol()[1] is False
    assert bot.done == ["stop kai", "issue"]


@pytest.mark.parametrize(("answer", "code"), [("no such human", 1), (ANSWER, 1), ("", 0)])
def test_a_failure_starts_the_bot_again_and_tells_no_token(
    bot: Bot, answer: str, code: int
) -> None:
    bot.answer, bot.code = answer, code
    with pytest.raises(Refused) as refused:
        enrol()
    assert bot.done[-1] == "start kai"
    assert TOKEN not in str(refused.value)
    assert "issue-enrollment" in str(refused.value)


def test_a_command_that_cannot_be_run_starts_the_bot_again(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_given: Any, **_more: Any) -> Any:
        raise FileNotFoundError("python")

    monkeypatch.setattr(host_enrolment, "run_group", missing)
    with pytest.raises(FileNotFoundError):
        enrol()
    assert bot.done == ["stop kai", "start kai"]
