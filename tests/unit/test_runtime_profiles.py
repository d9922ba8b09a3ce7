"""runtime-profiles.yaml as Kai 2 reads it; tests/real holds the reading to a real Kai."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kai_2 import FITTING, KAI, KAI_2_1, accounts, entry, pairs, paths, policy, services

from kai_ansible.rules.principal_ids import key_of_profile, profile_of_telegram
from kai_ansible.rules.runtime_profiles import BadPolicy, read_policy

ONE, TWO = profile_of_telegram(1), profile_of_telegram(2)


def archived(**keys: Any) -> dict[str, Any]:
    archive = {"version": 1, "removal_gate": "canonical_runtime_state_v1", "runtime_keys": keys}
    one = entry()
    del one["compatibility_runtime_config_id"]
    return {"version": 2, "runtime_profiles": {ONE: one}, "legacy_runtime_archive": archive}


def test_a_profile_is_read() -> None:
    [profile] = read_policy(policy(entry(provider=None, model=" sonnet ")), KAI).values()
    assert profile.profile_id == ONE
    assert (profile.provider, profile.model, profile.key) == ("anthropic", "sonnet", 1)
    assert profile.allowed_services == ()
    assert profile.home_workspace is None


def test_the_smallest_profile_is_read() -> None:
    small = entry(compatibility_runtime_config_id=None)
    for name in ("home_workspace", "workspace_base", "compatibility_runtime_config_id"):
        del small[name]
    data = {"version": 1, "runtime_profiles": {ONE: small}}
    assert read_policy(data, KAI)[ONE].key == key_of_profile(ONE)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"display_name": " "}, "display_name"),
        ({"backend": "gpt"}, "backend"),
        ({"backend": None}, "backend"),
        ({"provider": "openai"}, "provider"),
        ({"backend": "goose", "provider": None}, "provider"),
        ({"model": "gpt-5.5"}, "model"),
        ({"model": ""}, "model"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": True}, "timeout_seconds"),
        ({"timeout_seconds": "120"}, "timeout_seconds"),
        ({"timeout_seconds": 1.5}, "timeout_seconds"),
        ({"allowed_services": None}, "allowed_services"),
        ({"allowed_services": ["*"]}, "allowed_services"),
        ({"allowed_services": ["a/b"]}, "allowed_services"),
        ({"allowed_services": ["a", " a"]}, "allowed_services"),
        ({"allowed_services": [1]}, "allowed_services"),
        ({"allowed_workspaces": None}, "allowed_workspaces"),
        ({"allowed_workspaces": [None]}, "allowed_workspaces"),
        ({"allowed_workspaces": ["srv"]}, "allowed_workspaces"),
        ({"allowed_workspaces": ["/srv", "/srv/"]}, "allowed_workspaces"),
        ({"home_workspace": ""}, "home_workspace"),
        ({"home_workspace": "srv"}, "home_workspace"),
        ({"workspace_base": 1}, "workspace_base"),
        ({"os_user": "a b"}, "os_user"),
        ({"compatibility_runtime_config_id": 0}, "compatibility_runtime_config_id"),
        ({"compatibility_runtime_config_id": "1"}, "compatibility_runtime_config_id"),
        ({"compatibility_runtime_config_id": True}, "compatibility_runtime_config_id"),
    ],
)
def test_a_profile_that_kai_refuses(fields: dict[str, Any], where: str) -> None:
    data = {"version": 1, "runtime_profiles": {ONE: entry(**fields)}}
    with pytest.raises(BadPolicy) as refused:
        read_policy(data, KAI)
    assert refused.value.where == f"runtime_profiles.{ONE}.{where}"


@pytest.mark.parametrize(
    "data",
    [
        *(None, [], "x", {}, {"version": 1}, {"version": 1, "runtime_profiles": []}),
        {"version": 1, "runtime_profiles": {}},
        {**policy(entry()), "version": 2},
        {**policy(entry()), "version": "1"},
        {"version": 1, "runtime_profiles": {"rtp_1": entry()}},
        {"version": 1, "runtime_profiles": {ONE: None}},
        {"version": 1, "runtime_profiles": {ONE: entry(), TWO: entry()}},
    ],
)
def test_a_file_that_kai_refuses(data: Any) -> None:
    with pytest.raises(BadPolicy):
        read_policy(data, KAI)


def test_version_2_keeps_numbers_apart() -> None:
    found = read_policy(archived(**{ONE: 1}), KAI_2_1)
    assert found[ONE].key == 1
    assert read_policy({**archived(), "legacy_runtime_archive": None}, KAI_2_1)


@pytest.mark.parametrize(
    "archive",
    [
        {"version": 2},
        {"removal_gate": "x"},
        {"runtime_keys": []},
        {"runtime_keys": {TWO: 2}},
        {"runtime_keys": {ONE: 0}},
    ],
)
def test_an_archive_that_kai_refuses(archive: dict[str, Any]) -> None:
    data = archived(**{ONE: 1})
    data["legacy_runtime_archive"].update(archive)
    with pytest.raises(BadPolicy):
        read_policy(data, KAI_2_1)


@pytest.mark.parametrize(
    "fields",
    [
        {"models": []},
        {"models": {"chat": "sonnet"}},
        {"models": {"pr_review": "gpt-5.5"}},
        {"github_repos": "a/b"},
        {"github_repos": [" "]},
        {"allowed_triage_projects": ["*"]},
        {"allowed_triage_projects": {}},
        {"pr_review": "yes"},
        {"maximum_timeout_seconds": 119},
        {"maximum_timeout_seconds": "600"},
        {"maximum_timeout_seconds": True},
        {"issue_triage": 1},
    ],
)
def test_what_only_2_1_refuses(fields: dict[str, Any]) -> None:
    data = policy(entry(**fields))
    assert read_policy(data, KAI)
    with pytest.raises(BadPolicy):
        read_policy(data, KAI_2_1)


@given(pairs, accounts, paths, st.lists(paths, unique=True), services, st.integers(1, 10**6))
def test_everything_that_fits_is_read(
    pair: tuple[str, str],
    os_user: str,
    home: str,
    workspaces: list[str],
    names: list[str],
    timeout: int,
) -> None:
    backend, provider = pair
    fields = {
        "os_user": os_user,
        "backend": backend,
        "provider": provider,
        "model": FITTING[pair],
        "timeout_seconds": timeout,
        "allowed_services": names,
        "home_workspace": home,
        "allowed_workspaces": workspaces,
    }
    profile = read_policy(policy(entry(**fields)), KAI)[ONE]
    for name, value in fields.items():
        found = getattr(profile, name)
        assert (list(found) if isinstance(found, tuple) else found) == value


plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
names = st.sampled_from([*entry(), "version", "runtime_profiles", ONE, "models", "runtime_keys"])


@pytest.mark.slow
@given(st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(names, inner)))
def test_any_data_is_read_or_refused(data: Any) -> None:
    for whole in (data, policy(entry(models=data, home_workspace=data)), {**archived(), "x": data}):
        try:
            read_policy(whole, KAI_2_1)
        except BadPolicy as error:
            assert error.where in str(error)
