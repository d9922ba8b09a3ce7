# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data as the text of a YAML file of Kai's that reads back as exactly this data."""

from __future__ import annotations

from typing import Any

try:
    import yaml
except ImportError:  # every controller has it; what runs on a host never imports this module
    yaml = None  # type: ignore[assignment, unused-ignore]


# the first line of a file that every install writes anew
MANAGED = "# Managed by kai-ansible: a change here is lost at the next install.\n"


class UnwritableData(ValueError):
    """Data that no YAML file can hold."""


def yaml_text(document: Any) -> str:
    """Return the text of a document. Raises UnwritableData.

    PyYAML writes some line separators as they are and then reads a blank, so text that has one is
    written in escapes.
    """
    # those in C take a tenth of the time, where they are
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    for allow_unicode in (True, False):
        try:
            text: str = yaml.dump(
                document, Dumper=dumper, sort_keys=False, allow_unicode=allow_unicode, width=2**16
            )
        except (yaml.YAMLError, UnicodeError) as error:
            raise UnwritableData("YAML cannot hold these data") from error
        if yaml.load(text, Loader=loader) == document:
            return text
    raise UnwritableData("YAML cannot hold these data so that they read back the same")
