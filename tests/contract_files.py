"""The data of the contract and of the tasks, as YAML has it."""

from pathlib import Path
from typing import Any

import yaml


def data_of(path: Path) -> Any:
    """Return the data of a YAML file of the role."""
    # what is written in C takes a tenth of the time, and every worker reads these files
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
