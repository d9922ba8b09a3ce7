"""The stand-in bot and the rules of the collection, held to the loader of a real Kai."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.rules.contract import Contract
from tests.conftest import STAND_IN
from tests.real.cases import Case, groups
from tests.real.source import Source

JUDGE = Path(__file__).with_name("judge.py")
# differences that are told; more are counted
MOST_TOLD = 20


def judged(source: Path, cases: list[Case]) -> list[dict[str, Any]]:
    """Return the verdict of a source's loader on every case, in their order."""
    lines = "".join(json.dumps({"files": files}) + "\n" for _, files in cases)
    done = subprocess.run(
        [sys.executable, str(JUDGE), str(source)],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
        env={"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8"},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def subject(message: str | None) -> str | None:
    """Return what a refusal is about: its key, its file and field, or the kind of error."""
    if message is None:
        return None
    field = re.match(r"users\.yaml: user '.*' has (invalid )?(\w+)", message, re.DOTALL)
    return field[2] if field else message.split()[0]


def differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Return in what two verdicts differ, empty when they agree."""
    if subject(one["refused"]) != subject(other["refused"]):
        return f"{one['refused']!r} and {other['refused']!r}"
    for part in ("settings", "users", "services", "workspaces"):
        if one.get(part) != other.get(part):
            return f"{part}: {one.get(part)} and {other.get(part)}"
    return ""


@pytest.fixture(scope="module")
def keys(contract: Contract) -> list[str]:
    return [key for key, spec in contract.settings.items() if spec.written != "never"]


GROUPS = tuple(groups(["X"]))


@pytest.mark.parametrize("group", GROUPS)
def test_the_stand_in_judges_as_the_real_loader(
    real_kai: Source, keys: list[str], counts: list[str], group: str
) -> None:
    cases = groups(keys)[group]
    pairs = zip(cases, judged(real_kai.tree, cases), judged(STAND_IN, cases), strict=True)
    differ = []
    refused = 0
    for (name, _), real, stand_in in pairs:
        refused += real["refused"] is not None
        difference = differences(real, stand_in)
        if difference:
            differ.append(f"{name}: real and stand-in: {difference}")
    counts.append(
        f"{group}: {len(cases)} cases, {refused} refused by the real loader, "
        f"{len(cases) - len(differ)} agree, {len(differ)} differ"
    )
    assert differ[:MOST_TOLD] == [], f"{len(differ)} of {len(cases)} differ"
