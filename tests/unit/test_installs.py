"""What is kept of installs, what a rollback goes back to, and what needs attention."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.installs import choose, judged, kept_releases, release_states


def record(number: int, release: str, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "release": release,
        "snapshot": False,
        "rolled_back_to": None,
        **more,
    }


def status(*records: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A healthy host with these installs, the last one live."""
    releases = dict.fromkeys(str(entry["release"]) for entry in records)
    live = records[-1]["release"] if records else None
    return {
        "service": {"unit": "kai", "active": True, "enabled": True},
        "health": 200,
        "live": live,
        "unfinished": None,
        "damaged": [],
        "releases": [{"id": name, "state": "good", "live": name == live} for name in releases],
        "installs": list(records),
        **more,
    }


HISTORY = (record(1, "a"), record(2, "b", snapshot=True), record(3, "b"), record(4, "a"))


# What is kept


@pytest.mark.parametrize(
    ("keep", "kept"), [(1, ["c"]), (2, ["c", "a"]), (3, ["c", "a", "b"]), (9, ["c", "a", "b"])]
)
def test_the_newest_good_releases_are_kept(keep: int, kept: list[str]) -> None:
    records = [*HISTORY, record(5, "c")]
    assert kept_releases(records[::-1], keep, "c") == kept


@given(
    st.lists(st.sampled_from("abcdef")),
    st.integers(min_value=-1, max_value=8),
    st.sampled_from("abz"),
)
def test_the_live_release_is_always_kept(names: list[str], keep: int, live: str) -> None:
    records = [record(number, name) for number, name in enumerate(names, start=1)]
    kept = kept_releases(records, keep, live)
    assert live in kept
    assert len(kept) == min(max(keep, 1), len({*names, live}))


def test_a_release_is_good_only_when_it_was_verified() -> None:
    built = {"a": True, "b": True, "c": True, "d": False}
    states = release_states(built, [record(1, "a")], "b", "b")
    assert {entry["id"]: entry["state"] for entry in states} == {
        "a": "good",
        "b": "unverified",
        "c": "failed",
        "d": "incomplete",
    }
    assert [entry["id"] for entry in states if entry["live"]] == ["b"]


def test_an_install_of_kais_own_installer_is_no_failed_one() -> None:
    [before] = release_states({"flat": True}, [], "flat", None)
    assert before == {"id": "flat", "state": "not adopted", "live": True}
    [after] = release_states({"flat": True}, [record(1, "flat")], "a", None)
    assert after == {"id": "flat", "state": "good", "live": False}


# What a rollback goes back to


@pytest.mark.parametrize(
    ("to", "number"),
    [("", 3), ("1", 1), ("4", 4), ("a", 4), ("b", 3)],
    ids=["the one before", "a number", "the live one", "the last of a release", "a release"],
)
def test_the_choice(to: str, number: int) -> None:
    choice = choose(status(*HISTORY), to, with_database=False)
    assert (choice.number, choice.problems) == (number, ())


def test_the_database_of_then_is_the_one_kept_before_the_next_release() -> None:
    assert choose(status(*HISTORY), "1", with_database=True).snapshot == 2


def test_a_release_of_digits_is_found_unless_an_install_has_that_number() -> None:
    records = (record(1, "2"), record(2, "b"), record(3, "123456789012"))
    assert choose(status(*records), "123456789012", with_database=False).number == 3
    assert choose(status(*records), "2", with_database=False).number == 2


def test_a_host_that_left_its_last_verified_install_goes_back_to_it() -> None:
    assert choose(status(*HISTORY, live="c"), "", with_database=False).number == 4


def test_an_unfinished_install_is_taken_back() -> None:
    unfinished = {"release": "c", "opened": "2026-01-01T00:00:00Z"}
    choice = choose(status(*HISTORY, unfinished=unfinished), "", with_database=False)
    assert (choice.number, choice.problems) == (None, ())
    assert choose(status(*HISTORY, unfinished=unfinished), "1", with_database=False).number == 1
    [problem] = choose(status(*HISTORY, unfinished=unfinished), "", with_database=True).problems
    assert "neither verified nor reverted" in problem.found


