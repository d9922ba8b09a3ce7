"""What root installs from on the host itself is root's alone."""

import os
import pwd
import sys
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.host.build import refuse_to_build
from kai_ansible.host.root_places import place_problems
from kai_ansible.rules.problems import Refused

NOBODY = pwd.getpwnam("nobody")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A package index, as pip reads one from a disk."""
    place = tmp_path / "an index"
    (place / "wcwidth").mkdir(parents=True)
    (place / "wcwidth/index.html").write_text('<a href="wcwidth-1.tar.gz">wcwidth-1.tar.gz</a>')
    return place


def found_in(index: Path) -> list[str]:
    """Return what is wrong below an index: everybody can write above the directory of a test."""
    problems = place_problems(index=str(index))
    return [problem.found for problem in problems if str(index) in problem.found]


@pytest.mark.parametrize("name", [".", "wcwidth", "wcwidth/index.html"])
def test_an_index_is_judged_with_everything_below(index: Path, name: str) -> None:
    assert found_in(index) == []
    os.chown(index / name, NOBODY.pw_uid, -1)
    [found] = found_in(index)
    assert "can be changed by" in found
    assert "nobody" in found


def test_where_a_link_of_an_index_leads_is_judged(index: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    os.chown(tmp_path / "elsewhere", NOBODY.pw_uid, -1)
    (index / "wcwidth/wcwidth-1.tar.gz").symlink_to(tmp_path / "elsewhere")
    [problem] = place_problems(index=str(index))
    assert f"{tmp_path}/elsewhere" in problem.found


def test_root_builds_from_no_index_of_another_account(index: Path, tmp_path: Path) -> None:
    parameters: dict[str, Any] = {
        "service_user": "nobody",
        "wheelhouse": None,
        "path": str(tmp_path / "release"),
        "python": sys.executable,
        "index_url": f"file://{tmp_path}/an%20index",
    }
    os.chown(index / "wcwidth", NOBODY.pw_uid, -1)
    with pytest.raises(Refused, match=f"{index}: found a path that can be changed by .*nobody"):
        refuse_to_build(parameters)
