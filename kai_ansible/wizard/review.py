"""Showing what is about to be written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.inventory import HostVars, Removed, read_text
from kai_ansible.rules.configuration import PREFIX, Configuration
from kai_ansible.rules.values import env_text
from kai_ansible.secrets import fingerprint

if TYPE_CHECKING:
    from kai_ansible.report import Screen
    from kai_ansible.wizard.draft import Draft


def masked(draft: Draft, name: str, value: Any) -> str:
    """Return a value for the screen: a secret by its fingerprint."""
    if value is None or isinstance(value, Removed):
        return ""
    if draft.is_secret(name):
        return f"fingerprint {fingerprint(str(value))}"
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return ", ".join(str(item.get("name", "?")) for item in value)
    return env_text(value) if not isinstance(value, dict) else ", ".join(value)


def show_changes(screen: Screen, draft: Draft, configuration: Configuration) -> None:
    """Print every variable that changes, with what it was and what it will be, and the people."""
    rows = [
        (
            name.removeprefix(PREFIX),
            masked(draft, name, draft.before.get(name)),
            masked(draft, name, value),
        )
        for name, value in draft.changes.items()
        if draft.get(name) != draft.before.get(name)
    ]
    if rows:
        screen.table("What will be written", ("setting", "now", "then"), rows)
    people = [
        (
            person.name,
            person.os_user or f"{configuration.host.get('service_user')} (the service user)",
            person.backend,
            person.provider or "",
            person.model or "",
        )
        for person in configuration.people
    ]
    screen.table("People", ("name", "OS user", "backend", "provider", "model"), people)


def show_files(screen: Screen, files: HostVars, texts: Mapping[Path, str], draft: Draft) -> None:
    """Print the settings file as it would be, and each secret by its fingerprint."""
    settings = texts.get(files.settings) or read_text(files.settings)
    screen.say(f"# {files.settings}")
    screen.say(settings.rstrip("\n"))
    screen.say(f"# {files.vault}, encrypted")
    for name in sorted(filter(draft.is_secret, draft.variables)):
        screen.say(f"{name}: {masked(draft, name, draft.get(name))}")
