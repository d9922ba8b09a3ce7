"""host_vars in the runtime profiles of a host: they win, and what others wrote survives."""

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai_2 import FITTING, KAI, KAI_2_1, accounts, entry, pairs, paths, policy, services

from kai_ansible.rules.principal_ids import profile_of_telegram
from kai_ansible.rules.profile_merge import Merged, Wanted, merge
from kai_ansible.rules.runtime_profiles import read_policy

PATH = "/etc/kai/runtime-profiles.yaml"
GRANTS = {
    "allowed_backends": ["claude", "codex"],
    "backend_options": [{"backend": "pi", "provider": "openai"}],
    "maximum_timeout_seconds": 7200,
    "github_login": "ada",
    "unknown_to_us": {"a": [1]},
}


def wanted(telegram_id: int | None = 1, **fields: Any) -> Wanted:
    """Return what host_vars say of a user."""
    return Wanted(
        **{
            "telegram_id": telegram_id,
            "display_name": "Ada",
            "os_user": "alice",
            "backend": "claude",
            "provider": "anthropic",
            "model": "sonnet",
            "timeout_seconds": 120,
            **fields,
        }
    )


def merged(
    deployed: Any,
    users: Iterable[Wanted],
    *,
    assigned: Any = None,
    newest: int = 2,
    before: Iterable[Wanted] = (),
) -> Merged:
    stated = {one.identity: one.stated for one in before}
    return merge(deployed, list(users), path=PATH, assigned=assigned, newest=newest, before=stated)


def profiles(found: Merged) -> dict[str, Any]:
    assert found.problems == []
    assert found.document is not None
    return dict(found.document["runtime_profiles"])


def second(**keys: int) -> dict[str, Any]:
    """Return a file of version 2 with a profile for each number."""
    found = {}
    for name in keys:
        found[name] = entry(allowed_backends=["claude"], maximum_timeout_seconds=600)
        del found[name]["compatibility_runtime_config_id"]
    archive = {"version": 1, "removal_gate": "canonical_runtime_state_v1", "runtime_keys": keys}
    return {
        "version": 2,
        "backend_selection_policy_version": 1,
        "runtime_profiles": found,
        "legacy_runtime_archive": dict(archive),
    }


ONE, TWO = profile_of_telegram(1), profile_of_telegram(2)


def test_the_first_file_is_that_of_kais_own_installer() -> None:
    found = merged(None, [wanted(stated={"allowed_services": ["search"]})])
    assert found.changed
    assert profiles(found) == {ONE: entry(allowed_services=["search"])}
    assert found.profiles == {1: ONE}
    assert found.notes == []
    # 14 August reads version 1 alone, and 2.1 reads it as well
    assert found.document is not None
    assert found.document["version"] == 1


def test_nothing_is_changed_twice() -> None:
    found = merged(policy(entry()), [wanted()])
    assert not found.changed
    assert found.document == policy(entry())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("os_user", "bob"),
        ("display_name", "Ada L"),
        ("timeout_seconds", 60),
        ("model", "opus"),
    ],
)
def test_a_change_in_host_vars_reaches_the_profile(field: str, value: Any) -> None:
    found = merged(policy(entry(**GRANTS)), [wanted(**{field: value})])
    assert profiles(found)[ONE] == {**entry(**GRANTS), field: value}
    assert found.changed


def test_a_change_of_the_backend_reaches_the_profile_and_keeps_its_grants() -> None:
    one = wanted(backend="codex", provider="openai", model="gpt-5.5")
    found = profiles(merged(policy(entry(**GRANTS)), [one]))[ONE]
    assert (found["backend"], found["provider"], found["model"]) == ("codex", "openai", "gpt-5.5")
    for name, value in GRANTS.items():
        assert found[name] == value


def test_a_grant_of_the_new_backend_is_added_in_version_2() -> None:
    one = wanted(backend="codex", provider="openai", model="gpt-5.5", timeout_seconds=700)
    found = profiles(merged(second(**{ONE: 1}), [one]))[ONE]
    assert found["allowed_backends"] == ["claude", "codex"]
    assert found["maximum_timeout_seconds"] == 700
    deployed = second(**{ONE: 1})
    deployed["runtime_profiles"][ONE]["backend_options"] = GRANTS["backend_options"]
    found = profiles(merged(deployed, [one]))[ONE]
    assert found["backend_options"] == [
        {"backend": "pi", "provider": "openai"},
        {"backend": "codex", "provider": "openai"},
    ]
    assert found["allowed_backends"] == ["claude"]


