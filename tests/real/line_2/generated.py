"""Files of Kai 2 in every form that a hand may give them, the same ones at each run."""

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

from kai_ansible.rules.principal_ids import profile_of_telegram
from kai_ansible.rules.profile_merge import Wanted
from tests.unit.kai_2 import FITTING, entry

__all__ = ["entry"]

KNOWN = ("claude", "codex", "goose", "opencode", "pi")
ODD: tuple[Any, ...] = (None, "", " ", 0, 1, -1, 1.5, True, False, [], {}, ["x"], {"a": 1}, "x")
# by field of a profile: what it may hold, and what no one would write
FIELDS: dict[str, tuple[Any, ...]] = {
    "display_name": (*ODD, " Ada ", "Ada L", 7),
    "backend": (*ODD, *KNOWN, " Claude ", "GOOSE"),
    "provider": (*ODD, "anthropic", " OpenAI ", "google", "ollama", "openai-codex"),
    "model": (*ODD, "sonnet", " opus ", "claude-x", "gpt-5.5", "gpt-5.6", "a/b", "opus[1m]"),
    "timeout_seconds": (*ODD, 120, "120", 10**9),
    "os_user": (*ODD, "alice", " alice ", "a b", "root", "a.b_c-d", "ALL", "a:b"),
    "allowed_services": (*ODD, ["a", "b"], ["a", "a"], ["a", " a "], ["*"], ["a/b"], [" "], [1]),
    "allowed_workspaces": (
        *(*ODD, ["/srv"], ["/srv", "/srv/"], ["/srv/../x"], ["srv"], [None], [1], ["//srv"]),
        *(["/srv", "/srv/../srv"], [" /srv "]),
    ),
    "home_workspace": (*ODD, "/srv", " /srv/ ", "srv", "./srv", "/srv/../../x", "/a b"),
    "workspace_base": (*ODD, "/srv", "//srv//a", "/"),
    "compatibility_runtime_config_id": (*ODD, 7, "7", 2**62),
    "models": (*ODD, {"pr_review": "opus"}, {"agent": "x"}, {"chat": "opus"}, {" Agent ": "opus"}),
    "github_repos": (*ODD, ["a/b"], [" "], [1]),
    "pr_review": ODD,
    "issue_triage": ODD,
    "allowed_triage_projects": (*ODD, ["*"], ["Board"], [1], [None]),
    "unknown_to_us": ODD,
}
REGISTRY_FIELDS: dict[str, tuple[Any, ...]] = {
    "driver": (*ODD, *KNOWN, " Claude "),
    "runtime": (*ODD, "local_process", " LOCAL_PROCESS ", "ssh"),
    "command": (*ODD, "/usr/local/bin/claude", " /x ", "codex"),
    "allowed_models": (*ODD, ["opus", " "], ["claude-*", 1], [" a "]),
    "more": ODD,
}


def registry_entry(chance: random.Random, name: str) -> Any:
    """Return an entry of backends.yaml, right or wrong."""
    found: dict[str, Any] = {
        "driver": name,
        "runtime": "local_process",
        "command": f"/usr/local/bin/{name}",
    }
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2])):
        field = chance.choice(list(REGISTRY_FIELDS))
        found[field] = chance.choice(REGISTRY_FIELDS[field])
    if chance.random() < 0.1:
        found.pop(chance.choice(list(found)))
    return found if chance.random() > 0.03 else chance.choice(ODD)


def registries(chance: random.Random, number: int) -> Iterator[Any]:
    """Yield the data of so many backends.yaml."""
    yield from ODD
    for _ in range(number - len(ODD)):
        names = chance.sample(KNOWN, chance.randrange(1, 4))
        if chance.random() < 0.1:
            names.append(chance.choice(["gpt", " Claude ", "PI", "", "1"]))
        data: dict[str, Any] = {
            "version": chance.choice([1, 2, "1", None]),
            "backends": {name: registry_entry(chance, name.strip().lower()) for name in names},
        }
        if chance.random() < 0.4:
            data["default_backend"] = chance.choice([*KNOWN, *names, " CLAUDE ", *ODD[:4]])
        if chance.random() < 0.05:
            data["backends"] = chance.choice(ODD)
        yield data


