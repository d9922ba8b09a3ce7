"""The contracts of Kai 2, held to what a real one has in its modules and takes at its start."""

import glob
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kai_ansible.rules.backend_registry import Installed, Registry, written_registry
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.env_file import env_line
from kai_ansible.rules.line_composition import composed
from kai_ansible.rules.typed_data import read
from tests.contract.test_lines import DOCUMENTS
from tests.real.line_2.conftest import Verdict, asked
from tests.real.source import found_in
from tests.unit import kai_2 as samples

ACCOUNTS = {"alice": 2001, "bob": 2002}
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
COMMANDS = {
    name: f"/usr/local/bin/{name}" for name in ("claude", "codex", "goose", "opencode", "pi")
}
TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp_-q"


@pytest.fixture(scope="module")
def contract(kai_2_0: Path) -> Contract:
    """The contract of the line of the tree."""
    line = found_in(kai_2_0).line
    assert line is not None
    found: Contract = read(Contract, composed(line, DOCUMENTS))
    return found


@pytest.fixture(scope="module")
def tables(kai_2_0: Path) -> Any:
    [verdict] = asked(kai_2_0, [{"ask": "tables"}])
    return verdict["answer"]


def files(contract: Contract, users: Any = (ADA,), **settings: str) -> dict[str, str]:
    """Return the files of a bot that starts, but for what a test says."""
    given = {"TELEGRAM_BOT_TOKEN": TOKEN, "DEFAULT_BACKEND": "claude", **settings}
    registry = Registry({name: Installed(path) for name, path in COMMANDS.items()}, "claude")
    return {
        "env": "\n".join(env_line(key, value) for key, value in given.items()),
        "users.yaml": json.dumps({"users": list(users)}),
        "backends.yaml": json.dumps(written_registry(registry)),
    }


def loads(tree: Path, cases: list[dict[str, str]]) -> list[Verdict]:
    return asked(tree, [{"ask": "loader", "files": one, "accounts": ACCOUNTS} for one in cases])


def test_backends_and_models(contract: Contract, tables: Any) -> None:
    assert {name: set(one.surfaces) for name, one in contract.backends.items()} == {
        name: set(providers) for name, providers in tables["providers"].items()
    }
    assert {name: one.key for name, one in contract.providers.items() if one.key} == tables["keys"]
    for name, models in tables["models"].items():
        surface = "claude" if name == "anthropic" else f"goose-{name}"
        assert list(contract.surfaces[surface].models) == models
    assert list(contract.surfaces["codex"].models) == tables["codex"]
    assert contract.surfaces["codex"].aliases == tables["aliases"]
    assert set(tables["open_ended"]) == {"ollama", "openrouter"}
    assert sorted(contract.memory_extraction_backends) == tables["oneshot"]


def test_models_of_tasks(contract: Contract, tables: Any) -> None:
    assert sorted(contract.role_tiers) == sorted(tables["roles"])
    ours = set()
    for name, backend in contract.backends.items():
        for provider, surface in backend.surfaces.items():
            models = {"agent": contract.surfaces[surface].default, **backend.role_tiers[provider]}
            ours |= {
                (name, provider, role, models[tier]) for role, tier in contract.role_tiers.items()
            }
    assert ours == {tuple(row) for row in tables["registry"]}
    efforts = [contract.settings[f"{name}_EFFORT_LEVEL"].choices for name in ("CLAUDE", "CODEX")]
    assert [list(one) for one in efforts] == tables["effort"]


def test_the_samples_of_unit_tests_are_those_of_the_contract(contract: Contract) -> None:
    assert {
        # the samples are those of every source
        name: {
            provider: replace(
                contract.surfaces[one],
                name="",
                only_with={},
                default=samples.MODELS[name][provider].default,
            )
            for provider, one in backend.surfaces.items()
        }
        for name, backend in contract.backends.items()
    } == samples.MODELS
    assert sorted(samples.ROLES) == sorted(contract.role_tiers)


