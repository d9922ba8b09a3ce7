"""Install, configure and run a Kai bot."""

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

# through sudo, leave no bytecode of root in the tree of the operator
if os.geteuid() == 0 and os.environ.get("SUDO_USER", "root") != "root":
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def own_version() -> str:
    """Return the installed version of this package."""
    # few commands require it, and it loads slowly
    from importlib.metadata import version

    return version("kai-ansible")
