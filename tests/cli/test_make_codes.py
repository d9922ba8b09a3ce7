"""The exit codes of make: what status finds is no error of make at a terminal."""

import subprocess

import pexpect
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

VERBS = ("status", "doctor", "logins")


def command(verb: str, code: int) -> list[str]:
    """Return a call of make whose command ends with a code, in a checkout that is set up."""
    return ["make", "--old-file", ".venv/.ready", verb, f"KAI=sh -c 'exit {code}' --"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("code", "quiet"), [(0, True), (3, True), (1, False), (2, False)])
def test_at_a_terminal_a_finding_is_no_error_of_make(verb: str, code: int, quiet: bool) -> None:
    name, *arguments = command(verb, code)
    child = pexpect.spawn(name, arguments, cwd=str(ROOT), encoding="utf-8")
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus == 0) == quiet
    assert ("***" not in str(child.before)) == quiet


@pytest.mark.parametrize("verb", VERBS)
def test_a_script_learns_of_a_finding(verb: str) -> None:
    done = subprocess.run(command(verb, 3), cwd=ROOT, capture_output=True, check=False)
    assert done.returncode != 0
