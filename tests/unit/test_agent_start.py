"""Agents that start or fail, as processes of the user who runs the tests."""

import os
import pwd
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host.agent_start import fault_of_agent, has

ACCOUNT = pwd.getpwuid(os.getuid())
ANSWERS = """
import json, sys
print("hello")
asked = json.loads(sys.stdin.readline())
print(json.dumps({"id": asked["id"], "result": {"more": 1}}), flush=True)
"""
STAYS = "import time\ntime.sleep(600)\n"


def fault(tmp_path: Path, script: str, say: str = '{"id": 1}', seconds: float = 60) -> str:
    agent: dict[str, Any] = {
        "argv": [sys.executable, "-c", script],
        "directory": str(tmp_path),
        "kill": [],
        "say": say,
        "hear": {"id": 1, "result": {}},
    }
    return fault_of_agent(agent, ACCOUNT, {"PATH": os.environ["PATH"], "GIVEN": "g"}, seconds)


@pytest.mark.parametrize(
    "script",
    [
        ANSWERS + STAYS,
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ANSWERS + STAYS,
        "import sys\nsys.stdout.write('x' * 300_000 + '\\n')\n" + ANSWERS + STAYS,
        "import os\nassert os.environ['GIVEN'] == 'g'\n" + ANSWERS + STAYS,
    ],
    ids=["answers", "ignores SIGTERM", "talks a lot", "has its environment"],
)
def test_an_agent_that_answers_is_ended(tmp_path: Path, script: str) -> None:
    script = f"import os\nopen('pid', 'w').write(str(os.getpid()))\n{script}"
    assert fault(tmp_path, script) == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_an_agent_says_while_it_is_ended_is_kept_nowhere(tmp_path: Path) -> None:
    endless = "import os\nwhile True:\n    os.write(1, b'x' * 1_000_000)\n"
    ignores = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert fault(tmp_path, ignores + ANSWERS + endless) == ""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kilobytes < 50_000


def test_an_agent_that_cannot_say_anything_ends_with_its_input(tmp_path: Path) -> None:
    assert fault(tmp_path, "import sys\nsys.stdin.read()", say="") == ""
    assert fault(tmp_path, "raise SystemExit(3)", say="") == "it ended with exit code 3"
    assert fault(tmp_path, STAYS, say="", seconds=0.5) == "no end within 0.5 s"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import sys\nsys.exit('no such option')", "it ended with exit code 1: no such option"),
        ("", "it ended with exit code 0"),
        ('print(\'{"id": 1, "error": {}}\')', "it ended with exit code 0"),
    ],
)
def test_an_agent_that_ends_before_it_answers(tmp_path: Path, script: str, expected: str) -> None:
    assert fault(tmp_path, script) == expected


@pytest.mark.parametrize("script", [STAYS, "import os\nos.close(1)\n" + STAYS])
def test_an_agent_that_hangs(tmp_path: Path, script: str) -> None:
    assert fault(tmp_path, script, seconds=0.5) == "no answer within 0.5 s"


STOPS = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n"


@pytest.mark.parametrize("say", ['{"id": 1}', ""])
def test_an_agent_that_is_stopped_is_not_waited_for(tmp_path: Path, say: str) -> None:
    # longer than any test
    assert fault(tmp_path, STOPS, say, seconds=3600) == "a signal stopped it"


def test_an_agent_that_is_stopped_while_it_is_ended(tmp_path: Path) -> None:
    stops = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), 19))\n"
    assert fault(tmp_path, "import os\n" + stops + ANSWERS + STAYS) == ""


def test_a_place_that_cannot_be_entered_and_a_program_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot change directory" in fault(tmp_path / "none", ANSWERS)
    agent = {"argv": ["no-such-agent"], "directory": "/", "kill": [], "say": "", "hear": {}}
    assert "no-such-agent" in fault_of_agent(agent, ACCOUNT, {"PATH": os.environ["PATH"]})


@pytest.mark.parametrize(
    ("document", "expected", "verdict"),
    [
        ({"id": 1, "result": {"a": 1}}, {"id": 1, "result": {}}, True),
        ({"id": 2, "result": {}}, {"id": 1, "result": {}}, False),
        ({"id": 1, "error": {}}, {"id": 1, "result": {}}, False),
        ([], {}, False),
        (None, {}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, True),
        ({"a": 1}, {"a": {"b": 1}}, False),
    ],
)
def test_what_an_answer_has(document: Any, expected: Any, verdict: bool) -> None:
    assert has(document, expected) is verdict
