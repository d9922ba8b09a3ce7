"""The command ``config``: answers to host_vars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.answers import read_answers, read_assignments
from kai_ansible.collection import contract as contract_of
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.inventory import Inventory, edited_texts, write_host_vars
from kai_ansible.invoker import at_terminal
from kai_ansible.rules.configuration import variable
from kai_ansible.rules.problems import listed, nearest
from kai_ansible.secrets import VaultPassword, find_vault_password
from kai_ansible.wizard.draft import Draft
from kai_ansible.wizard.host_view import HostView
from kai_ansible.wizard.interview import Interview
from kai_ansible.wizard.prompts import prompter
from kai_ansible.wizard.review import show_changes, show_files

if TYPE_CHECKING:
    from kai_ansible.report import Screen


@dataclass(frozen=True)
class ConfigOptions:
    """What was asked of ``config``."""

    inventory: Path
    host: str | None
    answers: Path | None
    assignments: tuple[str, ...]
    section: str | None
    no_input: bool
    only_print: bool
    probe: bool
    vault_password_file: Path | None
    plain: bool


def configure(options: ConfigOptions, screen: Screen) -> None:
    """Ask, check the whole, show it and write it; nothing is written before the last answer.

    Raises CommandError with every problem; the files are then as they were.
    """
    inventory = Inventory(options.inventory, make_localhost=True)
    hosts = inventory.hosts(options.host)
    if len(hosts) != 1:
        raise CommandError(f"config takes one host at a time; {options.host!r} names several.")
    host = hosts[0]
    if not options.no_input and not at_terminal():
        raise CommandError(
            "There is no terminal to ask at.\n"
            "Use --no-input, with --answers FILE or --set KEY=VALUE."
        )
    files = inventory.host_vars(host)
    password = _password(inventory, host, options)
    before = inventory.variables(host, password)
    contract = contract_of(str(before.get(variable("release"), "1")))
    sections = contract["sections"]
    if options.section and options.section not in sections:
        raise CommandError(
            f"There is no section {options.section!r}{nearest(options.section, sections)}.\n"
            f"The sections are: {listed(sections)}."
        )
    draft = Draft(contract, before)
    answers, problems = read_answers(contract, options.answers) if options.answers else ({}, [])
    assignments, more_problems = read_assignments(contract, options.assignments)
    problems += more_problems
    if problems and not options.no_input:
        raise CommandError("Nothing was written.", problems=problems)
    draft.give({**answers, **assignments})
    asker = None if options.no_input else prompter(plain=options.plain)
    view = HostView(contract, inventory, host, password, screen, enabled=options.probe)
    interview = Interview(draft, asker, view, screen)
    configuration = interview.run(options.section)
    problems += configuration.problems
    if problems:
        places = {
            name: files.vault if draft.is_secret(name) else files.settings
            for name in draft.variables
        }
        raise CommandError("Nothing was written.", problems=problems, places=places)
    texts, moved = edited_texts(files, draft.changes, draft.is_secret, password)
    if options.only_print:
        show_files(screen, files, texts, draft)
        screen.document({"host": host, "would_write": [str(path) for path in texts]})
        return
    screen.notes(configuration.notes)
    screen.notes(f"{name} was in {files.settings.name}; it moves to the vault." for name in moved)
    if texts or inventory.is_new:
        show_changes(screen, draft, configuration)
        if asker and not asker.confirm(f"Write this to {files.directory}?"):
            raise CommandError("Nothing was written.", code=ExitCode.FAILED)
        password.keep()
        if password.made:
            screen.say(f"The vault password is in {password.path}: keep a copy of it.")
    written = write_host_vars(inventory, texts)
    notice = interview.login_notice(configuration)
    for path in written:
        screen.good(f"Written: {path}")
    if not written:
        screen.good("Nothing to write: everything is as it should be.")
    for line in notice:
        screen.say(line)
    screen.say(f"Next: kai-ansible install {host} --inventory {options.inventory}")
    screen.document(
        {
            "host": host,
            "written": [str(path) for path in written],
            "notes": configuration.notes,
            "login_notice": notice,
        }
    )


def _password(inventory: Inventory, host: str, options: ConfigOptions) -> VaultPassword:
    password = find_vault_password(
        options.vault_password_file,
        needed=inventory.has_vault(host),
        may_ask=not options.no_input,
    )
    if password is None:
        raise CommandError(
            f"{inventory.host_vars(host).vault} is locked, and no vault password was found.\n"
            f"Name its file with --vault-password-file."
        )
    return password