def right_registry(chance: random.Random) -> dict[str, Any]:
    """Return the data of a backends.yaml that Kai reads."""
    backends = {}
    for name in chance.sample(KNOWN, chance.randrange(3, 6)):
        backends[name] = {"driver": name, "command": f"/x/{name}"}
        if chance.random() < 0.4:
            ceilings = (["sonnet", "claude-*"], ["gpt-5.5"], ["*"], ["haiku", "opus", "sonnet"], [])
            backends[name]["allowed_models"] = chance.choice(ceilings)
    return {"version": 1, "backends": backends}


def policies(
    chance: random.Random, number: int, versions: Sequence[int] | Any
) -> Iterator[tuple[Any, Any]]:
    """Yield the data of so many runtime-profiles.yaml, and of the backends.yaml beside each."""
    for value in ODD:
        yield value, None
    for _ in range(number - len(ODD)):
        profiles: dict[str, Any] = {}
        for telegram_id in chance.sample(range(1, 9), chance.randrange(1, 4)):
            backend, provider = chance.choice(sorted(FITTING))
            one = entry(
                compatibility_runtime_config_id=telegram_id,
                backend=backend,
                provider=provider,
                model=FITTING[backend, provider],
            )
            for _ in range(chance.choice([0, 0, 1, 1, 2])):
                field = chance.choice(list(FIELDS))
                one[field] = copy.deepcopy(chance.choice(FIELDS[field]))
            if chance.random() < 0.1:
                one.pop(chance.choice(list(one)))
            name = profile_of_telegram(telegram_id)
            if chance.random() < 0.02:
                name = chance.choice(["rtp_1", name.upper(), f" {name}"])
            profiles[name] = one if chance.random() > 0.02 else chance.choice(ODD)
        data: dict[str, Any] = {
            "version": chance.choice([*(sorted(versions) * 30), 2, "1", None]),
            "runtime_profiles": profiles,
        }
        if 2 in versions and chance.random() < 0.6:
            data["legacy_runtime_archive"] = archive(chance, list(profiles))
        if chance.random() < 0.02:
            data["runtime_profiles"] = chance.choice(ODD)
        yield data, chance.choice([None, None, right_registry(chance)])


def archive(chance: random.Random, names: list[str]) -> Any:
    """Return the archive of a file of version 2, right or wrong."""
    keys: dict[str, Any] = {name: place for place, name in enumerate(names, 1)}
    found: dict[str, Any] = {
        "version": 1,
        "removal_gate": "canonical_runtime_state_v1",
        "runtime_keys": keys,
    }
    if chance.random() < 0.3:
        keys[chance.choice([*names, profile_of_telegram(99)])] = chance.choice([1, 1, 5, *ODD])
    if chance.random() < 0.15:
        field = chance.choice(list(found))
        found[field] = chance.choice([*ODD, " canonical_runtime_state_v1 "])
    return found if chance.random() > 0.1 else chance.choice(ODD)


def some_wanted(chance: random.Random) -> list[Wanted]:
    """Return users of host_vars."""
    found = []
    for telegram_id in chance.sample(range(1, 7), chance.randrange(1, 5)):
        backend, provider = chance.choice(sorted(FITTING))
        stated: dict[str, Any] = {}
        if chance.random() < 0.5:
            stated["allowed_services"] = chance.sample(["a", "b", "c"], 2)
        if chance.random() < 0.3:
            stated["allowed_workspaces"] = ["/srv/a"]
        if chance.random() < 0.3:
            stated["workspace_base"] = "/srv"
        found.append(
            Wanted(
                telegram_id=telegram_id,
                display_name=f"U{telegram_id}",
                os_user=f"u{telegram_id}",
                backend=backend,
                provider=provider,
                model=FITTING[backend, provider],
                timeout_seconds=chance.choice([60, 120, 900]),
                stated=stated,
            )
        )
    return found


def damaged(chance: random.Random, document: dict[str, Any]) -> None:
    """Let an operator and Kai's own tool write in a file."""
    for one in document["runtime_profiles"].values():
        if chance.random() < 0.3:
            one["allowed_backends"] = chance.sample(KNOWN, 2)
        if chance.random() < 0.3:
            one["maximum_timeout_seconds"] = 600
        if chance.random() < 0.2:
            one["allowed_services"] = ["z"]
        if chance.random() < 0.1:
            del one["compatibility_runtime_config_id"]
        if one["backend"] == "claude" and chance.random() < 0.3:
            one["model"] = "claude-x"
