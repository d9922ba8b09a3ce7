"""The command ``upgrade``: take another source or ref of Kai, show what changes, install it."""

from __future__ import annotations

from collections.abc import Sequence

from kai_ansible.commands.applying import apply_host_vars
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.target import opened
from kai_ansible.errors import usage_error
from kai_ansible.operator import at_terminal
from kai_ansible.rules.sources import is_git_url, without_password
from kai_ansible.rules.variable_names import variable
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.source_tree import absolute_source

SOURCE, VERSION = variable("source"), variable("version")
NOTHING = "-"
ABOUT_REF = (
    "A tag, a branch or a commit of Kai. Enter keeps the present ref; that changes something only "
    "if it is a branch with new commits."
)


def upgrade_kai(
    options: ChangeOptions,
    screen: Screen,
    source: str | None,
    ref: str | None,
    assignments: Sequence[str],
) -> None:
    """Install another version of Kai, and keep its source and ref in host_vars if it works.

    source: a path or a git URL, None for the present one. ref: of it. assignments: as for
    ``apply_host_vars``. At a terminal, ask for the ref if no option names anything new.
    Raises as ``install`` does.
    """
    inventory, _ = opened(options)
    before = [inventory.variables(host) for host in inventory.hosts]
    source = absolute_source(source) if source else None
    present = {str(variables.get(SOURCE, "")) for variables in before}
    sources = {source} if source else present
    from_git = all(map(is_git_url, sources))
    if ref and not from_git:
        raise usage_error(
            "--ref",
            f"{ref!r} of {', '.join(sorted(sources))}, which is no git URL",
            "a git URL as the source",
            "check that ref out there, or name a git URL with --source",
        )
    asks = at_terminal() and not (options.yes or screen.as_json)
    if asks and from_git and not (source or ref):
        now = {str(variables.get(VERSION) or "") for variables in before}
        ref = prompter(plain=options.plain).text(
            "New ref of Kai: a tag, a branch or a commit",
            now.pop() if len(now) == 1 else "",
            lambda typed: None,
            ABOUT_REF,
        )
    wanted = {
        "source": source,
        # a path has no ref
        "version": ref if from_git else "" if source else None,
    }
    screen.table(
        "Upgrade",
        ("Host", "Present", "New"),
        [
            (
                host,
                _shown(str(variables.get(SOURCE, "")), variables.get(VERSION)),
                _shown(
                    source or str(variables.get(SOURCE, "")),
                    variables.get(VERSION) if wanted["version"] is None else wanted["version"],
                ),
            )
            for host, variables in zip(inventory.hosts, before, strict=True)
        ],
    )
    given = [f"{key}={value}" for key, value in wanted.items() if value is not None]
    apply_host_vars(options, screen, [*assignments, *given])


def _shown(source: str, ref: object) -> str:
    place = without_password(source) or NOTHING
    return f"{place} at {ref}" if ref and is_git_url(source) else place
