"""What is mounted on the way to a path is known, and whether root can enter it."""

import time
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host import mounts, system
from kai_ansible.host.run_as import FAILED, UNANSWERED
from kai_ansible.rules.problems import Refused

HOME = "/var/lib/kai/home/1"


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of mounts that a test writes."""
    path = tmp_path / "mounts"
    monkeypatch.setattr(system, "MOUNTS", str(path))
    return path


def test_every_mount_at_or_below_a_directory_is_known(mounted: Path) -> None:
    points = ["/", "/var/lib/kai", f"{HOME}/a\\040b", "/var/lib/kaiser", f"{HOME}/\udcff"]
    text = "".join(f"what {point} fuse rw 0 0\n" for point in points)
    mounted.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert system.mounts_below(HOME) == [f"{HOME}/a b", f"{HOME}/\udcff"]
    assert system.mounts_below("/var/lib/kai")[0] == "/var/lib/kai"
    assert len(system.mounts_below("/")) == len(points)


def test_a_kernel_without_such_a_list_has_no_mounts(mounted: Path) -> None:
    assert system.mounts_below("/") == []
    assert mounts.closed_mounts([HOME]) == {}


def test_a_mount_that_root_cannot_enter_is_reported_with_what_clears_it(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [f"{HOME}/below", "/srv"]
    points = [HOME, "/var/lib/kai", *others]
    mounted.write_text("".join(f"x {p} fuse rw 0 0\n" for p in points), encoding="utf-8")
    faults: dict[str, Any] = {HOME: "root cannot enter (Permission denied)"}
    monkeypatch.setattr(mounts, "_fault_of", faults.get)
    closed = mounts.closed_mounts([f"{HOME}/.claude", "/etc/kai"])
    assert [*closed] == [HOME]
    assert str(closed[HOME]) == (
        f"{HOME}: found a mounted file system that root cannot enter (Permission denied), "
        f"expected a directory that root can enter. Fix: unmount it on the host: "
        f"umount --lazy {HOME}"
    )
    mounts.refuse_below(closed, "/var/lib/kai/home/10")
    for path in (HOME, f"{HOME}/.claude"):
        with pytest.raises(Refused, match="umount"):
            mounts.refuse_below(closed, path)


def test_a_mount_that_does_not_answer_is_not_waited_for(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted.write_text(f"x {HOME} fuse rw 0 0\n", encoding="utf-8")
    asked: list[Any] = []

    def unanswered(account: None, questions: list[Any]) -> list[Any]:
        asked.extend(questions)
        return [UNANSWERED]

    monkeypatch.setattr(mounts, "ask_as", unanswered)
    monkeypatch.setattr(mounts, "_fault_of", time.sleep)
    assert "does not answer" in str(mounts.closed_mounts([HOME])[HOME])
    assert len(asked) == 1


def test_a_mount_about_which_the_question_failed_counts_as_closed(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted.write_text(f"x {HOME} fuse rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(mounts, "ask_as", lambda account, questions: [FAILED])
    assert "root could not check" in str(mounts.closed_mounts([HOME])[HOME])


def test_what_can_be_entered_has_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert mounts._fault_of(str(tmp_path)) is None
    assert mounts._fault_of(str(file)) is None
    assert mounts._fault_of(str(tmp_path / "none")) == (
        "root cannot enter (No such file or directory)"
    )
