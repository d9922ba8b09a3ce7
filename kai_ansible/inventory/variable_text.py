"""Read the text of a file of variables, and what it means."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import yaml

from kai_ansible.errors import CommandError, usage_error
from kai_ansible.host.files import MOST_BYTES, Damaged, look
from kai_ansible.inventory.yaml_edit import fault_in_yaml, meaning
from kai_ansible.rules.bounded_yaml import NotATree
from kai_ansible.rules.documents import Unfit
from kai_ansible.rules.documents import read_text as decoded
from kai_ansible.secrets.vault_password import VAULT_HEADER


def read_text(path: Path) -> str:
    """Return a file's text, empty when there is no file.

    Raises CommandError when it cannot be read: unreadable is not absent.
    """
    try:
        text = decoded(_content(path))
    except Damaged as error:
        raise CommandError("Nothing was changed.", problems=[error.problem]) from error
    except Unfit as error:
        place = f"{path}{error.place}"
        raise usage_error(place, error.found, error.expected, "fix that place") from error
    except OSError as error:
        raise cannot_be_read(path, error) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _content(path: Path) -> bytes:
    # a shell names the pipe of another command like this; any other pipe has no writer
    if not str(path).startswith("/dev/"):
        shown = shlex.quote(str(path))
        return look(str(path), f"inspect it: ls -l {shown}", links=True).content or b""
    with path.open("rb") as handle:
        return handle.read(MOST_BYTES)


def line_end_of(path: Path) -> str:
    """Return what ends the lines of a file, for a text of it with plain line breaks."""
    try:
        content = path.read_bytes()
    except OSError:
        return "\n"
    # one that has both is no editor's
    is_dos = b"\n" in content and content.count(b"\n") == content.count(b"\r\n")
    return "\r\n" if is_dos else "\n"


def content_of(text: str, path: Path) -> dict[str, Any]:
    """Parse a file of variables. Raises CommandError, with the line and the cause."""
    try:
        content = meaning(text)
    except (yaml.YAMLError, NotATree) as error:
        raise not_yaml(path, error) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        found = "a list" if isinstance(content, list) else "text"
        raise usage_error(
            str(path), found, "a mapping of variables", "write one 'name: value' per line"
        )
    return content


def not_yaml(path: Path, error: Exception) -> CommandError:
    """Return the error of a file that is no YAML; error: as for ``fault_in_yaml``."""
    found = f"no valid YAML: {fault_in_yaml(error)}"
    return usage_error(str(path), found, "valid YAML", "fix it there")


def has_vault(path: Path) -> bool:
    """Return whether a file is a vault or contains one: as bytes, for it may be no text at all."""
    try:
        with path.open("rb") as handle:
            return VAULT_HEADER.encode() in handle.read(MOST_BYTES)
    except OSError as error:
        raise cannot_be_read(path, error) from error


def cannot_be_read(path: Path, error: OSError) -> CommandError:
    is_directory = os.path.isdir(path)  # noqa: PTH112 - pathlib raises where it cannot tell
    return usage_error(
        str(path),
        f"a {'directory' if is_directory else 'file'} that cannot be read: {error.strerror}",
        "a directory that you can list" if is_directory else "UTF-8 text that you can read",
        f"{'ls -ld' if is_directory else 'ls -l'} {shlex.quote(str(path))}",
    )
