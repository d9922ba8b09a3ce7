"""Ask the open questions of a configuration; skip given answers and questions that do not apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.rules.binaries import choose_binary
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.logins import login_notice, logins
from kai_ansible.rules.probe import Candidate, Probe
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.made import made_secret
from kai_ansible.telegram import SETTING as TOKEN_KEY
from kai_ansible.telegram import Telegram
from kai_ansible.terminal.prompts import Back, Prompter
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.asking import MADE, Asker
from kai_ansible.wizard.draft import IMPORTED, SOURCE, USERS, USERS_FILE, Draft
from kai_ansible.wizard.first_of_workshop import (
    ADMIN,
    TELEGRAM,
    Features,
    is_first_of_workshop,
    settle_first_user,
)
from kai_ansible.wizard.host_view import HostView, is_missing
from kai_ansible.wizard.pairing import KEY as MODEL_KEY
from kai_ansible.wizard.pairing import Pairing
from kai_ansible.wizard.questions import (
    ESSENTIAL,
    USERS_SECTION,
    Question,
    everything_in,
    is_asked,
    is_needed,
    questions,
)
from kai_ansible.wizard.review import Review
from kai_ansible.wizard.source_tree import problem_of_local_source
from kai_ansible.wizard.way_back import Journal

FIRST_FIELDS = ("telegram_id", "os_user")
CREATE = variable("create_os_users")
FOUND = "found on the host"
NEXT = "What next?"
KEYS = "? explains a question, < or Esc goes back one question, Ctrl-C stops."
WRITE = "Write it"
CHANGE = "Change a section"
WHICH = "Which section?"
EVERYTHING = "Show everything"
LEAVE = "Leave without writing"
ABOUT_NEXT = (
    "A section asks its questions and returns here. Everything includes settings without a "
    "question, which --set KEY=VALUE changes. Nothing is written before you choose so here."
)
ABOUT_SECTIONS = "Enter at a question of the section keeps its value."


def _name_of(user: Mapping[str, Any]) -> str:
    """Return the name of a first user who has none yet."""
    account = str(user.get("os_user") or "")
    return account[:1].upper() + account[1:] or ADMIN


@dataclass
class Interview:
    """One run through the questions. Without a prompter it only fills in derived values.

    telegram: checks the token with Telegram; None skips that. follows_a_question: whether a way
    back from the first question leads to one before, which the caller asks again. features: of each
    source that was read.
    """

    draft: Draft
    prompter: Prompter | None
    view: HostView
    screen: Screen
    telegram: Telegram | None = None
    follows_a_question: bool = False
    problems: list[Problem] = field(default_factory=list)
    features: Features = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.contract = self.draft.contract
        self.backend = self.contract.agent_choice.backend.setting
        self.pairing = Pairing(self.draft, self.prompter, self.screen)
        self.binaries = {
            entry.binary.setting: backend for backend, entry in self.contract.backends.items()
        }

    def run(self, section: str | None = None) -> Configuration:
        """Ask all open questions and return the configuration with every problem.

        section: the first section. Without one, a first run asks for settings without a default;
        any other run starts with the review. Raises CommandError if the operator leaves without
        writing, and Back at the first question if it follows another one.
        """
        if self.prompter is None:
            self._settle()
            self._settle_binaries()
            return self._checked()
        journal = Journal(self.prompter, self.screen)
        changes, given = dict(self.draft.changes), set(self.draft.given)
        origins = dict(self.draft.origins)
        while True:
            self.pairing = Pairing(self.draft, journal, self.screen)
            try:
                return self._asked(Asker(self.draft, journal, self.screen), section)
            except Back as back:
                if not journal.step_back(back.steps):
                    if self.follows_a_question:
                        raise
                    self.screen.say("This is the first question.")
                self.draft.changes, self.draft.given = dict(changes), set(given)
                self.draft.origins = dict(origins)
                self.problems.clear()

    def _asked(self, asker: Asker, section: str | None) -> Configuration:
        """Ask the open questions, then review. Raises Back."""
        if section:
            self._ask_section(asker, section)
        elif not self.draft.before:
            self._ask_what_has_no_default(asker)
        self._settle(asker)
        return self._review(asker)

    def login_notice(self, configuration: Configuration) -> list[str]:
        """Return the missing logins, as far as the probe shows them."""
        seen = self.view.latest
        paths = {
            backend: configuration.chosen[setting]
            for setting, backend in self.binaries.items()
            if setting in configuration.chosen
        }
        found = seen["logins"] if seen else []
        return login_notice(logins(configuration, paths, found))

    def _review(self, asker: Asker) -> Configuration:
        titles = {title: name for name, title in self.contract.sections.items()}
        review = Review(self.screen, self.draft, self.view)
        if self.view.was_probed:
            self._settle_binaries()
        configuration = self._checked()
        review.show_all(configuration)
        while True:
            problems = configuration.problems
            if problems:
                self.screen.bad("This cannot be written yet:")
                self.screen.say(str(CommandError("", problems=problems)))
            offered = [*([] if problems else [WRITE]), CHANGE, EVERYTHING, LEAVE]
            chosen = asker.prompter.choice(NEXT, offered, offered[0], ABOUT_NEXT)
            if chosen == LEAVE:
                raise CommandError("Nothing was written.", code=ExitCode.FAILED)
            if chosen == EVERYTHING:
                review.show_all(configuration, unasked=True)
                continue
            section = None
            if chosen == WRITE:
                shown = self.draft.variables
                self._settle_binaries()
                configuration = self._checked()
                # show the additions and problems of the host before writing
                if self.draft.variables == shown and not configuration.problems:
                    return configuration
            else:
                first = self._title_for(problems[0]) if problems else next(iter(titles))
                section = titles[asker.prompter.choice(WHICH, list(titles), first, ABOUT_SECTIONS)]
                # an operator who opens a section wants to change it, also given answers
                self.draft.given.clear()
                self._ask_section(asker, section)
                self._settle(asker)
                if self.view.was_probed:
                    self._settle_binaries()
                configuration = self._checked()
            review.show_news(configuration, section)

    def _title_for(self, problem: Problem) -> str:
        """Return the title of the section with the wrong value, or of the first section."""
        sections = self.contract.sections
        if problem.where.startswith(USERS):
            return sections[USERS_SECTION]
        for name, title in sections.items():
            for question in everything_in(self.contract, name):
                if problem.where in (question.variable, question.key):
                    return title
        return next(iter(sections.values()))

    def _checked(self) -> Configuration:
        """Return the present configuration, the problems of this run first."""
        configuration = self.draft.configuration()
        source = self.draft.get(SOURCE)
        problems = [*self.pairing.problems, *self.problems]
        if isinstance(source, str):
            files = configuration.host.get("source_files")
            fault = problem_of_local_source(self.contract, source, files)
            problems += [fault] if fault else []
        token = configuration.chosen.get(TOKEN_KEY)
        refused = self.telegram.problem_of(token) if self.telegram and token else None
        if refused:
            problems.append(refused)
        configuration.problems = [*problems, *configuration.problems]
        return configuration

    def _ask_what_has_no_default(self, asker: Asker) -> None:
        for name in self.contract.sections:
            for question in questions(self.contract, name):
                if question.key == self.backend:
                    self._choose_backend(asker, question)
                elif self._has_to_be_asked(question):
                    asker.ask(question)
            if name == USERS_SECTION and not self.draft.users and not self.draft.get(USERS_FILE):
                self._ask_first_user(asker)

    def _ask_first_user(self, asker: Asker) -> None:
        """Ask for the user who manages the bot; offer to create an account that the host lacks."""
        self.screen.say("The first user, who manages the bot:")
        without = [TELEGRAM] if is_first_of_workshop(self.draft, self.features) else []
        asked = asker.user({}, [name for name in FIRST_FIELDS if name not in without])
        given = {**asked, "name": _name_of(asked), "role": ADMIN}
        user = {name: given[name] for name in self.contract.user_fields if name in given}
        self.draft.set(USERS, [user])
        account = str(user.get("os_user") or "")
        if not account or self.draft.get(CREATE) or self.draft.get(variable(self.backend)):
            return
        self._installed()
        if is_missing(account, self.view.latest):
            question = f"{self.view.host} has no account {account}. Create it with the install?"
            if asker.prompter.confirm(question, default=True):
                self.draft.set(CREATE, True)
            else:
                # this answer, and the one that named the account
                raise Back(2)

    def _has_to_be_asked(self, question: Question) -> bool:
        spec = question.spec
        return (
            spec.asked == ESSENTIAL
            and spec.default is None
            and not question.is_made
            and self._is_open(question)
        )

    def _choose_backend(self, asker: Asker, question: Question) -> None:
        """Ask for the global backend and show the agents of the host."""
        if self.draft.get(question.variable) is not None or IMPORTED in self.draft.origins.values():
            return
        found = self._installed()
        if found is None:
            asker.choose(question, str(question.spec.default or question.spec.suggestion))
            return
        remarks = {
            backend: f"{found[backend]} {self.view.remark_on(found[backend])}".strip()
            if backend in found
            else "not found on the host"
            for backend in self.contract.backends
        }
        if not found:
            self.screen.notes(
                ["No agent was found on the host; install one before kai-ansible install."]
            )
        if len(found) == 1:
            [(only, path)] = found.items()
            self.draft.set(question.variable, only, FOUND)
            self.screen.say(
                f"{question.spec.prompt}: {only}, the only one on {self.view.host} "
                f"({path} {self.view.remark_on(path)})"
            )
            return
        # only the operator can choose between several
        asker.choose(question, None, remarks)
        chosen = str(self.draft.get(question.variable))
        if chosen not in found:
            command = self.contract.backends[chosen].binary.install_command
            place = self.view.host
            self.screen.say(
                f"{chosen} is not on {place} yet. Install it there, before you install the bot:"
            )
            if command:
                self.screen.say(f"  {command}")

    def _installed(self) -> dict[str, str] | None:
        """Return the path of each backend that its users could run, None without a probe."""
        wanted = {
            backend: self.draft.with_setting(self.backend, backend).configuration()
            for backend in self.contract.backends
        }
        seen = self.view.probe_for_each(list(wanted.values()))
        if seen is None:
            return None
        paths = {
            backend: self._found(configuration, backend, seen)
            for backend, configuration in wanted.items()
        }
        return {backend: path for backend, path in paths.items() if path}

    def _ask_section(self, asker: Asker, name: str) -> None:
        for question in questions(self.contract, name):
            if question.variable in self.draft.given or not is_asked(
                question, self.draft.configuration()
            ):
                continue
            if question.key == MODEL_KEY:
                self.pairing.ask()
            elif question.key in self.binaries:
                self._ask_binary(asker, question)
            else:
                asker.ask(question)
        if name == USERS_SECTION and USERS not in self.draft.given:
            self._ask_users(asker)

    def _ask_users(self, asker: Asker) -> None:
        path = self.draft.get(USERS_FILE)
        if path:
            self.screen.notes([f"The users are in {path}; edit that file."])
            return
        users = asker.users()
        if users != self.draft.users:
            self.draft.set(USERS, users)

    def _settle(self, asker: Asker | None = None) -> None:
        """Set or ask for values that the answers require, and replace models that no longer fit."""
        settle_first_user(self.draft, self.features)
        for name in self.contract.sections:
            for question in everything_in(self.contract, name):
                if question.kind != "setting" or not self._is_open(question):
                    continue
                if question.is_made:
                    self.draft.set(question.variable, made_secret(), MADE)
                elif asker and question.spec.default is None:
                    asker.ask(question)
        self.pairing.settle()

    def _is_open(self, question: Question) -> bool:
        return (
            question.key != MODEL_KEY
            and self.draft.get(question.variable) is None
            and is_needed(question, self.draft.configuration())
        )

    def _ask_binary(self, asker: Asker, question: Question) -> None:
        backend = self.binaries[question.key]
        configuration = self.draft.configuration()
        seen = self.view.probe(configuration)
        found = self._found(configuration, backend, seen)
        if seen and not found:
            self.screen.notes([f"{backend} was not found on the host; Enter postpones it."])
        suggestion = str(self.draft.get(question.variable) or found or "")
        while True:
            path = asker.path(question, suggestion)
            origin = FOUND if path == found else None
            if path or self.draft.get(question.variable):
                self.draft.set(question.variable, path, origin)
            fault = self.view.fault_of(self.draft.configuration(), backend, path) if path else None
            if fault is None:
                return
            self.screen.bad(f"{path} {fault}.")

    def _found(self, configuration: Configuration, backend: str, seen: Probe | None) -> str | None:
        candidates = seen["binaries"].get(backend, []) if seen else []
        chosen, _ = choose_binary(configuration, backend, candidates)
        return chosen["path"] if chosen else None

    def _settle_binaries(self) -> None:
        """Search for unnamed binaries; the install reports those that are not there yet."""
        self.problems.clear()
        configuration = self.draft.configuration()
        if configuration.rejected:
            return
        for setting, backend in self.binaries.items():
            if not configuration.uses(backend):
                continue
            path = configuration.chosen.get(setting)
            if path is None:
                found = self._found(configuration, backend, self.view.probe(configuration))
                if found:
                    self.draft.set(variable(setting), found, FOUND)
                continue
            fault = self.view.fault_of(configuration, backend, path)
            if fault:
                candidate: Candidate = {"path": path, "source": "host_vars", "fault": fault}
                _, problems = choose_binary(configuration, backend, [candidate])
                self.problems += problems
