"""Edit the two files of a host that ``config`` writes, and keep every other character of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kai_ansible.errors import CommandError, usage_error
from kai_ansible.inventory.variable_text import content_of, line_end_of, read_text
from kai_ansible.inventory.yaml_edit import (
    NotUnderstood,
    Template,
    lines_of,
    meaning,
    same,
    with_lines,
    with_name,
    with_variable,
    without_variable,
)
from kai_ansible.secrets.vault_password import VAULT_HEADER, VaultPassword, lock, unlock

KAI_HEADER = (
    "Settings of this host's Kai bot: see docs/settings.md. Secrets are in vault.yml beside this\n"
    "file. 'make config' edits both and keeps your comments."
)
VAULT_TEXT_HEADER = "Secrets of this host's Kai bot. Edit with 'ansible-vault edit'."

# the value of a variable to remove
REMOVED = object()


@dataclass(frozen=True)
class HostVars:
    """The two files of a host that ``config`` writes."""

    host: str
    directory: Path

    @property
    def settings(self) -> Path:
        """The file of settings."""
        return self.directory / "kai.yml"

    @property
    def vault(self) -> Path:
        """The file of secrets."""
        return self.directory / "vault.yml"


def edited_texts(
    files: HostVars,
    changes: Mapping[str, Any],
    is_secret: Callable[[str], bool],
    password: VaultPassword,
    along: Mapping[str, Any] | None = None,
) -> tuple[dict[Path, str], list[str]]:
    """Return the new text of each file of a host that changes, and the moved variables.

    changes: variables by name, REMOVED to take one out. A secret always goes to the vault, and out
    of the settings when it stood there. Every character that is not a changed value's stays.
    along: what is set as well where anything changes at all.
    Raises CommandError for a file that is not written in a way that can be edited.
    """
    vault_text = read_text(files.vault)
    locked = vault_text.startswith(VAULT_HEADER)
    opened = unlock(vault_text, password, files.vault) if locked else vault_text
    settings = EditedFile(files.settings, read_text(files.settings), KAI_HEADER)
    vault = EditedFile(files.vault, opened, VAULT_TEXT_HEADER)
    # a template or an inline !vault value holds no secret that could be read
    moved = [
        name
        for name, value in settings.content.items()
        if is_secret(name) and not isinstance(value, Template)
    ]
    for name in moved:
        # if both files have it, Ansible takes the vault's
        if name not in vault.content:
            vault.take_over(settings, name)
        settings.remove(name)
    for name, value in changes.items():
        target, other = (vault, settings) if is_secret(name) else (settings, vault)
        other.remove(name)
        if value is REMOVED:
            target.remove(name)
        else:
            target.set(name, value)
    texts = {}
    if settings.text != settings.before:
        texts[files.settings] = settings.checked()
    if vault.content and (vault.text != vault.before or not locked):
        texts[files.vault] = lock(vault.checked(), password, vault_text)
    if texts and along:
        return edited_texts(files, {**along, **changes}, is_secret, password)
    return texts, moved


class EditedFile:
    """A file of variables while it is edited.

    before: what it said at first, and held: the variables that it had then.
    text: what it says now. content: what that has to mean.
    """

    def __init__(self, path: Path, text: str, header: str) -> None:
        """Begin with the text of a file. header: the comment that a new file begins with.

        Raises CommandError when the text is no file of variables.
        """
        self.path = path
        self.before = self.text = text
        self.header = header
        self.content = content_of(text, path)
        self.held = frozenset(self.content)

    def set(self, name: str, value: Any) -> None:
        """Give a variable a value."""
        self.content[name] = value
        self._edit(with_variable, self._begun, name, value)

    def remove(self, name: str) -> None:
        """Remove a variable."""
        if name in self.content:
            del self.content[name]
            self._edit(without_variable, self.text, name)

    def rename(self, name: str, other: str) -> None:
        """Give a variable another name, unless that one has the same value already."""
        if other in self.content:
            self.remove(name)
            return
        self.content[other] = self.content.pop(name)
        self._edit(with_name, self.text, name, other)

    def take_over(self, other: EditedFile, name: str) -> None:
        """Copy a variable as another file has it."""
        self.content[name] = other.content[name]
        self._edit(with_lines, self._begun, lines_of(other.text, name))

    def checked(self) -> str:
        """Return the text. Raises CommandError if it does not have the expected meaning."""
        try:
            understood = same(meaning(self.text) or {}, self.content)
        except yaml.YAMLError:
            understood = False
        if not understood:
            raise self._refusal()
        return self.text.replace("\n", line_end_of(self.path))

    @property
    def _begun(self) -> str:
        return self.text or "---\n" + "".join(f"# {line}\n" for line in self.header.splitlines())

    def _edit(self, edit: Callable[..., str], *arguments: Any) -> None:
        try:
            self.text = edit(*arguments)
        except NotUnderstood as error:
            raise self._refusal() from error

    def _refusal(self) -> CommandError:
        return usage_error(
            str(self.path),
            "YAML that cannot be edited without changing more of it",
            "one 'name: value' per line, without anchors",
            "write it so",
            message="Nothing was written.",
        )
