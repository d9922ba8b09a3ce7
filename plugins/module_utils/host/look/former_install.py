# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation by Kai's own installer, which an install adopts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...rules.installs import FLAT
from ...rules.sudoers import accounts_with_rules, statements
from .host import paths_in, read_text

if TYPE_CHECKING:
    from ...rules.probe import FormerInstall, ReleaseSeen
    from .host import Host


def probe_former_install(
    host: Host, release: ReleaseSeen, rules: str | None
) -> FormerInstall | None:
    """Return the facts for an adoption, None if Kai's own installer is not live.

    release: the result of ``probe_release``. rules: the deployed drop-in.
    """
    if release["live"] != FLAT or not host.privileged:
        return None
    drop_ins = os.path.dirname(host.parameters["sudoers_file"])
    if os.path.lexists(host.installs.pending):
        # an unfinished adoption checked the rules, and may have written its own already
        rules = None
    return {
        "paths": [
            *host.installs.others(),
            *paths_in(os.path.dirname(host.parameters["env_file"])),
            *paths_in(host.facts["unit"]["path"] + ".d"),
        ],
        "drop_ins": [
            path for path in paths_in(drop_ins) if os.path.isfile(path) and has_rules(host, path)
        ],
        "rules": statements(rules or ""),
    }


def has_rules(host: Host, path: str) -> bool:
    """Return whether a drop-in has rules for the service user, True where it cannot be read."""
    try:
        text = read_text(path) or ""
    except OSError:
        return True
    return host.parameters["service_user"] in accounts_with_rules(text)
