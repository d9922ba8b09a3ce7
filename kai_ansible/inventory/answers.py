"""Answers that are given instead of asked: a file, and KEY=VALUE on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kai_ansible.errors import usage_error
from kai_ansible.inventory.variable_text import not_yaml, read_text
from kai_ansible.inventory.yaml_edit import data_of
from kai_ansible.rules.bounded_yaml import NotATree
from kai_ansible.rules.configuration import canonical_key, is_secret, key_of
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.problems import Problem, listed, nearest
from kai_ansible.rules.variable_names import variable
from kai_ansible.secrets.vault_password import VAULT_HEADER

PARTS = ("host", "users", "settings")


Given = tuple[dict[str, Any], list[Problem]]
"""Variables, and the problems of their source."""


@dataclass(frozen=True)
class Answers:
    """An answers file, read once: it may be a pipe."""

    path: Path
    parts: Mapping[Any, Any]


def answers_in(path: Path) -> Answers:
    """Read an answers file: YAML with up to three parts.

    These are host (name: value), settings (env key: value) and users (a list of users.yaml
    entries). Raises CommandError if it is not such a file.
    """
    if not path.exists():
        raise usage_error(str(path), "no file", "an answers file", "fix --answers")
    text = read_text(path)
    parts = f"a mapping with the parts {listed(PARTS)}"
    if text.startswith(VAULT_HEADER):
        fix = "decrypt it with ansible-vault, and remove it after the run"
        raise usage_error(str(path), "an encrypted file", parts, fix)
    try:
        answers = data_of(text)
    except (yaml.YAMLError, NotATree) as error:
        raise not_yaml(path, error) from error
    if not isinstance(answers, dict | None):
        found = "a list" if isinstance(answers, list) else "a single value"
        raise usage_error(str(path), found, parts, "write it so")
    return Answers(path, answers or {})


def read_answers(contract: Contract, answers: Answers) -> Given:
    """Return the variables of answers, and a problem for every unknown key."""
    path = answers.path
    problems = []
    found: dict[str, Any] = {}
    for part, content in answers.parts.items():
        if part not in PARTS:
            problems.append(_unknown(contract, path, str(part), PARTS))
        elif part == "users":
            found[variable("users")] = content
        elif not isinstance(content, dict):
            problems.append(
                Problem(f"{path}: {part}", type(content).__name__, "a mapping", f"fix {part}")
            )
        else:
            known = contract.host if part == "host" else _setting_keys(contract)
            for key, value in content.items():
                if key not in known:
                    problems.append(_unknown(contract, path, f"{part}.{key}", known))
                else:
                    found[variable(canonical_key(contract, key))] = value
    return found, problems


def read_assignments(contract: Contract, assignments: Iterable[str]) -> Given:
    """Return the variables of KEY=VALUE words, and a problem for every unusable word.

    An empty value clears a setting. A secret is refused, because others could read it there.
    """
    problems = []
    found: dict[str, Any] = {}
    # where the source cannot be read, only the operator knows the line
    known = [*contract.host, "release", *_setting_keys(contract)]
    for word in assignments:
        key, separator, value = word.partition("=")
        key = key_of(contract, key.strip())
        if not separator or key not in known:
            problems.append(_unknown(contract, Path("--set"), key or repr(word), known))
        elif is_secret(contract, key):
            problems.append(
                Problem(
                    f"--set {key}",
                    "a secret on the command line, where every account can read it",
                    "a prompt or an answers file",
                    f"leave out --set {key}, and give it at the prompt or with --answers FILE",
                )
            )
        else:
            found[variable(key)] = value.strip()
    return found, problems


def _setting_keys(contract: Contract) -> list[str]:
    return [name for key, spec in contract.settings.items() for name in (key, *spec.old_names)]


def _unknown(contract: Contract, path: Path, name: str, known: Iterable[str]) -> Problem:
    key = name.rpartition(".")[2]
    titles = contract.elsewhere.get(variable(key))
    if titles:
        return Problem(
            f"{path}: {name}",
            f"a key of {listed(titles.values())}",
            f"a key of {contract.title}; docs/settings.md has a column for each line",
            "remove it, or name a source of its line",
        )
    return Problem(
        f"{path}: {name}",
        f"an unknown key{nearest(key, known)}",
        "a key that docs/settings.md lists",
        "fix or remove it",
    )
