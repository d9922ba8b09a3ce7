# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release on this host is whole: asked before a build by the probe, and by the build."""

from __future__ import annotations

import os
import subprocess

from .programs import run_program

MARKER = ".complete"
ENVIRONMENT = "venv"
# The link of an environment may dangle after a system upgrade, or lead to another Python, which
# does not look into the directory that the packages are in.
_SEES_ITS_PACKAGES = (
    "import sys; sys.exit(not any(place.startswith(sys.prefix) for place in sys.path))"
)


def is_complete(release: str) -> bool:
    """Return whether the release of a directory was built to its end and its Python still runs."""
    return os.path.exists(os.path.join(release, MARKER)) and environment_works(release)


def environment_works(release: str) -> bool:
    """Return whether the Python of a release runs and looks into its own environment."""
    python = os.path.join(release, ENVIRONMENT, "bin", "python")
    try:
        ended = run_program([python, "-I", "-c", _SEES_ITS_PACKAGES], timeout=20, env={}, cwd="/")
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0
