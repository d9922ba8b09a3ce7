#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kai's own code, as one archive whose name follows from its content."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_source
short_description: A release of Kai is identified and packed
version_added: 0.1.0
description:
  - Reads Kai's code from a checkout, a directory, an archive, a wheel or a git URL, and packs it.
  - The same content gives the same identifier and the same bytes, whoever packs it and when.
  - What was packed once is not read again while O(cache) is the same, so that every host of a play
    gets the same code.
  - Runs on the controller, whatever the host, and without privilege of its own.
options:
  source:
    description: A directory, an archive (tar or zip), a wheel or a git URL.
    type: str
    required: true
  version:
    description: Branch, tag or commit; only for a git URL.
    type: str
  checksum:
    description: Of an archive or a wheel, C(sha256:) and digits; another one is refused.
    type: str
  files:
    description:
      - Paths and globs below a directory, which say what of it belongs to the release.
      - Without them that is what git tracks, or, outside of a checkout, everything but the products
        of a build.
    type: list
    elements: str
    default: []
  constraints:
    description: A file of pip constraints that takes the place of those in the source.
    type: path
  constraints_path:
    description: Path of the constraints below the source.
    type: str
    required: true
  extras:
    description: Optional dependency groups, which are part of a release's identity.
    type: list
    elements: str
    default: []
  python:
    description: The interpreter asked for, which is part of a release's identity.
    type: str
    default: ""
  live:
    description: The name of the release that is live on the host.
    type: str
    default: ""
  complete:
    description: The names of the releases that work on the host.
    type: list
    elements: str
    default: []
  distrusted:
    description:
      - Accounts of this machine that may not be able to change O(source), where the host is this
        very machine. Without any it is not asked.
    type: list
    elements: str
    default: []
  cache:
    description: A directory of the caller, who removes it, for what was packed. By default it is
      Ansible's own temporary directory of the run.
    type: path
  contract:
    description: Title, release and source of the contract of a line of Kai. A source that is not
      of this line is refused.
    type: dict
attributes:
  check_mode:
    support: full
    description: Writes only to O(cache).
  diff_mode:
    support: none
    description: There is nothing to compare.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The release is identified
  kai.bot.kai_source:
    source: /home/me/kai
    constraints_path: requirements/constraints.txt
    extras: [memory]
  register: source
"""

RETURN = r"""
release:
  description: Name of the release, twelve hexadecimal digits that follow from its content.
  returned: always
  type: str
  sample: 0a1b2c3d4e5f
archive:
  description: The packed release below O(cache), readable by its owner alone.
  returned: always
  type: str
packed:
  description: Whether this call packed it, and not an earlier one with the same O(cache).
  returned: always
  type: bool
requires_python:
  description: What the source asks for, empty when it does not say.
  returned: always
  type: str
  sample: ">=3.13"
wheel:
  description: The name of the wheel in the release, empty when its code is built on the host.
  returned: always
  type: str
constrained:
  description: Whether the release has constraints.
  returned: always
  type: bool
"""
