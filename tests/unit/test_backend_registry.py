"""backends.yaml, written and read; tests/real holds the reading to a real Kai."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.backend_registry import (
    BadRegistry,
    Installed,
    Registry,
    read_registry,
    written_registry,
)

KNOWN = ("claude", "codex", "goose", "opencode", "pi")
ENTRY = {"driver": "codex", "runtime": "local_process", "command": "/usr/local/bin/codex"}
commands = st.sampled_from(["/usr/local/bin/claude", "/opt/my tools/x", "/opt/a,b/codex"])
installed = st.builds(
    Installed,
    command=commands,
    models=st.lists(st.sampled_from(["opus", "claude-*", "opus[[]1m]"]), unique=True).map(tuple),
)


@st.composite
def registries(draw: st.DrawFn) -> Registry:
    found = draw(st.dictionaries(st.sampled_from(KNOWN), installed, min_size=1))
    return Registry(found, draw(st.sampled_from([None, *found])))


@given(registries())
def test_what_is_written_is_read(registry: Registry) -> None:
    document = written_registry(registry)
    assert read_registry(document, KNOWN) == registry
    assert list(document["backends"]) == sorted(registry.installed)
    assert document["version"] == 1


def test_the_form_of_kais_own_installer_is_written() -> None:
    registry = Registry({"codex": Installed("/usr/local/bin/codex")}, "codex")
    assert written_registry(registry) == {
        "version": 1,
        "default_backend": "codex",
        "backends": {"codex": ENTRY},
    }


@pytest.mark.parametrize("command", ["codex", "", "/opt/../codex", "~/codex", "/opt/co*dex"])
def test_a_command_that_sudo_cannot_name_is_not_written(command: str) -> None:
    with pytest.raises(BadRegistry, match=r"backends\.codex\.command"):
        written_registry(Registry({"codex": Installed(command)}))


def test_a_default_that_is_not_installed_is_not_written() -> None:
    with pytest.raises(BadRegistry, match="default_backend"):
        written_registry(Registry({"codex": Installed("/x/codex")}, "claude"))


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([], None),
        (None, None),
        ("text", "backends.yaml"),
        ([1], "backends.yaml"),
        ({"backends": None}, "backends"),
        ({"backends": []}, "backends"),
        ({"backends": {"gpt": ENTRY}}, "backends.gpt"),
        ({"backends": {"codex": None}}, "backends.codex"),
        ({"backends": {"codex": {"command": " "}}}, "backends.codex.command"),
        ({"backends": {"codex": {**ENTRY, "driver": "claude"}}}, "backends.codex.driver"),
        ({"backends": {"codex": {**ENTRY, "runtime": "ssh"}}}, "backends.codex.runtime"),
        ({"backends": {"codex": {**ENTRY, "allowed_models": "x"}}}, "backends.codex.allowed_m"),
        ({"backends": {"codex": {**ENTRY, "allowed_models": [1]}}}, "backends.codex.allowed_m"),
        ({"backends": {"codex": {**ENTRY, "allowed_models": None}}}, None),
        ({"default_backend": "pi", "backends": {"codex": ENTRY}}, "default_backend"),
        ({"default_backend": " CODEX ", "backends": {" Codex ": ENTRY}}, None),
    ],
)
def test_what_kai_refuses(data: Any, where: str | None) -> None:
    if where is None:
        assert isinstance(read_registry(data, KNOWN), Registry)
        return
    with pytest.raises(BadRegistry) as refused:
        read_registry(data, KNOWN)
    assert refused.value.where.startswith(where)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from([*KNOWN, "backends", "command"]), inner)
        ),
    )
)
def test_any_data_is_read_or_refused(data: Any) -> None:
    try:
        read_registry(data, KNOWN)
    except BadRegistry as error:
        assert error.where in str(error)


def test_a_registry_that_is_changed_is_another_one() -> None:
    registry = Registry({"codex": Installed("/x")})
    assert replace(registry, default="codex") != registry
