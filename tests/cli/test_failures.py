"""The report of a failed run comes from Ansible's events."""

from typing import Any

import pytest

from kai_ansible.ansible.failures import FailedTask, failed_tasks
from kai_ansible.ansible.reading import HostReading
from kai_ansible.rules.readiness import LIKELY_CAUSE, LOG_OF_START


def event(kind: str = "failed", host: str = "bot", task: str = "Stage", **data: Any) -> dict:
    return {"event": f"runner_on_{kind}", "event_data": {"host": host, "task": task, **data}}


def test_the_failed_task_is_reported_with_its_message() -> None:
    events = [
        event("ok", res={"msg": "fine"}),
        event(task="kai.bot.kai_install : Build the release", res={"msg": "No space left"}),
    ]
    (failure,) = failed_tasks(events, "ignored")
    assert failure == FailedTask("bot", "Build the release", "No space left", "")
    assert failure.task == "Build the release"


def test_a_module_that_ran_is_told_from_a_host_that_was_not_entered() -> None:
    refused = {"msg": "sudo: a password is required"}
    found = {"msg": "/etc/sudoers.d is a file", "invocation": {"module_args": {}}}
    failures = failed_tasks([event(host="a", res=refused), event(host="b", res=found)], "")
    assert [failure.module_ran for failure in failures] == [False, True]


def test_what_a_program_said_belongs_to_the_message_but_is_said_once() -> None:
    result = {"msg": "pip failed", "module_stderr": "no wheel", "stderr": "no wheel"}
    (failure,) = failed_tasks([event(res=result)], "")
    assert failure.message == "pip failed\nno wheel"


def test_what_a_program_said_at_a_terminal_of_ssh_belongs_to_the_message() -> None:
    result = {
        "msg": "Module result deserialization failed: No start of json char found",
        "module_stdout": "doas: Operation not permitted\r\n",
        "module_stderr": "Shared connection to 192.0.2.7 closed.\r\n",
    }
    (failure,) = failed_tasks([event(res=result)], "")
    assert failure.message == f"{result['msg']}\ndoas: Operation not permitted"
    assert "/etc/doas.conf" in failure.fix


def test_a_terminal_that_repeats_a_password_gives_nothing_away() -> None:
    # as behind a program for becoming root that asks with the echo on
    said = "Module result deserialization failed: No start of json char found"
    result = {"msg": said, "module_stdout": "password: s3cret\r\nSorry\r\n"}
    (failure,) = failed_tasks([event(res=result)], "", secrets=["s3cret"])
    assert failure.message == f"{said}\npassword: ********\r\nSorry"
    (unstarted,) = failed_tasks([], "ERROR: s3cret is no option", secrets=["s3cret"])
    assert "s3cret" not in unstarted.message


def test_the_output_of_a_module_that_began_is_no_message() -> None:
    result = {"msg": "MODULE FAILURE", "module_stdout": "half of a result", "module_stderr": "why"}
    (failure,) = failed_tasks([event(res=result)], "")
    assert failure.message == "MODULE FAILURE\nwhy"


def test_a_hidden_result_gets_the_cause_for_which_ansible_could_not_read_the_host() -> None:
    events = [event(res={"censored": "hidden"}), event(host="other", res={"censored": "hidden"})]
    unread = HostReading(failure="the connection plugin 'x' was not found")
    first, second = failed_tasks(events, "", {"bot": unread})
    assert first.message == unread.failure
    assert "hidden" in second.message


def test_a_failure_without_a_message_is_reported_as_one() -> None:
    (failure,) = failed_tasks([event(res={})], "")
    assert failure.message == "no message"


@pytest.mark.parametrize("said", [None, 0, 5, ["a"], {"a": 1}])
def test_a_message_need_not_be_text(said: Any) -> None:
    (failure,) = failed_tasks([event(res={"msg": said})], "")
    assert failure.message == (str(said) if said else "no message")


@pytest.mark.parametrize(
    "odd", [{"invocation": 7}, {"invocation": None}, {"results": 7}, {"results": [7]}]
)
def test_a_result_need_not_have_the_parts_of_a_module(odd: dict[str, Any]) -> None:
    (failure,) = failed_tasks([event(res={"msg": "why", **odd})], "")
    assert failure.message == "why"


def test_a_censored_result_is_called_hidden() -> None:
    censored = {"censored": "the output has been hidden", "msg": "sk-secret", "stderr": "sk-secret"}
    (failure,) = failed_tasks([event(res=censored)], "")
    assert "hidden" in failure.message
    assert "sk-secret" not in str(failure)


def test_what_is_ignored_is_no_failure() -> None:
    events = [event(ignore_errors=True, res={"msg": "never mind"}), event(res={"msg": "the end"})]
    assert [failure.message for failure in failed_tasks(events, "")] == ["the end"]


