# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups and restores work: beside the data directory, on the same file system."""

from __future__ import annotations

import os

GOING = ".going-"


def place_of(data_dir: str) -> str:
    """Return the directory of a backup or a restore. data_dir: one without links."""
    parent, name = os.path.split(data_dir)
    return os.path.join(parent, f".{name}.kai-ansible")


def going(data_dir: str) -> list[str]:
    """Return the paths that are no longer needed and could not be removed so far."""
    parent, name = os.path.split(place_of(data_dir))
    try:
        names = os.listdir(parent)
    except OSError:
        return []
    return sorted(os.path.join(parent, other) for other in names if other.startswith(name + GOING))
