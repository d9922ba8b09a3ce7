"""The command ``users edit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kai_ansible.commands.host_users import (
    USERS,
    index_of,
    read_fields,
    report_next,
    users_to_change,
    with_users,
    write_users,
)
from kai_ansible.errors import usage_error
from kai_ansible.rules.values import env_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kai_ansible.commands.options import UsersOptions
    from kai_ansible.terminal.screen import Screen


def edit_user(options: UsersOptions, who: str, assignments: Sequence[str], screen: Screen) -> None:
    """Set fields of a user; an empty value clears a field. Raises as ``add_user`` does."""
    current = users_to_change(options, screen)
    index = index_of(current, who)
    fields, problems = read_fields(current.contract, assignments)
    if not assignments:
        raise usage_error("--set", "no field", "at least one field", "add --set FIELD=VALUE")
    before = current.users[index]
    fields = {name: value for name, value in fields.items() if before.get(name) != value}
    merged = {**before, **fields}
    entry = {name: value for name, value in merged.items() if fields.get(name, "") is not None}
    users = [*current.users[:index], entry, *current.users[index + 1 :]]
    changed = with_users(current, users)
    changed.problems = [*problems, *changed.problems]
    options_of = {f"{USERS}[{index}].{name}": f"--set {name}" for name in fields}
    write_users(options, current, users, changed, screen, options_of)
    rows = [(name, _shown(before.get(name)), _shown(entry.get(name))) for name in fields]
    if rows:
        title = f"{changed.users[index].name}: changed in host_vars"
        screen.table(title, ("Field", "From", "To"), rows)
    report_next(options, current, changed, changed.users[index], screen)


def _shown(value: Any) -> str:
    return "(not set)" if value is None else env_text(value)
