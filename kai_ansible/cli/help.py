"""The help of commands: short lines without frames, the same with every version of Typer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from kai_ansible.calling import as_called
from kai_ansible.errors import usage_error

# -h as well, for every command below
CONTEXT = {"help_option_names": ["-h", "--help"]}
SECTIONS: Mapping[str, Sequence[str]] = {
    "Set up": ("config", "install", "logins", "users", "settings"),
    "Every day": ("status", "logs", "restart", "upgrade", "backup"),
    "Go back": ("rollback", "restore", "uninstall"),
    "Find faults": ("doctor", "show"),
    "Passwords and upkeep": ("sudo-password", "vault", "migrate"),
}
OTHERS = "Others"


class Command(TyperCommand):
    """A command whose help names each argument and option once, and that takes each once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line. Raises CommandError for an option that comes twice.

        Click would take the last one: of two inventories, the first would be left out silently.
        """
        parser: Any = self.make_parser(ctx)
        order = [] if ctx.resilient_parsing else parser.parse_args([*args])[2]
        for option in order:
            is_single = option.param_type_name == "option" and not option.multiple
            if is_single and not option.is_flag and order.count(option) > 1:
                name = max(option.opts, key=len)
                raise usage_error(
                    name, f"{order.count(option)} of them", f"one {name}", "leave out the others"
                )
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example as the operator would type it."""
        formatter.write_paragraph()
        formatter.write_text(as_called(self.epilog or ""))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and the options."""
        _write_parameters(self.get_params(ctx), formatter)


class Group(TyperGroup):
    """A group whose help shows its commands in sections; one without sections shows them all."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        named = [name for names in SECTIONS.values() for name in names]
        sections = dict(SECTIONS) if "config" in self.commands else {}
        sections[OTHERS if sections else "Commands"] = [
            name for name in self.commands if not sections or name not in named
        ]
        width = max(map(len, self.commands))
        for title, names in sections.items():
            rows = [(name, self.commands[name]) for name in names if name in self.commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(
                        [
                            (name.ljust(width), (command.help or "").partition("\n")[0])
                            for name, command in rows
                        ]
                    )
        _write_parameters(self.get_params(ctx), formatter)


def group(name: str, about: str, example: str) -> typer.Typer:
    """Return an empty group of commands. about: its help. example: after ``kai-ansible``."""
    return typer.Typer(
        name=name,
        cls=Group,
        rich_markup_mode=None,
        no_args_is_help=True,
        help=about,
        epilog=f"Example: kai-ansible {example}",
    )


def _write_parameters(parameters: Sequence[Any], formatter: Any) -> None:
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        rows = [
            (term(parameter), _meaning(parameter))
            for parameter in parameters
            if parameter.param_type_name == kind and not getattr(parameter, "hidden", False)
        ]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def term(parameter: Any) -> str:
    """Return how an option or an argument is written."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    names = ", ".join(sorted(parameter.opts, key=len))
    return names if parameter.is_flag else f"{names} {parameter.metavar}"


def _meaning(parameter: Any) -> str:
    default = parameter.default
    known = isinstance(default, (str, PurePath, int, float)) and default not in ("", False, True)
    return f"{parameter.help} [default: {default}]" if known else str(parameter.help or "")
