"""Going through the questions: what is given is not asked, what does not apply is not either."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kai_ansible.rules.binaries import choose_binary
from kai_ansible.rules.conditions import holds
from kai_ansible.rules.configuration import Configuration, applies, variable
from kai_ansible.rules.logins import login_notice, logins
from kai_ansible.rules.models import Surface, effective_provider, normalised_model, surface_of
from kai_ansible.rules.people import names_of
from kai_ansible.rules.problems import Problem, listed
from kai_ansible.rules.sources import is_git_url
from kai_ansible.rules.values import choices_of, env_text, read_value
from kai_ansible.secrets import fingerprint
from kai_ansible.wizard.draft import SOURCE
from kai_ansible.wizard.questions import Question, fault_of_answer, questions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kai_ansible.report import Screen
    from kai_ansible.wizard.draft import Draft
    from kai_ansible.wizard.host_view import HostView
    from kai_ansible.wizard.prompts import Prompter

USERS = variable("users")
MODEL = variable("default_model")
SECRET_BYTES = 32


class Interview:
    """One run through the questions. Without a prompter it only fills in defaults."""

    def __init__(
        self, draft: Draft, prompter: Prompter | None, view: HostView, screen: Screen
    ) -> None:
        """Prepare; ``run`` asks."""
        self.draft = draft
        self.contract = draft.contract
        self.prompter = prompter
        self.view = view
        self.screen = screen
        self.problems: list[Problem] = []
        self.admin: dict[str, Any] = {}
        self.binaries = {
            entry["binary"]["setting"]: backend
            for backend, entry in self.contract["backends"].items()
        }

    def run(self, section: str | None = None) -> Configuration:
        """Ask everything that is to be asked, and return the configuration with every problem."""
        for question in questions(self.contract, section):
            if question.kind == "user":
                self._ask_about_admin(question)
            elif self._is_due(question):
                self._ask(question)
        if section:
            self._mend_default_model(section)
        self._mend_models_of_users()
        self._settle_binaries(self.draft.configuration())
        configuration = self.draft.configuration()
        source = self.draft.get(SOURCE)
        fault = fault_of_local_source(source) if isinstance(source, str) else None
        if fault:
            self.problems.append(
                Problem(SOURCE, repr(source), "Kai's code on this machine", f"mend it: {fault}")
            )
        configuration.problems = [*self.problems, *configuration.problems]
        return configuration

    def login_notice(self, configuration: Configuration) -> list[str]:
        """Return who has to log in, as far as the host showed it."""
        seen = self.view.latest or {"logins": []}
        paths = {
            backend: configuration.chosen[setting]
            for setting, backend in self.binaries.items()
            if setting in configuration.chosen
        }
        return login_notice(logins(self.contract, configuration, paths, seen["logins"]))

    def _is_due(self, question: Question) -> bool:
        if question.kind == "host":
            return question.variable not in self.draft.given
        configuration = self.draft.configuration()
        required = question.spec.get("required", "always")
        if not applies(question.spec, configuration):
            return False
        if not holds(required, configuration.circumstances):
            return False
        return question.variable not in self.draft.given

    def _ask(self, question: Question) -> None:
        if question.key == "DEFAULT_MODEL":
            self._ask_default_model(question)
        elif question.key in self.binaries:
            self._ask_binary(question)
        elif question.is_secret:
            self._ask_secret(question)
        elif self.prompter:
            current = self.draft.get(question.variable)
            self.draft.set(question.variable, self._answer(self.prompter, question, current))

    def _answer(self, prompter: Prompter, question: Question, current: Any) -> Any:
        spec = question.spec
        default = current
        for other in ("suggestion", "default"):
            if default is None:
                default = spec.get(other)
        if spec["type"] in ("choice", "boolean"):
            choices = (
                ["true", "false"] if spec["type"] == "boolean" else choices_of(self.contract, spec)
            )
            shown = env_text(default).strip().lower() if default is not None else None
            if shown is not None and shown not in choices:
                self.screen.say(f"{question.key} {default!r} is not one of {listed(choices)}.")
                shown = None
            answer: Any = prompter.choice(spec["prompt"], choices, shown)
        else:
            shown = "" if default is None else env_text(default)
            answer = prompter.text(
                spec["prompt"], shown, lambda typed: self._fault(question, typed)
            )
        if question.variable == SOURCE:
            return answer
        return read_value(self.contract, spec, answer) if answer else None

    def _fault(self, question: Question, typed: str) -> str | None:
        if typed and question.variable == SOURCE:
            return fault_of_local_source(typed)
        return fault_of_answer(self.contract, question.spec, typed)

    def _ask_secret(self, question: Question) -> None:
        current = self.draft.get(question.variable)
        generated = None
        if question.spec.get("generate") and not current:
            generated = secrets.token_hex(SECRET_BYTES)
        if not self.prompter:
            if generated:
                self.draft.set(question.variable, generated)
            return
        hint = ""
        if current:
            hint = f" (set, fingerprint {fingerprint(str(current))}; Enter keeps it)"
        elif generated:
            hint = " (Enter makes one at random)"

        def fault(typed: str) -> str | None:
            return None if not typed and (current or generated) else self._fault(question, typed)

        answer = self.prompter.secret(question.spec["prompt"] + hint, fault) or generated
        if answer:
            self.draft.set(question.variable, answer)

    def _ask_about_admin(self, question: Question) -> None:
        if self.draft.variables.get(USERS) and not self.admin:
            return
        if self.draft.get(variable("users_file")) or not self.prompter:
            return
        if not self.admin:
            self.screen.say("The first person, who manages the bot:")
        answer = self._answer(self.prompter, question, None)
        if answer is not None:
            self.admin[question.key] = answer
        self.draft.set(USERS, [{**self.admin, "role": "admin"}])

    def _surface(self, configuration: Configuration) -> Surface | None:
        settings = configuration.settings
        provider = effective_provider(
            self.contract, settings["AGENT_BACKEND"], settings.get("LLM_PROVIDER")
        )
        return surface_of(self.contract, settings["AGENT_BACKEND"], provider)

    def _ask_default_model(self, question: Question) -> None:
        surface = self._surface(self.draft.configuration())
        if surface is None:
            return
        current = self.draft.get(MODEL)
        before = self._surface(self.draft.configuration_before()) if self.draft.before else None
        kept = current and surface.accepts(normalised_model(self.contract, str(current)))
        if surface.open_ended and before and before != surface:
            kept = False
        if current and not kept:
            self._say_model_does_not_fit(question.key, str(current), surface)
        default = str(current) if kept else surface.default
        chosen = self._choose_model(question.key, question.spec["prompt"], surface, default)
        if chosen:
            self.draft.set(MODEL, normalised_model(self.contract, chosen))

    def _mend_default_model(self, section: str) -> None:
        # another backend in one section leaves the model behind, which is asked in another
        spec = self.contract["settings"]["DEFAULT_MODEL"]
        if spec["section"] == section or MODEL in self.draft.given or not self.draft.before:
            return
        now, before = self.draft.configuration(), self.draft.configuration_before()
        if self._surface(now) != self._surface(before):
            self._ask_default_model(Question("setting", "DEFAULT_MODEL", spec))

    def _mend_models_of_users(self) -> None:
        users = self.draft.get(USERS)
        if not isinstance(users, list) or USERS in self.draft.given:
            return
        configuration = self.draft.configuration()
        mended = [dict(user) if isinstance(user, dict) else user for user in users]
        for user, person in zip(mended, configuration.people, strict=False):
            surface = surface_of(self.contract, person.backend, person.provider)
            if not isinstance(user, dict) or not user.get("model") or surface is None:
                continue
            if surface.accepts(normalised_model(self.contract, str(user["model"]))):
                continue
            name = f"the model of {person.name}"
            self._say_model_does_not_fit(name, str(user["model"]), surface)
            chosen = self._choose_model(name, f"Model of {person.name}", surface, surface.default)
            if chosen:
                user["model"] = normalised_model(self.contract, chosen)
        if mended != users:
            self.draft.set(USERS, mended)

    def _say_model_does_not_fit(self, name: str, model: str, surface: Surface) -> None:
        advice = f"; its default is {surface.default}" if surface.default else ""
        self.screen.notes([f"{name} {model!r} does not fit {surface.name}{advice}."])

    def _choose_model(
        self, name: str, label: str, surface: Surface, default: str | None
    ) -> str | None:
        if self.prompter is None:
            if default is None:
                self.problems.append(
                    Problem(
                        name,
                        f"no model for {surface.name}, which has no default",
                        f"a model that {surface.name} offers",
                        "give one with --set DEFAULT_MODEL=, or in the users of an answers file",
                    )
                )
            return default
        if surface.open_ended:
            return self.prompter.text(
                f"{label} ({surface.name})",
                default or "",
                lambda typed: None if typed else "Needed.",
            )
        return self.prompter.choice(label, surface.models, default)

    def _ask_binary(self, question: Question) -> None:
        if self.prompter is None:
            return
        backend = self.binaries[question.key]
        configuration = self.draft.configuration()
        seen = self.view.look(configuration)
        found = self._found(configuration, backend, seen)
        if seen and not found:
            self.screen.notes([f"{backend} was not found on the host; Enter leaves it for later."])
        suggestion = str(self.draft.get(question.variable) or found or "")
        label = f"{question.spec['prompt']} (for {names_of(configuration.people, backend)})"
        while True:
            path = self.prompter.text(label, suggestion, lambda typed: self._fault(question, typed))
            self.draft.set(question.variable, path)
            fault = self.view.fault_of(self.draft.configuration(), backend, path) if path else None
            if fault is None:
                return
            self.screen.bad(f"{path} {fault}.")

    def _found(
        self, configuration: Configuration, backend: str, seen: Mapping[str, Any] | None
    ) -> str | None:
        candidates = seen["binaries"].get(backend, []) if seen else []
        chosen, _ = choose_binary(self.contract, configuration, backend, candidates)
        return chosen.path if chosen else None

    def _settle_binaries(self, configuration: Configuration) -> None:
        # what is merely not there yet is left to the install; a path that was named must be right
        if configuration.rejected:
            return
        for setting, backend in self.binaries.items():
            if not configuration.uses(backend):
                continue
            path = configuration.chosen.get(setting)
            if path is None:
                found = self._found(configuration, backend, self.view.look(configuration))
                if found:
                    self.draft.set(variable(setting), found)
            elif self.view.fault_of(configuration, backend, path):
                candidate = {
                    "path": path,
                    "source": "host_vars",
                    "fault": self.view.fault_of(configuration, backend, path),
                }
                self.problems += choose_binary(self.contract, configuration, backend, [candidate])[
                    1
                ]


def fault_of_local_source(source: str) -> str | None:
    """Return what is wrong with a source on this machine, None also for a git URL."""
    if is_git_url(source) or Path(source).expanduser().exists():
        return None
    return "There is no such file or directory here."
