"""What the events of a run say about what it changes."""

from dataclasses import asdict
from typing import Any

import pytest

from kai_ansible.ansible.changes import Change, changes_by_host
from kai_ansible.rules.diff import difference, shown_env, shown_opaque
from kai_ansible.rules.redact import fingerprint


def event(kind: str = "on_ok", **result: Any) -> dict[str, Any]:
    data = {"host": "bot", "task": "kai.bot.kai_install : It is so", "res": result}
    return {"event": f"runner_{kind}", "event_data": data}


def file(before: str, after: str, path: str = "/etc/x", **states: str) -> dict[str, str]:
    old, new = (states.get(name, "0:0 0600") for name in ("old", "new"))
    return {
        "before_header": f"{path} ({old})",
        "after_header": f"{path} ({new})",
        "before": before,
        "after": after,
    }


def changes(*differences: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """Return the report of one task with these differences."""
    [found] = changes_by_host([event(changed=True, diff=list(differences))]).values()
    return [(change.path, change.key, change.before, change.after) for change in found]


def test_an_environment_file_is_reported_by_key_and_its_secrets_by_fingerprint() -> None:
    before = shown_env("A=1\nTOKEN=one\nURL=http://me:pw@host\nGONE=x\n", ("A", "URL", "GONE"))
    after = shown_env('A="2"\nTOKEN=two\nURL=http://me:pw2@host\nNEW=y\n', ("A", "URL", "GONE"))
    assert changes(file(before, after)) == [
        ("/etc/x", "A", "1", "2"),
        ("/etc/x", "GONE", "x", ""),
        ("/etc/x", "TOKEN", *(f"fingerprint {fingerprint(secret)}" for secret in ("one", "two"))),
        (
            "/etc/x",
            "URL",
            f"http://********@host (fingerprint {fingerprint('http://me:pw@host')})",
            f"http://********@host (fingerprint {fingerprint('http://me:pw2@host')})",
        ),
        ("/etc/x", "NEW", "", f"fingerprint {fingerprint('y')}"),
    ]


def test_data_is_reported_by_the_way_to_each_value() -> None:
    before = "users:\n- {name: Bob, telegram_id: 2, model: opus, github: [a, b]}\n"
    after = "users:\n- {name: Bob, telegram_id: 2, model: '3'}\n- {name: Bob, telegram_id: 3}\n"
    assert changes(file(before, after, "/etc/users.yaml")) == [
        ("/etc/users.yaml", "users[Bob 2].model", "opus", "'3'"),
        ("/etc/users.yaml", "users[Bob 2].github", "[a, b]", ""),
        ("/etc/users.yaml", "users[Bob 3].name", "", "Bob"),
        ("/etc/users.yaml", "users[Bob 3].telegram_id", "", "3"),
    ]


def test_a_file_of_lines_is_reported_by_the_lines_that_differ() -> None:
    before = "# why\nkai ALL=(a) x\nkai ALL=(b) x\n"
    after = "kai ALL=(a) y\nkai ALL=(b) x\n\nkai ALL=(c) x\n"
    assert changes(file(before, after)) == [
        ("/etc/x", "", "kai ALL=(a) x", "kai ALL=(a) y"),
        ("/etc/x", "", "", "kai ALL=(c) x"),
    ]


def test_a_file_that_comes_goes_or_gets_another_mode_is_reported() -> None:
    assert changes(file("", "A=1\n", old="absent")) == [
        ("/etc/x", "owner and mode", "", "0:0 0600"),
        ("/etc/x", "A", "", "1"),
    ]
    assert changes(file("", "", new="0:0 0640")) == [
        ("/etc/x", "owner and mode", "0:0 0600", "0:0 0640")
    ]
    # also one that cannot be read as what its name says
    assert changes(file("a: [", "a: 1", "/etc/x.yaml", new="absent"))[1:] == [
        ("/etc/x.yaml", "", "a: [", "a: 1")
    ]


def test_a_file_that_differs_in_nothing_visible_is_reported_nevertheless() -> None:
    [(path, key, _, after)] = changes(file("# a\nb\n", "\nb\n"))
    assert (path, key, after) == ("/etc/x", "", "rewritten")


def test_what_may_not_be_seen_is_reported_by_fingerprint() -> None:
    before, after = (shown_opaque(text) for text in ("key: 1", "key: 2"))
    assert changes(file(before, after, "/etc/services.yaml")) == [
        ("/etc/services.yaml", "", before.strip(), after.strip())
    ]


def test_what_is_no_file_is_reported_in_one_line() -> None:
    assert changes(difference("/opt/current", "a", "b"), difference("kai.service", "", "runs")) == [
        ("/opt/current", "", "a", "b"),
        ("kai.service", "", "", "runs"),
    ]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"diff": []}, Change("It is so", "", "", "changed")),
        ({"diff": {"before": {"mode": "0"}, "after": {}}}, Change("It is so", "", "", "changed")),
        ({"results": [{"changed": True}]}, None),
        ({"changed": False, "diff": [difference("/x", "a", "b")]}, None),
    ],
)
def test_no_change_is_lost_and_none_is_reported_twice(
    result: dict[str, Any], told: Change | None
) -> None:
    events = [event(**{"changed": True, **result})] * 2
    assert changes_by_host(events) == ({"bot": [told]} if told else {})


def test_an_account_is_reported_by_its_name() -> None:
    made = event("item_on_ok", changed=True, item="bob")
    made["event_data"]["task_action"] = "ansible.builtin.user"
    [change] = changes_by_host([made])["bot"]
    assert asdict(change) == {
        "path": "account bob",
        "key": "",
        "before": "",
        "after": "made",
    }


def test_a_new_file_of_a_stock_module_has_no_header_before() -> None:
    difference = {"before": "", "after": "x\n", "after_header": "/etc/x"}
    assert changes(difference) == [("/etc/x", "", "", "x")]


@pytest.mark.parametrize(
    "answered",
    [
        7,
        "after_header",
        [7],
        {"after_header": 7, "before": "", "after": ""},
        {"after_header": "/etc/x", "before": 7, "after": ""},
        {"after_header": "/etc/x", "before": {"x": 1}, "after": ""},
    ],
)
def test_a_diff_that_is_none_is_reported_by_the_task(answered: Any) -> None:
    [found] = changes_by_host([event(changed=True, diff=answered)]).values()
    assert found == [Change("It is so", "", "", "changed")]


def test_a_diff_without_content_has_none() -> None:
    [found] = changes_by_host([event(changed=True, diff={"after_header": "/etc/x"})]).values()
    assert found == [Change("/etc/x", "", "", "")]


def test_lines_whose_comparison_would_take_hours_are_counted() -> None:
    assert changes(file("x\ny\n" * 600, "y\nx\n" * 700)) == [
        ("/etc/x", "", "1200 lines", "1400 lines")
    ]
