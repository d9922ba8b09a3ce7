"""Where the test bed keeps its files: `.cache/testbed` of the checkout."""

import hashlib
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / ".cache" / "testbed"
# distinguishes the machines of this checkout from those of another on the same host
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]


def root() -> Path:
    """Return the state directory, made when it is not there."""
    ROOT.mkdir(parents=True, exist_ok=True)
    ignore = ROOT / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return ROOT


def fresh(name: str) -> Path:
    """Return an empty directory, mode 0700, for the machine `name`."""
    path = root() / name
    remove(name)
    path.mkdir(mode=0o700)
    return path


def remove(name: str) -> None:
    """Delete the directory of the machine `name`; no error when there is none."""
    shutil.rmtree(ROOT / name, ignore_errors=True)
