"""Files of Kai's that are written as YAML read back as what was meant."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kai_2 import entry, policy
from test_backend_registry import registries

from kai_ansible.rules.backend_registry import Registry, written_registry
from kai_ansible.rules.yaml_text import UnwritableData, yaml_text

texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.none() | st.booleans() | st.integers() | texts
documents = st.recursive(plain, lambda one: st.lists(one) | st.dictionaries(texts, one))


@pytest.mark.slow
@given(documents)
def test_data_reads_back(document: Any) -> None:
    try:
        text = yaml_text(document)
    except UnwritableData:
        return
    assert yaml.safe_load(text) == document


@given(registries())
def test_a_registry_reads_back(registry: Registry) -> None:
    document = written_registry(registry)
    assert yaml.safe_load(yaml_text(document)) == document


def test_profiles_read_back_in_their_order() -> None:
    document = policy(entry(display_name="yes"), entry(compatibility_runtime_config_id=2))
    text = yaml_text(document)
    assert yaml.safe_load(text) == document
    assert text.index("display_name") < text.index("backend")
    assert text.startswith("version: 1\n")


@pytest.mark.parametrize(
    "text", ["yes", "0123", "Jos\u00e9", "a\u0085b", "a\u2028b", " a\n b ", "{{ x }}"]
)
def test_users_read_back_as_they_were(text: str) -> None:
    document = {"users": [{"telegram_id": 7, "name": text, "note": [text, {"x": text}]}]}
    written = yaml_text(document)
    assert yaml.safe_load(written) == document
    assert ("Jos\u00e9" in written) is (text == "Jos\u00e9")


def test_what_yaml_cannot_hold_is_refused() -> None:
    for document in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises(UnwritableData):
            yaml_text(document)
