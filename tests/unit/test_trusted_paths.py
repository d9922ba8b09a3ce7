"""Who besides root may change a program."""

import os
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host.trusted_paths import Accounts, changers, places_of
from kai_ansible.host.trusted_paths import CheckedPath as Place
from kai_ansible.rules.program_trust import harmful, in_words

NAMES = {0: "root", 1: "kai", 2: "alice", 3: "bob"}
MEMBERS: dict[int, list[str]] = {0: ["root"], 10: [], 20: ["alice", "root"], 1: ["kai"]}
DIRECTORY = stat.S_IFDIR


class Known(Accounts):
    def name_of(self, uid: int) -> str:
        return NAMES[uid]

    def members_of(self, gid: int) -> list[str]:
        return MEMBERS[gid]


def acl(*entries: tuple[int, int, int]) -> str:
    """Return an access list of entries (tag, permissions, ID)."""
    packed = (struct.pack("<HHI", *entry) for entry in entries)
    return (struct.pack("<I", 2) + b"".join(packed)).hex()


def seen(*places: Place) -> list[tuple[list[str], bool]]:
    found = changers(places, Known())
    return [(entry["accounts"], entry["everybody"]) for entry in found]


@pytest.mark.parametrize(
    ("place", "who"),
    [
        (Place("/p", 0o755, 0, 0), None),
        (Place("/p", 0o555, 2, 0), (["alice"], False)),
        (Place("/p", 0o775, 0, 20), (["alice"], False)),
        (Place("/p", 0o775, 0, 10), None),
        (Place("/p", 0o775, 0, 0), None),
        (Place("/p", 0o755, 0, 20), None),
        (Place("/p", DIRECTORY | 0o1777, 0, 0), ([], True)),
        (Place("/p", 0o757, 3, 20), (["bob"], True)),
        # user::rwx user:bob:rwx group::r-x mask::rwx other::r-x
        (Place("/p", 0o775, 0, 20, acl((1, 7, 0), (2, 7, 3), (4, 5, 0), (16, 7, 0), (32, 5, 0))),
         (["bob"], False)),
        # the mask takes the right away
        (Place("/p", 0o755, 0, 20, acl((1, 7, 0), (2, 7, 3), (4, 7, 0), (16, 5, 0), (32, 5, 0))),
         None),
        # a named group, and the owning group through the mask
        (Place("/p", 0o775, 0, 1, acl((1, 7, 0), (4, 7, 0), (8, 6, 20), (16, 7, 0), (32, 5, 0))),
         (["alice", "kai"], False)),
    ],
)  # fmt: skip
def test_who_can_change_a_place(place: Place, who: tuple[list[str], bool] | None) -> None:
    assert seen(place) == ([who] if who else [])


def entry(*accounts: str, everybody: bool = False) -> dict[str, Any]:
    return {"path": "/p", "accounts": list(accounts), "everybody": everybody}


@pytest.mark.parametrize(
    ("found", "runners", "is_harmful"),
    [
        (entry("alice"), ["alice"], False),
        (entry("alice"), ["alice", "bob"], True),
        (entry("alice"), ["kai"], True),
        (entry("kai"), ["kai"], False),
        (entry("kai"), ["alice"], True),
        # an administrator with an account of their own
        (entry("operator"), ["alice", "kai"], False),
        (entry("operator", "bob"), ["alice"], True),
        (entry(everybody=True), ["kai"], True),
    ],
)
def test_only_power_over_another_account_is_harmful(
    found: dict[str, Any], runners: list[str], is_harmful: bool
) -> None:
    assert harmful([found], runners, ["kai", "alice", "bob"]) == ([found] if is_harmful else [])


def test_a_sentence_names_who_and_where() -> None:
    found = [
        {"path": "/a", "accounts": ["alice", "bob"], "everybody": False},
        {"path": "/a/b", "accounts": ["bob"], "everybody": False},
        {"path": "/tmp", "accounts": ["bob"], "everybody": True},
    ]
    assert in_words(*found) == (
        "alice (through /a) and bob (through /a, /a/b) and everybody (through /tmp)"
    )


def test_the_way_to_a_program_follows_links_and_interpreters(tmp_path: Path) -> None:
    for name in ("real/lib", "bin", "node"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "real/lib/cli.js").write_text("#!/usr/bin/env -S node --flag\n")
    (tmp_path / "node/node").write_bytes(b"\x7fELF\xff")
    (tmp_path / "link").symlink_to("real/../real/./lib")
    (tmp_path / "bin/codex").symlink_to("../link/cli.js")
    found = [place.path for place in places_of(f"{tmp_path}/bin/codex", [f"{tmp_path}/node"])]
    assert [path for path in found if path.startswith(f"{tmp_path}/")] == [
        f"{tmp_path}/{name}"
        for name in ("bin", "real", "real/lib", "real/lib/cli.js", "node", "node/node")
    ]
    assert [str(path) for path in reversed(tmp_path.parents)] == found[: len(tmp_path.parents)]
    # what it finds by name may become another program as well
    found = [place.path for place in places_of("/bin/sh", [f"{tmp_path}/link", "/nowhere"])]
    assert found[-2:] == [f"{tmp_path}/real", f"{tmp_path}/real/lib"]
    # an interpreter that nobody finds is no reason not to judge the rest
    assert [place.path for place in places_of(f"{tmp_path}/bin/codex")][-1].endswith("/cli.js")


def test_what_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "self").write_text(f"#!{tmp_path}/self\n")
    os.mkfifo(tmp_path / "fifo")
    for name in ("loop", "self", "gone"):
        with pytest.raises(OSError, match=name):
            places_of(str(tmp_path / name))
    # nothing waits for somebody who writes into a pipe
    assert places_of(str(tmp_path / "fifo"))[-1].mode == (tmp_path / "fifo").stat().st_mode
