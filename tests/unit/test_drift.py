"""The drift of a host from host_vars, reported without the value of a secret."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import SECRET

from kai_ansible.rules.drift import (
    WantedEnv,
    files_drift,
    is_as_wanted,
    layout_drift,
    lines_of,
    rules_of,
    variables_of,
)
from kai_ansible.rules.file_state import FileState, sealed, wanted_states

KEY = "a key of this look"
ENV, RULES, UNIT, OWN = "/etc/kai/env", "/etc/sudoers.d/kai", "/etc/kai.service", "/etc/kai/own"
RECORD = "/etc/kai/kai-ansible.json"
PARTS = {RULES: rules_of, UNIT: lines_of, RECORD: variables_of}
VALUES = {"A": "1", "WEBHOOK_SECRET": SECRET}
OPEN = {"A"}

states = st.builds(
    FileState,
    st.just(OWN),
    st.none() | st.sampled_from([b"", b"a", b"a\n", b"b"]),
    st.sampled_from([0, 0o600, 0o644]),
    st.sampled_from([0, 1]),
    st.sampled_from([0, 1]),
)


@given(states, states)
def test_what_an_install_would_write_is_drift_and_nothing_else(
    there: FileState, wanted: FileState
) -> None:
    """kai_switch writes what is unequal."""
    assert (sealed(there, KEY) != sealed(wanted, KEY)) == (there != wanted)
    assert there.content is None or sealed(there, KEY).content != sealed(there, "other").content


def seen(state: FileState, values: dict[str, str] | None = None, text: str = "") -> dict[str, Any]:
    """The probe's facts about a file."""
    hidden = sealed(state, KEY)
    return {
        "kind": "file",
        "mode": state.mode,
        "uid": state.uid,
        "gid": state.gid,
        "seal": (hidden.content or b"").decode(),
        "values": {
            name: (sealed(FileState("", value.encode()), KEY).content or b"").decode()
            for name, value in (values or {}).items()
        },
        "open": {name: value for name, value in (values or {}).items() if name in OPEN},
        "text": text or None,
        "fault": None,
    }


def drift(wanted: FileState, there: dict[str, Any]) -> list[tuple[str, str]]:
    differing, unknown = files_drift(
        [wanted], {wanted.path: there}, KEY, PARTS, WantedEnv(ENV, VALUES, OPEN)
    )
    assert not unknown
    assert all(problem.expected and problem.fix for problem in differing)
    assert SECRET not in str(differing)
    return [(problem.where, problem.found) for problem in differing]


def text_of(values: dict[str, str]) -> bytes:
    return "".join(f'{name}="{value}"\n' for name, value in values.items()).encode()


WANTED_ENV = FileState(ENV, text_of(VALUES), 0o600)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (VALUES, []),
        ({"A": "1"}, [(f"{ENV}: WEBHOOK_SECRET", "nothing")]),
        ({**VALUES, "WEBHOOK_SECRET": "x"}, [(f"{ENV}: WEBHOOK_SECRET", "another value")]),
        ({**VALUES, "B": "secret"}, [(f"{ENV}: B", "a value that host_vars do not give")]),
        ({**VALUES, "A": "2"}, [(f"{ENV}: A", "2")]),
        ({**VALUES, "A": ""}, [(f"{ENV}: A", "an empty value")]),
        ({"WEBHOOK_SECRET": SECRET, "A": "1"}, [(ENV, "another text")]),
    ],
)
def test_a_key_is_named_and_a_secret_is_not(
    values: dict[str, str], found: list[tuple[str, str]]
) -> None:
    assert drift(WANTED_ENV, seen(FileState(ENV, text_of(values), 0o600), values)) == found


RULE, OTHER = "kai ALL=(alice) NOPASSWD: /bin/a", "kai ALL=(root) NOPASSWD: /bin/sh"


