# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules have, as AnsibleModule takes them."""

from __future__ import annotations

from typing import Any


def entries(**options: dict[str, Any]) -> dict[str, Any]:
    """Return an option that is a list of mappings, empty by default. options: those of each."""
    return {"type": "list", "elements": "dict", "default": [], "options": options}


def documented(documentation: str) -> dict[str, dict[str, Any]]:
    """Return the options that the documentation of a module states. Only a controller has YAML."""
    import yaml

    kept = ("type", "elements", "choices", "default", "required")
    return {
        name: {key: option[key] for key in kept if key in option}
        for name, option in yaml.safe_load(documentation)["options"].items()
    }


# what waiting for the bot takes
WAIT: dict[str, dict[str, Any]] = {
    "wait": {
        "type": "dict",
        "required": True,
        "options": {
            "unit": {"type": "str", "required": True},
            "host": {"type": "str", "default": "127.0.0.1"},
            "health_path": {"type": "str", "default": "/health"},
            "port_key": {"type": "str", "required": True, "no_log": False},
            "default_port": {"type": "int", "required": True},
            "env_file": {"type": "path", "required": True},
            "final_lines": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 120},
            "accounts": {"type": "list", "elements": "str", "default": []},
        },
    },
    "readiness": {"type": "list", "elements": "str", "default": []},
}
