"""The rules of Kai 2, held to the modules of a real one over many generated values."""

import random
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.ansible.collection import contract
from kai_ansible.rules import principal_ids as ids
from kai_ansible.rules.backend_registry import BadRegistry, Registry, read_registry
from kai_ansible.rules.bootstrap_plan import BadPlan, decode, encode
from kai_ansible.rules.human_handles import handle_of
from kai_ansible.rules.operator_files import parse, read_with_files
from kai_ansible.rules.profile_merge import Wanted, merge
from kai_ansible.rules.runtime_profiles import BadPolicy, Kai, read_policy
from kai_ansible.rules.user_isolation import Assigned, isolation_problems
from tests.real.line_2.conftest import asked
from tests.real.line_2.generated import (
    FIELDS,
    damaged,
    entry,
    policies,
    registries,
    some_wanted,
)
from tests.real.source import found_in
from tests.unit import kai_2 as samples

KNOWN = ("claude", "codex", "goose", "opencode", "pi")
MOST_TOLD = 10
MANY = 3000


def compare(counts: list[str], title: str, differ: list[str], total: int, refused: int) -> None:
    counts.append(
        f"{title}: {total} cases, {refused} refused by the real one, {len(differ)} differ"
    )
    assert differ[:MOST_TOLD] == [], f"{len(differ)} of {total} differ"
    # where everything is refused, nothing is shown
    assert total > refused


def test_ids(kai_2: Path, counts: list[str]) -> None:
    chance = random.Random(1)
    given = []
    for _ in range(MANY):
        workshop = f"wsp_{chance.getrandbits(128):032x}"
        number = chance.choice([chance.randrange(1, 10), chance.randrange(1, 2**40)])
        key = chance.choice(["initial-admin", f"k{chance.randrange(9)}"])
        given.append((workshop, number, key, f"rtp_{chance.getrandbits(128):032x}"))
    questions = [
        {"ask": "ids", "workshop": one, "telegram_id": two, "key": three, "profile": four}
        for one, two, three, four in given
    ]
    differ = []
    for (workshop, number, key, profile), verdict in zip(
        given, asked(kai_2, questions), strict=True
    ):
        ours = {
            "principal": ids.principal_of_telegram(workshop, number),
            "channel": ids.channel_of_telegram(workshop, number),
            "by_key": ids.principal_of_key(workshop, key),
            "initial": ids.profile_of_key(workshop, key),
            "profile": ids.profile_of_telegram(number),
            "number": ids.key_of_profile(profile),
        }
        if not ours.items() <= verdict["answer"].items():
            differ.append(f"{workshop} {number}: {verdict} and {ours}")
    compare(counts, "ids", differ, len(given), 0)


def test_the_owner_of_a_profile(kai_2: Path) -> None:
    """The queries of the contract, on the tables of the real one."""
    workshop = contract("2").workshop
    assert workshop
    profile, owner, guest = (f"{kind}_{'1' * 32}" for kind in ("rtp", "prn", "gst"))
    rows = {
        "principals": [[owner, "human", "Ada", "now"], [guest, "agent", "Kai", "now"]],
        "channels": [["c1", "w1", "direct", "Direct", "now"]],
        "channel_memberships": [
            ["m1", "c1", owner, "owner", "now"],
            ["m2", "c1", guest, "participant", "now"],
        ],
        "channel_agent_runtime_assignments": [["a1", "c1", "agent", profile, "now", 1]],
    }
    # the tree of August archives no channel
    queries = [workshop.workshop, workshop.assigned_profiles, workshop.owners]
    [verdict] = asked(kai_2, [{"ask": "database", "rows": rows, "queries": queries}])
    assert verdict["answer"] == [[], [[profile]], [[profile, owner, "c1"]]]


