"""Write generated files and parts of pages, or say which of them are stale."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def write_or_check(texts: Mapping[Path, str]) -> int:
    """Write each file that differs from its text. Return the exit code of the tool.

    With ``--check`` on the command line, write nothing, name these files and return 1.
    """
    check = "--check" in sys.argv
    stale = [
        path
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if check:
            print(f"{path} is stale; run: make generate", file=sys.stderr)
        else:
            path.write_text(texts[path], encoding="utf-8")
    return int(check and bool(stale))


def replaced(page: str, name: str, text: str) -> str:
    """Return a page with other text between the marks of a name. Raises ValueError without them."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = page.partition(begin)
    _old, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no place for {name}")
    return f"{before}{begin}\n{text}\n{end}{after}"
