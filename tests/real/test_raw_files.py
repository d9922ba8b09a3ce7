"""The operator's own files, held to the loader of a real Kai.

What the collection accepts starts the real bot with the same users, services and workspaces, and
without a warning that something of them is left out.
"""

import itertools
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.rules.configuration import Configuration, env_of
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.env_file import env_line
from kai_ansible.rules.operator_files import parse, read_with_files
from tests.real.cases import FIELDS, VALUES
from tests.real.source import Source
from tests.real.test_loader import MOST_TOLD, judged
from tests.real.test_rules import LEFT_OUT, NAMES, told
from tests.unit.samples import variables

MUTATIONS = 12_000
WARNED = (*LEFT_OUT, "not a", "missing", "not set", "duplicate", "non-", "expected a", "typos")
PLACES = ("home_workspace", "workspace_base")
TEXTS = {
    "users_file": """\
# users
users:
  - telegram_id: 1
    name: Ada # me
    role: admin
    os_user: alice
    allowed_workspaces: [/usr, "/etc"]
    max_budget: 2.5
  - {telegram_id: 2, name: 'Bob', model: opus, pr_review: true, timeout: 60}
  - telegram_id: 3
    name: "Cyd"
    agent_backend: codex
    model: gpt-5.4
    os_user: carol
    context_window: 60000
    home_workspace: /usr
    github_repos:
      - owner/name
    issue_triage: false
""",
    "services_file": """\
services:
  search:
    url: https://api.example/search
    method: POST
    auth: {type: bearer, env: SEARCH_KEY}
    headers: {Accept: application/json, X-Version: 2}
    description: Searches.
  "reader":
    url: 'https://reader.example/'
    auth:
      type: header
      env: READER_KEY
      name: X-Key
      optional: true
    params:
      lang: "en"
    allow_path_suffix: true
    notes: |
      Append the page.
""",
    "workspaces_file": """\
workspaces:
  - path: /usr
    claude:
      model: opus
      budget: 2.5
      timeout: 60
      env: {LANG: C, DEBUG: true}
      system_prompt: Be brief.
  - {path: "/etc", claude: {env_file: /etc/passwd}}
  - path: /var
""",
}
FEWEST_ACCEPTED = 150
PIECES = (
    *("\t", " ", "\n", ":", ": ", "-", "- ", "#", " #", "'", '"', "{", "}", "[", "]", "&a ", "*a"),
    *(
        "!",
        "!!str ",
        "|",
        ">",
        ",",
        "\u00a0",
        "\u3000",
        "\u2028",
        "\x85",
        "\r",
        "%",
        "@",
        "`",
        "? ",
    ),
    *("---\n", "...\n", "<<: ", "~", "0", "''", "null", "yes", "\ufeff", "\\", "\0", "\x1b"),
)
WORDS = ("''", "~", "", "yes", "'yes'", "1", "0", "-1", "1.5", "true", "[]", "{}", "[x]", "x y")


def mutated(text: str, dice: random.Random) -> str:
    """Return a text with one to three changes: of a sign, of a value, or of whole lines."""
    for _ in range(dice.randint(1, 3)):
        deed = dice.random()
        if deed < 0.55:
            at = dice.randrange(len(text))
            cut = dice.choice((0, 0, 1))
            text = text[:at] + dice.choice((*PIECES, "")) + text[at + cut :]
            continue
        lines = text.splitlines(keepends=True)
        at = dice.randrange(len(lines))
        if deed < 0.8 and ": " in lines[at]:
            key, _ = lines[at].split(": ", 1)
            lines[at] = f"{key}: {dice.choice(WORDS)}\n"
        elif deed < 0.9:
            del lines[at]
        else:
            lines.insert(dice.randrange(len(lines) + 1), lines[at])
        text = "".join(lines) or " "
    return text


def values_of_users() -> Iterator[dict[str, str]]:
    """Every field of a user with every value that YAML can write."""
    for name, value in itertools.product(FIELDS, VALUES):
        fields = {"telegram_id": "2", "name": "Bob", name: value}
        entry = "\n   ".join(f"{key}: {text}" for key, text in fields.items())
        yield {"users_file": f"users:\n - {{telegram_id: 1, name: Ada, role: admin}}\n - {entry}\n"}


def values_of_services_and_workspaces(contract: Contract) -> Iterator[dict[str, str]]:
    """Every field of a service and of a workspace with every value that YAML can write."""
    auth, claude = (
        getattr(contract, f"{name}_fields")[inner].fields
        for name, inner in (("service", "auth"), ("workspace", "claude"))
    )
    for value in VALUES:
        text = value.replace("\n", "\n      ")
        for name in contract.service_fields:
            url = "" if name == "url" else "\n    url: https://a.example"
            yield {"services_file": f"services:\n  a:{url}\n    {name}: {text}\n"}
        for name in auth:
            rest = {"type": "header", "env": "SEARCH_KEY", "name": "X", name: text}
            inner = "".join(f"\n      {key}: {words}" for key, words in rest.items())
            entry = f"    url: https://a.example\n    auth:{inner}\n"
            yield {"services_file": f"services:\n  a:\n{entry}"}
        for name in contract.workspace_fields:
            path = "" if name == "path" else "\n    path: /usr"
            yield {"workspaces_file": f"workspaces:\n  - a: b{path}\n    {name}: {text}\n"}
        for name in claude:
            entry = f"  - path: /usr\n    claude:\n      {name}: {text}\n"
            yield {"workspaces_file": f"workspaces:\n{entry}"}
        yield {"services_file": f"services: {value}\n"}
        yield {"workspaces_file": f"workspaces: {value}\n"}


