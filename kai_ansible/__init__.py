"""Installs, configures and runs a Kai bot."""

import os
import sys

# root must leave nothing of its own in the tree of the operator who called sudo
if os.geteuid() == 0 and os.environ.get("SUDO_USER", "root") != "root":
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def own_version() -> str:
    """Return the version of this package as it is installed."""
    # most commands never ask, and it takes longer to load than they do
    from importlib.metadata import version

    return version("kai-ansible")