PROJECTS = {
    # a valid value first, so that some files are accepted
    "display_name": ["Kai", "' '", "~", "true", "{}"],
    "memory_enabled": ["true", "no", "'true'", "1", "~"],
    "project_id": ["p{n}", " p{n} ", "p0", "5", "~"],
    "workspace_roots": ["[/srv/{n}]", "[/srv/0, /var]", "[/usr, /usr/]", "[]", "[5]"],
    "default_scope_for_new_facts": ["global", "project", "~", "task", "true"],
}
MOSTLY = 0.9


def some_projects(chance: random.Random) -> str:
    """Return the text of a memory-projects.yaml, most of whose values are valid."""
    lines = ["projects:"]
    for number in range(chance.randint(1, 3)):
        values = {
            name: some[0 if chance.random() < MOSTLY else chance.randrange(len(some))]
            for name, some in PROJECTS.items()
            if chance.random() < MOSTLY or name == "display_name"
        }
        entry = ", ".join(f"{name}: {value}" for name, value in values.items())
        lines.append(f" - {{{entry}}}".replace("{n}", str(number)))
    return "\n".join([*lines, ""])


def as_written(text: str) -> list[tuple[str, Any]]:
    """Return each project in the text of a memory-projects.yaml with its directories."""
    return [
        (str(entry.get("project_id")).strip(), entry.get("workspace_roots"))
        for entry in parse(text).data["projects"]
    ]


def test_memory_projects(kai_2_0: Path, counts: list[str]) -> None:
    """Kai leaves out what it refuses; kai-ansible accepts what Kai takes whole, no more."""
    chance = random.Random(9)
    texts = [some_projects(chance) for _ in range(MANY)]
    questions = [{"ask": "memory_projects", "text": text} for text in texts]
    ours, differ, refused = contract(found_in(kai_2_0).line), [], 0
    for text, verdict in zip(texts, asked(kai_2_0, questions), strict=True):
        given = {"kai_install_memory_projects_file": "/desk/projects.yaml"}
        judged = read_with_files(ours, given, {"memory_projects_file": text}).problems
        is_refused = any("memory_projects" in problem.where for problem in judged)
        is_left_out = list(verdict["answer"].items()) != as_written(text)
        refused += is_left_out
        if is_refused != is_left_out:
            differ.append(f"{text}: {verdict}")
    compare(counts, "memory-projects.yaml", differ, len(texts), refused)


def our_registry(data: Any) -> Any:
    registry = read_registry(data, KNOWN)
    return {
        "installed": {
            name: [one.command, list(one.models)] for name, one in registry.installed.items()
        },
        "default": registry.default,
    }


def test_registries(kai_2_0: Path, counts: list[str]) -> None:
    chance = random.Random(2)
    given = list(registries(chance, MANY))
    questions = [{"ask": "registry", "data": data, "configured": ""} for data in given]
    differ, refused = [], 0
    for data, verdict in zip(given, asked(kai_2_0, questions), strict=True):
        verdict.get("answer", {}).pop("resolved", None)
        try:
            ours: Any = {"answer": our_registry(data)}
        except BadRegistry as error:
            ours = {"refused": str(error)}
        refused += "refused" in verdict
        if ours.keys() != verdict.keys() or ours.get("answer") != verdict.get("answer"):
            differ.append(f"{data}: {verdict} and {ours}")
    compare(counts, "backends.yaml", differ, len(given), refused)


