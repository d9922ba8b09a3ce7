# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release on this host is complete, for the probe and for the build."""

from __future__ import annotations

import os
import shutil
from functools import partial

from .system import run_program
from .trusted_paths import found_by, places_of

MARKER = ".complete"
ENVIRONMENT = "venv"
# the file that a Python reads first, and that names the place of its modules
CONFIGURATION = "pyvenv.cfg"
# The link of an environment may dangle after a system upgrade, or lead to another Python, which
# does not look into the directory that the packages are in. Without site (-S) no package runs.
_WHERE_ITS_PACKAGES_ARE = """
import sys, sysconfig
print(sysconfig.get_path("purelib", "posix_prefix", {"base": sys.argv[1]}))
"""
_SECONDS = 60
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_uv() -> str | None:
    """Return the uv of the host, with which releases are built, None where it has none."""
    return shutil.which("uv", path=SYSTEM_PATH)


def python_of(release: str) -> str:
    """Return the Python of the release in a directory."""
    return os.path.join(release, ENVIRONMENT, "bin", "python")


def is_complete(release: str) -> bool:
    """Return whether the release of a directory was built to its end and its Python still runs.

    Raises OSError when that cannot be seen.
    """
    return os.path.exists(os.path.join(release, MARKER)) and environment_works(release)


def environment_works(release: str) -> bool:
    """Return whether the Python of a release runs and looks into its own environment.

    A Python that an account besides root can change is not run, and does not count as working.
    Raises OSError when it gives no answer.
    """
    environment = os.path.join(release, ENVIRONMENT)
    python = python_of(release)
    configuration = os.path.join(environment, CONFIGURATION)
    if not (os.path.exists(python) and os.path.exists(configuration)):
        return False
    looks = {path: partial(places_of, path) for path in (python, configuration)}
    if any(found_by(looks).values()):
        return False
    command = [python, "-I", "-S", "-c", _WHERE_ITS_PACKAGES_ARE, environment]
    try:
        ended = run_program(command, timeout=_SECONDS, env={}, cwd="/")
    except TimeoutError:
        raise
    except OSError:
        return False
    return ended.returncode == 0 and os.path.isdir(ended.stdout.strip())
