# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sudo on a host: its version, its policy, and the Defaults that affect the service user."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from ...rules.accounts import has_expired
from ...rules.sudoers import MAIN_POLICY, PolicyFiles, flags_in_force, reads_directory
from .. import system
from ..sudo_policy import drop_ins, short_host_name
from .host import read_text, unreadable

if TYPE_CHECKING:
    from ...rules.probe import Sudo
    from .host import Host

SECONDS_OF_A_DAY = 86400
# how the output of sudo -l begins (sudo(8))
LISTS = ("Matching Defaults", "may run the following", "is not allowed to", "must have a tty")


def probe_sudo(host: Host) -> Sudo:
    """Return version, flags, host name and start time of sudo.

    Adds a fault for everything that keeps the service user from using sudo.
    """
    name = short_host_name()
    _check_policy(host, name)
    # sudo -V prints faults of the policy before its version
    began = time.monotonic()
    said = re.search(
        r"^sudo(-rs| version) .*", host.output_of("sudo", "-V", optional=True), re.I | re.M
    )
    found: Sudo = {
        "version": said[0] if said else "",
        "flags": [],
        "host": name,
        "seconds": round(time.monotonic() - began),
    }
    if not host.privileged:
        return found
    user = host.parameters["service_user"]
    _check_expiry(host, user)
    if not found["version"]:
        return found
    listing = host.output_of("sudo", "-n", "-l", "-U", user)
    if "Matching Defaults" not in listing:
        # sudo lists Defaults only for a user with rules
        command = ["sudo", "-n", "-l", "-U", "root"]
        listing = host.output_of(*command)
        if listing and not any(words in listing for words in LISTS):
            host.no_answer(command, listing.strip().rpartition("\n")[2])
    if "you must have a tty" in listing:
        return {**found, "flags": ["requiretty"]}
    return {**found, "flags": sorted(flags_in_force(listing))}


def _check_policy(host: Host, name: str) -> None:
    """Add a fault where the policy does not read the directory of the drop-in."""
    directory = os.path.dirname(host.parameters["sudoers_file"])
    try:
        files = PolicyFiles(read_text, drop_ins, os.path.realpath, name)
        is_read = reads_directory(directory, files)
    except OSError as error:
        # without privilege the policy is unseen
        if host.privileged:
            host.faults.append(unreadable(error.filename or MAIN_POLICY, error))
        return
    if not is_read:
        host.add_fault(
            MAIN_POLICY,
            "no line that reads " + directory,
            f"@includedir {directory}",
            f"add that line to {MAIN_POLICY} with visudo",
        )


def _check_expiry(host: Host, user: str) -> None:
    """Add a fault where the account of the service user has expired.

    sudo refuses an expired account (pam_unix(8)). A locked or old password, a nologin shell, and an
    expired account that sudo switches to do not matter.
    """
    entry = host.output_of(*system.shadow_command(user))
    if has_expired(entry, int(time.time() // SECONDS_OF_A_DAY)):
        host.add_fault(
            f"the account {user}",
            "an expired account, which sudo refuses",
            "an account that does not expire",
            f"chage --expiredate -1 {user}",
        )
