"""The operator's inventory: hosts, variables and connections."""

from pathlib import Path

DEFAULT_INVENTORY = Path("inventory")
