"""The command ``users list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kai_ansible.ansible.collection import contract_of
from kai_ansible.commands.host_users import read_users

if TYPE_CHECKING:
    from kai_ansible.commands.options import UsersOptions
    from kai_ansible.terminal.screen import Screen

MODEL_FROM = {"own": "the user", "global": "all users", "default": "the backend's default"}


def list_users(options: UsersOptions, screen: Screen) -> None:
    """List the users of each host with their effective settings."""
    hosts = {}
    for current in read_users(options, screen, contract_of):
        configuration = current.configuration
        host = current.files.host
        service_user = configuration.host.get("service_user")
        users = [
            (user, str(entry.get("role") or current.contract.user_fields["role"].default))
            for entry, user in zip(configuration.entries, configuration.users, strict=True)
        ]
        screen.table(
            f"Users of {host}",
            ("Name", "Telegram ID", "Role", "OS user", "Backend", "Provider", "Model", "From"),
            [
                (
                    user.name,
                    str(user.telegram_id or "-"),
                    role,
                    user.os_user or f"{service_user} (the service user)",
                    user.backend,
                    user.provider or "",
                    user.model or "",
                    MODEL_FROM[user.model_from],
                )
                for user, role in users
            ],
        )
        problems = configuration.problems
        screen.notes(str(problem) for problem in problems)
        hosts[host] = {
            "users": [{**user.as_dict(), "role": role} for user, role in users],
            "problems": [problem.as_dict() for problem in problems],
        }
    screen.document({"hosts": hosts})
