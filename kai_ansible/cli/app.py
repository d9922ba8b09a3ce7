"""The commands and their options. What they do stands in the modules that they call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kai_ansible import own_version
from kai_ansible.cli import completion
from kai_ansible.cli.options import (
    TELEGRAM_API,
    BatchesOption,
    BecomeOption,
    CheckOption,
    ForksOption,
    HostArgument,
    InventoryOption,
    JsonOption,
    OnlineOption,
    PlainOption,
    SetOption,
    TelegramApiOption,
    VaultIdsOption,
    VaultOption,
    YesOption,
)
from kai_ansible.cli.users import users_app
from kai_ansible.cli.vault import vault_app
from kai_ansible.inventory import DEFAULT_INVENTORY

app = typer.Typer(
    name="kai-ansible",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Installs, configures and runs a Kai bot.",
    epilog="Begin with: kai-ansible config",
)


app.add_typer(users_app, name="users")
app.add_typer(vault_app, name="vault")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"kai-ansible {own_version()}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Install, configure and run a Kai bot."""


@app.command(epilog="Example: kai-ansible config --answers answers.yml --no-input")
def config(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
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
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Ask nothing; defaults stand in.")
    ] = False,
    only_print: Annotated[
        bool, typer.Option("--print", help="Show what would be written, and write nothing.")
    ] = False,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Do not look at the host.")] = False,
    online: OnlineOption = False,
    telegram_api: TelegramApiOption = TELEGRAM_API,
    import_from: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="FILE|host",
            help="Begin with Kai's own install.conf, or with what is deployed on the host.",
        ),
    ] = None,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Ask what must be known and write it to the inventory's host_vars."""
    from kai_ansible.terminal.screen import Screen
    from kai_ansible.wizard.command import ConfigOptions, configure

    screen = Screen(as_json=as_json, plain=plain)
    options = ConfigOptions(
        inventory=inventory,
        host=host,
        answers=answers,
        assignments=tuple(assignments or ()),
        section=section,
        no_input=no_input,
        only_print=only_print,
        probe=not no_probe,
        telegram_api=telegram_api if online else None,
        import_from=import_from,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        plain=plain,
    )
    with screen.telling_errors():
        configure(options, screen)


@app.command(epilog="Example: kai-ansible doctor bot1 --online")
def doctor(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    online: OnlineOption = False,
    telegram_api: TelegramApiOption = TELEGRAM_API,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Say why a bot is silent: what was found, its likely cause, and what mends it."""
    from kai_ansible.commands.doctor import DoctorOptions, examine
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = DoctorOptions(
        inventory=inventory,
        host=host,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        telegram_api=telegram_api if online else None,
    )
    with screen.telling_errors():
        examine(options, screen)


@app.command(epilog="Example: kai-ansible install --check")
def install(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    check: CheckOption = False,
    yes: YesOption = False,
    assignments: SetOption = None,
    batches: BatchesOption = None,
    forks: ForksOption = None,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Bring the host to what host_vars say, and prove that the bot works.

    At a terminal it shows first what would change, and asks.
    """
    from kai_ansible.commands.install import install_kai
    from kai_ansible.commands.target import ChangeOptions
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = ChangeOptions(
        inventory=inventory,
        host=host,
        check=check,
        yes=yes,
        assignments=tuple(assignments or ()),
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        batches=batches,
        forks=forks,
        plain=plain,
    )
    with screen.telling_errors():
        install_kai(options, screen)


@app.command(epilog="Example: kai-ansible backup --output bot.kai")
def backup(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="New file; without it backups/HOST-TIME.kai."),
    ] = None,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Put configuration, people, database and data of a host into one encrypted file."""
    from kai_ansible.commands.backup import BackupOptions, back_up
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = BackupOptions(
        inventory=inventory,
        host=host,
        output=output,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
    )
    with screen.telling_errors():
        back_up(options, screen)


@app.command(epilog="Example: kai-ansible restore backups/bot-20260102T030405Z.kai")
def restore(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="File that backup has made.")],
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    check: CheckOption = False,
    yes: YesOption = False,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Install what host_vars say with the data of a backup, and prove that the bot works."""
    from kai_ansible.commands.restore import RestoreOptions, restore_backup
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = RestoreOptions(
        inventory=inventory,
        host=host,
        archive=archive,
        check=check,
        yes=yes,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        plain=plain,
    )
    with screen.telling_errors():
        restore_backup(options, screen)


