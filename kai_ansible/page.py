"""A page for a browser: the same as ``status`` tells, in one file that needs no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kai_ansible import host_look

if TYPE_CHECKING:
    from kai_ansible.host_look import Look


def render(look: Look) -> str:
    """Return the page of a look at hosts; whatever a host said is text and nothing else in it."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        look=look,
        facts=host_look.facts,
        missing_logins=host_look.missing_logins,
        state_of=host_look.state_of,
        trust_of=host_look.trust_of,
    )
