"""The command ``users remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kai_ansible.commands.host_users import (
    index_of,
    report_next,
    users_to_change,
    with_users,
    write_users,
)
from kai_ansible.errors import usage_error

if TYPE_CHECKING:
    from kai_ansible.commands.options import UsersOptions
    from kai_ansible.terminal.screen import Screen


def remove_user(options: UsersOptions, who: str, screen: Screen) -> None:
    """Remove a user, but never the last one. Raises as ``add_user`` does."""
    current = users_to_change(options, screen)
    index = index_of(current, who)
    if len(current.users) == 1:
        raise usage_error(
            who,
            "the last user",
            "another user, because a bot without users does not start",
            "add another user first: kai-ansible users add",
        )
    users = [*current.users[:index], *current.users[index + 1 :]]
    changed = with_users(current, users)
    write_users(options, current, users, changed, screen)
    screen.say("The user's directories and account stay on the host.")
    report_next(options, current, changed, None, screen)