def test_how_agents_are_started(kai_2_0: Path, contract: Contract) -> None:
    [verdict] = asked(kai_2_0, [{"ask": "spawns"}])
    real = verdict["answer"]
    for name, backend in contract.backends.items():
        assert list(backend.spawn["chat"].preserve_env) == real["chat"][name]
        for use in ("memory", "review"):
            assert list(backend.spawn[use].preserve_env) == real["once"].get(name, [])
    ours = contract.backends["pi"].spawn["chat"].provider_env
    assert {name: list(one) for name, one in ours.items()} == {
        name: one for name, one in real["pi"].items() if one
    }
    goose = contract.backends["goose"].spawn["chat"]
    names = {"sonnet": "claude-sonnet-4-6", **goose.model_names["anthropic"]}
    assert names == real["goose_models"]
    assert goose.provider_names == real["goose_providers"]


def test_sudo_enters_the_directory(kai_2: Path) -> None:
    [verdict] = asked(kai_2, [{"ask": "wrap", "workspace": "/srv/a b"}])
    assert verdict["answer"] == [
        *("sudo", "-H", "-D", "/srv/a b", "-u", "alice", "--preserve-env=A,B", "--"),
        *("/x/claude", "--print"),
    ]


def test_the_rules_of_sudo(kai_2_0: Path, contract: Contract) -> None:
    users = ["alice", "bob"]
    [verdict] = asked(kai_2_0, [{"ask": "sudoers", "users": users, "commands": COMMANDS}])
    cat, tee = "/usr/bin/cat", "/usr/bin/tee"
    options = "CWD=* SETENV: " if contract.sudoers.enters else "SETENV: "
    protected = contract.protected_files.values()
    ours = [
        *(f"(root) NOPASSWD: {cat} {one.path}" for one in protected if "read" in one.access),
        *(f"(root) NOPASSWD: {tee} {one.path}" for one in protected if "write" in one.access),
        *(f"({user}) {options}NOPASSWD: {path}" for user in users for path in COMMANDS.values()),
        *(f"({user}) NOPASSWD: /bin/kill" for user in users),
    ]
    assert sorted(f"kai ALL={rule}" for rule in ours) == sorted(verdict["answer"])


def test_the_registry_is_that_of_kais_own_installer(kai_2_0: Path, contract: Contract) -> None:
    [verdict] = asked(kai_2_0, [{"ask": "registry_of_installer", "commands": COMMANDS}])
    ceilings = {
        name: tuple(
            sorted(
                {
                    *map(glob.escape, contract.surfaces[name].models),
                    *(f"{glob.escape(one)}*" for one in contract.surfaces[name].prefixes),
                }
            )
        )
        for name in ("claude", "codex")
    }
    registry = Registry(
        {name: Installed(path, ceilings.get(name, ())) for name, path in COMMANDS.items()}
    )
    assert written_registry(registry)["backends"] == verdict["answer"]


def cases_of_numbers(contract: Contract) -> list[tuple[str, str, bool]]:
    """Return settings at the ends of their ranges: key, value, whether we accept it."""
    found = []
    for key, one in contract.settings.items():
        if one.type not in ("integer", "number") or one.unproven:
            continue
        step = 1 if one.type == "integer" else 0.01
        found.append((key, "x", False))
        for end, sign in ((one.minimum, -1), (one.maximum, 1)):
            if end is not None:
                end = int(end) if one.type == "integer" else end
                found += [(key, str(end), True), (key, str(end + sign * step), False)]
    return found


# Kai takes these as they are, and does with them what nobody wants
LENIENT = {
    ("WEBHOOK_PORT", "0"),
    ("WEBHOOK_PORT", "65536"),
    ("DEFAULT_TIMEOUT", "0"),
    ("AGENT_MAX_SESSION_HOURS", "-0.01"),
    ("AGENT_IDLE_TIMEOUT", "-1"),
    ("FILE_RETENTION_DAYS", "-1"),
    ("PR_REVIEW_COOLDOWN", "-1"),
}


