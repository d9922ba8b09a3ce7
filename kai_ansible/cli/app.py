"""The commands and their own options; the modules in ``commands`` do the work.

A command imports its module when it runs, so that help and completion start fast.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kai_ansible import own_version
from kai_ansible.cli import completion
from kai_ansible.cli.help import CONTEXT, Group
from kai_ansible.cli.options import (
    ROOT,
    TELEGRAM_API,
    NoInputOption,
    OnlineOption,
    SetOption,
    TelegramApiOption,
    verb,
)
from kai_ansible.cli.users import users_app
from kai_ansible.cli.vault import vault_app
from kai_ansible.cli.workshop import workshop_app
from kai_ansible.commands.options import ChangeOptions, HostOptions, RunOptions

if TYPE_CHECKING:
    from kai_ansible.terminal.screen import Screen

app = typer.Typer(
    name=ROOT,
    cls=Group,
    context_settings=CONTEXT,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Install, configure and run a Kai bot.",
    epilog="Begin with: kai-ansible config",
)
# of a run that changes nothing
READS = ["check", "forks"]
app.add_typer(users_app, name="users")
app.add_typer(vault_app, name="vault")
app.add_typer(workshop_app, name="workshop")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"kai-ansible {own_version()}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Install, configure and run a Kai bot."""


@verb(app, "config --answers answers.yml --no-input")
def config(
    hosts: HostOptions,
    screen: "Screen",
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with host, users and settings.")
    ] = None,
    assignments: SetOption = None,
    section: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", autocompletion=completion.sections, help="Ask about one section only."
        ),
    ] = None,
    no_input: NoInputOption = False,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the files instead of writing them.")
    ] = False,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Do not probe the host.")] = False,
    online: OnlineOption = False,
    telegram_api: TelegramApiOption = TELEGRAM_API,
    import_from: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="FILE|host",
            help="Start from Kai's own install.conf, or from the deployed files of the host.",
        ),
    ] = None,
) -> None:
    """Ask for the configuration and write it to the inventory's host_vars."""
    from kai_ansible.commands.config import ConfigOptions, configure

    options = ConfigOptions(
        **vars(hosts),
        answers=answers,
        assignments=tuple(assignments or ()),
        section=section,
        no_input=no_input,
        only_print=only_print,
        probe=not no_probe,
        telegram_api=telegram_api if online else None,
        import_from=import_from,
    )
    configure(options, screen)


@verb(app, "doctor bot1 --online", without=READS)
def doctor(
    hosts: RunOptions,
    screen: "Screen",
    online: OnlineOption = False,
    telegram_api: TelegramApiOption = TELEGRAM_API,
) -> None:
    """Find out why a bot is silent: evidence, likely cause and fix of each fault."""
    from kai_ansible.commands.doctor import diagnose

    diagnose(hosts, screen, telegram_api if online else None)


@verb(app, "install --check")
def install(changes: ChangeOptions, screen: "Screen", assignments: SetOption = None) -> None:
    """Configure the host as host_vars say, and verify that the bot works.

    At a terminal, show the changes first and ask for confirmation.
    """
    from kai_ansible.commands.install import install_kai

    install_kai(changes, screen, assignments or [])


@verb(app, "backup --output bot.kai", without=READS)
def backup(
    hosts: RunOptions,
    screen: "Screen",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The new file. Default: backups/HOST-TIME.kai."),
    ] = None,
) -> None:
    """Write configuration, users, database and data of a host to one encrypted file."""
    from kai_ansible.commands.backup import back_up

    back_up(hosts, screen, output)


@verb(app, "restore backups/bot-20260102T030405Z.kai", without=["batches", "forks"])
def restore(
    changes: ChangeOptions,
    screen: "Screen",
    archive: Annotated[
        Path, typer.Argument(metavar="ARCHIVE", help="File written by kai-ansible backup.")
    ],
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Do not back up the present data first.")
    ] = False,
) -> None:
    """Install from host_vars with the data of a backup, and verify that the bot works."""
    from kai_ansible.commands.restore import RestoreOptions, restore_backup

    options = RestoreOptions(**vars(changes), archive=archive, backup=not no_backup)
    restore_backup(options, screen)


@verb(app, "logins --check", without=READS)
def logins(
    hosts: RunOptions,
    screen: "Screen",
    check: Annotated[
        bool, typer.Option("--check", help="Ask each agent, as the OS user who runs it.")
    ] = False,
) -> None:
    """List the agent logins that are missing, and how to log in."""
    from kai_ansible.commands.logins import report_logins

    report_logins(hosts, screen, ask=check)


@verb(app, "logs bot1 --follow", without=READS)
def logs(
    hosts: RunOptions,
    screen: "Screen",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, metavar="N", help="How many lines at most.")
    ] = 100,
) -> None:
    """Print the end of the bot's log, without secrets."""
    from kai_ansible.commands.logs import print_log

    print_log(hosts, screen, lines, follow=follow)