@pytest.mark.parametrize(
    ("path", "before", "after", "found"),
    [
        (RULES, f"# x\n{RULE}\n", f"# y\n{RULE}\n", [(RULES, "another text")]),
        (RULES, f"{RULE}\n", "# nothing\n", [(f"{RULES}: {RULE}", "nothing")]),
        (
            RULES,
            RULE,
            f"{RULE}\n{OTHER}\n",
            [(f"{RULES}: {OTHER}", "a line that host_vars do not give")],
        ),
        (
            RECORD,
            '{"kai_install_a": 1, "kai_install_b": [2]}',
            '{"kai_install_a": 2}',
            [(f"{RECORD}: kai_install_a", "2"), (f"{RECORD}: kai_install_b", "nothing")],
        ),
        (RECORD, '{"kai_install_a": 1}', "[]", [(f"{RECORD}: kai_install_a", "nothing")]),
        (RECORD, '{"kai_install_a": 1}', "damaged", [(f"{RECORD}: kai_install_a", "nothing")]),
        (
            UNIT,
            "User=kai\nType=simple\n",
            "User=kai\n",
            [(f"{UNIT}: Type=simple", "nothing")],
        ),
    ],
)
def test_a_rule_and_a_line_are_named(
    path: str, before: str, after: str, found: list[tuple[str, str]]
) -> None:
    there = FileState(path, after.encode(), 0o440)
    assert drift(FileState(path, before.encode(), 0o440), seen(there, text=after)) == found


def test_owner_and_mode_of_a_file_are_reported() -> None:
    wanted = FileState(OWN, b"x", 0o600)
    assert drift(wanted, seen(FileState(OWN, b"x", 0o644, 5, 6))) == [(OWN, "5:6 0644")]
    # the text as well, which is told by its being another one
    both = drift(wanted, seen(FileState(OWN, b"y", 0o644)))
    assert both == [(OWN, "0:0 0644"), (OWN, "another text")]


def test_what_is_no_file_is_reported() -> None:
    wanted = FileState(OWN, b"x", 0o600)
    assert drift(wanted, {"kind": "absent"}) == [(OWN, "no file")]
    moved = f"mv {OWN} {OWN}.old"
    differing, _unknown = files_drift(
        [wanted], {OWN: {"kind": "a link of root", "fix": moved}}, KEY, {}, (ENV, {})
    )
    # no install writes over it
    assert [(one.where, one.found, one.fix) for one in differing] == [
        (OWN, "a link of root", moved)
    ]
    differing, unknown = files_drift([wanted], {OWN: {"kind": "unseen"}}, KEY, {}, (ENV, {}))
    assert not differing
    assert [problem.where for problem in unknown] == [OWN]


def test_text_that_is_none_is_reported_with_its_place() -> None:
    wanted = FileState(RULES, b"x", 0o440)
    fault = {"where": f"{RULES}:3:7", "found": "no UTF-8", "expected": "UTF-8", "fix": ""}
    there = {**seen(FileState(RULES, b"\xe9", 0o440), text="\ufffd"), "fault": fault}
    assert drift(wanted, there) == [(f"{RULES}:3:7", "no UTF-8")]


def test_directories() -> None:
    layout = {
        "changes": [
            {"path": "/a", "before": "", "after": "made"},
            {"path": "/b", "before": "0:0 0755", "after": "5:5 2750"},
        ],
        "unseen": ["/c"],
        "refused": [{"where": "/d", "found": "a link", "expected": "x", "fix": "y"}],
    }
    differing, unknown = layout_drift(layout)
    assert [(problem.where, problem.found, problem.expected) for problem in differing[:2]] == [
        ("/a", "nothing", "a file or directory of an install"),
        ("/b", "0:0 0755", "5:5 2750"),
    ]
    assert (differing[2].where, differing[2].found) == ("/d", "a link")
    assert [problem.where for problem in unknown] == ["/c"]