def test_ranges(kai_2_0: Path, contract: Contract, counts: list[str]) -> None:
    given = cases_of_numbers(contract)
    verdicts = loads(kai_2_0, [files(contract, **{key: value}) for key, value, _ in given])
    differ = [
        f"{key}={value}: {verdict.get('refused')}"
        for (key, value, accepted), verdict in zip(given, verdicts, strict=True)
        if ("answer" in verdict) != accepted and (key, value) not in LENIENT
    ]
    counts.append(f"ends of ranges: {len(given)} cases, {len(differ)} differ")
    assert differ == []
    assert len(given) > 50
    # a stricter range of ours is one on purpose
    lenient = {
        (key, value)
        for (key, value, accepted), verdict in zip(given, verdicts, strict=True)
        if "answer" in verdict and not accepted
    }
    assert lenient == LENIENT


NAMES = {"github_repo": "GITHUB_REPO", "spec_dir": "SPEC_DIR"}


def test_defaults(kai_2_0: Path, contract: Contract) -> None:
    [verdict] = loads(kai_2_0, [files(contract)])
    settings = verdict["answer"]["settings"]
    ours = {
        key: one.default
        for key, one in contract.settings.items()
        if one.default is not None and key.lower() in settings and one.written != "never"
    }
    assert len(ours) > 25
    assert {key: settings[key.lower()] for key in ours} == ours


def test_choices(kai_2_0: Path, contract: Contract) -> None:
    given = [
        (key, value, value in one.choices)
        for key, one in contract.settings.items()
        if one.type == "choice" and one.choices and key != "TELEGRAM_TRANSPORT"
        for value in (*one.choices, "x")
    ]
    verdicts = loads(kai_2_0, [files(contract, **{key: value}) for key, value, _ in given])
    for (key, value, accepted), verdict in zip(given, verdicts, strict=True):
        assert ("answer" in verdict) == accepted, (key, value, verdict)


def test_former_names_are_read(kai_2_0: Path, contract: Contract) -> None:
    values = {
        "DEFAULT_BACKEND": "codex",
        "DEFAULT_PROVIDER": "google",
        "DEFAULT_TIMEOUT": "77",
        "AGENT_MAX_SESSION_HOURS": "7.0",
        "AGENT_IDLE_TIMEOUT": "7",
    }
    for key, value in values.items():
        [former, *_] = contract.settings[key].old_names
        given = files(contract, **{former: value})
        if key == "DEFAULT_BACKEND":
            given["env"] = given["env"].replace("DEFAULT_BACKEND=", "X=")
        if key == "DEFAULT_PROVIDER":
            given = files(contract, **{former: value, "DEFAULT_BACKEND": "goose"})
        [verdict] = loads(kai_2_0, [given])
        assert str(verdict["answer"]["settings"][key.lower()]) == value
    for name, value in (("backend", "codex"), ("provider", "anthropic")):
        [former] = contract.user_fields[name].old_names
        [verdict] = loads(kai_2_0, [files(contract, [{**ADA, former: value}])])
        assert verdict["answer"]["users"]["1"][name] == value


def test_what_is_retired_changes_nothing(kai_2_0: Path, contract: Contract) -> None:
    [plain] = loads(kai_2_0, [files(contract)])
    for key in contract.retired:
        value = "7" if key.endswith(("ID", "IDS", "WINDOW", "USD", "CEILING")) else "true"
        [verdict] = loads(kai_2_0, [files(contract, **{key: value})])
        assert verdict == plain, key


def test_kai_takes_the_mode_of_each_protected_file_and_none_that_gives_more(
    kai_2_0: Path, contract: Contract
) -> None:
    files = [one for one in contract.protected_files.values() if "write" not in one.access]
    for one in files:
        most = int(one.mode, 8)
        questions = [
            {"ask": "metadata", "mode": mode, "uid": 0, "regular": True, "registry": most == 0o644}
            for mode in range(0o10000)
        ]
        taken = {
            mode for mode, verdict in enumerate(asked(kai_2_0, questions)) if "answer" in verdict
        }
        assert taken == {mode for mode in range(0o10000) if not mode & ~most}, one.path


