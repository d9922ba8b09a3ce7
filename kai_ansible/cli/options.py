"""Arguments and options that several commands have, and the decorator that declares a command."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ArgumentInfo

from kai_ansible.calling import remember
from kai_ansible.cli import completion
from kai_ansible.cli.help import Command
from kai_ansible.errors import usage_error

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        autocompletion=completion.assignments,
        help="Set a setting by its name in Kai. Repeatable.",
    ),
]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Ask nothing.")]
OnlineOption = Annotated[
    bool, typer.Option("--online", help="Check the bot token with Telegram (getMe).")
]
TelegramApiOption = Annotated[
    str,
    typer.Option(
        metavar="URL", envvar="KAI_ANSIBLE_TELEGRAM_API", help="Bot API that --online asks."
    ),
]
ROOT = "kai-ansible"
TELEGRAM_API = "https://api.telegram.org"

# the fields of HostOptions and ChangeOptions, with their defaults there, and those of the screen
SHARED: dict[str, Any] = {
    "host": Annotated[
        str | None,
        typer.Argument(
            metavar="HOST",
            autocompletion=completion.hosts,
            help="Host or pattern. Default: the only host of the inventory.",
        ),
    ],
    "given_inventory": Annotated[
        Path | None,
        typer.Option(
            "--inventory",
            "-i",
            metavar="PATH",
            help="Inventory directory or file. Default: Ansible's own, else inventory.",
        ),
    ],
    "check": Annotated[
        bool, typer.Option("--check", "--dry-run", help="Show what would change; change nothing.")
    ],
    "yes": Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")],
    "diff": Annotated[bool, typer.Option("--diff", help="Show every changed file, key by key.")],
    "batches": Annotated[
        str | None,
        typer.Option(
            "--batches",
            metavar="SIZES",
            help="Batch sizes for several hosts, for example 1,25%,100%.",
        ),
    ],
    "forks": Annotated[
        int | None,
        typer.Option("--forks", min=1, metavar="N", help="How many hosts to work on in parallel."),
    ],
    "ask_become_pass": Annotated[
        bool, typer.Option("--ask-become-pass", "-K", help="Ask for the sudo password first.")
    ],
    "vault_password_file": Annotated[
        Path | None,
        typer.Option(
            "--vault-password-file", metavar="FILE", help="File or script with the vault password."
        ),
    ],
    "vault_ids": Annotated[
        list[str],
        typer.Option(
            "--vault-id",
            metavar="LABEL@SOURCE",
            help="Vault id and where its password is: a file, a script or 'prompt'. Repeatable.",
        ),
    ],
    "as_json": Annotated[bool, typer.Option("--json", help="Print one JSON document.")],
    "progress": Annotated[
        bool, typer.Option("--progress", help="With --json, print each step as a line of JSON.")
    ],
    "verbose": Annotated[
        bool, typer.Option("--verbose", "-v", help="Print every task, and every change in full.")
    ],
    "plain": Annotated[
        bool, typer.Option("--plain", help="No colors, frames or arrow keys; numbered choices.")
    ],
}
_OF_SCREEN = {"as_json": False, "progress": False, "verbose": False}
_BEFORE_OWN = ("host", "given_inventory")

Verb = Callable[..., None]


def verb(app: typer.Typer, example: str, without: Collection[str] = ()) -> Callable[[Verb], Verb]:
    """Return a decorator that makes a function a command with the shared options.

    The function takes a ``HostOptions``, or a ``RunOptions`` or ``ChangeOptions``, then a
    ``Screen``, and then what the command has of its own; it is named as the command, with ``_`` at
    the end where Python has the name. Its docstring is the help. The errors that it raises are
    printed.

    example: how the command is used, after ``kai-ansible``.
    without: the names of shared options that this command does not have.
    """

    def register(function: Verb) -> Verb:
        name = function.__name__.rstrip("_").replace("_", "-")
        group = None if app.info.name == ROOT else str(app.info.name)
        first, _, *own = inspect.signature(function).parameters.values()
        defaults = {field.name: field.default for field in fields(first.annotation)} | _OF_SCREEN
        shared = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind
            )
            for name, kind in SHARED.items()
            if name in defaults and name not in without
        ]

        @functools.wraps(function)
        def run(context: typer.Context, **given: Any) -> None:
            # rich takes a while to load, and help does without a screen
            from kai_ansible.terminal.screen import Screen

            values = {parameter.name: given.pop(parameter.name) for parameter in shared}
            screen = Screen(
                as_json=values.pop("as_json"),
                progress=values.pop("progress"),
                command=name if group is None else f"{group} {name}",
                plain=values["plain"],
                verbose=values.pop("verbose"),
            )
            values["vault_ids"] = tuple(values.get("vault_ids", ()))
            with screen.report_errors():
                _refuse_empty(context.command, given)
                options = first.annotation(**values)
                words = replace(options, host=None).words("")
                remember(name if group is None else group, options.host, words)
                function(options, screen, **given)

        parameters = [
            *filter(_is_argument, own),
            *(parameter for parameter in shared if parameter.name in _BEFORE_OWN),
            *(parameter for parameter in own if not _is_argument(parameter)),
            *(parameter for parameter in shared if parameter.name not in _BEFORE_OWN),
        ]
        keywords = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
        called = inspect.Parameter(
            "context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context
        )
        keywords.append(called)
        # Typer reads both
        run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in keywords}
        app.command(name, cls=Command, epilog=f"Example: kai-ansible {example}")(run)
        return function

    return register


def _refuse_empty(command: Any, given: Mapping[str, Any]) -> None:
    """Raise CommandError for an option with an empty value, as of a variable that is not set."""
    for option in command.params:
        if option.param_type_name == "option" and given.get(option.name) == "":
            name = max(option.opts, key=len)
            raise usage_error(name, "nothing", "a value", "give one, or leave the option out")


def _is_argument(parameter: inspect.Parameter) -> bool:
    described = getattr(parameter.annotation, "__metadata__", ())
    return any(isinstance(one, ArgumentInfo) for one in described)
