"""The first user of a Kai 2.1 without Telegram; nothing here could be held to a whole 2.1."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.bootstrap_plan import BadPlan, BootstrapPlan, decode, encode
from kai_ansible.rules.env_file import fault_of_value

PLAN = BootstrapPlan(f"wsp_{7:032x}", "Alice", f"rtp_{8:032x}", "initial-admin", "admin")
plans = st.builds(
    BootstrapPlan,
    workshop_id=st.uuids().map(lambda found: f"wsp_{found.hex}"),
    display_name=st.text(max_size=200).map(str.strip).filter(bool),
    runtime_profile_id=st.uuids().map(lambda found: f"rtp_{found.hex}"),
    provisioning_key=st.from_regex(r"[a-z][a-z0-9_-]{0,63}", fullmatch=True),
    role=st.sampled_from(["admin", "member"]),
)


def document(value: str) -> Any:
    body = value.removeprefix("v1.")
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def written(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return "v1." + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@given(plans)
def test_a_plan_survives_its_setting(plan: BootstrapPlan) -> None:
    assert decode(encode(plan)) == plan


@given(plans)
def test_a_plan_needs_no_quotes_in_the_environment_file(plan: BootstrapPlan) -> None:
    value = encode(plan)
    assert fault_of_value(value) is None
    assert not set(value) & set("\"'\\ =")


@pytest.mark.parametrize(
    "change",
    [
        {"workshop_id": "wsp_1"},
        {"runtime_profile_id": PLAN.workshop_id},
        {"role": "user"},
        {"provisioning_key": " "},
        {"provisioning_key": "Admin"},
        {"provisioning_key": "a" * 65},
        {"display_name": ""},
        {"display_name": " Alice"},
        {"display_name": "A" * 201},
    ],
)
def test_a_plan_that_kai_refuses_is_not_written(change: dict[str, str]) -> None:
    with pytest.raises(BadPlan, match=next(iter(change))):
        encode(replace(PLAN, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": True},
        {"version": "1"},
        {"version": None},
        {"role": 1},
        {"more": "x"},
    ],
)
def test_a_document_of_another_form_is_refused(change: dict[str, Any]) -> None:
    content = {**document(encode(PLAN)), **change}
    with pytest.raises(BadPlan):
        decode(written(content))


def test_a_document_without_a_key_is_refused() -> None:
    for name in document(encode(PLAN)):
        content = document(encode(PLAN))
        del content[name]
        with pytest.raises(BadPlan, match="exactly the keys"):
            decode(written(content))


def test_another_spelling_of_a_plan_is_refused() -> None:
    text = json.dumps(document(encode(PLAN)))
    spaced = "v1." + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    for value in (spaced, encode(PLAN) + "=", encode(PLAN)[3:], "v2." + encode(PLAN)[3:]):
        with pytest.raises(BadPlan):
            decode(value)


@given(st.text() | st.text(alphabet="v1.eyJ=-_AZ").map(lambda text: f"v1.{text}"))
def test_anything_else_is_refused_and_nothing_else_happens(value: str) -> None:
    with pytest.raises(BadPlan):
        decode(value)