def test_only_files_that_are_meant_are_wanted() -> None:
    entries = [
        {"path": "/a", "content": "a", "mode": "0600"},
        {"path": "/b", "content": "", "mode": "0600", "given": False},
        {"path": "/c", "mode": "0440"},
        {"path": "/d", "content": "d", "mode": "0755", "absent": True},
    ]
    assert wanted_states(entries, {"/c": "c"}) == [
        FileState("/a", b"a", 0o600),
        FileState("/c", b"c", 0o440),
        FileState("/d", None),
    ]


def test_a_file_that_may_not_be_there_is_drift() -> None:
    wanted, file = [FileState(OWN, None)], seen(FileState(OWN, b"a", 0o600))
    env = WantedEnv("/env", {})
    assert files_drift(wanted, {OWN: {"kind": "absent"}}, KEY, {}, env) == ([], [])
    assert is_as_wanted(host(files={OWN: {"kind": "absent"}}), wanted, "r1")
    [problem], _ = files_drift(wanted, {OWN: file}, KEY, {}, env)
    assert (problem.where, problem.found, problem.expected) == (OWN, "a file", "nothing")
    assert not is_as_wanted(host(), wanted, "r1")
    link = {"kind": "a link", "fix": "remove it"}
    [problem], _ = files_drift(wanted, {OWN: link}, KEY, {}, env)
    assert (problem.found, problem.expected, problem.fix) == ("a link", "nothing", "remove it")


def host(**differing: Any) -> dict[str, Any]:
    """What is seen of a host that is as an install of release r1 leaves it, but for a part."""
    installed = {
        "fault": None,
        "is_recorded": True,
        "live": "r1",
        "interrupted": False,
        "hangs": False,
        "going": [],
        "key": KEY,
        "service": {"active": True, "enabled": True},
        "layout": {"changes": [], "refused": [], "unseen": []},
        "files": {OWN: seen(FileState(OWN, b"a", 0o600))},
    }
    accounts = differing.pop("accounts", {"kai": {}, "alice": {}})
    release = {"has_models": differing.pop("has_models", True)}
    return {
        "accounts": accounts,
        "release": release,
        "installed": {**installed, **differing},
    }


def test_a_host_that_is_as_wanted_has_nothing_to_change() -> None:
    assert is_as_wanted(host(), [FileState(OWN, b"a", 0o600)], "r1")


@pytest.mark.parametrize(
    "differing",
    [
        {"accounts": {"kai": {}, "alice": None}},
        {"accounts": {"kai": None}},
        {"fault": {"where": "/opt/kai/current"}},
        # the record of the last install was damaged, and moved away
        {"is_recorded": False},
        {"live": "r0"},
        {"live": None},
        {"interrupted": True},
        {"interrupted": None},
        {"hangs": True},
        # built before releases had a link to the models
        {"has_models": False},
        {"going": ["/var/lib/.kai.kai-ansible.going-1"]},
        {"service": {"active": False, "enabled": True}},
        {"service": {"active": True, "enabled": False}},
        {"layout": {"changes": [{"path": "/x"}], "refused": [], "unseen": []}},
        {"layout": {"changes": [], "refused": [{"where": "/x"}], "unseen": []}},
        {"layout": {"changes": [], "refused": [], "unseen": ["/x"]}},
        {"files": {OWN: {"kind": "absent"}}},
        {"files": {OWN: {"kind": "unseen"}}},
        {"files": {OWN: {"kind": "a link"}}},
        {"files": {OWN: seen(FileState(OWN, b"b", 0o600))}},
        {"files": {OWN: seen(FileState(OWN, b"a", 0o644))}},
        {"files": {OWN: seen(FileState(OWN, b"a", 0o600, uid=1))}},
        {"files": {OWN: seen(FileState(OWN, b"a", 0o600, gid=1))}},
    ],
    ids=str,
)
def test_whatever_differs_or_cannot_be_seen_is_to_be_changed(differing: dict[str, Any]) -> None:
    assert not is_as_wanted(host(**differing), [FileState(OWN, b"a", 0o600)], "r1")
