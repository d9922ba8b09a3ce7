"""The command ``config``: ask for the configuration and write host_vars."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kai_ansible.ansible.collection import certain_contract
from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.calling import given_at
from kai_ansible.commands.options import HostOptions
from kai_ansible.commands.target import only_host, read_hosts
from kai_ansible.errors import CommandError, Ended, ExitCode, usage_error
from kai_ansible.files import is_there
from kai_ansible.inventory.answers import Answers, answers_in, read_answers, read_assignments
from kai_ansible.inventory.host_vars import host_vars_texts
from kai_ansible.inventory.host_vars_files import HostVars
from kai_ansible.inventory.importing import Imported, from_host, from_install_conf, host_paths
from kai_ansible.inventory.inventory import Inventory, write_host_vars
from kai_ansible.inventory.variable_text import read_text
from kai_ansible.operator import ask_sudo_password, at_terminal
from kai_ansible.rules.contract_changes import migrated
from kai_ansible.rules.problems import listed, nearest
from kai_ansible.rules.sanitize import printable
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.sudo_passwords import kept_sudo_passwords, login_in_words
from kai_ansible.secrets.vault_password import VaultPassword
from kai_ansible.telegram import Telegram
from kai_ansible.terminal.login_view import login_lines
from kai_ansible.terminal.prompts import Back, Prompter, prompter
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.draft import SOURCE, Draft
from kai_ansible.wizard.host_view import HostView, NotProbed
from kai_ansible.wizard.interview import KEYS, Interview
from kai_ansible.wizard.line_choice import ask_source, deciding, expect_variables_of
from kai_ansible.wizard.review import show_changes, show_files
from kai_ansible.wizard.source_tree import problem_of_remote_source


@dataclass(frozen=True)
class ConfigOptions(HostOptions):
    """Options of ``config``.

    telegram_api: base URL of the Bot API to check the token with, None to skip the check.
    """

    answers: Path | None = None
    assignments: tuple[str, ...] = ()
    section: str | None = None
    no_input: bool = False
    only_print: bool = False
    probe: bool = True
    telegram_api: str | None = None
    import_from: str | None = None


def configure(options: ConfigOptions, screen: Screen) -> None:
    """Ask for the configuration, check it, show it and write it.

    Raises CommandError with every problem; then no file was changed.
    """
    # a pipe has them only once
    answers = answers_in(options.answers) if options.answers else None
    while True:
        try:
            _configure(options, answers, screen)
        except Back:
            # another source may be of another line, with other questions
            continue
        return


def _configure(options: ConfigOptions, given_answers: Answers | None, screen: Screen) -> None:
    """Do it once. Raises Back for the question about the source."""
    if not options.no_input and not at_terminal():
        raise usage_error(
            "config",
            "no terminal to ask questions",
            "a terminal, or all answers as options",
            "add --no-input --answers FILE, or add --no-input --set KEY=VALUE",
        )
    inventory = Inventory(options.inventory, make_localhost=True)
    inventory.refuse_host_without_inventory(options.host)
    asker = None if options.no_input else prompter(plain=options.plain, goes_back=True)
    chosen = None
    if inventory.is_new and not (options.vault_password_file or options.vault_ids):
        # nothing is set yet, so the first question does not wait for Ansible
        chosen = _source(options, given_answers, {}, asker, screen)
    password = read_hosts(options, inventory, may_ask=not options.no_input)
    host = only_host(options, inventory)
    files = inventory.host_vars(host)
    before = inventory.variables(host)
    if chosen is None or before:
        # a plugin of the operator's may set variables without an inventory
        chosen = _source(options, given_answers, before, asker, screen)
    source, was_asked = chosen
    contract = certain_contract({**before, **source}, screen.notes)
    sections = contract.sections
    if options.section and options.section not in sections:
        raise usage_error(
            "--section",
            f"no section {options.section!r}{nearest(options.section, sections)}",
            f"one of {listed(sections)}",
            "choose one of them",
        )
    outdated = migrated(contract, before).problems
    if outdated and not options.no_input:
        # ask nothing that could not be written
        raise CommandError("Nothing was written.", problems=outdated, places=inventory.places(host))
    expect_variables_of(contract, before, host)
    draft = Draft(contract, before)
    answers, problems = read_answers(contract, given_answers) if given_answers else ({}, [])
    assignments, more_problems = read_assignments(contract, options.assignments)
    problems += more_problems
    given = {**answers, **assignments}
    view = HostView(
        contract,
        inventory,
        host,
        password,
        screen,
        enabled=options.probe,
        become_password=_sudo_password(inventory, host, options),
    )
    settled = {*given, *(source if SOURCE not in before else ())}
    imported = _imported(options, draft, files, view, screen, asker, settled)
    problems += [problem for problem in imported.problems if problem.where not in given]
    if problems and not options.no_input:
        raise CommandError("Nothing was written.", problems=problems, places=imported.places)
    draft.give({**source, **given} if SOURCE not in before else given)
    _leave_out_broken_binaries(draft, imported, view, screen)
    telegram = Telegram(options.telegram_api, screen) if options.telegram_api else None
    interview = Interview(draft, asker, view, screen, telegram, follows_a_question=was_asked)
    try:
        configuration = interview.run(options.section)
    except Ended:
        raise
    except KeyboardInterrupt:
        if asker and not options.only_print:
            _offer_to_keep(draft, files, inventory, password, options, screen)
        raise
    problems += configuration.problems
    problems += inventory.overridden(host, draft.changes, contract)
    if options.probe and not problems:
        found = problem_of_remote_source(contract, configuration.host)
        if isinstance(found, str):
            screen.notes([found])
        elif found:
            problems.append(found)
    if problems:
        places = {
            name: files.vault if draft.is_secret(name) else files.settings
            for name in draft.variables
        }
        places.update(imported.places)
        places.update(dict.fromkeys(answers, options.answers or files.settings))
        places.update({name: given_at(name) for name in assignments})
        raise CommandError("Nothing was written.", problems=problems, places=places)
    texts, moved = host_vars_texts(contract, files, draft.changes_in_order, password)
    if options.only_print:
        show_files(screen, files, texts, draft, inventory.places(host))
        screen.document({"hosts": {host: {"would_write": [str(path) for path in texts]}}})
        return
    if asker is None:
        screen.notes(configuration.notes)
    screen.notes(f"{name} moves from {files.settings.name} to the vault." for name in moved)
    if texts or inventory.is_new:
        if asker is None:
            show_changes(screen, draft, configuration)
        password.keep()
        if password.made:
            screen.say(
                f"A new vault password encrypts the secrets: it is in {password.path}. "
                "Keep a copy of it."
            )
    written = write_host_vars(inventory, texts)
    notice = interview.login_notice(configuration)
    for path in written:
        screen.good(f"Written: {path}")
    if not written:
        screen.good("Nothing to write: host_vars are up to date.")
    for line in login_lines(notice, inventory.ssh_commands.get(host)):
        screen.say(line)
    screen.command("Next", "kai-ansible", "install", *options.words(host))
    screen.document(
        {
            "hosts": {
                host: {
                    "written": [str(path) for path in written],
                    "notes": configuration.notes,
                    "imported": imported.as_dict(),
                    "login_notice": notice,
                }
            },
        }
    )


def _source(
    options: ConfigOptions,
    answers_file: Answers | None,
    before: Mapping[str, Any],
    asker: Prompter | None,
    screen: Screen,
) -> tuple[dict[str, Any], bool]:
    """Return what decides on the release line and is not in host_vars, and whether it was asked.

    The names of these settings are the same in every line.
    """
    if asker:
        screen.say(KEYS)
    any_line = contract_of_line()
    answers = read_answers(any_line, answers_file)[0] if answers_file else {}
    found = deciding({**answers, **read_assignments(any_line, options.assignments)[0]})
    if asker is None or before or SOURCE in found:
        return found, False
    return {**deciding(ask_source(asker, screen)), **found}, True


def _offer_to_keep(
    draft: Draft,
    files: HostVars,
    inventory: Inventory,
    password: VaultPassword,
    options: ConfigOptions,
    screen: Screen,
) -> None:
    """After Ctrl-C, write the answers of this run if the operator wants that.

    What is still missing, the next run asks for. Raises CommandError once they are written.
    """
    screen.console.quiet = False
    if not any(draft.origin(name) == "you" for name in draft.changes):
        return
    screen.say()
    question = "Save your answers and continue later?"
    if not prompter(plain=options.plain).confirm(question, default=False):
        return
    texts, _ = host_vars_texts(draft.contract, files, draft.changes_in_order, password)
    password.keep()
    for path in write_host_vars(inventory, texts):
        screen.good(f"Written: {path}")
    screen.command("Continue with", "kai-ansible", "config", *options.words(files.host))
    raise CommandError("Interrupted; your answers are kept.", code=ExitCode.INTERRUPTED)


def _imported(
    options: ConfigOptions,
    draft: Draft,
    files: HostVars,
    view: HostView,
    screen: Screen,
    asker: Prompter | None,
    settled: Collection[str],
) -> Imported:
    """Import into the draft, report what was imported, and return it.

    settled: variables that the operator has given, which need no import.

    Without --import, import from a host that has no host_vars yet if Kai is deployed there.
    Raises CommandError if the source of the import cannot be read.
    """
    asked = options.import_from
    first_run = not (files.settings.exists() or files.vault.exists())
    imported = Imported("nothing")
    if asked == "host" and not options.probe:
        raise usage_error(
            "--import host", "--no-probe too", "a probe of the host", "leave out --no-probe"
        )
    if asked == "host" or (asked is None and first_run and options.probe):
        paths = host_paths(draft.contract)
        may_skip = asked is None and view.inventory.known(view.host).local
        if may_skip and not is_there(Path(paths[0])):
            return imported
        try:
            deployed = view.fetch(paths)
        except NotProbed as error:
            if asked:
                raise
            screen.notes([str(error)])
            return imported
        if paths[0] in deployed:
            imported = from_host(draft.contract, deployed)
            kept = draft.before if asked is None else {}
            decided = {*settled, *(name for name in kept if kept[name] is not None)}
            confirm_on_controller(imported, draft.before, decided, asker)
        elif asked:
            raise usage_error(
                f"{view.host}: {paths[0]}",
                "no such file, so no bot is deployed there",
                "a deployed bot",
                "leave out --import",
            )
    elif asked:
        path = Path(asked)
        if not path.exists():
            raise usage_error(
                str(path), "no such file", "the install.conf of Kai", "correct --import"
            )
        imported = from_install_conf(draft.contract, read_text(path), str(path))
    taken = imported.over(draft.before) if asked else imported.under(draft.before)
    draft.take(taken)
    if taken:
        screen.say(f"Imported from {imported.source}: {len(taken)} variables.")
    screen.notes(imported.report(draft.contract))
    return imported


def confirm_on_controller(
    imported: Imported, before: Mapping[str, Any], decided: Collection[str], asker: Prompter | None
) -> None:
    """Import what leads this machine to its own files only where the operator agrees.

    A host that did so could have any file of the operator's sent to it by the next install.
    decided: variables whose value is no question.
    """
    for name, value in imported.on_controller.items():
        if name in decided or before.get(name) == value:
            continue
        place = imported.places[name]
        text = printable(value if isinstance(value, str) else json.dumps(value))
        question = (
            f"{place} on the host sets {name}, which is read on this machine: {text}. Use it?"
        )
        if asker and asker.confirm(question, default=False):
            imported.set(name, value, str(place))
            continue
        words = value if isinstance(value, list) else [value]
        option = printable(",".join(map(str, words)))
        key = name.removeprefix(variable(""))
        imported.notes.append(
            f"{place}: the import leaves out {name}, which is read on this machine: {text}. "
            f"If that is right, add --set {shlex.quote(f'{key}={option}')}"
        )


def _leave_out_broken_binaries(
    draft: Draft, imported: Imported, view: HostView, screen: Screen
) -> None:
    # search again for a binary whose path no longer works
    configuration = draft.configuration()
    if configuration.rejected:
        return
    for backend, entry in draft.contract.backends.items():
        name = variable(entry.binary.setting)
        path = imported.variables.get(name)
        if not path or draft.get(name) != path or not configuration.uses(backend):
            continue
        fault = view.fault_of(configuration, backend, path)
        if fault:
            draft.leave_out(name)
            screen.notes([f"{backend} is not imported: {path} {fault}."])


def _sudo_password(inventory: Inventory, host: str, options: ConfigOptions) -> str | None:
    if options.ask_become_pass:
        known = inventory.known(host)
        return ask_sudo_password(login_in_words(known.ssh), known.ssh, known.become_method)
    if not options.probe:
        return None
    known = inventory.known(host)
    typed = inventory.reading.session.typed_become_password
    # that of the inventory comes first, and Ansible has it
    if typed or known.has_become_password:
        return typed
    return kept_sudo_passwords({host: known}).get(host)