@app.command(epilog="Example: kai-ansible logins --check")
def logins(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    check: Annotated[
        bool, typer.Option("--check", help="Ask each agent itself, as the one who runs it.")
    ] = False,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Say who still has to log in to an agent, and how."""
    from kai_ansible.commands.logins import LoginsOptions, tell_logins
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = LoginsOptions(
        inventory=inventory,
        host=host,
        ask=check,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
    )
    with screen.telling_errors():
        tell_logins(options, screen)


@app.command(epilog="Example: kai-ansible migrate all --check")
def migrate(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    check: CheckOption = False,
    yes: YesOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Bring host_vars of an earlier version of the contract to that of today; comments stay."""
    from kai_ansible.commands.migrate import MigrateOptions, migrate_host_vars
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = MigrateOptions(
        inventory=inventory,
        host=host,
        check=check,
        yes=yes,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        plain=plain,
    )
    with screen.telling_errors():
        migrate_host_vars(options, screen)


@app.command(epilog="Example: kai-ansible rollback --to 3")
def rollback(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Number of an install or a release; without it the one before."
        ),
    ] = None,
    with_database: Annotated[
        bool,
        typer.Option("--with-database", help="Bring the database of then back as well."),
    ] = False,
    check: CheckOption = False,
    yes: YesOption = False,
    batches: BatchesOption = None,
    forks: ForksOption = None,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Bring back an earlier install, code and configuration together, and prove it."""
    from kai_ansible.commands.rollback import RollbackOptions, roll_back
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = RollbackOptions(
        inventory=inventory,
        host=host,
        to=to,
        with_database=with_database,
        check=check,
        yes=yes,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        batches=batches,
        forks=forks,
        plain=plain,
    )
    with screen.telling_errors():
        roll_back(options, screen)


@app.command(epilog="Example: kai-ansible show bot1")
def show(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Print versions and configuration for a bug report, without secrets and people."""
    from kai_ansible.commands.show import show_report
    from kai_ansible.commands.target import RunOptions
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = RunOptions(
        inventory=inventory,
        host=host,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
    )
    with screen.telling_errors():
        show_report(options, screen)


@app.command(epilog="Example: kai-ansible status all --html status.html")
def status(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Pause between two looks of --watch.")
    ] = 10,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page for a browser as well."),
    ] = None,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Say what is installed, what differs from host_vars, and whether it is well."""
    from kai_ansible.commands.status import StatusOptions, tell_status
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = StatusOptions(
        inventory=inventory,
        host=host,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        watch=interval if watch else None,
        page=html,
    )
    with screen.telling_errors():
        tell_status(options, screen)


@app.command(epilog="Example: kai-ansible sudo-password bot1")
def sudo_password(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    forget: Annotated[
        bool, typer.Option("--forget", help="Take it out of the keyring instead.")
    ] = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Ask for the password of sudo on a host, and keep it in the keyring for later runs."""
    from kai_ansible.secrets.sudo_passwords import keep_sudo_password
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    with screen.telling_errors():
        keep_sudo_password(
            inventory, host, vault_password_file, tuple(vault_id or ()), screen, forget=forget
        )


@app.command(epilog="Example: kai-ansible uninstall --check")
def uninstall(
    host: HostArgument = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove the data as well, after a last backup of it.")
    ] = False,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Make no backup before --purge.")
    ] = False,
    check: CheckOption = False,
    yes: YesOption = False,
    ask_become_pass: BecomeOption = False,
    vault_password_file: VaultOption = None,
    vault_id: VaultIdsOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
) -> None:
    """Remove what installs made, and keep data, accounts and what they did not make."""
    from kai_ansible.commands.uninstall import UninstallOptions, uninstall_kai
    from kai_ansible.terminal.screen import Screen

    screen = Screen(as_json=as_json, plain=plain)
    options = UninstallOptions(
        inventory=inventory,
        host=host,
        purge=purge,
        backup=not no_backup,
        check=check,
        yes=yes,
        ask_become_pass=ask_become_pass,
        vault_password_file=vault_password_file,
        vault_ids=tuple(vault_id or ()),
        plain=plain,
    )
    with screen.telling_errors():
        uninstall_kai(options, screen)
