"""What is said to be in the way of a release."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from kai_ansible.rules.problems import Problem
from tests.conftest import ROOT
from tools import release


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a checkout states of its version, in a copy."""
    for name in ("galaxy.yml", "execution-environment.yml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    changes = shutil.ignore_patterns("fragments")
    shutil.copytree(ROOT / "changelogs", tmp_path / "changelogs", ignore=changes)
    return tmp_path


@pytest.mark.slow
def test_every_place_with_another_version_is_named_at_once(checkout: Path) -> None:
    assert list(release.stated_elsewhere(checkout)) == []
    galaxy = checkout / "galaxy.yml"
    version = release.version_of(checkout)
    galaxy.write_text(galaxy.read_text().replace(f"version: {version}", "version: 99.1"))
    fragment = checkout / "changelogs" / "fragments" / "1-new.yml"
    fragment.parent.mkdir(exist_ok=True)
    fragment.write_text("bugfixes: [It works.]\n")
    (checkout / "CHANGELOG.md").write_text("Nothing.\n")
    found = {problem.where: problem for problem in release.stated_elsewhere(checkout)}
    assert list(found) == [
        "galaxy.yml: version",
        "changelogs/changelog.yaml: the newest release",
        "changelogs/fragments/1-new.yml",
        "CHANGELOG.md",
        "execution-environment.yml: kai-bot",
    ]
    assert found["changelogs/changelog.yaml: the newest release"].found == version
    assert all(problem.fix for problem in found.values())


def test_a_wheel_reports_its_version_and_python_writes_it_in_its_own_way(tmp_path: Path) -> None:
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("kai-1.dist-info/METADATA", "Name: kai\nVersion: 1.2.0b1\n")
    assert release.version_in_wheel(wheel) == "1.2.0b1"
    assert list(release.otherwise("wheel", "1.2.0b1", "1.2.0-beta.1", "")) == []
    [problem] = release.otherwise("wheel", "1.2.0b1", "1.2.0", "")
    assert (problem.found, problem.where) == ("1.2.0b1", "wheel")


def test_another_build_with_other_bytes_is_named() -> None:
    [problem] = release.other_bytes({"a": "1", "b": "2"}, {"a": "1", "b": "3"})
    assert problem.where == "b"


def test_it_ends_with_1_when_something_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Problem(place, "1", "2", "repair it") for place in ("here", "there")]
    monkeypatch.setattr(release, "problems", lambda directory: (found, None))
    monkeypatch.setattr(sys, "argv", ["release"])
    assert release.main() == 1
    told = capsys.readouterr().out
    assert "here: found 1" in told
    assert "there: found 1" in told
