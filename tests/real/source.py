"""The tree of a real Kai that the tests are given, by KAI_SOURCE and KAI_VERSION."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kai_ansible.ansible.collection import DEFAULT_RELEASE, lines
from kai_ansible.controller.source_line import found_line
from kai_ansible.rules.release_line import Found, problem_of_release
from kai_ansible.rules.sources import is_git_url

NONE_GIVEN = (
    "no real Kai was given: make test-real KAI_SOURCE=/path/to/kai, or a git URL with KAI_VERSION"
)


@dataclass(frozen=True)
class Source:
    """A real Kai: what was given to install, and its tree on this machine."""

    given: str
    version: str | None
    tree: Path

    @property
    def has_codex(self) -> bool:
        """Whether this Kai knows the backend codex."""
        return (self.tree / "src/kai/codex.py").exists()


def given_source(scratch: Path) -> Source | None:
    """Return the source that the environment names, None when it names none.

    scratch: a directory in which a git URL is checked out. Raises ValueError for what is not of a
    line of Kai that can be installed.
    """
    given = os.environ.get("KAI_SOURCE", "")
    if not given:
        return None
    version = os.environ.get("KAI_VERSION") or None
    tree = Path(given)
    if is_git_url(given):
        tree = scratch / "kai-source"
        for command in (
            ["init", "--quiet", str(tree)],
            ["-C", str(tree), "fetch", "--quiet", "--depth=1", "--", given, version or "HEAD"],
            ["-C", str(tree), "checkout", "--quiet", "--detach", "FETCH_HEAD"],
        ):
            subprocess.run(["git", *command], check=True, timeout=600)
    problem = problem_of_release(lines(), found_line(lines(), str(tree)), DEFAULT_RELEASE, given)
    if problem:
        raise ValueError(f"KAI_SOURCE: found {problem.found}, expected {problem.expected}")
    return Source(given if is_git_url(given) else str(tree.resolve()), version, tree.resolve())


def found_in(tree: Path) -> Found:
    """Return of which release line a tree is."""
    return found_line(lines(), str(tree))
