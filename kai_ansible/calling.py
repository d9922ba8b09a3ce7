"""The name by which the operator called this command, so that printed commands can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kai_ansible.rules.variable_names import PREFIX

PROGRAM = "kai-ansible"
# the Makefile sets it
BY_MAKE = "KAI_ANSIBLE_BY_MAKE"
_HOST_ALONE = (
    *("config", "install", "upgrade", "status", "doctor", "show", "logins", "logs"),
    *("restart", "rollback", "backup", "uninstall", "migrate"),
)
# the verbs that have a target of the same name, with the variables of make for their arguments;
# what follows ``users`` is in args
_TARGETS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_HOST_ALONE, ("host",)),
    "restore": ("from", "host"),
    "settings": ("key", "host"),
    "users": (),
}
# the verbs whose first argument is the host
_OF_HOST = (*_HOST_ALONE, "sudo-password", "users list", "users add")
_OTHERS = (
    "settings",
    "restore",
    "users edit",
    "users remove",
    "workshop enrol",
    "vault rekey",
    "vault password",
)
_WITH_VALUE = (
    "--answers",
    "--set",
    "--section",
    "--telegram-api",
    "--import",
    "--output",
    "--lines",
    "--to",
    "--os-user",
    "--source",
    "--ref",
    "--interval",
    "--html",
    "--inventory",
    "--batches",
    "--forks",
    "--vault-password-file",
    "--vault-id",
    "--telegram-id",
    "--name",
    "--role",
    "--new-vault-password-file",
)
_OPTION = rf"(?:(?:{'|'.join(_WITH_VALUE)}) [^\s-]\S*(?<![.,;:)'\"])|--?[A-Za-z][\w-]*)"
# a word after the verb is the host, if after that there is an option, a punctuation mark or the end
# (no longer than a name can be: what a host said may be of any length)
_COMMAND = re.compile(
    rf"(?<![\w/.-]){PROGRAM} (?:"
    rf"(?P<of_host>{'|'.join(_OF_HOST)})(?![\w-])"
    r"(?: (?P<host>\w\S{0,252}?)(?= --|[.,;:)'\"]*$|[.,;:)'\"]+ ))?"
    rf"|(?P<other>{'|'.join(_OTHERS)})(?![\w-])"
    rf")(?P<options>(?: {_OPTION})*)",
    re.MULTILINE,
)
# the words with which a sentence advises an option
_ADVISED = re.compile(
    rf"(?P<before>\b(?:[Aa]dd|with|give|use) )(?P<options>{_OPTION}(?: {_OPTION})*)"
)
# the options that take a setting
_OF_UPGRADE = {"SOURCE": "--source", "VERSION": "--ref"}
# joins the words of a command that a line may not break
GLUE = "\N{NO-BREAK SPACE}"


@dataclass
class _Given:
    """What this command was given: its verb, the host, and the options of inventory and vaults."""

    verb: str = ""
    host: str | None = None
    options: Sequence[str] = ()


_given = _Given()


def remember(verb: str, host: str | None, options: Sequence[str]) -> None:
    """Let printed commands name the host and have the options that this command was given."""
    _given.verb, _given.host, _given.options = verb, host, tuple(options)


def program() -> str:
    """Return what starts this program in the operator's shell and directory."""
    called = sys.argv[0] if sys.argv else ""
    if Path(called).name != PROGRAM:
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found and Path(called).exists() and Path(found).samefile(called):
        return PROGRAM
    return shlex.quote(called)


def given_at(variable: str) -> Path:
    """Return where the operator gave a variable for this run: at --set, or to make by its key."""
    key = variable.removeprefix(PREFIX).upper()
    if os.environ.get(BY_MAKE) and os.environ.get(key):
        return Path(f"make {key}=")
    if _given.verb == "upgrade" and key in _OF_UPGRADE:
        return Path(_OF_UPGRADE[key])
    return Path("--set")


def as_called(text: str, glue: str = " ") -> str:
    """Return a text with its commands and advised options as the operator would type them.

    Commands have the options that this command was given. Through make, a command is its target,
    and an option belongs to args; anywhere else the program has the name by which it was called,
    such as .venv/bin/kai-ansible.

    glue: what joins the words of a command, such as GLUE for a text that is still to be wrapped.
    """
    if os.environ.get(BY_MAKE) and _TARGETS.get(_given.verb):
        text = _ADVISED.sub(
            lambda found: found["before"] + _variable("args", found["options"].split()), text
        )
    return _COMMAND.sub(lambda found: _replaced(found).replace(" ", glue), text)


def _replaced(found: re.Match[str]) -> str:
    verb = found["of_host"] or found["other"]
    host = (found["host"] or _given.host) if found["of_host"] else None
    # the verbs of vaults have options of their own
    options = _given.options if not verb.startswith("vault ") else ()
    words = [*([host] if host else ()), *options, *found["options"].split()]
    return command_line([PROGRAM, *verb.split(), *words])


def command_line(words: list[str]) -> str:
    """Return a command of this program as one line, as the operator would type it.

    words: the command, ``kai-ansible`` first.
    """
    if words[:1] != [PROGRAM]:
        return shlex.join(words)
    verb, *rest = words[1:]
    if not os.environ.get(BY_MAKE) or verb not in _TARGETS:
        return " ".join([program(), shlex.join([verb, *rest])])
    line = ["make", verb]
    for name in _TARGETS[verb]:
        if rest and not rest[0].startswith("-"):
            line.append(_variable(name, [rest.pop(0)]))
    if rest[:1] == ["--inventory"] and len(rest) > 1:
        line.append(_variable("inventory", [rest[1]]))
        del rest[:2]
    if rest:
        line.append(_variable("args", rest))
    return " ".join(line)


def _variable(name: str, words: Sequence[str]) -> str:
    """Return the assignment that gives make these words, which a shell of its own reads again."""
    return f"{name}={shlex.quote(shlex.join(words).replace('$', '$$'))}"
