# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that turn values into the text of a file or of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.rules import env_file, sudoers, unit
from ..module_utils.rules.plain import plain
from ..module_utils.rules.problems import Problem
from ..module_utils.rules.yaml_text import UnwritableData, yaml_text


def problems_text(problems: Sequence[Any]) -> str:
    """Return problems as numbered lines."""
    entries = [Problem(**plain(problem)) for problem in problems]
    count = "1 problem" if len(entries) == 1 else f"{len(entries)} problems"
    lines = [f"{number}. {problem}" for number, problem in enumerate(entries, start=1)]
    return "\n".join([f"{count}; nothing was changed.", *lines])


def users_yaml(users: Any) -> str:
    """Return the text of users.yaml that reads back as exactly these entries.

    Raises AnsibleFilterError for what YAML cannot hold.
    """
    try:
        return yaml_text({"users": plain(users)})
    except UnwritableData as error:
        raise AnsibleFilterError(
            "users.yaml cannot hold these users so that they read back the same"
        ) from error


def env_line(value: Any, key: str) -> str:
    """Return the line of /etc/kai/env that gives a key its value."""
    try:
        return env_file.env_line(plain(key), plain(value))
    except env_file.UnwritableValue as error:
        raise AnsibleFilterError(str(error)) from error


def sudoers_command(path: str) -> str:
    """Return a path as the command of a sudoers rule."""
    try:
        return sudoers.sudoers_command(plain(path))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def secure_path(directories: Sequence[str]) -> str:
    """Return directories as the value of secure_path."""
    try:
        return sudoers.secure_path(plain(directories))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of the collection."""

    def filters(self) -> dict[str, Any]:
        """Return every filter by name."""
        return {
            "env_line": env_line,
            "problems_text": problems_text,
            "secure_path": secure_path,
            "sudoers_command": sudoers_command,
            "unit_argument": unit.unit_argument,
            "unit_path": unit.unit_path,
            "unit_word": unit.unit_word,
            "users_yaml": users_yaml,
        }
