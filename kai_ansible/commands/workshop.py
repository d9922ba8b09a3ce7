"""The command ``workshop enrol``: let a user into the Workshop of a bot."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from kai_ansible.ansible.collection import contract_of
from kai_ansible.ansible.playbooks import ENROL
from kai_ansible.commands.confirmation import confirm, require_terminal
from kai_ansible.commands.options import ChangeOptions
from kai_ansible.commands.role_run import raise_unless_succeeded, run_role
from kai_ansible.commands.target import Target, checked_target, only_host
from kai_ansible.errors import CommandError
from kai_ansible.files import private_directory
from kai_ansible.inventory.host_vars import configuration_of
from kai_ansible.rules.enrolment import chosen_user, enrolment_plan, no_workshop
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.reports import EnrolmentReport
from kai_ansible.terminal.screen import Screen

_LOOPBACK = "127.0.0.1"


def enrol_user(options: ChangeOptions, who: str, screen: Screen) -> None:
    """Stop the bot, issue an enrolment for a user, start the bot, and print the token once.

    who: name or Telegram ID of a user in host_vars. The token is in no log and in no file that
    stays. Raises CommandError for more than one host, an unknown user, a bot without a Workshop,
    and a run that fails.
    """
    target = checked_target(options)
    host = only_host(options, target.inventory)
    name = _name_of(target, host, who)
    if not (options.check or options.yes):
        require_terminal("workshop enrol", screen)
        question = f"Stop the bot on {host} for some seconds and let {name} in?"
        confirm(question, plain=options.plain)
    with private_directory() as directory:
        path = directory / "token"
        variables = {
            "kai_install_workshop_user": who,
            "kai_install_workshop_token_file": str(path),
        }
        outcome = run_role(target, ENROL, options, screen, variables)
        raise_unless_succeeded(outcome, screen)
        token = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    # a check issues nothing
    report = outcome.reports.get(host)
    _show(name, report, token, target.inventory.ssh_commands.get(host), screen)
    screen.document(
        {"hosts": {host: {**(report or {}), "token": token or None}}, "check": options.check}
    )


def _name_of(target: Target, host: str, who: str) -> str:
    variables = target.inventory.variables(host)
    contract = contract_of(variables)
    configuration = configuration_of(contract, variables)
    problem = no_workshop(configuration)
    plan = enrolment_plan(configuration)
    user = problem or chosen_user(plan["users"] if plan else [], who)
    if isinstance(user, Problem):
        raise CommandError("Nothing was changed.", problems=[user])
    return user["name"]


def _show(
    name: str, report: EnrolmentReport | None, token: str, ssh: Sequence[str] | None, screen: Screen
) -> None:
    """Print how to enter. ssh: the command that logs in on the host, None for this machine."""
    if not token or not report:
        screen.good(f"Would stop the bot, issue an enrolment for {name}, and start the bot again.")
        return
    screen.good(f"{name} can enter the Workshop.")
    pages = " or ".join(report["pages"])
    port = urlsplit(report["pages"][0]).port
    if ssh and all(_LOOPBACK in page for page in report["pages"]):
        forward = f"{port}:{_LOOPBACK}:{port}"
        screen.command(
            "This address works only on the host itself. While you use it, forward it to this "
            "machine with",
            ssh[0],
            "-N",
            "-L",
            forward,
            *ssh[1:],
        )
    screen.command(
        f"Within {report['minutes']} minutes, open {pages} in a browser and enter this token. It "
        f"is a secret, is shown only once, and enrols one browser",
        token,
    )