def test_a_refused_login_names_the_command_and_the_variable_that_made_it() -> None:
    events = [event("unreachable", res={"msg": "eve@192.0.2.1: Permission denied (publickey)."})]
    (failure,) = failed_tasks(
        events, "", {"bot": HostReading(ssh=["ssh", "-l", "eve", "192.0.2.1"])}
    )
    assert "ssh -l eve 192.0.2.1 (ansible_user of bot" in failure.fix


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ("Host key verification failed.", "ssh -o StrictHostKeyChecking=ask bot"),
        ("alice: Permission denied (publickey)", "log in: ssh bot"),
        ("Could not resolve hostname bot", "ansible_host of bot"),
        ("connect to host bot port 22: Connection refused", "ssh port"),
        ("connect to host bot port 22: Connection timed out", "reachable"),
        ("Missing sudo password", "kai-ansible sudo-password bot"),
        ("REMOTE HOST IDENTIFICATION HAS CHANGED! Host key verification failed.", "find out why"),
    ],
)
def test_an_unreachable_host_is_reported_with_the_fix(message: str, fix: str) -> None:
    (failure,) = failed_tasks([event("unreachable", res={"msg": message})], "")
    assert failure.message == message
    assert fix in failure.fix


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ("The module interpreter '/usr/bin/python3' was not found.", "ansible_python_interpreter"),
        ("Task failed: Incorrect sudo password", "kai-ansible sudo-password bot"),
        ("Module result deserialization failed: a\nme is not in the sudoers file.", "become root"),
        ("Module result deserialization failed: a\n/bin/sh: 1: sudo: not found", "install sudo"),
        # what an agent said is no word of the host's
        ("codex: Permission denied: kai is not in the sudoers file", ""),
    ],
)
def test_a_module_that_never_began_is_reported_with_the_fix(message: str, fix: str) -> None:
    (failure,) = failed_tasks([event(res={"msg": message})], "")
    assert fix in failure.fix
    assert bool(fix) == bool(failure.fix)


def test_a_rescue_that_reports_the_cause_again_adds_only_what_is_new() -> None:
    again = "The bot answers: refused\nThe host is as it was before this run."
    events = [
        event(task="The bot answers", res={"msg": "refused"}),
        event(task="Report the failure", res={"msg": again}),
    ]
    (failure,) = failed_tasks(events, "")
    assert failure.task == "The bot answers"
    assert failure.message == "refused\nThe host is as it was before this run."


@pytest.mark.parametrize(
    ("said", "restored", "fix"),
    [
        ("refused", True, "correct what the message names, then run the same command again"),
        ("refused", False, "look for the cause with: kai-ansible doctor bot"),
        ("refused. Fix: a", True, "do what the message says, then run the same command again"),
    ],
)
def test_where_the_former_bot_runs_again_nothing_is_to_be_found(
    said: str, restored: bool, fix: str
) -> None:
    report = {"msg": f"{said}\nThe host is as before.", "restored": restored}
    events = [event(res={"msg": said}), event(task="Report the failure", res=report)]
    (failure,) = failed_tasks(events, "")
    assert failure.problem.fix == fix


def test_a_log_whose_cause_is_named_is_cut_to_its_end() -> None:
    log = [f"line {number}" for number in range(20)]
    said = "\n".join(["no answer", LOG_OF_START, *log])
    found = f"the log of the bot: line 3. {LIKELY_CAUSE}a wrong token. Fix: another one"
    for more, shown in (("The host is as before.", log), (found, log[-3:])):
        events = [event(res={"msg": said}), event(res={"msg": f"Verify: {said}\n{more}"})]
        (failure,) = failed_tasks(events, "")
        assert failure.message.splitlines() == ["no answer", LOG_OF_START, *shown, more]


def test_a_rescue_that_failed_itself_is_reported_too() -> None:
    events = [
        event(task="The bot answers", res={"msg": "refused"}),
        event(task="The former files are back", res={"msg": "disk full"}),
    ]
    assert [failure.task for failure in failed_tasks(events, "")] == [
        "The bot answers",
        "The former files are back",
    ]


def test_the_same_failure_on_two_hosts_is_reported_for_both() -> None:
    events = [event(host=host, res={"msg": "disk full"}) for host in ("one", "two")]
    assert [failure.host for failure in failed_tasks(events, "")] == ["one", "two"]


def test_when_nothing_ran_the_last_lines_of_ansible_are_reported() -> None:
    output = "\n".join(["a line of the beginning", "", *(f"line {n}" for n in range(20))])
    (failure,) = failed_tasks([event("ok")], output)
    assert (failure.host, failure.task) == ("", "Start Ansible")
    assert "line 19" in failure.message
    assert "a line of the beginning" not in failure.message
    assert failed_tasks([], "")[0].message == "Ansible ended without any output"
