"""``install``: bring hosts to what host_vars say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kai_ansible.ansible.batches import batches_of, read_sizes
from kai_ansible.ansible.runner import Outcome
from kai_ansible.commands.target import (
    ChangeOptions,
    Target,
    checked_target,
    end,
    faults_of,
    raise_for_obstacles,
    raise_unless_succeeded,
    run_role,
)
from kai_ansible.errors import CommandError, ExitCode
from kai_ansible.inventory import DEFAULT_INVENTORY
from kai_ansible.inventory.host_vars import (
    host_vars_texts,
)
from kai_ansible.inventory.inventory import (
    write_host_vars,
)
from kai_ansible.operator import at_terminal
from kai_ansible.rules.problems import listed
from kai_ansible.terminal.prompts import prompter
from kai_ansible.terminal.screen import tell_outcome, tell_plan

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

PROOF = "kai.bot.kai_proof"


def install_kai(options: ChangeOptions, screen: Screen) -> None:
    """Apply the role and tell how it ended; keep what was given with --set once it works.

    Before a person at a terminal, what would change is shown first, and asked for. Several hosts
    are all looked at before the first is changed, one goes before the others, and one that cannot
    be installed stops none of them.
    Raises CommandError for an invalid configuration and for a run that failed on any host.
    """
    sizes = read_sizes(options.batches)
    target = checked_target(options)
    asks = at_terminal() and not (options.check or options.yes or screen.as_json)
    agreed = None
    if options.check or not (asks or len(target.hosts) > 1):
        outcome = run_role(target, "install", options, screen, sizes=sizes)
    else:
        look = _look(target, options, screen, asks=asks)
        agreed = look if asks else None
        plans = {host: report["plan"] for host, report in look.reports.items()}
        ready = [host for host in target.hosts if host in plans]
        outcome = run_role(
            replace(target, hosts=ready),
            "install",
            options,
            screen,
            {"kai_agreed_plans": plans},
            sizes=sizes,
        )
        outcome = replace(
            outcome,
            succeeded=outcome.succeeded and look.succeeded,
            failures=[*look.failures, *outcome.failures],
            obstacles={**look.obstacles, **outcome.obstacles},
        )
    raise_for_obstacles(target, outcome)
    place = "" if options.inventory == DEFAULT_INVENTORY else f" --inventory {options.inventory}"
    tell_outcome(screen, outcome, check=options.check, options=place, agreed=agreed)
    if outcome.succeeded and not options.check:
        for path in _keep_overrides(target):
            screen.good(f"Kept in: {path}")
    end(options, outcome, screen)


def _look(target: Target, options: ChangeOptions, screen: Screen, *, asks: bool) -> Outcome:
    """Return what an install would change, with a report of each host that can be installed.

    asks: show it and ask whether it is meant, unless nothing would change.
    Raises CommandError when it may not be applied, or can be on no host.
    """
    outcome = run_role(target, "install", replace(options, check=True), screen)
    raise_for_obstacles(target, outcome)
    if outcome.interrupted or not outcome.reports:
        raise_unless_succeeded(outcome)
    for problem in faults_of(outcome):
        screen.bad(f"Left out: {problem}")
    ready = [host for host in target.hosts if host in outcome.reports]
    if len(ready) > 1:
        order = "; then ".join(map(listed, batches_of(ready, read_sizes(options.batches))))
        screen.say(
            f"In this order: {order}. When one is not well, those after it stay as they are."
        )
    if not asks:
        return outcome
    tell_plan(screen, outcome)
    if not any(outcome.changes.values()):
        screen.good("Nothing is to be changed. What is there is proven now.")
    elif not prompter(plain=options.plain).confirm("Apply?", default=False):
        raise CommandError("Nothing was changed.", code=ExitCode.DONE)
    return outcome


def _keep_overrides(target: Target) -> list[Path]:
    written: list[Path] = []
    for host in target.hosts if target.overrides else ():
        files = target.inventory.host_vars(host)
        texts, _ = host_vars_texts(target.contract, files, target.overrides, target.password)
        written += write_host_vars(target.inventory, texts)
    return written
