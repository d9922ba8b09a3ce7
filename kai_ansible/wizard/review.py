"""Show the configuration before the wizard writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kai_ansible.inventory.host_vars_files import REMOVED, HostVars
from kai_ansible.inventory.variable_text import read_text
from kai_ansible.rules.binaries import agent_account
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.probe import Probe
from kai_ansible.rules.redact import fingerprint
from kai_ansible.rules.users import User
from kai_ansible.rules.values import env_text
from kai_ansible.rules.variable_names import PREFIX
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.draft import Draft
from kai_ansible.wizard.host_view import HostView, is_missing
from kai_ansible.wizard.questions import USERS_SECTION, Question, everything_in, is_asked

KAI = "Kai's default"
NOBODY = "not set"
OTHERS = "others"
REST = "  Every other setting has Kai's default or no value: Show everything lists them."
Row = tuple[str, str, str]
_LOGIN = {True: "logged in", False: "has to log in", None: ""}


def redacted(draft: Draft, name: str, value: Any) -> str:
    """Return a value for the screen: a secret by its fingerprint."""
    if value is None or value is REMOVED:
        return ""
    if draft.is_secret(name):
        return f"fingerprint {fingerprint(str(value))}"
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return ", ".join(str(item.get("name", "?")) for item in value)
    return env_text(value) if not isinstance(value, dict) else ", ".join(value)


@dataclass
class Review:
    """Shows a draft: all of it, or the changes since the last time."""

    screen: Screen
    draft: Draft
    view: HostView
    _rows: set[Row] = field(default_factory=set)
    _users: list[tuple[str, ...]] = field(default_factory=list)
    _notes: set[str] = field(default_factory=set)

    def show_all(self, configuration: Configuration, *, unasked: bool = False) -> None:
        """Print every effective value with its origin, section by section, and the users.

        unasked: also settings without a question.
        """
        self._rows, self._users, self._notes = set(), [], set()
        self._show(f"Configuration of {self.view.host}", configuration, unasked=unasked)

    def show_news(self, configuration: Configuration, section: str | None) -> None:
        """Print a section, and every other line that is new."""
        self._show("Now", configuration, section)

    def _show(
        self,
        title: str,
        configuration: Configuration,
        opened: str | None = None,
        *,
        unasked: bool = False,
    ) -> None:
        held: dict[str, list[Row]] = {
            section: _rows_of(self.draft, configuration, section, self.view, unasked=unasked)
            for section in self.draft.contract.sections
        }
        held[OTHERS] = [(f"  {key}", "kept unchanged", "you") for key in configuration.extra_env]
        titles = {**self.draft.contract.sections, OTHERS: "Others"}
        lines: list[Row] = []
        for section, rows in held.items():
            new = [row for row in rows if section == opened or row not in self._rows]
            if new:
                lines += [(f"{titles[section]}:", "", ""), *new]
        if lines:
            self.screen.table(title, ("Setting", "Value", "From"), lines)
            if not unasked and not self._rows:
                self.screen.say(REST)
        columns, users = _users_on_host(configuration, self.view)
        if opened == USERS_SECTION or users != self._users:
            self.screen.table("Users", columns, users)
            seen = self.view.in_words(str(configuration.host.get("python", "")))
            if seen:
                self.screen.say(seen)
        self.screen.notes(note for note in configuration.notes if note not in self._notes)
        self._rows = {row for rows in held.values() for row in rows}
        self._users, self._notes = users, set(configuration.notes)


def show_changes(screen: Screen, draft: Draft, configuration: Configuration) -> None:
    """Print every change with the old and the new value, and the users."""
    rows = [
        (
            name.removeprefix(PREFIX),
            redacted(draft, name, draft.before.get(name)),
            redacted(draft, name, value),
        )
        for name, value in draft.changes.items()
        if draft.get(name) != draft.before.get(name)
    ]
    if rows:
        screen.table("Changes to write", ("Setting", "Present", "New"), rows)
    columns, users = _users(configuration)
    screen.table("Users", columns, users)


def show_files(
    screen: Screen,
    files: HostVars,
    texts: Mapping[Path, str],
    draft: Draft,
    places: Mapping[str, Path],
) -> None:
    """Print the new settings file, and each secret of the vault by its fingerprint.

    places: the file that decides each variable by now.
    """
    kept = {name for name, path in places.items() if path.absolute() == files.vault.absolute()}
    settings = texts.get(files.settings) or read_text(files.settings)
    screen.literal(f"# {files.settings}")
    screen.literal(settings.rstrip("\n"))
    screen.literal(f"# {files.vault}, encrypted")
    for name in sorted(filter(draft.is_secret, kept.union(draft.changes) & draft.variables.keys())):
        screen.literal(f"{name}: {redacted(draft, name, draft.get(name))}")


def _rows_of(
    draft: Draft, configuration: Configuration, section: str, view: HostView, *, unasked: bool
) -> list[Row]:
    def is_shown(question: Question) -> bool:
        if draft.get(question.variable) is not None:
            return True
        if draft.before.get(question.variable) is not None:
            return True
        return unasked and is_asked(question, configuration)

    questions = everything_in(draft.contract, section)
    return [_row(draft, question, view) for question in questions if is_shown(question)]


def _row(draft: Draft, question: Question, view: HostView) -> Row:
    name, label = question.variable, f"  {question.key}"
    value, before = draft.get(name), draft.before.get(name)
    was = f", was {redacted(draft, name, before)}" if before is not None and before != value else ""
    if value is not None:
        shown = redacted(draft, name, value)
        remark = view.remark_on(value) if isinstance(value, str) else ""
        return label, f"{shown} ({remark})" if remark else shown, draft.origin(name) + was
    default = question.spec.default
    if default is None:
        return label, "", NOBODY + was
    return label, env_text(default), KAI + was


def _users_on_host(
    configuration: Configuration, view: HostView
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    columns, users = _users(configuration)
    seen = view.latest
    if seen is None:
        return columns, users
    on_host = [_on_host(configuration, user, seen) for user in configuration.users]
    rows = [(*row, state) for row, state in zip(users, on_host, strict=True)]
    return (*columns, "On the host"), rows


def _users(configuration: Configuration) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    service_user = configuration.host.get("service_user")
    rows: list[tuple[str, ...]] = [
        (
            user.name,
            user.os_user or f"{service_user} (the service user)",
            user.backend,
            user.provider or "",
            user.model or "",
        )
        for user in configuration.users
    ]
    return ("Name", "OS user", "Backend", "Provider", "Model"), rows


def _on_host(configuration: Configuration, user: User, seen: Probe) -> str:
    if user.os_user and is_missing(user.os_user, seen):
        made = configuration.host.get("create_os_users")
        return "will be created" if made else "no such account"
    account = agent_account(configuration, user)
    for login in seen["logins"]:
        if (login["account"], login["backend"]) == (account, user.backend):
            return _LOGIN[login["logged_in"]]
    return ""