def test_models(kai_2_0: Path, counts: list[str]) -> None:
    names = [
        *("", " ", "opus", "Opus", "fable", "claude-", "claude-x", "gpt-5.6", "gpt-5.6-sol", "x"),
        *("gpt-5.5", "gpt-5.4-nano", "gemini-2.5-pro", "deepseek-v4-pro", "a/b", "a/b/c", "/a"),
        *("a/", "a//b", "openai/x", "openai-codex/gpt:high", "google/", "llama4:8b", "opus[1m]"),
    ]
    given = [
        (backend, provider, model)
        for backend, providers in samples.MODELS.items()
        for provider in providers
        for model in names
        # Kai asks nothing that is blank
        if model.strip()
    ]
    questions = [
        {"ask": "model", "backend": one, "provider": two, "model": three, "ceiling": []}
        for one, two, three in given
    ]
    differ, refused = [], 0
    for (backend, provider, model), verdict in zip(given, asked(kai_2_0, questions), strict=True):
        models = samples.MODELS[backend][provider]
        name = models.canonical(model)
        accepted = models.accepts(name, provider)
        refused += not verdict["answer"][1]
        if verdict["answer"] != [name, accepted]:
            differ.append(f"{backend} {provider} {model!r}: {verdict} and {accepted}")
    compare(counts, "models", differ, len(given), refused)


def test_isolation(kai_2_0: Path, counts: list[str]) -> None:
    chance = random.Random(3)
    names = ["alice", "bob", "kai", "carol", " alice ", "", None, "  "]
    given = [[chance.choice(names) for _ in range(chance.randrange(1, 4))] for _ in range(MANY)]
    questions = [
        {
            "ask": "isolation",
            "users": [[number, f"U{number}", name] for number, name in enumerate(rows, 1)],
            "service": "kai",
            "uids": None,
            "service_uid": None,
        }
        for rows in given
    ]
    differ, refused = [], 0
    for rows, verdict in zip(given, asked(kai_2_0, questions), strict=True):
        users = [Assigned(f"u[{number}]", f"U{number}", name) for number, name in enumerate(rows)]
        problems = isolation_problems(users, "kai")
        refused += "refused" in verdict
        if (not problems) != ("answer" in verdict):
            differ.append(f"{rows}: {verdict} and {problems}")
    compare(counts, "OS users", differ, len(given), refused)


def our_policy(data: Any, kai: Any) -> Any:
    return {
        name: {
            field: list(value) if isinstance(value, tuple) else value
            for field, value in vars(one).items()
            if field != "profile_id"
        }
        for name, one in read_policy(data, kai).items()
    }


def what_it_takes(tree: Path) -> Kai:
    """Return what a tree takes; 2.1 reads more of a profile."""
    is_2_1 = "bootstrap" in found_in(tree).features
    return samples.KAI_2_1 if is_2_1 else samples.KAI


def test_runtime_profiles(kai_2: Path, counts: list[str]) -> None:
    chance = random.Random(6)
    kai = what_it_takes(kai_2)
    given = [data for data, _registry in policies(chance, 2 * MANY, kai.versions)]
    questions = [{"ask": "policy", "data": data, "registry": None} for data in given]
    differ, refused = [], 0
    for data, verdict in zip(given, asked(kai_2, questions), strict=True):
        try:
            ours: Any = {"answer": our_policy(data, kai)}
        except BadPolicy as error:
            ours = {"refused": str(error)}
        refused += "refused" in verdict
        if ours.keys() != verdict.keys() or ours.get("answer") != verdict.get("answer"):
            differ.append(f"{data}: {verdict} and {ours}")
    compare(counts, "runtime-profiles.yaml", differ, len(given), refused)


def test_every_field_of_a_profile(kai_2: Path, counts: list[str]) -> None:
    given = [
        {"version": 1, "runtime_profiles": {ids.profile_of_telegram(1): entry(**{name: value})}}
        for name, values in FIELDS.items()
        for value in values
    ]
    questions = [{"ask": "policy", "data": data, "registry": None} for data in given]
    differ, refused = [], 0
    for data, verdict in zip(given, asked(kai_2, questions), strict=True):
        try:
            ours: Any = {"answer": our_policy(data, what_it_takes(kai_2))}
        except BadPolicy as error:
            ours = {"refused": str(error)}
        refused += "refused" in verdict
        if ours.keys() != verdict.keys() or ours.get("answer") != verdict.get("answer"):
            differ.append(f"{data}: {verdict} and {ours}")
    compare(counts, "fields of a profile", differ, len(given), refused)


