"""The command ``install``: configure hosts as host_vars say."""

from __future__ import annotations

from collections.abc import Sequence

from kai_ansible.commands.applying import apply_host_vars
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.terminal.screen import Screen


def install_kai(options: ChangeOptions, screen: Screen, assignments: Sequence[str]) -> None:
    """Apply host_vars to the hosts. Raises CommandError as ``apply_host_vars`` does."""
    apply_host_vars(options, screen, assignments)
