"""The contracts of Kai 2: what they say fits together, and shares with Kai 1 what is the same."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.inventory.yaml_edit import meaning
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.line_composition import BadDifference, composed
from kai_ansible.rules.release_line import read_lines
from kai_ansible.rules.typed_data import Unfit, read
from tests.contract_files import data_of

VARS = Path(__file__).parents[2] / "roles" / "kai_install" / "vars"


def loaded(name: str) -> dict[str, Any]:
    document: dict[str, Any] = data_of(VARS / name)
    return document


DOCUMENTS = {"1": loaded("kai_1.yml"), "2": loaded("lines/2.yml"), "2.0": loaded("lines/2.0.yml")}
WHOLE = {line: composed(line, DOCUMENTS) for line in DOCUMENTS}
NEW = ("2", "2.0")
KEPT_FROM_1 = ("WEBHOOK_PORT", "VOICE_ENABLED", "MEMORY_SEARCH_FLOOR", "PERPLEXITY_API_KEY")


@pytest.fixture(params=NEW)
def line(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The whole contract of a new line."""
    return WHOLE[request.param]


def conditions(data: Any) -> Iterator[dict[str, Any]]:
    """Yield every question that a condition somewhere asks."""
    if isinstance(data, dict):
        asked = data.get("backend", data.get("global_backend"))
        if isinstance(asked, str) or data.keys() == {"setting", "equals"}:
            yield data
        for value in data.values():
            yield from conditions(value)
    elif isinstance(data, list):
        for value in data:
            yield from conditions(value)


def test_what_is_composed_is_what_the_types_say(line: dict[str, Any]) -> None:
    contract = read(Contract, line)
    assert set(contract.settings) == set(line["settings"])
    assert contract.settings["WEBHOOK_PORT"].default == 8080


def test_every_line_has_a_contract() -> None:
    lines = read_lines(loaded("lines/lines.yml"))
    assert {one.line for one in lines.lines} == set(DOCUMENTS)
    for one in lines.lines:
        whole = WHOLE[one.line]
        assert (whole["release"], whole["title"]) == (one.line, one.title)
        features = {found for found in whole.get("extra_features", {}).values() if found}
        assert features <= set(one.features)


@pytest.mark.parametrize("name", ["2.yml", "2.0.yml", "lines.yml"])
def test_no_key_stands_twice(name: str) -> None:
    meaning((VARS / "lines" / name).read_text(encoding="utf-8").replace("<<: *", "merged: *"))


def test_what_is_the_same_is_stated_once() -> None:
    for whole in WHOLE.values():
        for key in KEPT_FROM_1:
            assert whole["settings"][key] == WHOLE["1"]["settings"][key]
    for line in NEW:
        assert not set(KEPT_FROM_1) & set(DOCUMENTS[line]["changes"]["settings"])


@pytest.mark.parametrize("line", NEW)
def test_a_difference_says_nothing_that_is_so_already(line: str) -> None:
    difference = DOCUMENTS[line]
    without = {**difference, "changes": {}, "after": {}, "adds": {}}
    base = composed(line, {**DOCUMENTS, line: without})
    same = [
        place
        for place, value in leaves(difference["changes"])
        if value == at(base, place) and not isinstance(value, list)
    ]
    assert same == []


