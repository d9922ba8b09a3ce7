"""Each run leaves one log that is safe to share."""

import json
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible import run_logs
from kai_ansible.ansible.playbooks import Playbook
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.run_logs import RunLog

SECRET = 'a "secret"'
FIELDS = {"time", "run", "host", "task", "outcome", "changed", "message"}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's state directory."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def run(name: str = "install", **more: Any) -> Run[Any]:
    playbook = Playbook(name, dict)
    return Run(playbook, Path("inventory"), ["bot"], known_secrets=[SECRET], **more)


def event(kind: str, **result: Any) -> dict[str, Any]:
    data = {"host": "bot", "task": "It is so", "res": result}
    return {"event": kind, "created": "2026-01-02T03:04:05+00:00", "event_data": data}


def entries(log: RunLog) -> list[dict[str, Any]]:
    assert log.path
    return [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]


def test_a_log_has_one_event_a_line_and_no_secret(state: Path) -> None:
    log = RunLog(run(become_password="open sesame", check=True))
    log.event(event("runner_on_ok", changed=True, msg=f"said {SECRET} and open sesame"))
    log.event(event("runner_on_ok", msg=["one", "two"]))
    log.event(event("runner_item_on_failed", msg="", stderr=json.dumps(SECRET)))
    log.event(event("runner_on_failed", censored="hidden", msg="in clear"))
    log.event(event("runner_on_ok", censored="hidden", msg="in clear"))
    log.event({"event": "playbook_on_stats", "event_data": {}})
    log.end("failed")

    assert log.path
    assert log.path.parent == state / "kai-ansible" / "runs"
    assert log.path.stat().st_mode & 0o7777 == 0o600
    assert log.path.parent.stat().st_mode & 0o7777 == 0o700
    found = entries(log)
    assert {frozenset(entry) for entry in found} == {frozenset(FIELDS)}
    assert [(entry["outcome"], entry["changed"]) for entry in found] == [
        ("started", False),
        ("ok", True),
        ("ok", False),
        ("failed", False),
        ("failed", False),
        ("ok", False),
        ("failed", False),
    ]
    assert "check install on bot" in found[0]["message"]
    messages = [entry["message"] for entry in found]
    assert messages[1:4] == ["said ******** and ********", "one\ntwo", '"********"']
    assert "in clear" not in str(messages)
    assert {entry["run"] for entry in found} == {log.path.stem}


def test_nothing_in_a_log_steers_the_terminal_that_shows_it(state: Path) -> None:
    log = RunLog(run())
    log.event(event("runner_on_ok", msg="M\u00fcller\x1b[31m\x9b2J\u202e"))
    log.end("succeeded")
    assert log.path
    assert log.path.read_bytes().replace(b"\n", b"").isascii()
    assert entries(log)[1]["message"] == "M\u00fcller\x1b[31m\x9b2J\u202e"


def test_a_log_that_is_cut_short_is_whole_up_to_there() -> None:
    log = RunLog(run())
    log.event(event("runner_on_unreachable", msg="no route"))
    assert [entry["outcome"] for entry in entries(log)] == ["started", "unreachable"]
    log.end("interrupted")


def test_the_last_runs_of_each_kind_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_logs, "KEPT", 3)
    assert run_logs.latest() is None
    install = RunLog(run())
    install.end("succeeded")
    looks = [RunLog(run("status")) for _ in range(5)]
    for look in looks:
        look.end("succeeded")
    kept = sorted(run_logs.directory().iterdir())
    assert kept == [install.path, *(look.path for look in looks[-3:])]
    assert run_logs.latest() == looks[-1].path


def test_no_run_fails_because_of_its_log(state: Path) -> None:
    (state / "kai-ansible").write_text("in the way", encoding="utf-8")
    log = RunLog(run())
    log.event(event("runner_on_ok"))
    log.end("succeeded")
    assert log.path is None


def test_a_clock_that_is_set_back_makes_the_newest_log_no_older(state: Path) -> None:
    place = state / "kai-ansible" / "runs"
    place.mkdir(parents=True)
    for day in range(1, run_logs.KEPT + 2):
        (place / f"209902{day:02}T000000.000000Z-install-abcd.jsonl").touch()
    for _time in range(2):
        log = RunLog(run())
        assert log.path == run_logs.latest()
        log.end("succeeded")
        assert len(entries(log)) == 2
    assert len(list(place.iterdir())) == run_logs.KEPT