def test_models_of_another_backend_go_with_it() -> None:
    deployed = policy(entry(models={"pr_review": "opus"}))
    one = wanted(backend="codex", provider="openai", model="gpt-5.5")
    found = merged(deployed, [one])
    assert "models" not in profiles(found)[ONE]
    assert "models of Ada" in found.notes[0]
    stated = replace(one, stated={"models": {"pr_review": "gpt-5.4"}})
    assert profiles(merged(deployed, [stated]))[ONE]["models"] == {"pr_review": "gpt-5.4"}
    assert profiles(merged(deployed, [wanted()]))[ONE]["models"] == {"pr_review": "opus"}


def test_what_host_vars_do_not_say_is_kept_and_named() -> None:
    deployed = policy(entry(allowed_services=["search"], workspace_base="/srv"))
    found = merged(deployed, [wanted()])
    assert not found.changed
    assert [note.split(": ")[1].split(" of ")[0] for note in found.notes] == [
        "allowed_services",
        "workspace_base",
    ]


def test_what_host_vars_no_longer_say_is_taken_back() -> None:
    before = wanted(stated={"allowed_services": ["search"], "models": {"pr_review": "opus"}})
    deployed = merged(None, [before]).document
    found = merged(deployed, [wanted()], before=[before])
    assert profiles(found) == {ONE: entry()}
    assert found.notes == []
    # an operator wrote another one in between
    assert deployed is not None
    deployed["runtime_profiles"][ONE]["allowed_services"] = ["weather"]
    found = merged(deployed, [wanted()], before=[before])
    assert profiles(found)[ONE]["allowed_services"] == ["weather"]
    assert "allowed_services of Ada stays as it is" in found.notes[0]


def test_a_profile_that_the_database_assigns_is_never_dropped() -> None:
    deployed = policy(entry(), entry(compatibility_runtime_config_id=2, display_name="Bob"))
    found = merged(deployed, [wanted()], assigned={ONE, TWO})
    assert set(profiles(found)) == {ONE, TWO}
    assert found.kept == [TWO]
    assert "keeps the profile of Bob, because the database assigns it" in found.notes[0]
    # a real Kai answers such a user, whom users.yaml does not name any more
    assert "still reach the bot" in found.notes[0]


def test_a_profile_of_nobody_is_removed_since_kai_would_not_start() -> None:
    deployed = policy(entry(), entry(compatibility_runtime_config_id=2, display_name="Bob"))
    found = merged(deployed, [wanted()], assigned={ONE})
    assert set(profiles(found)) == {ONE}
    assert found.kept == []
    assert "Bob" in found.notes[0]
    two = second(**{ONE: 1, TWO: 2})
    found = merged(two, [wanted()], assigned=set())
    assert found.document is not None
    assert found.document["legacy_runtime_archive"]["runtime_keys"] == {ONE: 1}


def test_a_database_that_was_not_read_drops_nothing() -> None:
    deployed = policy(entry(), entry(compatibility_runtime_config_id=2, display_name="Bob"))
    found = merged(deployed, [wanted()], assigned=None)
    assert set(profiles(found)) == {ONE, TWO}
    assert found.kept == [TWO]
    assert "was not read" in found.notes[0]


def test_an_assigned_profile_that_is_gone_keeps_no_other_user_waiting() -> None:
    for deployed in (None, policy(entry())):
        found = merged(deployed, [wanted()], assigned={ONE, TWO})
        assert found.problems == []
        assert found.missing == [TWO]
        assert set(profiles(found)) == {ONE}
    assert merged(policy(entry()), [wanted()], assigned={ONE}).missing == []
    assert merged(policy(entry()), [wanted()], assigned=None).missing == []


def test_a_version_that_the_source_does_not_read_is_a_problem() -> None:
    found = merged(second(**{ONE: 1}), [wanted()], newest=1)
    assert found.document is None
    assert found.problems[0].found == "version 2"


def test_no_profile_at_all_is_a_problem() -> None:
    assert "no profile" in str(merged(None, []).problems[0])


def test_two_users_with_one_profile_are_a_problem() -> None:
    found = merged(None, [wanted(), wanted(2, profile_id=ONE)])
    assert ONE in found.problems[0].found


def test_a_user_without_telegram_has_the_profile_of_the_plan() -> None:
    name = "rtp_" + "a" * 32
    one = wanted(None, profile_id=name)
    found = merged({"version": 2, "runtime_profiles": {}}, [one])
    assert profiles(found)[name]["allowed_backends"] == ["claude"]
    assert profiles(found)[name]["maximum_timeout_seconds"] == 600
    assert "compatibility_runtime_config_id" not in profiles(found)[name]
    assert found.document is not None
    assert "legacy_runtime_archive" not in found.document


