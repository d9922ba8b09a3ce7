"""The contract's types and its data have the same keys, and a difference is told with its line."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.contract import Condition, Contract, read_contract
from kai_ansible.rules.problems import Refused
from kai_ansible.rules.typed_data import Unfit, as_data, in_words, read
from tests.conftest import VARS
from tests.contract_files import data_of

Place = tuple[str | int, ...]
PATH = VARS / "kai_1.yml"
TEXT = PATH.read_text(encoding="utf-8")
DATA: dict[str, Any] = data_of(PATH)


def places(data: Any, place: Place = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a document below its top."""
    entries = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for step, value in entries:
        yield (*place, step)
        yield from places(value, (*place, step))


def parent_of(data: Any, place: Place) -> Any:
    """What holds a place."""
    for step in place[:-1]:
        data = data[step]
    return data


def typed_at(data: Any, place: Place) -> Any:
    """What the types have at a place of the document."""
    for step in place:
        if is_dataclass(data):
            names = {one.metadata.get("name", one.name): one.name for one in fields(data)}
            data = getattr(data, names[str(step)])
        else:
            data = data[step]
    return data


def test_the_contract_is_what_its_types_say() -> None:
    contract = read_contract(TEXT, "kai_1.yml")
    assert contract.settings["WEBHOOK_PORT"].default == 8080
    assert set(contract.settings) == set(DATA["settings"])
    assert contract.backends["codex"].binary.setting == "CODEX_BIN"


def test_as_data_it_is_read_as_the_same_again() -> None:
    contract = read_contract(TEXT, "kai_1.yml")
    data = as_data(contract)
    assert read(Contract, data) == contract
    # what goes to a host goes as JSON
    assert json.loads(json.dumps(data)) == data
    assert data["protected_files"]["env"]["from"] == "settings"


def test_every_fault_is_told_with_its_line() -> None:
    text = TEXT.replace("written: always", "writen: always", 1).replace(
        "asked: essential", "asked: maybe"
    )
    with pytest.raises(Refused) as refused:
        read_contract(text, "kai_1.yml")
    lines = text.splitlines()
    for problem in str(refused.value).splitlines():
        [word] = [word for word in ("writen", "maybe", "no written") if word in problem][:1]
        line = lines[int(problem.split(":")[1]) - 1]
        assert ("TELEGRAM_BOT_TOKEN" if word == "no written" else word) in line
    assert "settings.TELEGRAM_BOT_TOKEN.writen" in str(refused.value)
    assert "did you mean written?" in str(refused.value)
    assert str(refused.value).count("'maybe'") == text.count("asked: maybe")


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(Refused, match="is not YAML"):
        read_contract("a: [", "kai_9.yml")


KEYS = [place for place in places(DATA) if isinstance(parent_of(DATA, place), dict)]


@pytest.mark.slow
@given(st.sampled_from(KEYS))
def test_a_key_that_nothing_reads_is_refused_wherever_it_stands(place: Place) -> None:
    data = deepcopy(DATA)
    holder = parent_of(data, place)
    holder["NOT_A_KEY"] = holder[place[-1]]
    try:
        read_it = typed_at(read(Contract, data), place[:-1])
    except Unfit as error:
        # by its place, or by a rule that knows the keys of that mapping
        assert any("NOT_A_KEY" in in_words(found) + fault for found, fault, _ in error.faults)
    else:
        # providers, surfaces and the like have names that only the data knows
        assert "NOT_A_KEY" in read_it


@pytest.mark.slow
@given(
    st.sampled_from(sorted(places(DATA), key=str)), st.sampled_from([None, 1.5, [], {}, [{}], b"x"])
)
def test_a_value_of_another_kind_ends_in_no_other_error(place: Place, value: Any) -> None:
    data = deepcopy(DATA)
    parent_of(data, place)[place[-1]] = value
    try:
        read(Contract, data)
    except Unfit as error:
        assert error.faults


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"provider": "openai"},
        {"backend": "codex", "setting": "TTS_ENABLED", "equals": True},
        {"setting": "TTS_ENABLED"},
        {"any": [{"backend": "codex"}], "all": [{"backend": "codex"}]},
        {"not": {}},
    ],
)
def test_a_condition_asks_one_question(question: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        read(Condition, question)


def test_true_is_no_number_and_one_is_not_true() -> None:
    for place, value in ((("version",), True), (("settings", "WEBHOOK_PORT", "minimum"), True)):
        data = deepcopy(DATA)
        parent_of(data, place)[place[-1]] = value
        with pytest.raises(Unfit):
            read(Contract, data)
