"""A hook of mkdocs: a link out of docs leads to the file in the repository."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\]\(\.\./(?P<path>[^)]+)\)")


def on_page_markdown(markdown: str, *, config: Any, **_others: Any) -> str:
    """Return the text of a page with its outside links replaced."""
    return _OUTSIDE.sub(rf"]({config.repo_url}/blob/main/\g<path>)", markdown)