def leaves(data: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from leaves(value, (*place, str(key)))
    else:
        yield place, data


def at(data: Any, place: tuple[str, ...]) -> Any:
    for step in place:
        if not isinstance(data, dict) or step not in data:
            return ...
        data = data[step]
    return data


def test_every_condition_asks_for_what_there_is(line: dict[str, Any]) -> None:
    for question in conditions(line):
        if "setting" in question:
            setting = line["settings"][question["setting"]]
            assert question["equals"] in setting.get("choices", [True, False])
        else:
            backend = line["backends"][question.get("backend") or question["global_backend"]]
            assert question.get("provider") in (None, *backend["surfaces"])


def test_names_are_of_one_thing(line: dict[str, Any]) -> None:
    settings = line["settings"]
    former = [name for one in settings.values() for name in one.get("old_names", ())]
    assert len(set(former)) == len(former)
    assert not set(former) & set(settings)
    assert not set(former) & set(line["retired"])
    assert not set(settings) & set(line["retired"])


def test_every_setting_of_kai_1_leads_somewhere(line: dict[str, Any]) -> None:
    former = {name for one in line["settings"].values() for name in one.get("old_names", ())}
    known = {*line["settings"], *line["retired"], *former}
    assert set(WHOLE["1"]["settings"]) | set(WHOLE["1"]["retired"]) <= known
    fields = {name for one in line["user_fields"].values() for name in one.get("old_names", ())}
    gone = set(WHOLE["1"]["user_fields"]) - set(line["user_fields"]) - fields
    assert gone == {"max_budget", "context_window"}


def test_the_way_from_kai_1(line: dict[str, Any]) -> None:
    migration = line["migration"]
    for secret, others in migration["splits"].items():
        assert WHOLE["1"]["settings"][secret]["secret"]
        assert all(line["settings"][other]["secret"] for other in others)
        assert set(others) <= set(line["distinct_secrets"])


def test_every_pair_has_its_models(line: dict[str, Any]) -> None:
    contract = read(Contract, line)
    tiers = set(contract.role_tiers.values()) - {"agent"}
    for name, backend in contract.backends.items():
        assert backend.surfaces.keys() == backend.role_tiers.keys()
        assert backend.names_provider == (len(backend.surfaces) > 1)
        assert backend.binary.setting in contract.settings
        assert contract.settings[backend.binary.setting].written == "never"
        for provider, surface in backend.surfaces.items():
            assert provider in contract.providers
            models = contract.surfaces[surface]
            assert models.accepts(str(models.default), provider)
            assert backend.role_tiers[provider].keys() == tiers
            for model in backend.role_tiers[provider].values():
                assert models.accepts(model, provider), (name, provider, model)
    assert {one for backend in contract.backends.values() for one in backend.surfaces.values()} == (
        set(contract.surfaces)
    )


def test_every_agent_is_started_as_its_user(line: dict[str, Any]) -> None:
    for backend in line["backends"].values():
        assert set(backend["spawn"]) == {"chat", "memory", "review"}
        for spawn in backend["spawn"].values():
            assert spawn.get("as_os_user", True)
            assert spawn["enters"] == line["sudoers"]["enters"]
            # what the bot sets has to survive the change of the user
            assert set(spawn.get("sets", ())) - {"CODEX_MODEL", "CODEX_PROVIDER"} <= set(
                spawn.get("preserve_env", ())
            )


def test_files_that_hold_secrets_are_roots_alone(line: dict[str, Any]) -> None:
    for name, one in line["protected_files"].items():
        assert one["mode"] == ("0644" if name == line["registry"] else "0600")
        assert one.get("direct", False) == (name == line["registry"])
    assert line["profiles"] is None or line["profiles"] in line["protected_files"]


def test_what_belongs_to_a_user_is_nobody_elses() -> None:
    for one in WHOLE["2"]["user_directories"]:
        if one["owner"] == "agent":
            # with an access list the bits of the group are its mask
            assert one["mode"] == ("0750" if "grants" in one else "0700")
    for one in WHOLE["2"]["user_seeds"]:
        assert one["mode"] == "0600"
    for one in WHOLE["2"]["user_directories"] + WHOLE["2"]["user_seeds"]:
        assert "{telegram_id}" not in one["path"]
    for text in map(str, WHOLE["2.0"]["user_directories"] + WHOLE["2.0"]["user_seeds"]):
        assert "{principal}" not in text
        assert "{channel}" not in text


def test_what_was_not_run_says_from_where_it_is_known() -> None:
    whole = WHOLE["2"]
    for helper in whole["helpers"]:
        assert helper["unproven"]
    assert whole["deployment_mode"]["unproven"]
    for part in ("settings", "user_fields"):
        for one in whole[part].values():
            assert not one.get("feature") or one.get("unproven")
    assert not WHOLE["2.0"]["helpers"]


# The composition itself


BASE = {"a": {"x": {"v": 1, "applies": {"backend": "b"}}, "y": 2}, "l": [{"name": "n"}, "s"]}


def of(**difference: Any) -> dict[str, Any]:
    return composed("2", {"1": BASE, "2": {"line": "2", "based_on": "1", **difference}})


def test_each_part_of_a_difference() -> None:
    before = copy.deepcopy(BASE)
    assert of(renamed={"a": {"x": "z"}})["a"] == {
        "z": {"v": 1, "applies": {"backend": "b"}, "old_names": ["x"]},
        "y": 2,
    }
    assert of(without=["a.x.v", "l.n"]) == {
        "a": {"x": {"applies": {"backend": "b"}}, "y": 2},
        "l": ["s"],
    }
    assert of(without=[["a", "y"]])["a"].keys() == {"x"}
    assert of(changes={"a": {"x": {}}})["a"] == {"x": {}, "y": 2}
    changed = of(changes={"a": {"x": {"v": 2, "applies": {"any": []}}, "y": None}})
    assert changed["a"] == {"x": {"v": 2, "applies": {"any": []}}, "y": None}
    assert list(of(after={"a": {"y": None}})["a"]) == ["y", "x"]
    assert list(of(changes={"a": {"z": 1}}, after={"a": {"z": "x"}})["a"]) == ["x", "z", "y"]
    assert of(adds={"l": ["t"]})["l"] == [{"name": "n"}, "s", "t"]
    assert before == BASE


@pytest.mark.parametrize(
    "difference",
    [
        {"change": {}},
        {"renamed": {"a": {"q": "z"}}},
        {"renamed": {"a": {"x": "y"}}},
        {"without": ["a.q"]},
        {"without": ["l.q"]},
        {"after": {"a": {"y": "q"}}},
        {"after": {"a": {"q": "y"}}},
        {"adds": {"a": ["t"]}},
    ],
)
def test_a_difference_that_does_not_fit_is_refused(difference: dict[str, Any]) -> None:
    with pytest.raises(BadDifference):
        of(**difference)


def test_a_line_that_leads_nowhere_is_refused() -> None:
    for documents in ({}, {"2": {"based_on": "1"}}, {"2": {"based_on": "2"}}):
        with pytest.raises(BadDifference):
            composed("2", documents)


@pytest.mark.slow
@given(st.sampled_from(NEW), st.data())
def test_a_key_that_nothing_reads_is_refused(line: str, data: st.DataObject) -> None:
    whole = copy.deepcopy(WHOLE[line])
    part = data.draw(st.sampled_from(["settings", "backends", "surfaces", "user_fields"]))
    name = data.draw(st.sampled_from(sorted(whole[part])))
    whole[part][name]["NOT_A_KEY"] = 1
    with pytest.raises(Unfit, match="NOT_A_KEY"):
        read(Contract, whole)
