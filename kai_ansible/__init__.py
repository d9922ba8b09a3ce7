"""Installs, configures and runs a Kai bot."""

import os
import sys
from pathlib import Path

# a wheel has the rules in the collection that it carries, a checkout has links to them
_HERE = Path(__file__).parent
_SHIPPED = _HERE / "collection" / "plugins" / "module_utils"
if _SHIPPED.is_dir():
    __path__.append(str(_SHIPPED))
elif not (_HERE / "rules").is_dir():
    sys.exit(
        f"{_HERE}/rules must be a symbolic link, but git cloned this repository without links; "
        "clone it again with: git clone -c core.symlinks=true"
    )

# root must leave nothing of its own in the tree of the operator who called sudo
if os.geteuid() == 0 and os.environ.get("SUDO_USER", "root") != "root":
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def own_version() -> str:
    """Return the version of this package as it is installed."""
    # most commands never ask, and it takes longer to load than they do
    from importlib.metadata import version

    return version("kai-ansible")
