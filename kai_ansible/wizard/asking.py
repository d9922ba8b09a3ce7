"""Ask one question of the contract and put the parsed answer into the draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kai_ansible.rules.models import normalised_model, surface_of
from kai_ansible.rules.problems import listed
from kai_ansible.rules.redact import fingerprint
from kai_ansible.rules.sanitize import printable
from kai_ansible.rules.users import effective_user
from kai_ansible.rules.values import UnacceptableValue, choices_of, env_text, read_value
from kai_ansible.secrets.made import made_secret
from kai_ansible.terminal.prompts import CLEAR, Prompter
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.draft import SOURCE, Draft
from kai_ansible.wizard.questions import (
    NEEDED,
    Question,
    fault_of_answer,
    help_of,
    is_needed,
    label_of,
    typed_value,
    user_question,
)
from kai_ansible.wizard.source_tree import problem_of_local_source

MADE = "made at random"
NOT_SET = "(not set)"
INHERITED = "(global value)"
DONE = "Done"
ADD = "Add a user"
ABOUT_FIELDS = "Choose a field to change it alone; every other field stays as it is."
ABOUT_USERS = "The users who may talk to the bot, with their OS user, backend and model."


def name_with_id(user: Mapping[str, Any]) -> str:
    """Return the label of a user: the name, and the Telegram ID if there is one."""
    return f"{user.get('name')} ({user.get('telegram_id') or 'no Telegram'})"


def _in_words(value: Any) -> str:
    if value in (None, "", []):
        return NOT_SET
    return printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))


@dataclass
class Asker:
    """Asks the operator and stores the answers in the draft."""

    draft: Draft
    prompter: Prompter
    screen: Screen

    def ask(self, question: Question) -> None:
        """Ask for a setting. Enter leaves it unchanged, even if it has no value of its own."""
        if question.spec.secret:
            self._ask_secret(question)
            return
        current = self.draft.get(question.variable)
        answer = self._answer(question, current)
        if current is not None or answer != question.spec.default:
            self.draft.set(question.variable, answer)

    def choose(
        self, question: Question, default: str | None, remarks: Mapping[str, str] | None = None
    ) -> None:
        """Ask for a required choice, and set it even if it is Kai's own default.

        remarks: text beside a choice, by choice.
        """
        answer = self._choice(question, default, remarks, or_default=False)
        self.draft.set(question.variable, answer)

    def path(self, question: Question, suggestion: str) -> str:
        """Ask for a path and return it; empty if the operator postpones the answer."""
        return self.prompter.text(
            self._label(question),
            suggestion,
            lambda typed: self._fault(question, typed),
            self._help(question),
        )

    def users(self) -> list[dict[str, Any]]:
        """Ask which users to add, change and remove, and return all users."""
        users = [dict(user) for user in self.draft.users]
        fields = list(self.draft.contract.user_fields)
        while True:
            named = [name_with_id(user) for user in users]
            changes = [f"Change {name}" for name in named]
            removals = [f"Remove {name}" for name in named]
            chosen = self.prompter.choice(
                "Users", [DONE, ADD, *changes, *removals], DONE, ABOUT_USERS
            )
            if chosen == DONE:
                return users
            if chosen == ADD:
                users.append(self.user({}, fields, users))
            elif chosen in changes:
                index = changes.index(chosen)
                others = [*users[:index], *users[index + 1 :]]
                users[index] = self.fields_of(users[index], others)
            else:
                del users[removals.index(chosen)]

    def fields_of(
        self, user: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Ask which fields of a user to change, one at a time, and return the user.

        others: the other users, whose Telegram IDs are in use.
        """
        asked = dict(user)
        while True:
            offered = {
                f"{spec.prompt}: {_in_words(asked.get(name))}": name
                for name, spec in self.draft.contract.user_fields.items()
                if name != "llm_provider" or self._names_provider(asked)
            }
            title = f"Fields of {printable(str(asked.get('name', '?')))}"
            chosen = self.prompter.choice(title, [DONE, *offered], DONE, ABOUT_FIELDS)
            if chosen == DONE:
                return asked
            asked = self.user(asked, [offered[chosen]], others)

    def user(
        self,
        entry: Mapping[str, Any],
        fields: Sequence[str],
        others: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """Ask for fields of a user; other fields stay as they are.

        others: the other users, whose Telegram IDs and OS users may be in use.
        """
        asked = dict(entry)
        provider = self.draft.contract.agent_choice.provider.field
        for name in fields:
            question = user_question(self.draft.contract, name)
            described = self.draft.contract.user_fields[name]
            holders = others if described.unique else ()
            taken = {str(other.get(name)): other.get("name") for other in holders}
            if question.spec.type == "model":
                answer = self._model_of(question, asked)
            elif described.role_models:
                answer = self._role_models(question, entry.get(name))
            elif question.key == provider and not self._names_provider(asked):
                continue
            else:
                answer = self._answer(question, entry.get(name), taken=taken, suggests=not others)
            if answer in (None, [], ""):
                asked.pop(name, None)
            elif name in entry or answer != question.spec.default:
                asked[name] = answer
        return asked

    def _names_provider(self, user: Mapping[str, Any]) -> bool:
        settings = self.draft.configuration().settings
        backend = effective_user(self.draft.contract, settings, user).backend
        return self.draft.contract.backends[backend].names_provider

    def _model_of(self, question: Question, entry: Mapping[str, Any]) -> Any:
        settings = self.draft.configuration().settings
        user = effective_user(self.draft.contract, settings, entry)
        surface = surface_of(self.draft.contract, user.backend, user.provider)
        current = entry.get(question.key)
        if surface is None or not surface.names:
            return self._answer(question, current)
        offered = [INHERITED, *surface.names]
        if current is not None:
            model = normalised_model(self.draft.contract, str(current))
            fits = surface.accepts(model, user.provider)
            if not fits:
                self.screen.say(f"{current!r} is not a model of {surface.name}.")
            current = model if fits else None
            offered += [current] if current and current not in offered else []
        answer = self.prompter.choice(
            question.spec.prompt, offered, current or INHERITED, self._help(question)
        )
        return None if answer == INHERITED else answer

    def _role_models(self, question: Question, current: Any) -> dict[str, str] | None:
        """Ask for the models of single tasks, typed as task=model."""
        shown = current if isinstance(current, dict) else {}
        roles = list(self.draft.contract.role_tiers)

        def fault(typed: str) -> str | None:
            unknown = [role for role in _pairs(typed) if role not in roles]
            if unknown or "" in _pairs(typed).values():
                return f"Expected task=model, with tasks of {listed(roles)}."
            return None

        answer = self.prompter.text(
            f"{question.spec.prompt} (task=model, comma-separated)",
            ", ".join(f"{role}={model}" for role, model in shown.items()),
            fault,
            self._help(question),
        )
        return _pairs(answer) or None

    def _label(self, question: Question) -> str:
        return label_of(question, self.draft.configuration())

    def _help(self, question: Question) -> str:
        return help_of(self.draft.contract, question, self.draft.origin(question.variable))

    def _answer(
        self,
        question: Question,
        current: Any,
        *,
        taken: Mapping[str, Any] | None = None,
        suggests: bool = True,
    ) -> Any:
        spec = question.spec
        shown = spec.default if current is None else current
        if shown is None and suggests:
            shown = spec.suggestion
        if spec.type in ("choice", "boolean"):
            return self._choice(question, current)
        answer = self.prompter.text(
            self._label(question),
            "" if shown is None else env_text(shown),
            lambda typed: (
                f"{taken[typed]} has it."
                if taken and typed in taken
                else self._fault(question, typed)
            ),
            self._help(question),
        )
        if not answer:
            return None
        if question.variable == SOURCE:
            return answer
        return read_value(self.draft.contract, spec, typed_value(spec, answer))

    def _choice(
        self,
        question: Question,
        current: Any,
        remarks: Mapping[str, str] | None = None,
        *,
        or_default: bool = True,
    ) -> Any:
        spec = question.spec
        contract = self.draft.contract
        boolean = spec.type == "boolean"
        offered = ["true", "false"] if boolean else list(choices_of(contract, spec))
        optional = spec.default is None and not spec.required
        nothing = INHERITED if question.kind == "user" else NOT_SET
        choices = [nothing, *offered] if optional else offered
        shown = current
        if shown is None and or_default:
            shown = spec.default
        marked = nothing if optional else None
        if shown is not None:
            try:
                marked = env_text(read_value(contract, spec, shown))
            except UnacceptableValue:
                self.screen.say(f"{question.key} {shown!r} is not one of {listed(offered)}.")
                marked = None
        answer = self.prompter.choice(
            self._label(question), choices, marked, self._help(question), remarks
        )
        return None if answer == nothing else read_value(contract, spec, answer)

    def _fault(self, question: Question, typed: str) -> str | None:
        if not typed:
            return NEEDED if is_needed(question, self.draft.configuration()) else None
        if question.kind == "host" and question.variable == SOURCE:
            problem = problem_of_local_source(self.draft.contract, typed)
            return f"{problem.found}: {problem.fix}." if problem else None
        return fault_of_answer(self.draft.contract, question.spec, typed)

    def _ask_secret(self, question: Question) -> None:
        current = self.draft.get(question.variable)
        made = question.is_made and not current
        hint = ""
        if current:
            hint = f" (set, fingerprint {fingerprint(str(current))}; Enter keeps it)"
        elif made:
            hint = " (Enter makes one at random)"

        def fault(typed: str) -> str | None:
            if typed == CLEAR:
                return self._fault(question, "")
            return None if not typed and (current or made) else self._fault(question, typed)

        answer = self.prompter.secret(self._label(question) + hint, fault, self._help(question))
        if answer == CLEAR:
            self.draft.set(question.variable, None)
        elif answer:
            self.draft.set(question.variable, answer)
        elif made:
            self.draft.set(question.variable, made_secret(), MADE)


def _pairs(typed: str) -> dict[str, str]:
    """Return what is typed as task=model, an empty model where there is no sign between them."""
    parts = [part.partition("=") for part in typed.split(",") if part.strip()]
    return {role.strip(): model.strip() for role, _, model in parts}