def test_what_is_merged_starts_the_bot(kai_2: Path, counts: list[str]) -> None:
    chance = random.Random(7)
    given: list[tuple[list[Wanted], Any]] = []
    for _ in range(MANY):
        first, then = some_wanted(chance), some_wanted(chance)
        deployed = merge(None, first, path="p", assigned=None, newest=1, before={}).document
        assert deployed is not None
        damaged(chance, deployed)
        assigned = [name for name in deployed["runtime_profiles"] if chance.random() < 0.5]
        found = merge(
            deployed,
            then,
            path="p",
            assigned=chance.choice([assigned, None]),
            newest=1,
            before=chance.choice([{one.identity: one.stated for one in first}, {}]),
        )
        assert found.problems == []
        given.append((then, found.document))
    questions = [{"ask": "policy", "data": data, "registry": None} for _, data in given]
    differ = []
    for (then, data), verdict in zip(given, asked(kai_2, questions), strict=True):
        by_key = {one["key"]: one for one in verdict.get("answer", {}).values()}
        for one in then:
            seen = by_key.get(one.telegram_id, {})
            wanted = {
                name: getattr(one, name)
                for name in ("display_name", "os_user", "backend", "provider", "model")
            }
            if not wanted.items() <= seen.items():
                differ.append(f"{data}: {verdict}: {wanted}")
    compare(counts, "merged profiles", differ, len(given), 0)


def test_a_bootstrap_plan(kai_2: Path, counts: list[str]) -> None:
    if "bootstrap" not in found_in(kai_2).features:
        pytest.skip("this Kai has no bootstrap plan; 2.1 has")
    chance = random.Random(8)
    names = ["Alice", "A B_c-9", "x" * 200]
    created = asked(kai_2, [{"ask": "create", "name": name} for name in names * 50])
    values = [verdict["answer"] for verdict in created]
    for value in values:
        assert encode(decode(value)) == value
    plan = values[0]
    for _ in range(MANY):
        place = chance.randrange(len(plan))
        values.append(plan[:place] + chance.choice("Av1.=_-x") + plan[place + 1 :])
    values += ["", "v1.", plan[3:], f" {plan} ", plan + "="]
    verdicts = asked(kai_2, [{"ask": "decode", "value": value} for value in values])
    differ, refused = [], 0
    for value, verdict in zip(values, verdicts, strict=True):
        refused += "refused" in verdict
        try:
            found = decode(value)
        except BadPlan:
            continue
        ours = [
            *(found.workshop_id, found.provisioning_key, found.display_name, found.role),
            *(found.runtime_profile_id, value),
        ]
        if verdict != {"answer": ours}:
            differ.append(f"{value}: {verdict} and {ours}")
    compare(counts, "bootstrap plans", differ, len(values), refused)


def test_handles(kai_2: Path, counts: list[str]) -> None:
    if not (kai_2 / "src/kai/workshop/human_handles.py").exists():
        pytest.skip("this Kai has no handles; 2.1 has")
    chance = random.Random(9)
    letters = "aAzZ019 _-.éßŁжß①ﬁ\t"
    names = ["".join(chance.choices(letters, k=chance.randrange(45))) for _ in range(MANY)]
    verdicts = asked(kai_2, [{"ask": "handle", "name": name} for name in names])
    differ, refused = [], 0
    for name, verdict in zip(names, verdicts, strict=True):
        refused += "refused" in verdict
        if verdict.get("answer") != handle_of(name):
            differ.append(f"{name!r}: {verdict} and {handle_of(name)}")
    compare(counts, "handles", differ, len(names), refused)


def test_the_registry_of_nothing_is_one(kai_2_0: Path) -> None:
    [verdict] = asked(kai_2_0, [{"ask": "registry", "data": None, "configured": ""}])
    assert verdict["answer"]["installed"] == {}
    assert read_registry(None, KNOWN) == Registry()
