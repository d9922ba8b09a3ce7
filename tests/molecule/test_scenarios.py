"""Every Molecule scenario, whole: created, checked, converged, verified, destroyed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# what tests/machine shows in more ways
MATRIX = {"adopt", "faults", "release", "rollback"}
SCENARIOS = [
    pytest.param(name, marks=[pytest.mark.matrix] if name in MATRIX else [])
    for name in sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
]


@pytest.mark.machine
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str) -> None:
    # Molecule starts its tools by name, so they must be found before anything else
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"}
    run = subprocess.run(
        [str(BIN / "molecule"), "test", "--scenario-name", scenario],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-12000:]