@verb(app, "migrate all --check", without=["diff", "batches", "forks", "ask_become_pass"])
def migrate(
    changes: ChangeOptions,
    screen: "Screen",
    to: Annotated[
        str | None,
        typer.Option(
            metavar="LINE",
            autocompletion=completion.lines,
            help="Rewrite host_vars for this release line of Kai.",
        ),
    ] = None,
    os_users: Annotated[
        list[str] | None,
        typer.Option(
            "--os-user",
            metavar="USER=ACCOUNT",
            help="With --to, the OS user of a user who has none. Repeatable.",
        ),
    ] = None,
) -> None:
    """Update host_vars to the current contract, or to another release line; keep comments."""
    from kai_ansible.commands.migrate import MigrateOptions, migrate_host_vars

    options = MigrateOptions(**vars(changes), to=to, os_users=tuple(os_users or ()))
    migrate_host_vars(options, screen)


@verb(app, "restart bot1", without=["yes", "diff"])
def restart(changes: ChangeOptions, screen: "Screen") -> None:
    """Restart the bot, and wait until it answers."""
    from kai_ansible.commands.restart import restart_bot

    restart_bot(changes, screen)


@verb(app, "rollback --to 3")
def rollback(
    changes: ChangeOptions,
    screen: "Screen",
    to: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Number of an install, or a release. Default: the previous install."
        ),
    ] = None,
    only_list: Annotated[
        bool, typer.Option("--list", help="List the installs of the host; change nothing.")
    ] = False,
    with_database: Annotated[
        bool, typer.Option("--with-database", help="Restore the database of that install too.")
    ] = False,
) -> None:
    """Restore an earlier install, code and configuration together, and verify it."""
    from kai_ansible.commands.rollback import roll_back

    roll_back(changes, screen, to, with_database=with_database, only_list=only_list)


@verb(app, "settings AGENT_BACKEND", without=["ask_become_pass"])
def settings(
    hosts: HostOptions,
    screen: "Screen",
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY",
            autocompletion=completion.settings,
            help="A setting by its name in Kai. Default: every setting that has a value.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also list the settings with Kai's default.")
    ] = False,
) -> None:
    """Print the settings of a host with their origin, or the value of one."""
    from kai_ansible.commands.settings import print_settings

    print_settings(hosts, screen, key, everything=everything)


@verb(app, "show bot1")
def show(hosts: HostOptions, screen: "Screen") -> None:
    """Print versions and configuration for a bug report, without secrets and users."""
    from kai_ansible.commands.show import show_report

    show_report(hosts, screen)


@verb(app, "status all --html status.html")
def status(
    hosts: HostOptions,
    screen: "Screen",
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Pause between two probes of --watch.")
    ] = 10,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write the status as an HTML page."),
    ] = None,
) -> None:
    """Show what is installed, how it differs from host_vars, and whether it is healthy."""
    from kai_ansible.commands.status import StatusOptions, report_status

    options = StatusOptions(**vars(hosts), watch=interval if watch else None, page=html)
    report_status(options, screen)


@verb(app, "sudo-password bot1", without=["ask_become_pass"])
def sudo_password(
    hosts: HostOptions,
    screen: "Screen",
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove it from the keyring instead.")
    ] = False,
) -> None:
    """Ask for the sudo password of a host and store it in the keyring for later runs."""
    from kai_ansible.commands.sudo_password import keep_sudo_password

    keep_sudo_password(hosts, screen, forget=forget)


@verb(app, "uninstall --check", without=["diff", "batches", "forks"])
def uninstall(
    changes: ChangeOptions,
    screen: "Screen",
    purge: Annotated[
        bool, typer.Option("--purge", help="Also remove the data, after a last backup.")
    ] = False,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="With --purge, skip the last backup.")
    ] = False,
) -> None:
    """Remove what installs created; keep the data, the accounts and everything else."""
    from kai_ansible.commands.uninstall import UninstallOptions, uninstall_kai

    uninstall_kai(UninstallOptions(**vars(changes), purge=purge, backup=not no_backup), screen)


@verb(app, "upgrade --ref v2.0.0")
def upgrade(
    changes: ChangeOptions,
    screen: "Screen",
    source: Annotated[
        str | None,
        typer.Option(metavar="PATH|URL", help="New source of Kai. Default: the present one."),
    ] = None,
    ref: Annotated[
        str | None, typer.Option(metavar="REF", help="Tag, branch or commit of a git URL.")
    ] = None,
    assignments: SetOption = None,
) -> None:
    """Install another version of Kai: show what changes, switch, and verify the bot."""
    from kai_ansible.commands.upgrade import upgrade_kai

    upgrade_kai(changes, screen, source, ref, assignments or [])