def test_a_user_whom_the_workshop_knew_first_keeps_the_number_of_then() -> None:
    """Kai refuses a database whose number of a profile is another one than that of the file."""
    profile = "rtp_" + "1" * 32
    linked = wanted(7, profile_id=profile)
    without = entry()
    del without["compatibility_runtime_config_id"]
    first = {"version": 1, "runtime_profiles": {profile: without}}
    assert "compatibility_runtime_config_id" not in profiles(merged(first, [linked]))[profile]
    found = merged({**first, "version": 2}, [linked])
    assert found.document is not None
    assert found.document.get("legacy_runtime_archive") is None


def test_a_profile_is_found_by_its_number_before_its_name() -> None:
    other = "rtp_" + "b" * 32
    deployed = {"version": 1, "runtime_profiles": {other: entry(**GRANTS)}}
    found = merged(deployed, [wanted(model="opus")])
    assert found.profiles == {1: other}
    assert profiles(found) == {other: {**entry(**GRANTS), "model": "opus"}}


def test_a_missing_number_is_added() -> None:
    deployed = policy(entry())
    del deployed["runtime_profiles"][ONE]["compatibility_runtime_config_id"]
    assert profiles(merged(deployed, [wanted()]))[ONE]["compatibility_runtime_config_id"] == 1
    two = second(**{ONE: 1})
    del two["legacy_runtime_archive"]
    found = merged(two, [wanted()])
    assert found.document is not None
    assert found.document["legacy_runtime_archive"]["runtime_keys"] == {ONE: 1}


stated = st.fixed_dictionaries(
    {},
    optional={
        "allowed_services": services,
        "home_workspace": paths,
        "workspace_base": paths,
        "allowed_workspaces": st.lists(paths, unique=True),
    },
)


@st.composite
def users(draw: st.DrawFn) -> list[Wanted]:
    """Users of any number of Telegram IDs."""
    found = []
    for number in draw(st.lists(st.integers(1, 6), unique=True, min_size=1)):
        pair = draw(pairs)
        found.append(
            wanted(
                number,
                display_name=f"U{number}",
                os_user=draw(accounts),
                backend=pair[0],
                provider=pair[1],
                model=FITTING[pair],
                timeout_seconds=draw(st.integers(1, 3000)),
                stated=draw(stated),
            )
        )
    return found


grants = st.fixed_dictionaries(
    {},
    optional={
        "allowed_backends": st.lists(st.sampled_from(["claude", "codex", "pi"]), unique=True),
        "github_login": st.just("ada"),
        "unknown_to_us": st.integers(),
    },
)


@given(users(), users(), grants, st.sets(st.integers(1, 6)), st.booleans(), st.booleans())
def test_every_merge_holds_what_is_promised(
    first: list[Wanted],
    then: list[Wanted],
    granted: dict[str, Any],
    assigned: set[int],
    reads: bool,
    remembers: bool,
) -> None:
    deployed = merged(None, first).document
    assert deployed is not None
    for one in deployed["runtime_profiles"].values():
        one.update(copy.deepcopy(granted))
    former = copy.deepcopy(deployed)
    database = {profile_of_telegram(number) for number in assigned} & set(
        deployed["runtime_profiles"]
    )
    before = first if remembers else []
    found = merged(deployed, then, assigned=database if reads else None, before=before)
    assert deployed == former
    kept = profiles(found)
    policy_read = read_policy(found.document, KAI)
    for one in then:
        [profile] = [each for each in policy_read.values() if each.key == one.telegram_id]
        for name in ("display_name", "os_user", "backend", "provider", "model", "timeout_seconds"):
            assert getattr(profile, name) == getattr(one, name)
        for name, value in one.stated.items():
            assert kept[profile.profile_id][name] == value
    wanted_ids = set(found.profiles.values())
    for name, entry_before in former["runtime_profiles"].items():
        if name in wanted_ids:
            assert {key: kept[name][key] for key in granted} == granted
        elif not reads or name in database:
            assert kept[name] == entry_before
        else:
            assert name not in kept
    assert set(found.kept) == set(kept) - wanted_ids
    again = merged(found.document, then, assigned=database if reads else None, before=then)
    assert not again.changed
    assert found.changed == (found.document != former)


@given(users(), users())
def test_a_merge_into_version_2_is_one_that_kai_reads(
    first: list[Wanted], then: list[Wanted]
) -> None:
    keys = {profile_of_telegram(one.telegram_id or 0): one.telegram_id or 0 for one in first}
    found = merged(second(**keys), then, assigned=set(keys))
    policy_read = read_policy(found.document, KAI_2_1)
    for one in then:
        [profile] = [each for each in policy_read.values() if each.key == one.telegram_id]
        assert profile.model == one.model
        held = profiles(found)[profile.profile_id]
        assert one.backend in held["allowed_backends"]
        assert held["maximum_timeout_seconds"] >= one.timeout_seconds