def test_every_choice_of_clients_enables_them(kai_2: Path, contract: Contract) -> None:
    choices = contract.settings["KAI_ENABLED_ADAPTERS"].choices
    asks = [{"ask": "adapters", "value": value} for value in choices]
    answers = [verdict["answer"] for verdict in asked(kai_2, asks)]
    assert answers == [sorted(value.split(",")) for value in choices]
    default = contract.settings["KAI_ENABLED_ADAPTERS"].default
    assert asked(kai_2, [{"ask": "adapters", "value": None}])[0]["answer"] == default.split(",")


def test_no_address_passes_that_kai_refuses(kai_2: Path, contract: Contract) -> None:
    pattern = contract.settings["WORKSHOP_LAN_HOST"].pattern
    assert pattern is not None
    chance = random.Random(5)
    values = ["", " ", "host", "::1", "fd00::1", "10.0.0.1 ", "10.0.0.01", "1.2.3"]
    values += ["10.1.2", "172.16.1", "192.168.1.2.3"]
    for first in (0, 8, 10, 100, 127, 169, 172, 192, 198, 203, 224, 255):
        for _ in range(60):
            rest = [chance.choice([0, 1, 16, 31, 168, 254, 255]) for _ in range(3)]
            values.append(".".join(map(str, (first, *rest))))
    passing = [value for value in values if re.fullmatch(pattern, value)]
    verdicts = asked(kai_2, [{"ask": "lan_host", "value": value} for value in passing])
    assert passing
    refused = ["refused" in verdict for verdict in verdicts]
    assert dict(zip(passing, refused, strict=True)) == dict.fromkeys(passing, False)


def test_equal_secrets_stop_the_start(kai_2_0: Path, contract: Contract) -> None:
    one, other = contract.distinct_secrets[1:]
    [verdict] = loads(kai_2_0, [files(contract, **{one: "s", other: "s"})])
    assert "must use different values" in verdict["refused"]


USER_CASES: list[tuple[dict[str, Any], str]] = [
    ({"os_user": ""}, "start refused"),
    ({"os_user": "kai"}, "start refused"),
    ({"os_user": "gone"}, "start refused"),
    ({"backend": "x"}, "start refused"),
    ({"provider": "x", "backend": "goose"}, "start refused"),
    ({"models": {"chat": "opus"}}, "start refused"),
    ({"models": {"agent": "x"}}, "start refused"),
    ({"models": {"agent": ""}}, "start refused"),
    ({"models": []}, "start refused"),
    ({"model": "x"}, "ignored"),
    ({"timeout": 0}, "ignored"),
    ({"pr_review": "yes"}, "ignored"),
    ({"github_notify_chat_id": "x"}, "ignored"),
    ({"role": "x"}, "entry skipped"),
    ({"name": " "}, "entry skipped"),
    ({"telegram_id": 0}, "entry skipped"),
    ({"allowed_services": ["*"]}, "item dropped"),
    ({"allowed_services": ["a/b"]}, "item dropped"),
    ({"allowed_triage_projects": ["*"]}, "item dropped"),
    ({"allowed_workspaces": ["/nowhere"]}, "item dropped"),
    ({"github_repos": ["x"]}, "item dropped"),
]


@pytest.mark.parametrize(("fields", "what"), USER_CASES, ids=lambda one: str(one))
def test_what_kai_does_with_a_field_that_is_wrong(
    kai_2_0: Path, contract: Contract, fields: dict[str, Any], what: str
) -> None:
    [name, *_] = fields
    assert contract.user_fields[name].kai_on_violation == what
    other = {"telegram_id": 2, "name": "Bob", "os_user": "bob"}
    plain, verdict = loads(
        kai_2_0, [files(contract, [ADA, other]), files(contract, [ADA, {**other, **fields}])]
    )
    if what == "start refused":
        assert "refused" in verdict
        return
    users, before = verdict["answer"]["users"], plain["answer"]["users"]
    assert users["1"] == before["1"]
    assert users.get("2") == (None if what == "entry skipped" else before["2"])


def test_every_user_needs_an_os_user_of_their_own(kai_2_0: Path, contract: Contract) -> None:
    other = {"telegram_id": 2, "name": "Bob", "os_user": "alice"}
    [verdict] = loads(kai_2_0, [files(contract, [ADA, other])])
    assert "shared by multiple" in verdict["refused"]
