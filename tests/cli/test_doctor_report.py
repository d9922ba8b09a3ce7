"""What doctor prints about its findings."""

import pytest

from kai_ansible.commands.doctor import report_findings
from kai_ansible.rules.diagnosis import Finding
from kai_ansible.terminal.screen import Screen


def test_a_cause_and_its_fix_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    same = ("host_vars changed", "run: kai-ansible install")
    findings = [
        Finding("files", "/etc/kai/env", "A: 1, expected 2", *same),
        Finding("logins", "the login of alice", "no file", "never", "sudo -iu alice codex login"),
        Finding("files", "/etc/kai/users.yaml", "B: 1, expected 2", *same),
    ]
    report_findings(Screen(plain=True), "bot", findings, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "   evidence: B: 1, expected 2",
        "   cause:    as for 1, and so is the fix",
    ]
    assert sum("host_vars changed" in line for line in lines) == 1
