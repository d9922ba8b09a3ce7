"""The command ``settings``: print the settings of hosts, or one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.ansible.collection import contract_of
from kai_ansible.commands.options import HostOptions, require_name
from kai_ansible.errors import CommandError, ExitCode, usage_error
from kai_ansible.inventory.inventory import Inventory, nothing_known
from kai_ansible.rules.configuration import key_of
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import nearest
from kai_ansible.rules.redact import fingerprint
from kai_ansible.rules.sources import without_password
from kai_ansible.rules.values import env_text
from kai_ansible.terminal.screen import Screen
from kai_ansible.wizard.questions import Question, everything_in

KAI = "Kai's default"
# a word of Python is among the keys
Shown = TypedDict(
    "Shown", {"section": str, "secret": bool, "value": str | None, "from": str | None}
)


def print_settings(
    options: HostOptions, screen: Screen, given: str | None, *, everything: bool
) -> None:
    """Print each setting with its value and its origin; of one setting, the value alone.

    given: one setting, None for all. everything: also those without a value.
    A secret is shown by its fingerprint. Raises CommandError for an unknown setting, and for one
    that has no value on any host.
    """
    inventory = Inventory(options.inventory)
    pattern = options.host
    contract = contract_of_line()
    known = [*contract.host, *contract.settings]
    key = key_of(contract, given) if given else given
    if key and key not in known:
        require_name(key)
        named = options.vault_password_file, options.vault_ids
        if pattern is None and inventory.hosts_named(key, *named):
            key, pattern = None, key
        else:
            raise usage_error(
                "KEY",
                f"no setting {key!r}{nearest(key, known)}",
                "a setting that docs/settings.md lists, or a host",
                "list them with: kai-ansible settings --all",
            )
    inventory.read(pattern, options.vault_password_file, options.vault_ids, may_ask=True)
    found: dict[str, dict[str, Shown]] = {}
    for host in inventory.hosts:
        variables = inventory.variables(host)
        if not variables:
            raise nothing_known(host, inventory.host_vars(host, to_write=False))
        own = contract_of(variables, screen.notes)
        found[host] = _settings_of(own, variables, inventory.places(host))
    if key:
        _print_one(key, found, screen)
    else:
        for host, settings in found.items():
            _print_all(host, settings, screen, everything=everything)
    screen.document(
        {
            "hosts": {
                host: {
                    "settings": {name: one for name, one in settings.items() if key in (None, name)}
                }
                for host, settings in found.items()
            }
        }
    )
    if key and all(
        settings[key]["value"] is None for settings in found.values() if key in settings
    ):
        raise CommandError(f"{key} is not set.", code=ExitCode.FAILED)


def _settings_of(
    contract: Contract, variables: Mapping[str, Any], places: Mapping[str, Path]
) -> dict[str, Shown]:
    """Return every setting by its key: its section, value, origin, and whether it is a secret."""
    found: dict[str, Shown] = {}
    for section in contract.sections:
        for question in everything_in(contract, section):
            value, origin = _value_of(question, variables, places)
            found[question.key] = {
                "section": section,
                "secret": question.spec.secret,
                "value": value,
                "from": origin,
            }
    return found


def _value_of(
    question: Question, variables: Mapping[str, Any], places: Mapping[str, Path]
) -> tuple[str | None, str | None]:
    """Return a value and its origin."""
    value = variables.get(question.variable)
    if value is None:
        default = question.spec.default
        return (None, None) if default in (None, "") else (env_text(default), KAI)
    place = str(places.get(question.variable, "the inventory"))
    if question.spec.secret:
        return f"fingerprint {fingerprint(str(value))}", place
    # the URL of a source may have a password
    return without_password(_text(value)), place


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else env_text(value)


def _print_one(key: str, found: Mapping[str, Mapping[str, Shown]], screen: Screen) -> None:
    for host, settings in found.items():
        value = settings[key]["value"] if key in settings else None
        if value is not None:
            screen.literal(value if len(found) == 1 else f"{host}: {value}")


def _print_all(
    host: str, settings: Mapping[str, Shown], screen: Screen, *, everything: bool
) -> None:
    rows = [
        (key, one["value"] or "", one["from"] or "not set")
        for key, one in settings.items()
        if everything or one["from"] not in (None, KAI)
    ]
    screen.table(f"Settings of {host}", ("Setting", "Value", "From"), rows)
    if not everything:
        rest = sum(one["from"] in (None, KAI) for one in settings.values())
        screen.say(f"{rest} more have Kai's default or no value: add --all to list them.")
