"""Every Molecule scenario, whole: created, checked, converged, verified, destroyed."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tools import scenario

# default is the one that walks the whole way; the others show in an inventory of their own what
# tests/machine shows as well
IN_EVERY_RUN = {"default"}
# the slowest takes 6 minutes beside other tests; a question that no user answers would never end
MOST_SECONDS = 2400
SCENARIOS = [
    pytest.param(
        name,
        marks=[]
        if name in IN_EVERY_RUN
        else [
            pytest.mark.later(
                "tests/machine shows it as well, default walks the whole way", apart=True
            )
        ],
    )
    for name in sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
]


@pytest.mark.machine
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    run = subprocess.run(
        # it ends the whole group of processes, also Ansible below Molecule
        [
            "timeout",
            "--kill-after=30",
            str(MOST_SECONDS),
            sys.executable,
            "-m",
            "tools.scenario",
            name,
        ],
        cwd=ROOT,
        env={**scenario.environment(name), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-12000:]
