"""Choose the release line of Kai before the first other question: it says what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.ansible.collection import lines
from kai_ansible.errors import usage_error
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.line_migration import RELEASE, Given, moved_to_line
from kai_ansible.rules.problems import listed
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.made import made_secret
from kai_ansible.terminal.prompts import Back, Prompter
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.draft import SOURCE
from kai_ansible.wizard.questions import NEEDED, Question, help_of
from kai_ansible.wizard.source_tree import absolute_source, problem_of_local_source

# what decides on the line
VERSION = variable("version")
DECIDING = (RELEASE, SOURCE, VERSION, variable("source_files"))
PUBLIC = "https://github.com/dcellison/kai.git"
_NAMED = 3


def deciding(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that decide on the line, a path of this machine absolute."""
    found = {name: variables[name] for name in DECIDING if variables.get(name) not in (None, "")}
    if isinstance(found.get(SOURCE), str):
        found[SOURCE] = absolute_source(found[SOURCE])
    return found


def ask_source(prompter: Prompter, screen: Screen) -> dict[str, str]:
    """Ask for Kai's code, of whichever line, and return the variables that name it.

    The default is Kai's public repository, at the commit of the line that is proposed.
    """
    contract = contract_of_line()
    proposed = next(one for one in lines().lines if one.line == contract.release)
    question = Question("host", "source", contract.host["source"])

    def fault(typed: str) -> str | None:
        problem = problem_of_local_source(None, typed) if typed else None
        return f"{problem.found}: {problem.fix}." if problem else (None if typed else NEEDED)

    spec = question.spec
    screen.say(
        f"Kai's code may be a checkout, an archive, a wheel or a git URL. Enter takes "
        f"{proposed.title} ({proposed.is_}) from its public repository (commit "
        f"{proposed.ref[:12]})."
    )
    while True:
        try:
            source = prompter.text(spec.prompt, PUBLIC, fault, help_of(contract, question))
        except Back:
            screen.say("This is the first question.")
            continue
        return {SOURCE: source, **({VERSION: proposed.ref} if source == PUBLIC else {})}


def expect_variables_of(contract: Contract, before: Mapping[str, Any], host: str) -> None:
    """Raise CommandError for host_vars of an earlier line, with the command that rewrites them."""
    if contract.migration is None:
        return
    former = contract_of_line(contract.migration.from_)
    moved = moved_to_line(former, contract, before, Given({}, made_secret))
    left = [name for name in moved.names if name in before]
    if not left:
        return
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    raise usage_error(
        SOURCE,
        f"{contract.title}, and host_vars of {former.title} ({listed(left[:_NAMED])}{more})",
        f"host_vars of {contract.title}",
        f"kai-ansible migrate {host} --to {contract.release}",
        message="Nothing was written.",
    )
