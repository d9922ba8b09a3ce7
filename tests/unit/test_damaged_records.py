"""Every file that a run reads back, damaged in every way: named, before anything is switched.

A host is a small file tree with three verified installs and perhaps an unfinished one. One file of
it is damaged; then everything that a run does is done there in this process.
"""

import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_interrupted_switch import NEW, OLD, PROOF, Host
from test_interrupted_switch import hosts as hosts
from test_interrupted_switch import modules as modules

from tests.damage import DAMAGES, NO_FILES, in_place_of, sparse

pytestmark = pytest.mark.slow

HANGS_SECONDS = 600
COMMAND = re.compile(r"(mv|sed -i) \S+ \S+?(?=[,.] |$)")
INSTALLS = "opt/kai/installs"
RECORDS = [
    *(f"{INSTALLS}/{number}/record.json" for number in (1, 2, 3)),
    *(f"{INSTALLS}/{number}/deployed/manifest.json" for number in (2, 3)),
    *(f"{INSTALLS}/{number}/deployed/0" for number in (2, 3)),
    f"{INSTALLS}/original/state.json",
    f"{INSTALLS}/original/files/manifest.json",
    f"{INSTALLS}/original/files/1",
    f"{INSTALLS}/pending/journal.json",
    f"{INSTALLS}/pending/former/manifest.json",
    f"{INSTALLS}/pending/former/0",
    f"{INSTALLS}/layout",
    f"{INSTALLS}/made",
]
DIRECTORIES = [
    INSTALLS,
    *(f"{INSTALLS}/{name}" for name in ("2", "3", "pending", "original")),
    *(f"{INSTALLS}/{name}/deployed" for name in ("2", "3")),
    f"{INSTALLS}/pending/former",
    f"{INSTALLS}/original/files",
    "opt/kai/releases",
]
# older records are needed by nobody but a rollback to them
OLDER = (f"{INSTALLS}/1", f"{INSTALLS}/2")
VALUES = (
    *(None, True, 7, -1, 1.5, float("nan"), 10**30, 10**5000, "", "x", "../..", "/a/../b", "a\0b"),
    *("\ud800", [], [[]], {}, {"": None}),
)


FILE_KINDS = {**DAMAGES, "gone": Path.unlink}
DIRECTORY_KINDS: dict[str, Callable[[Path], None]] = {
    **NO_FILES,
    "a file": in_place_of(lambda path: path.write_bytes(b"")),
    "a huge file": in_place_of(sparse),
    "nothing in it": in_place_of(Path.mkdir),
    "gone": shutil.rmtree,
}


