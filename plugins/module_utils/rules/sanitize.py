# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that others wrote, as a terminal can show it without obeying it."""

from __future__ import annotations

import unicodedata

MOST_CHARACTERS = 4000
MOST_ON_A_SCREEN = 50_000
# controls; formats, which turn the direction of text; surrogates; separators of lines
_STEERING = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])
# what plain text is made of all the same: the joiner holds an emoji together
_PLAIN = frozenset("\n\t\u200d")
_LONGEST_PATH = 300


def printable(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return text in which nothing steers a terminal, without its middle when it is long.

    What steers stands there as its escape, as in ``\\x1b[31m``. most: how many characters stay.
    """
    if len(text) > most:
        half = most // 2
        gap = f"\n[{len(text) - 2 * half} characters left out]\n"
        text = text[:half] + gap + text[-half:]
    return _escaped(text, _PLAIN)


def printable_path(path: bytes) -> str:
    """Return a path on one line, what is not UTF-8 escaped, without its middle when it is long."""
    text = path.decode("utf-8", "backslashreplace")
    if len(text) > _LONGEST_PATH:
        half = _LONGEST_PATH // 2
        text = f"{text[:half]}[... {len(text) - 2 * half} characters ...]{text[-half:]}"
    return _escaped(text, frozenset("\u200d"))


def _escaped(text: str, kept: frozenset[str]) -> str:
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _STEERING and character not in kept
        else character
        for character in text
    )
