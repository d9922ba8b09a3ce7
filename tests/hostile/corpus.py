"""Inputs of an attacker, shared by the tests of rules, wizard and role."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent


class Entry(NamedTuple):
    """One input. refused: whether nobody may accept it; otherwise it arrives as it is."""

    value: Any
    refused: bool


def entries(corpus: str, *verdicts: str, canary: str = "/nowhere") -> list[Entry]:
    """Return the inputs of a corpus (accounts, paths or values) with certain verdicts.

    verdicts: refused and unchanged by default; see the corpus for others. canary: the file that
    evaluating an input would make.
    """
    text = (HERE / f"{corpus}.yml").read_text(encoding="utf-8").replace("@canary@", canary)
    listed = yaml.safe_load(text)
    return [
        Entry(_value(raw), verdict == "refused")
        for verdict in verdicts or ("refused", "unchanged")
        for raw in listed[verdict]
    ]


def _value(raw: Any) -> Any:
    """Return an input; what YAML cannot hold is told by a mapping: repeat, or bytes."""
    if isinstance(raw, dict) and "repeat" in raw:
        text, times = raw["repeat"]
        return str(raw.get("before", "")) + str(text) * int(times)
    if isinstance(raw, dict) and "bytes" in raw:
        # as a command line or a file name gives them to Python
        return bytes.fromhex(raw["bytes"]).decode("utf-8", "surrogateescape")
    return raw
