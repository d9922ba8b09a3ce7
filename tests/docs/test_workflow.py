"""The workflow for GitHub, as far as it can be judged where it does not run."""

import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.testbed import images, obstacle

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
VERBS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def test_every_job_can_begin() -> None:
    assert set(WORKFLOW["jobs"]) == {
        "lint",
        "unit",
        "test",
        "real",
        "sanity",
        "release",
        "molecule",
    }
    assert {"pull_request", "push"} <= set(WORKFLOW["on"])
    for job in WORKFLOW["jobs"].values():
        assert job["runs-on"]
        assert job["timeout-minutes"]
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])


def test_what_needs_machines_fails_without_them() -> None:
    assert set(WORKFLOW["env"]) == {obstacle.REQUIRED}
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"export {obstacle.REQUIRED}=1" in script


def test_it_may_change_nothing() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", sorted(WORKFLOW["jobs"]))
def test_every_job_calls_a_verb_that_there_is(name: str) -> None:
    scripts = [step["run"] for step in WORKFLOW["jobs"][name]["steps"] if "run" in step]
    called = re.findall(r"^make ([a-z-]+)", "\n".join(scripts), re.M)
    assert called
    assert set(called) <= VERBS


def test_every_action_is_pinned_to_a_commit_that_says_its_version() -> None:
    used = {step["uses"] for step in STEPS if "uses" in step}
    pinned = set(re.findall(r"uses: (\S+@[0-9a-f]{40}) # v[\d.]+$", TEXT, re.M))
    assert used == pinned


def test_each_molecule_machine_has_a_base_that_the_test_bed_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = WORKFLOW["jobs"]["molecule"]
    systems = {one["system"]: one["base"] for one in job["strategy"]["matrix"]["include"]}
    assert set(systems) == {"Debian", "Ubuntu", "Fedora"}
    assert set(job["env"]) == {images.BASE}
    tags = set()
    for base in systems.values():
        monkeypatch.setenv(images.BASE, base)
        tags.add(images.tag("trixie"))
    assert len(tags) == len(systems)


def test_what_has_never_been_run_is_said() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert ".github/workflows/ci.yml" in told
    assert images.BASE in told
