"""What a run reports: what changed, what is left to do, and why it failed."""

from typing import Any

import pytest

from kai_ansible.rules.run_report import (
    Results,
    failure_report,
    install_report,
    is_restored,
    restore_report,
    rollback_report,
    uninstall_report,
)

PLANNED: dict[str, Any] = {
    "release": "a1",
    "plan": None,
    "changes": False,
    "notes": ["planned"],
    "binaries": {},
    "logins": [],
    "login_notice": [],
    "enrol": [],
    "turns": "/var/lib/kai/turns",
    "source": "/src/kai",
}
SKIPPED = {"changed": False, "skipped": True}
REVERTED: dict[str, Any] = {
    "changed": True,
    "starts": True,
    "former_release": "a1",
    "release": "a1",
    "left": [],
}


def test_an_unchanged_install_reports_its_proof_alone() -> None:
    verified = {"verified": ["the bot answers"], "seconds_without": None, "notes": ["bob is late"]}
    results = Results(switched=SKIPPED, laid_out={}, verified=verified, recorded=SKIPPED)
    assert install_report(PLANNED, results) == {
        "release": "a1",
        "plan": None,
        "changes": False,
        "install": None,
        "notes": ["planned", "bob is late"],
        "binaries": {},
        "logins": [],
        "login_notice": [],
        "enrol": [],
        "verified": ["the bot answers"],
        "seconds_without": None,
        "removed_releases": [],
    }


@pytest.mark.parametrize(
    ("switched", "recorded", "note"),
    [
        ({"cut_turns": 2}, {}, "2 running turn(s) cut off"),
        ({"cut_turns": None}, {}, "unknown: /var/lib/kai/turns is not a readable directory"),
        ({}, {"left_paths": ["/opt/kai/mine"]}, "may be your own: /opt/kai/mine."),
        ({"left": ["/d (busy)"]}, {"left_data": ["/d (busy)"]}, "still in use: /d (busy)."),
    ],
)
def test_an_install_notes_what_it_could_not_finish(
    switched: dict[str, Any], recorded: dict[str, Any], note: str
) -> None:
    results = Results(switched=switched, recorded={"number": 4, **recorded})
    report = install_report(PLANNED, results)
    assert report["install"] == 4
    assert note in report["notes"][-1]
    assert len(report["notes"]) == 2


@pytest.mark.parametrize(("then", "is_noted"), [("a1", False), (None, False), ("b2", True)])
def test_a_restore_notes_a_backup_of_another_release(then: str | None, is_noted: bool) -> None:
    checked = {"summary": {"meta": {"release": then}}}
    results = Results(backup_checked=checked, data_laid_out={"notes": ["laid out"]})
    report = restore_report(PLANNED, results)
    note = "The backup was made under release b2; /src/kai is release a1."
    assert report["notes"] == ["planned", *([note] if is_noted else []), "laid out"]
    assert report["backup"] == checked["summary"]


def test_a_rollback_reports_the_release_that_is_live() -> None:
    results = Results(switched={"release": "b2"}, reverted={"release": "c3"})
    assert rollback_report(2, results)["release"] == "b2"
    report = rollback_report(None, results)
    assert (report["release"], report["rolled_back_to"]) == ("c3", None)
    assert "host_vars may differ" in report["notes"][0]


def test_a_rollback_tells_what_it_means_for_the_database() -> None:
    for outcome, note in (
        ("kept", ""),
        ("restored", "restores the database of install 2."),
        ("none", "without a database, because install 2 had none."),
    ):
        report = rollback_report(2, Results(switched={"release": "b2", "database": outcome}))
        assert report["database"] == outcome
        assert note in " ".join(report["notes"])
        assert ("before-rollback" in " ".join(report["notes"])) is bool(note)


@pytest.mark.parametrize(
    ("original", "first"),
    [
        ({"was_active": False, "starts": True}, "/etc/kai/env: as before the first install"),
        ({"was_active": True, "starts": False}, "the bot stopped"),
        ({"was_active": True, "starts": True}, "the bot stopped, and the former one started"),
    ],
)
def test_an_uninstall_reports_what_it_changed_and_left(
    original: dict[str, Any], first: str
) -> None:
    results = Results(
        reverted={
            **original,
            "changed_paths": ["/etc/kai/env", "/etc/kai/new"],
            "removed_paths": ["/etc/kai/new"],
        },
        removed={"changes": ["/opt/kai: gone"], "left": ["/home/alice"]},
    )
    report = uninstall_report(results)
    assert report["changes"][0] == first
    assert report["changes"][-3:] == [
        "/etc/kai/env: as before the first install",
        "/etc/kai/new: removed",
        "/opt/kai: gone",
    ]
    assert (report["left"], report["backup_left"]) == (["/home/alice"], [])


@pytest.mark.parametrize(
    ("reverted", "bot", "check", "words"),
    [
        ({}, {}, True, "Nothing was changed."),
        ({"changed": False}, {}, False, "Nothing had been switched: the bot was not touched."),
        ({"starts": False}, SKIPPED, False, "the bot did not run then either."),
        ({}, {"pid": 7, "seconds_without": 2.5}, False, "the bot answers again after 2.5 s."),
        ({}, {"pid": 7, "seconds_without": None}, False, "the bot answers again."),
        ({}, SKIPPED, False, "Whether the bot answers was not checked"),
        ({}, {"msg": "port held"}, False, "but the bot does not answer:\nport held"),
        ({"former_release": "b2"}, {"pid": 7}, False, "Release b2 stays in /opt/kai/releases"),
    ],
)
def test_a_failure_says_why_and_how_the_host_is_left(
    reverted: dict[str, Any], bot: dict[str, Any], check: bool, words: str
) -> None:
    results = Results(reverted={**REVERTED, **reverted}, verified=bot)
    text = failure_report("Build the release: disk full", [], "/opt/kai", results, check=check)
    assert text.startswith("Build the release: disk full\n")
    assert words in text
    assert text.endswith("then run the same command again.")
    is_open = "does not answer" in text or "was not checked" in text
    assert is_restored(results, check=check) is not is_open


def test_a_failure_names_what_stays() -> None:
    results = Results(
        reverted={**REVERTED, "former_release": "flat", "left": ["/data"]},
        removed={"left": ["/home/bob"]},
        verified={"pid": 7},
    )
    text = failure_report("x", ["y. Fix: z"], "/opt/kai", results, check=False)
    assert text.startswith("x\ny. Fix: z\n")
    assert "This stays: /home/bob, /data." in text
    # the release of Kai's own installer was not built by an install
    assert "stays in" not in text
