"""The arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kai_ansible.cli import completion

InventoryOption = Annotated[
    Path,
    typer.Option("--inventory", "-i", metavar="PATH", help="Directory or file of the inventory."),
]
HostArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="HOST",
        autocompletion=completion.hosts,
        help="Host or pattern; without it the only host of the inventory.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PlainOption = Annotated[
    bool, typer.Option("--plain", help="No colours, frames or arrow keys; numbered choices.")
]
VaultOption = Annotated[
    Path | None,
    typer.Option(
        "--vault-password-file",
        metavar="FILE",
        help="File or script that gives the vault password.",
    ),
]
VaultIdsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--vault-id",
        metavar="LABEL@SOURCE",
        help="Vault password of a vault id: a file, a script or 'prompt'; may be given again.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        autocompletion=completion.assignments,
        help="Give a setting by Kai's name for it.",
    ),
]
BecomeOption = Annotated[
    bool, typer.Option("--ask-become-pass", "-K", help="Ask for the sudo password first.")
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Say what would change, and change nothing.")
]
BatchesOption = Annotated[
    str | None,
    typer.Option(
        "--batches",
        metavar="SIZES",
        help="How many of several hosts are switched at once, as 1,25%,100%; one goes first.",
    ),
]
ForksOption = Annotated[
    int | None,
    typer.Option("--forks", min=1, metavar="N", help="How many hosts are worked on at a time."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]
OnlineOption = Annotated[
    bool, typer.Option("--online", help="Ask Telegram whose token it is (getMe).")
]
TelegramApiOption = Annotated[
    str,
    typer.Option(
        metavar="URL", envvar="KAI_ANSIBLE_TELEGRAM_API", help="Bot API that --online asks."
    ),
]
TELEGRAM_API = "https://api.telegram.org"
