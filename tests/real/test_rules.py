"""The rules of the collection, held to the loader of a real Kai.

What they accept has to start the bot, with the users that they say and without a warning that
something of these is left out.
"""

import itertools
import json
from typing import Any

import pytest

from kai_ansible.rules.configuration import Configuration, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.env_file import env_line
from tests.real.cases import GLOBAL_PAIRS, PROVIDERS, Case
from tests.real.source import Source
from tests.real.test_loader import MOST_TOLD, judged
from tests.unit.samples import probe, user, variables

KEYS = {f"{name}_API_KEY": "k" for name in ("ANTHROPIC", "OPENAI", "GOOGLE", "OPENROUTER")}
BACKENDS = (None, "claude", "codex", "goose")
MODELS = (
    *(None, "opus", "Sonnet", "gpt-5.5", "gpt-5.4", "gpt-5.4-nano", "gemini-3-flash"),
    *("Vendor/X", "llama4:8b-q4_K_M"),
)
NAMES = ("telegram_id", "name", "os_user", "backend", "provider", "model")
# what Kai says of an entry or field that it leaves out
LEFT_OUT = ("skipping", "ignoring", "dropping", "malformed", "must be", "not found", "invalid")

FEWEST_ACCEPTED = 1000


def pairs() -> list[dict[str, Any]]:
    """Return variables of installations: every global pair, and a user of every pair and model."""
    found = []
    for (backend, provider), model in itertools.product(GLOBAL_PAIRS, MODELS):
        settings: dict[str, Any] = {"AGENT_BACKEND": backend, "DEFAULT_MODEL": model, **KEYS}
        # a provider that the global backend has no use for may stand there all the same
        for named in (provider,) if provider else (None, *PROVIDERS):
            settings["LLM_PROVIDER"] = named
            for own in itertools.product(BACKENDS, (None, *PROVIDERS), MODELS, (None, "bob")):
                names = ("agent_backend", "llm_provider", "model", "os_user")
                fields = {
                    name: value for name, value in zip(names, own, strict=True) if value is not None
                }
                users = [user(os_user="alice"), user(2, "Bob", **fields)]
                given = {key: value for key, value in settings.items() if value is not None}
                found.append(variables(*users, **given))
    return found


def files_of(contract: Contract, configuration: Configuration) -> dict[str, str]:
    """Return what an install of a configuration writes for the bot."""
    desired = desired_state(configuration, probe())
    assert desired["problems"] == []
    lines = [env_line(key, value) for key, value in desired["env"].items()]
    return {"env": "\n".join(lines), "users.yaml": json.dumps({"users": desired["users"]})}


def told(configuration: Configuration) -> list[tuple[Any, ...]]:
    people = sorted(configuration.users, key=lambda person: person.telegram_id)
    return [tuple(getattr(person, name) for name in NAMES) for person in people]


def differences(configuration: Configuration, verdict: dict[str, Any]) -> str:
    if verdict["refused"] is not None:
        return f"refused: {verdict['refused']}"
    seen = [tuple(entry[name] for name in NAMES) for entry in verdict["users"]]
    if seen != told(configuration):
        return f"{seen} instead of {told(configuration)}"
    # a home is laid out on the host, which is not there
    warnings = [line for line in verdict["warnings"] if "home_workspace" not in line]
    return "".join(line for line in warnings if any(words in line for words in LEFT_OUT))


def compare(
    real_kai: Source, counts: list[str], title: str, given: list[tuple[Configuration, Case]]
) -> None:
    verdicts = judged(real_kai.tree, [case for _, case in given])
    differ = [
        f"{case[0]}: {difference}"
        for (configuration, case), verdict in zip(given, verdicts, strict=True)
        if (difference := differences(configuration, verdict))
    ]
    counts.append(
        f"{title}: {len(given)} accepted by our rules, {len(given) - len(differ)} start the real "
        f"bot with the same users, {len(differ)} differ"
    )
    assert differ[:MOST_TOLD] == [], f"{len(differ)} of {len(given)} differ"
    # rules that refuse everything would differ nowhere
    assert len(given) >= FEWEST_ACCEPTED


@pytest.mark.usefixtures("real_kai")
def test_the_bot_has_the_users_that_are_accepted(
    real_kai: Source, counts: list[str], contract: Contract
) -> None:
    given = []
    for number, values in enumerate(pairs()[::7]):
        configuration = read_configuration(contract, values)
        if not configuration.problems:
            case = (f"{number}: {values}", files_of(contract, configuration))
            given.append((configuration, case))
    compare(real_kai, counts, "users given as data", given)
