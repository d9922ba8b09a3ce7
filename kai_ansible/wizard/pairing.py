"""Keep every model valid for its backend during the wizard."""

from __future__ import annotations

from dataclasses import dataclass, field

from kai_ansible.inventory.host_vars import configuration_of
from kai_ansible.rules.configuration import Configuration
from kai_ansible.rules.contract import Surface
from kai_ansible.rules.models import effective_provider, normalised_model, surface_of
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.users import global_backend
from kai_ansible.rules.variable_names import variable
from kai_ansible.terminal.prompts import Prompter
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.draft import USERS, Draft
from kai_ansible.wizard.questions import NEEDED

KEY = "DEFAULT_MODEL"
MODEL = variable(KEY)


@dataclass
class Pairing:
    """Matches models with backends: by asking, or without a prompter by the backend's default.

    problems: missing models without a default.
    """

    draft: Draft
    prompter: Prompter | None
    screen: Screen
    problems: list[Problem] = field(default_factory=list)

    def ask(self) -> None:
        """Ask for the default model."""
        surface = self._global_surface(self.draft.configuration())
        if surface is None:
            return
        kept = self._kept(surface)
        current = self.draft.get(MODEL)
        if current and not kept:
            self._say_it_does_not_fit(KEY, str(current), surface)
        self._take(surface, kept or surface.default)

    def settle(self) -> None:
        """Replace every model that its backend does not offer."""
        self.problems.clear()
        self._settle_default()
        self._settle_users()

    def _settle_default(self) -> None:
        surface = self._global_surface(self.draft.configuration())
        if surface is None or MODEL in self.draft.given or self._kept(surface):
            return
        current = self.draft.get(MODEL)
        if current is None and surface.default:
            self.draft.set(MODEL, surface.default, f"default of {surface.name}")
            return
        if current:
            self._say_it_does_not_fit(KEY, str(current), surface)
        self._take(surface, surface.default)

    def _settle_users(self) -> None:
        if USERS in self.draft.given:
            return
        fixed = [dict(entry) for entry in self.draft.users]
        users = self.draft.configuration().users
        if len(users) != len(fixed):
            return
        for entry, user in zip(fixed, users, strict=True):
            surface = surface_of(self.draft.contract, user.backend, user.provider)
            if not entry.get("model") or surface is None:
                continue
            model = normalised_model(self.draft.contract, str(entry["model"]))
            if surface.accepts(model, user.provider):
                continue
            name = f"the model of {user.name}"
            self._say_it_does_not_fit(name, str(entry["model"]), surface)
            chosen = self._choose(name, f"Model of {user.name}", surface, surface.default)
            if chosen:
                entry["model"] = normalised_model(self.draft.contract, chosen)
        if fixed != self.draft.users:
            self.draft.set(USERS, fixed)

    def _global_surface(self, configuration: Configuration) -> Surface | None:
        contract = self.draft.contract
        return surface_of(contract, *self._global_pair(configuration))

    def _global_pair(self, configuration: Configuration) -> tuple[str, str | None]:
        contract, settings = self.draft.contract, configuration.settings
        backend = global_backend(contract, settings)
        named = settings.get(contract.agent_choice.provider.setting)
        return backend, effective_provider(contract, backend, named)

    def _kept(self, surface: Surface) -> str | None:
        current = normalised_model(self.draft.contract, str(self.draft.get(MODEL) or ""))
        _, provider = self._global_pair(self.draft.configuration())
        if not surface.accepts(current, provider):
            return None
        if MODEL in self.draft.given or MODEL in self.draft.changes or not self.draft.before:
            return current
        # a name that fits one provider may be wrong for another that takes any name
        before = self._global_surface(configuration_of(self.draft.contract, self.draft.before))
        return None if surface.open_ended and before != surface else current

    def _take(self, surface: Surface, default: str | None) -> None:
        label = self.draft.contract.settings[KEY].prompt
        chosen = self._choose(KEY, label, surface, default)
        if chosen:
            self.draft.set(MODEL, normalised_model(self.draft.contract, chosen))

    def _say_it_does_not_fit(self, name: str, model: str, surface: Surface) -> None:
        advice = f"; its default is {surface.default}" if surface.default else ""
        self.screen.notes([f"{name} {model!r} does not fit {surface.name}{advice}."])

    def _choose(self, name: str, label: str, surface: Surface, default: str | None) -> str | None:
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
        if not surface.names:
            return self.prompter.text(
                f"{label} ({surface.name})",
                default or "",
                lambda typed: _fault_of_model(surface, typed),
                f"Any model that {surface.name} offers.",
            )
        # one that the surface takes and has no list of
        others = [default] if default and default not in surface.names else []
        offered = [*surface.names, *others]
        return self.prompter.choice(
            label, offered, default, f"The models that Kai knows for {surface.name}."
        )


def _fault_of_model(surface: Surface, typed: str) -> str | None:
    if not typed:
        return NEEDED
    # Kai compares the provider in it with the effective one
    fits = surface.accepts(typed, typed.split("/")[0])
    return None if fits else f"Expected {surface.in_words}."