@pytest.mark.parametrize(
    ("seen", "to", "with_database", "found"),
    [
        (status(), "", False, "known: none"),
        (status(record(1, "a")), "", False, "known: 1 (a)"),
        (status(*HISTORY), "17", False, "'17'"),
        (status(*HISTORY, releases=[]), "1", False, "nothing"),
        (
            status(*HISTORY, releases=[{"id": "a", "state": "incomplete", "live": True}]),
            "1",
            False,
            "incomplete",
        ),
        (status(*HISTORY), "3", True, "no snapshot of it since install 3"),
    ],
)
def test_what_cannot_be_gone_back_to_is_reported(
    seen: dict[str, Any], to: str, with_database: bool, found: str
) -> None:
    choice = choose(seen, to, with_database=with_database)
    assert choice.number is None
    [problem] = choice.problems
    assert found in problem.found
    assert problem.fix


def damage(number: int | None, *, needed: bool) -> dict[str, Any]:
    where = f"/opt/kai/installs/{number or 'pending'}"
    problem = {"where": where, "found": "x", "expected": "y", "fix": "mv"}
    return {"number": number, "needed": needed, "problem": problem}


def test_a_damaged_record_keeps_nobody_from_going_back_to_another_one() -> None:
    seen = status(*HISTORY, damaged=[damage(5, needed=False)])
    assert choose(seen, "1", with_database=False).number == 1
    [problem] = choose(seen, "5", with_database=False).problems
    assert problem.where == "/opt/kai/installs/5"


@pytest.mark.parametrize("number", [None, 5], ids=["the journal", "the last install"])
def test_what_a_rollback_needs_has_to_be_whole(number: int | None) -> None:
    seen = status(*HISTORY, damaged=[damage(number, needed=True)])
    assert len(choose(seen, "", with_database=False).problems) == 1
    assert len(choose(seen, "1", with_database=False).problems) == 1


def test_of_a_release_whose_record_is_damaged_nothing_bad_is_said() -> None:
    [state] = release_states({"a": True}, [], None, None, is_known=False)
    assert state["state"] == "unknown"


# What needs attention


def test_a_healthy_host_is_reported_healthy() -> None:
    assert [*judged(status(*HISTORY))] == []
    # nobody but root sees the records
    assert [*judged(status(*HISTORY, releases=None, installs=None))] == []


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"live": None}, "no live release"),
        ({"live": "gone"}, "nothing"),
        (
            {"releases": [{"id": "a", "state": "incomplete", "live": True}]},
            "an incomplete release, or one whose Python does not run",
        ),
        ({"health": None}, "no answer"),
        ({"health": 500}, "the answer 500"),
        ({"service": {"unit": "kai", "active": False, "enabled": True}}, "not running"),
        ({"service": {"unit": "kai", "active": True, "enabled": False}}, "not enabled"),
        ({"unfinished": {"release": "c", "opened": ""}}, "neither verified nor reverted"),
        ({"damaged": [damage(5, needed=False)]}, "x"),
    ],
)
def test_every_problem_is_reported(more: dict[str, Any], found: str) -> None:
    [problem] = judged(status(*HISTORY, **more))
    assert found in problem.found
    assert problem.fix


def test_an_install_of_another_line_comes_back_with_its_database() -> None:
    records = [*HISTORY[:-1], {**HISTORY[-1], "line": "2"}]
    assert choose(status(*records), "1", with_database=False).with_database
    assert choose(status(*records), "1", with_database=False).snapshot == 2
    assert not choose(status(*HISTORY), "1", with_database=False).with_database


def test_an_install_without_a_database_comes_back_without_one() -> None:
    # the bot of line 2 found none; the snapshot of install 3 is of its own database
    later = [record(2, "b"), record(3, "c", snapshot=True)]
    records = [record(1, "a"), *({**one, "line": "2"} for one in later)]
    choice = choose(status(*records), "1", with_database=False)
    assert (choice.with_database, choice.snapshot) == (True, None)
    assert choose(status(*records), "2", with_database=True).snapshot == 3
