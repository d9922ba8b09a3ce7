"""Print what Ansible prints, without the escape character of a terminal.

The runner finds its events between escape sequences in this output. A host chooses much of that,
such as warnings and diffs, and could put events of its own there, about any host.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.display import Display

DOCUMENTATION = """
name: kai_escaped
type: stdout
short_description: the default output, without escape characters
description:
  - The runner loads it before its own callback, which writes the events around each message.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

_display = Display.display


def _escaped(self: Display, msg: str, *options: Any, **more: Any) -> None:
    _display(self, msg.replace("\x1b", "\\x1b"), *options, **more)


Display.display = _escaped


class CallbackModule(Default):  # type: ignore[misc]
    """The default callback."""

    CALLBACK_NAME = "kai_escaped"
