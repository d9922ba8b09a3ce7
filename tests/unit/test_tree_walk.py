"""A walk visits everything once, holds little, and is not led astray by those who move things."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kai_ansible.host import tree_walk
from kai_ansible.host.tree_walk import DIRECTORY, Level, Walk


class Listing(Walk):
    """What a walk visits, in its order."""

    def __init__(self, root: int, path: str, seconds: float = 3600) -> None:
        super().__init__(root, path, seconds)
        self.found: list[bytes] = []
        self.faults: list[tuple[bytes, str]] = []
        self.most = 0
        self.when: dict[bytes, Callable[[], object]] = {}
        self.ended: list[bytes] = []

    def entry(self, name: bytes) -> bool:
        self.most = max(self.most, sum(len(level.names) for level in self.levels))
        path = self.path_of(name)[len(self.path) + 1 :]
        self.found.append(path)
        self.when.get(path, lambda: None)()
        return Path(f"/proc/self/fd/{self.here}/{os.fsdecode(name)}").is_dir()

    def after(self, level: Level) -> None:
        self.ended.append(level.name)

    def foreign(self, name: bytes) -> None:
        self.faults.append((name, "foreign"))

    def fault(self, name: bytes, why: str) -> None:
        self.faults.append((self.path_of(name)[len(self.path) + 1 :], why))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, DIRECTORY)
    yield descriptor
    os.close(descriptor)


def in_order(place: Path) -> list[bytes]:
    found = []
    for path in sorted(place.iterdir(), key=os.fsencode):
        found.append(os.fsencode(path))
        if path.is_dir():
            found += in_order(path)
    return found


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.recursive(
        st.just({}), lambda inner: st.dictionaries(st.sampled_from("abcdefgh"), inner)
    )
)
def test_everything_is_visited_once_with_few_names_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    shape: dict[str, dict],  # type: ignore[type-arg]
) -> None:
    monkeypatch.setattr(tree_walk, "MOST_NAMES", 4)
    monkeypatch.setattr(tree_walk, "_BATCH", 2)
    place = tmp_path_factory.mktemp("tree")

    def make(here: Path, members: dict[str, dict]) -> None:  # type: ignore[type-arg]
        for name, inner in members.items():
            (here / name).mkdir()
            make(here / name, inner)

    make(place, shape)
    root = os.open(place, DIRECTORY)
    walk = Listing(root, str(place))
    walk.run()
    os.close(root)
    assert [os.fsencode(place) + b"/" + path for path in walk.found] == in_order(place)
    assert walk.most <= 4
    assert walk.faults == []


def test_what_is_moved_away_does_not_lead_elsewhere(tmp_path: Path, root: int) -> None:
    for path in ("a/b/c/d", "a/b/z", "e", "elsewhere/y/x"):
        (tmp_path / "data" / path).mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    data = os.open(tmp_path / "data", DIRECTORY)
    walk = Listing(data, "/data")
    walk.when[b"a/b/c/d"] = lambda: (tmp_path / "data/a/b").rename(outside / "b")
    walk.run()
    os.close(data)
    assert [path for path in walk.found if b"secret" in path] == []
    # what was open is walked to its end; what was around it goes on
    assert walk.found[:4] == [b"a", b"a/b", b"a/b/c", b"a/b/c/d"]
    assert walk.found[-4:] == [b"e", b"elsewhere", b"elsewhere/y", b"elsewhere/y/x"]
    assert walk.faults == []


def test_what_is_lost_on_the_way_back_is_named(tmp_path: Path) -> None:
    for path in ("a/b/c", "a/b/later", "f"):
        (tmp_path / "data" / path).mkdir(parents=True)
    data = os.open(tmp_path / "data", DIRECTORY)
    walk = Listing(data, "/data")

    def move() -> None:
        # the directory that is open goes elsewhere, and then what it was in
        (tmp_path / "data/a/b/c").rename(tmp_path / "c")
        (tmp_path / "data/a/b").rename(tmp_path / "b")

    (tmp_path / "data/a/b/c/inner").mkdir()
    walk.when[b"a/b/c/inner"] = move
    walk.run()
    os.close(data)
    assert walk.found == [b"a", b"a/b", b"a/b/c", b"a/b/c/inner", b"f"]
    assert walk.faults == [(b"a/b", "moved while it was read")]


def test_one_part_does_not_take_the_time_of_the_others(
    tmp_path: Path, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("home/1", "home/2", "logs"):
        (tmp_path / path).mkdir(parents=True)
    for number in range(100):
        (tmp_path / f"home/1/{number:02}").touch()
    (tmp_path / "home/2/mine").touch()
    (tmp_path / "logs/log").touch()
    now = [0.0]
    monkeypatch.setattr(tree_walk.time, "monotonic", lambda: now[0])
    walk = Listing(root, str(tmp_path), seconds=100)

    def later() -> None:
        now[0] += 1

    walk.when = {f"home/1/{number:02}".encode(): later for number in range(100)}
    walk.run()
    # a half for home, of which a half is for 1
    assert sum(path.startswith(b"home/1/") for path in walk.found) == 26
    assert {b"home/2/mine", b"logs/log"} < set(walk.found)
    assert [path for path, _why in walk.faults] == [b"home/1"]


def test_another_mount_is_not_entered(
    tmp_path: Path, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bound/inner").mkdir(parents=True)
    numbers = {root: "1"}
    monkeypatch.setattr(tree_walk, "mount_of", lambda descriptor: numbers.get(descriptor, "2"))
    walk = Listing(root, str(tmp_path))
    walk.run()
    assert (walk.found, walk.faults) == ([b"bound"], [(b"bound", "foreign")])


def test_the_mount_of_a_file_is_what_the_kernel_reports(root: int) -> None:
    assert tree_walk.mount_of(root).isdecimal()


def test_a_mount_point_is_not_even_looked_at(
    root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open" / "dead").mkdir(parents=True)
    (tmp_path / "open" / "file").touch()
    dead = [str(tmp_path / "open" / "dead")]
    monkeypatch.setattr(tree_walk, "mounts_below", lambda path: dead)
    walk = Listing(root, str(tmp_path))
    walk.run()
    assert walk.found == [b"open", b"open/file"]
    assert walk.faults == [(b"dead", "foreign")]
