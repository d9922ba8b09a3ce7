# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the free space that unprivileged accounts have in a directory."""

from __future__ import annotations

import os

# the least free space with which a bot starts
LEAST_BYTES = 1 << 20


def nearest(path: str) -> str:
    """Return a path, or the nearest directory above it that is there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def free_bytes(directory: str) -> int:
    """Return the bytes that an account without privileges may still write there."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def fault_of_space(directory: str) -> str:
    """Return why a bot cannot start on the data in a directory, empty if it has the space."""
    if free_bytes(directory) >= LEAST_BYTES:
        return ""
    return (
        f"the file system of {directory} is full, and a bot does not start there. Fix: free some "
        f"space (df -h {directory}), and run this again"
    )
