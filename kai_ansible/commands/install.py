"""The command ``install``: configure hosts as host_vars say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kai_ansible.commands.applying import InstallOptions, apply_host_vars

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

__all__ = ["InstallOptions", "install_kai"]


def install_kai(options: InstallOptions, screen: Screen) -> None:
    """Apply host_vars to the hosts. Raises CommandError as ``apply_host_vars`` does."""
    apply_host_vars(options, screen)
