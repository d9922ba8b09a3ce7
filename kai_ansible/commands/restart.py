"""The command ``restart``: restart the bot and wait until it answers."""

from __future__ import annotations

from kai_ansible.ansible.batches import read_sizes
from kai_ansible.ansible.playbooks import RESTART
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.role_run import end, run_role
from kai_ansible.commands.target import checked_target
from kai_ansible.terminal.screen import Screen


def restart_bot(options: ChangeOptions, screen: Screen) -> None:
    """Restart the bot of each host and report its downtime; host_vars may be anything.

    Raises CommandError if a bot does not answer again, and if another run holds a host's lock.
    """
    target = checked_target(options, valid=False)
    sizes = read_sizes(options.batches)
    outcome = run_role(target, RESTART, options, screen, sizes=sizes)
    for host, report in outcome.reports.items():
        if options.check:
            screen.say(f"{host}: would restart the bot{_cut(report['turns'])}")
        else:
            seconds = report["seconds_without"]
            down = "" if seconds is None else f", downtime {seconds} s"
            screen.good(f"{host}: the bot restarted and answers{down}{_cut(report['turns'])}")
    end(options, outcome, screen)


def _cut(turns: int | None) -> str:
    if turns is None:
        return "; the number of running turns is unknown"
    return f"; {turns} running turn(s) end" if turns else ""