def keys_of(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value of a document, of a list only to the first."""
    yield way
    if isinstance(document, dict | list):
        parts = document.items() if isinstance(document, dict) else enumerate(document[:1])
        for key, value in parts:
            yield from keys_of(value, (*way, key))


def changed(document: Any, way: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of a document in which the value at the end of a way is another one."""
    copy = [json.loads(json.dumps(document))]
    place: Any = copy
    *inner, last = (0, *way)
    for key in inner:
        place = place[key]
    change(place, last)
    return copy[0]


def documents(text: str) -> Iterator[tuple[str, str]]:
    """Yield a JSON text with each other value at each of its keys, and without it."""
    # Python reads no number as long as this
    limit = "1" + "0" * 5000
    document = json.loads(text)
    for way in keys_of(document):
        for value in VALUES:
            shown = "N" if value == 10**5000 else value

            def put(place: Any, key: Any, shown: Any = shown) -> None:
                place[key] = shown

            other = json.dumps(changed(document, way, put))
            yield f"{way}: {str(shown)[:20]!r}", other.replace('"N"', limit)
        if way:
            yield f"{way}: gone", json.dumps(changed(document, way, lambda at, key: at.pop(key)))
    if isinstance(document, dict):
        yield "one more", json.dumps({**document, "another": 1, "x\0y": 2, "\ud800": 3})


class Records:
    """A host with records, to which a file can be damaged and then given back."""

    def __init__(self, host: Host, base: Path) -> None:
        self.host = host
        plugins = "ansible_collections.kai.bot.plugins"
        self.root_files = importlib.import_module(f"{plugins}.module_utils.host.files")
        self.state = importlib.import_module(f"{plugins}.module_utils.host.install_probe")
        self.layout = importlib.import_module(f"{plugins}.module_utils.host.layout_journal")
        self.removal = importlib.import_module(f"{plugins}.module_utils.host.removal")
        self.kept = importlib.import_module(f"{plugins}.modules.kai_installs")
        self.copies = base
        self.systemd = (host.systemd.active, host.systemd.enabled, host.systemd.runs)

    def lay_out(self, *, unfinished: bool) -> None:
        """Prove three installs, and begin a fourth."""
        host = self.host
        # what the operator had there before
        (host.root / "etc/kai/users.yaml").write_text("mine", encoding="utf-8")
        for release, files in (("a", OLD), ("b", NEW), ("c", OLD)):
            self.switch(release, files)
            self.install_layout()
            self.keep(release)
        if unfinished:
            self.switch("b", NEW)
            self.install_layout()
        self.systemd = (host.systemd.active, host.systemd.enabled, host.systemd.runs)
        shutil.copytree(host.root, self.copies, symlinks=True)

    def switch(self, release: str, files: Any) -> None:
        # a build comes first, and may have been removed as too old
        place = self.host.install_dir / "releases" / release
        place.mkdir(parents=True, exist_ok=True)
        (self.host.root / "root").mkdir(exist_ok=True)
        self.host.switch(release, files)

    def install_layout(self) -> None:
        journal = self.journal()
        made = str(self.host.root / "var/kai")
        journal.note({"directory": made})
        journal.note({"mended": made, "before": [0, 0, 0o755], "after": [1, 1, 0o711]})
        journal.note({"file": f"{made}/x", "sha256": "0" * 64})
        journal.note({"account": "nobody-at-all", "comment": "Kai bot", "home": True})

    def journal(self) -> Any:
        return self.layout.LayoutJournal(self.installs().directory)

    def installs(self) -> Any:
        return self.host.modules.records.Installs(str(self.host.install_dir))

    def restored(self) -> None:
        """Give everything back."""
        shutil.rmtree(self.host.root)
        shutil.copytree(self.copies, self.host.root, symlinks=True)
        systemd = self.host.systemd
        systemd.active, systemd.enabled, systemd.runs = self.systemd

    def keep(self, release: str = "b", *, dry: bool = False) -> dict[str, Any]:
        parameters = {
            "install_dir": str(self.host.install_dir),
            "keep_releases": 3,
            "flat_parts": [],
            "proof": PROOF,
            "release": release,
            "by": "ada@laptop",
        }
        result: dict[str, Any] = self.kept.keep(parameters, dry)
        return result

    def remove(self, *, dry: bool) -> None:
        place = str(self.host.root / "var/kai")
        self.removal.Removal(
            self.installs(), self.journal(), dry, "nobody-at-all", place, [], True
        ).run()

    def refusal(self, act: Callable[[], object]) -> str:
        """Return why something was refused, empty when it was not."""
        try:
            act()
        except self.root_files.Refused as error:
            return str(error)
        return ""

    def problems(self, damaged: str, kind: str, *, quickly: bool) -> Iterator[str]:
        """Yield what is wrong with how a damage is met; quickly: as far as it changes nothing."""
        place = str(self.host.root / damaged)
        found = self.state.damages(self.installs())
        told = json.dumps(found, ensure_ascii=False)
        told.encode()
        for entry in found:
            where, fix = entry["problem"]["where"], entry["problem"]["fix"]
            # a directory may be told by a file in it, and a copy by the list of it
            if not where.startswith((place, str(Path(place).parent))):
                yield f"{kind}: {where} is named instead"
            if not fix:
                yield f"{kind}: no fix"
            if damaged.startswith(OLDER) and entry["needed"]:
                yield f"{kind}: an old record is needed"
            if entry["needed"] and quickly:
                # that it keeps a run from going on is seen with the other kinds
                return
        known = self.state.installs_seen(self.installs(), found)
        json.dumps(known, ensure_ascii=False).encode()
        self.state.interrupted(self.installs())
        for act in (
            lambda: self.state.known_installs(self.installs(), found),
            lambda: self.keep(dry=True),
            lambda: self.remove(dry=True),
            lambda: self.host.run(record=1),
        ):
            self.refusal(act)
        if quickly:
            return
        if any(entry["needed"] for entry in found):
            yield from self.refused(kind)
            yield from self.fixed(kind)
        yield from self.installed(kind)

    def fixed(self, kind: str) -> Iterator[str]:
        """Do what is told to fix a damage; yield what that leaves."""
        for _time in range(3):
            found = self.state.damages(self.installs())
            fixes = [entry["problem"]["fix"] for entry in found if entry["needed"]]
            if not fixes:
                return
            commands = [COMMAND.search(fix) for fix in fixes]
            for command in {str(one and one[0]): None for one in commands}:
                home = str(self.host.root / "root")
                subprocess.run(shlex.split(command.replace(" /root", f" {home}")), check=False)
        yield f"{kind}: still damaged: {fixes}"

    def refused(self, kind: str) -> Iterator[str]:
        """Yield what goes on although it should not."""
        before = self.host.live()
        refusals = [
            self.refusal(lambda: self.host.switch("b", NEW)),
            self.refusal(self.host.restore),
        ]
        if self.host.live() != before and all(refusals):
            yield f"{kind}: refused, and yet something was switched"

    def installed(self, kind: str) -> Iterator[str]:
        """Yield what does not work although nothing needed is damaged."""
        for what, act in (
            ("switch", lambda: self.switch("b", NEW)),
            ("keep", self.keep),
            ("switch again", lambda: self.switch("c", OLD)),
            ("restore", self.host.restore),
            ("before the first", lambda: self.host.run(state="original")),
            ("remove", lambda: self.remove(dry=False)),
        ):
            reason = self.refusal(act)
            if reason:
                yield f"{kind}: {what}: {reason}"


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    def ring(_signal: int, _frame: object) -> None:
        raise TimeoutError("it hangs")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(HANGS_SECONDS)
    yield
    signal.alarm(0)


@pytest.fixture
def records(hosts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return Records(hosts("host"), tmp_path / "copies")


def met(
    records: Records,
    damaged: str,
    kinds: dict[str, Callable[[Path], object]],
    *,
    quickly: bool = False,
) -> list[str]:
    """Return what is wrong with how each kind of damage is met."""
    found = []
    path = records.host.root / damaged
    content = path.read_bytes() if quickly else b""
    for kind, damage in kinds.items():
        damage(path)
        try:
            found += records.problems(damaged, kind, quickly=quickly)
        except Exception as error:  # noqa: BLE001 - every one of them would be a traceback
            found.append(f"{kind}: {type(error).__name__}: {error}")
        if quickly:
            path.write_bytes(content)
        else:
            records.restored()
    return found


@pytest.mark.sample(3, "the same way with another record")
@pytest.mark.parametrize("damaged", RECORDS)
def test_a_damaged_file_is_met(records: Records, damaged: str) -> None:
    records.lay_out(unfinished="pending" in damaged or "layout" in damaged)
    assert met(records, damaged, FILE_KINDS) == []


@pytest.mark.sample(2, "the same way with another record")
@pytest.mark.parametrize("damaged", DIRECTORIES)
def test_what_is_no_directory_is_met(records: Records, damaged: str) -> None:
    records.lay_out(unfinished="pending" in damaged)
    assert met(records, damaged, DIRECTORY_KINDS) == []


@pytest.mark.sample(2, "the same way with another record")
@pytest.mark.parametrize("damaged", [path for path in RECORDS if path.endswith(".json")])
def test_other_values_are_met(records: Records, damaged: str) -> None:
    records.lay_out(unfinished="pending" in damaged)
    path = records.host.root / damaged
    kinds = {
        what: (lambda path, text=text: path.write_text(text, encoding="utf-8"))
        for what, text in documents(path.read_text(encoding="utf-8"))
    }
    assert len(kinds) > 60
    assert met(records, damaged, kinds, quickly=True) == []


def test_a_first_install_that_fails_leaves_no_records(tmp_path: Path, modules: Any) -> None:
    installs = modules.records.Installs(str(tmp_path))
    installs.prepare()
    installs.close_journal()
    assert list(tmp_path.iterdir()) == []
    # those of an install stay
    (tmp_path / "installs/1").mkdir(parents=True)
    installs.prepare()
    installs.close_journal()
    assert [path.name for path in (tmp_path / "installs").iterdir()] == ["1"]