def of_the_host(configuration: Configuration, texts: Mapping[str, str]) -> list[str]:
    """Return the paths that the host has to have, which a file alone cannot tell."""
    found = [user[name] for user in configuration.entries for name in PLACES if name in user]
    for user in configuration.entries:
        found += user.get("allowed_workspaces", [])
    for entry in workspaces_in(texts):
        agent = entry.get("claude") or {}
        found += [entry["path"], agent.get("env_file"), agent.get("system_prompt_file")]
    return [str(Path(path).expanduser()) for path in found if path]


def workspaces_in(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    if "workspaces_file" not in texts:
        return []
    found: list[dict[str, Any]] = parse(texts["workspaces_file"]).data["workspaces"]
    return found


def difference(
    configuration: Configuration, texts: Mapping[str, str], verdict: dict[str, Any]
) -> str:
    if verdict["refused"] is not None:
        return f"refused: {verdict['refused']}"
    seen: Any = [tuple(entry[name] for name in NAMES) for entry in verdict["users"]]
    if seen != told(configuration):
        return f"{seen} instead of {told(configuration)}"
    services = {}
    if "services_file" in texts:
        services = parse(texts["services_file"]).data["services"]
    if verdict["services"] != list(services):
        return f"services {verdict['services']} instead of {list(services)}"
    paths = [os.path.realpath(Path(e["path"]).expanduser()) for e in workspaces_in(texts)]
    if verdict["workspaces"] != paths:
        return f"workspaces {verdict['workspaces']} instead of {paths}"
    for entry, kai in zip(
        sorted(configuration.entries, key=lambda one: one["telegram_id"]),
        verdict["users"],
        strict=True,
    ):
        for name in ("role", "pr_review", "issue_triage", "github_repos"):
            if name in entry and entry[name] != kai[name]:
                return f"{name}: {kai[name]!r} instead of {entry[name]!r}"
    lines = [line for line in verdict["warnings"] if "proceeding anyway" not in line]
    return "".join(line for line in lines if any(words in line for words in WARNED))


def compare(
    real_kai: Source,
    counts: list[str],
    contract: Contract,
    title: str,
    cases: list[dict[str, str]],
) -> None:
    accepted, elsewhere = [], 0
    for texts in cases:
        keys = {"SEARCH_KEY": "k", "READER_KEY": "k"}
        given = variables(**{name: f"/{name}" for name in texts}, secret_extra_env=keys)
        if "users_file" in texts:
            del given["kai_install_users"]
            # every provider has a key, so that a backend alone decides
            given |= {f"kai_install_{name}_api_key": "k" for name in ("openai", "google")}
        configuration = read_with_files(contract, given, texts)
        if configuration.problems:
            continue
        if not all(Path(path).exists() for path in of_the_host(configuration, texts)):
            elsewhere += 1
            continue
        env = env_of(configuration)
        files = {"env": "\n".join(env_line(key, value) for key, value in env.items())}
        if "users_file" not in texts:
            files["users.yaml"] = (
                "users: [{telegram_id: 1, name: Ada, role: admin, os_user: alice}]"
            )
        files |= {name.replace("_file", ".yaml"): text for name, text in texts.items()}
        accepted.append((configuration, texts, (str(texts), files)))
    verdicts = judged(real_kai.tree, [case for *_, case in accepted])
    differ = [
        f"{texts}: {found}"
        for (configuration, texts, _), verdict in zip(accepted, verdicts, strict=True)
        if (found := difference(configuration, texts, verdict))
    ]
    counts.append(
        f"{title}: {len(cases)} texts, {len(accepted)} accepted by our rules and judged by the "
        f"real loader, {len(accepted) - len(differ)} agree, {len(differ)} differ, {elsewhere} with "
        f"directories that are not here"
    )
    assert differ[:MOST_TOLD] == [], f"{len(differ)} of {len(accepted)} differ"
    # rules that refuse everything would differ nowhere
    assert len(accepted) >= FEWEST_ACCEPTED


@pytest.mark.parametrize("name", list(TEXTS))
def test_the_bot_has_what_accepted_texts_say(
    real_kai: Source, counts: list[str], contract: Contract, name: str
) -> None:
    dice = random.Random(f"raw {name}")
    cases = [{name: mutated(TEXTS[name], dice)} for _ in range(MUTATIONS)]
    compare(real_kai, counts, contract, f"mutated {name}", [{name: TEXTS[name]}, *cases])


def test_the_bot_takes_values_as_they_are_accepted(
    real_kai: Source, counts: list[str], contract: Contract
) -> None:
    compare(real_kai, counts, contract, "values in users_file", list(values_of_users()))
    cases = list(values_of_services_and_workspaces(contract))
    compare(real_kai, counts, contract, "values in services_file and workspaces_file", cases)
