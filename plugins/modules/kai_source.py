#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack Kai's code as a release, and name it by its content."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_source
short_description: Identify and pack a release of Kai
version_added: 0.1.0
description:
  - Reads Kai's code from a checkout, a directory, an archive, a wheel or a git URL, and packs it.
  - The same content always gives the same identifier and the same bytes.
  - A source is read once for each O(cache), so that every host of a play gets the same code.
  - Runs on the controller, without privilege.
options:
  source:
    description: A directory, an archive (tar or zip), a wheel or a git URL.
    type: str
    required: true
  version:
    description: Branch, tag or commit; only for a git URL.
    type: str
  checksum:
    description: The C(sha256:) digest of an archive or a wheel; any other file is refused.
    type: str
  files:
    description:
      - Paths and globs of the files of a directory that belong to the release.
      - Without them these are the files that git tracks, or, outside of a checkout, all files but
        the products of a build.
    type: list
    elements: str
    default: []
  environment:
    description: Variables of the network for git, each as NAME=value.
    type: list
    elements: str
    default: []
  constraints:
    description: A file of pip constraints that replaces those in the source.
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
  extra_features:
    description: What a source must have for an extra, by the names in C(lines.yml). Without it the
      extra is left out.
    type: dict
    default: {}
  python:
    description: The requested interpreter, which is part of a release's identity.
    type: str
    default: ""
  probe:
    description:
      - The result C(probe) of M(kai.bot.kai_probe). Without it the host has no release yet.
      - Where the host is the controller itself, none of its accounts may be able to change
        O(source) or O(constraints).
    type: dict
  trust_user_binaries:
    description: Whether accounts of the host may be able to change O(source) and O(constraints).
    type: bool
    default: false
  cache:
    description: A directory for packed releases; the caller removes it. By default it is Ansible's
      own temporary directory of the run.
    type: path
  lines:
    description: The directory with the contracts of the release lines of Kai, C(vars) of the role.
      A source of no line is refused.
    type: path
  line:
    description: The wanted release line; a source of another one is refused. Any line by default.
    type: str
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
- name: Identify the release
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
  description: Whether this call packed it, and not an earlier call with the same O(cache).
  returned: always
  type: bool
requires_python:
  description: The Python version that the source requires, empty without one.
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
extras:
  description: Those of O(extras) that the source has.
  returned: always
  type: list
  elements: str
line:
  description: The release line of Kai, if O(lines) is given.
  returned: always
  type: str
  sample: "2"
features:
  description: What not every source of the line has, by the names in C(lines.yml).
  returned: always
  type: list
  elements: str
mode_variable:
  description: The variable in which Kai looks for how it is deployed, if its source has one.
  returned: always
  type: str
"""
