"""Find the collection kai.bot.

It imports nothing of the collection: a process of Ansible imports it for each reading.
"""

from __future__ import annotations

from pathlib import Path


def collection_root() -> Path:
    """Return the collection's directory: inside the wheel, or the checkout itself."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "collection"
    return shipped if shipped.is_dir() else package.parent
