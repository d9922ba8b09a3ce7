"""Installs, configures and runs a Kai bot."""

import os
import sys

__version__ = "0.1.0"

# root must leave nothing of its own in the tree of the operator who called sudo
if os.geteuid() == 0 and os.environ.get("SUDO_USER", "root") != "root":
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
