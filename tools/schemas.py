"""Write the schema of each command's JSON document: one envelope, and what the command adds to it.

usage: python -m tools.schemas [--check]

The host parts of status, doctor and show are written by hand, in their own files; the envelope is
put into these as well. ``--check`` writes nothing and exits with 1 if a file is stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from kai_ansible.cli.app import app
from kai_ansible.errors import ExitCode
from kai_ansible.terminal.screen import SCHEMA_VERSION
from tools import manual
from tools.stale import write_or_check

DOCS = Path(__file__).resolve().parent.parent / "docs"
BY_HAND = ("status", "doctor", "show")
Schema = Mapping[str, Any]

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
BOOLEAN = {"type": "boolean"}
NUMBER = {"type": "integer"}
OR_NULL = {"type": ["string", "null"]}


def record(**properties: Schema) -> dict[str, Any]:
    """Return the schema of an object with these keys; it may get more of them later."""
    return {"type": "object", "required": list(properties), "properties": properties}


def part(**properties: Schema) -> dict[str, Any]:
    """Return the schema of an object that may have these keys."""
    return {"type": "object", "properties": properties}


def several(items: Schema) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


PROBLEM = record(where=TEXT, found=TEXT, expected=TEXT, fix=TEXT)
FAILURE = record(host=TEXT, task=TEXT, message=TEXT, fix=TEXT)
CHANGE = record(path=TEXT, key=TEXT, before=TEXT, after=TEXT)
LOGIN = record(
    account=TEXT,
    backend=TEXT,
    command=TEXTS,
    shared=BOOLEAN,
    logged_in={"type": ["boolean", "null"]},
    line={"description": "The command, ready to paste.", **TEXT},
)
USER = record(
    telegram_id=NUMBER,
    name=TEXT,
    os_user=OR_NULL,
    backend=TEXT,
    provider=OR_NULL,
    model=OR_NULL,
    model_from=TEXT,
    profile_id={"description": "The profile of a user whom the Workshop knew first.", **OR_NULL},
)
VERIFIED: dict[str, Schema] = {
    "changes": several(CHANGE),
    "check": BOOLEAN,
    "notes": TEXTS,
    "verified": TEXTS,
    "seconds_without": {"description": "Downtime of the bot.", "type": ["number", "null"]},
    "login_notice": TEXTS,
    "removed_releases": TEXTS,
}
INSTALL = record(
    **VERIFIED,
    release=TEXT,
    install={"description": "Its number, null where nothing changed.", "type": ["integer", "null"]},
    binaries={
        "description": "The program of each agent.",
        "type": "object",
        "additionalProperties": record(
            path=TEXT,
            source=TEXT,
            changers={
                "description": "Who besides root can change it, null where that is unknown.",
                "type": ["array", "null"],
                "items": {
                    **record(path=TEXT, accounts=TEXTS, everybody=BOOLEAN),
                    "additionalProperties": TEXT,
                },
            },
        ),
    },
    logins=several(LOGIN),
    enrol={"description": "Users whom workshop enrol can let in.", **TEXTS},
)
INSTALL_RECORD = record(
    number=NUMBER,
    release=TEXT,
    time=TEXT,
    by=OR_NULL,
    snapshot=BOOLEAN,
    rolled_back_to={"type": ["integer", "null"]},
    line=TEXT,
)
NO_HOSTS = {"description": "Empty: the command belongs to no host.", "type": "object"}
RUN: dict[str, Schema] = {"succeeded": BOOLEAN, "check": BOOLEAN, "not_tried": TEXTS}
# what each command says of a host, and what it adds to the envelope
COMMANDS: dict[str, tuple[Schema, dict[str, Schema]]] = {
    "config": (
        part(
            written=TEXTS,
            would_write=TEXTS,
            notes=TEXTS,
            imported={"type": "object"},
            login_notice=TEXTS,
        ),
        {},
    ),
    "install": (INSTALL, RUN),
    "upgrade": (INSTALL, RUN),
    "restore": (
        {
            **INSTALL,
            "properties": {
                **INSTALL["properties"],
                "backup": {"description": "The summary of the backup.", "type": "object"},
            },
        },
        RUN,
    ),
    "rollback": (
        part(
            **VERIFIED,
            rolled_back_to={"type": ["integer", "null"]},
            release=OR_NULL,
            database={
                "description": "What happened to the database: kept, restored to the one of that "
                "install, or none because that install had none.",
                "enum": ["kept", "restored", "none"],
            },
            installs=several(INSTALL_RECORD),
        ),
        RUN,
    ),
    "restart": (
        record(
            turns={"description": "Running turns that it cut off.", "type": ["integer", "null"]},
            seconds_without={"type": ["number", "null"]},
            check=BOOLEAN,
            changes=several(CHANGE),
        ),
        RUN,
    ),
    "backup": (
        part(
            file=TEXT,
            bytes=NUMBER,
            members={
                "description": "How many files and directories it has; null without a bot.",
                "type": ["integer", "null"],
            },
            complete={"type": ["boolean", "null"]},
            left={"type": ["array", "null"], "items": TEXT},
            release=OR_NULL,
        ),
        {"succeeded": BOOLEAN},
    ),
    "uninstall": (
        record(
            changes=TEXTS,
            left=TEXTS,
            backup_left=TEXTS,
            backup={"type": ["object", "null"]},
            check=BOOLEAN,
        ),
        {"succeeded": BOOLEAN, "check": BOOLEAN},
    ),
    "logins": (
        record(
            logins=several(LOGIN),
            logins_by_key=several(
                record(account=TEXT, backend=TEXT, key=TEXT, is_there={"type": ["boolean", "null"]})
            ),
        ),
        {},
    ),
    "logs": (record(lines=TEXTS), {}),
    "settings": (
        record(
            settings={
                "type": "object",
                "additionalProperties": {
                    **record(section=TEXT, secret=BOOLEAN, value=OR_NULL, **{"from": OR_NULL}),
                    "description": "A secret's value is its fingerprint.",
                },
            }
        ),
        {},
    ),
    "users list": (
        record(
            users=several(
                {**USER, "properties": {**USER["properties"], "role": TEXT}},
            ),
            problems=several(PROBLEM),
        ),
        {},
    ),
    **{
        f"users {verb}": (
            record(
                user={**USER, "type": ["object", "null"]},
                users=several(USER),
                login_notice=TEXTS,
            ),
            {},
        )
        for verb in ("add", "edit", "remove")
    },
    "migrate": (
        record(
            **{"from": NUMBER, "to": NUMBER},
            changes=several(record(version=NUMBER, what=TEXT, variable=TEXT, becomes=OR_NULL)),
            line={
                **record(
                    to=TEXT,
                    changes=several(record(place=TEXT, becomes=OR_NULL, why=TEXT)),
                    notes=TEXTS,
                ),
                "description": "What becomes of the variables with --to, null without it.",
                "type": ["object", "null"],
            },
        ),
        {"check": BOOLEAN, "files": TEXTS},
    ),
    "vault rekey": (NO_HOSTS, {"locked": TEXTS, "password": TEXT, "former_password": OR_NULL}),
    "vault password": (
        NO_HOSTS,
        {"password": TEXT, "fingerprint": TEXT, "removed": OR_NULL},
    ),
    "workshop enrol": (
        part(
            user=TEXT,
            token={"description": "A secret, null with --check.", **OR_NULL},
            expires=OR_NULL,
            minutes=NUMBER,
            pages=TEXTS,
            restarted=BOOLEAN,
        ),
        {"check": BOOLEAN},
    ),
    "sudo-password": (NO_HOSTS, {"kept": TEXTS, "forgotten": TEXTS}),
}


def envelope(command: str) -> dict[str, Any]:
    """Return the properties that every document has."""
    return {
        "schema_version": {
            "description": "Raised when a key goes or changes its meaning.",
            "const": SCHEMA_VERSION,
        },
        "command": {"const": command},
        "exit_code": {"enum": [int(code) for code in ExitCode]},
        "error": {"description": "Why the command ended so, null for success.", **OR_NULL},
        "problems": {"description": "Faults of the input, with the fix.", **several(PROBLEM)},
        "failures": {"description": "The task that failed on each host.", **several(FAILURE)},
        "log": {"description": "The log of this run, null without one.", **OR_NULL},
        "hosts": {"type": "object"},
    }


def schema(command: str) -> dict[str, Any]:
    """Return the schema of a command whose host part is not written by hand."""
    of_host, more = COMMANDS[command]
    common = envelope(command)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What kai-ansible {command} --json prints",
        "description": "After an error, keys of the command alone may be missing.",
        "type": "object",
        "required": list(common),
        "properties": {
            **common,
            "hosts": {"type": "object", "additionalProperties": of_host},
            **more,
        },
    }


def written_by_hand(command: str, text: str) -> str:
    """Return a schema that is written by hand, with the present envelope."""
    found = json.loads(text)
    common = envelope(command)
    own = {name: value for name, value in found["properties"].items() if name not in common}
    hosts = found["properties"]["hosts"]
    kept = {name: found[name] for name in found if name not in ("required", "properties")}
    kept.pop("additionalProperties", None)
    defs = kept.pop("$defs", None)
    whole = {
        **kept,
        "required": list(common),
        "properties": {**common, "hosts": hosts, **own},
        **({"$defs": defs} if defs else {}),
    }
    return json.dumps(whole, indent=2) + "\n"


def files() -> dict[Path, str]:
    """Return the text of every schema by its file."""
    tree: Any = get_command(app)
    names = [name.removeprefix("kai-ansible ") for name, _ in manual.commands(tree, "kai-ansible")]
    found = {}
    for name in names:
        path = DOCS / f"{name.replace(' ', '-')}.schema.json"
        if name in BY_HAND:
            found[path] = written_by_hand(name, path.read_text(encoding="utf-8"))
        else:
            found[path] = json.dumps(schema(name), indent=2) + "\n"
    return found


def main() -> int:
    """Write or check the schemas. Returns the exit code."""
    return write_or_check(files())


if __name__ == "__main__":
    sys.exit(main())
