"""What makes a release the one it is, and what its environment has to hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.releases import (
    digest_of_files,
    modules_of_extras,
    release_identifier,
    release_name,
)
from tests.unit.samples import variables

FILES = st.dictionaries(
    st.text(min_size=1, max_size=4), st.tuples(st.binary(max_size=6), st.booleans()), max_size=4
)


@given(FILES, FILES)
def test_a_digest_is_that_of_one_set_of_files(one: Any, other: Any) -> None:
    assert (digest_of_files(one) == digest_of_files(other)) is (one == other)
    assert digest_of_files(one) == digest_of_files(dict(reversed(one.items())))


def test_extras_and_interpreter_are_part_of_a_release() -> None:
    asked = [
        ("d", [], ""),
        ("e", [], ""),
        ("d", ["totp"], ""),
        ("d", [], "totp"),
        ("d", ["memory", "totp"], ""),
    ]
    assert len({release_identifier(*given) for given in asked}) == len(asked)
    assert release_identifier("d", ["totp", "memory"], "") == release_identifier(
        "d", ["memory", "totp"], ""
    )


@pytest.mark.parametrize(
    ("live", "complete", "name"),
    [
        (None, [], "id"),
        ("id", ["id", "old"], "id"),
        ("old", ["old"], "id"),
        ("old", ["old", "id"], "id"),
        # the live one does not work any more, and stays until another does
        ("id", ["old"], "id-2"),
        ("id", ["id-2", "old"], "id-2"),
        ("id-2", ["id-2", "id"], "id-2"),
        ("id-2", ["old"], "id"),
        ("old", ["old", "id-2"], "id-2"),
    ],
)
def test_a_live_release_that_does_not_work_is_not_built_over(
    live: str | None, complete: list[str], name: str
) -> None:
    assert release_name("id", live, complete) == name


@pytest.mark.parametrize(
    ("chosen", "extras", "modules"),
    [
        ({}, ["totp"], ["pyotp", "qrcode"]),
        (
            {"memory_enabled": True, "tts_enabled": True},
            ["memory", "totp", "tts"],
            ["mem0", "sentence_transformers", "pyotp", "qrcode", "piper"],
        ),
        ({"extras": []}, [], []),
        ({"extras": ["tts", "own"]}, ["tts", "own"], ["piper"]),
    ],
)
def test_an_enabled_feature_brings_its_extra(
    contract: Contract, chosen: dict[str, Any], extras: list[str], modules: list[str]
) -> None:
    read = read_configuration(contract, variables(**chosen))
    assert read.problems == []
    assert read.host["extras"] == extras
    assert modules_of_extras(contract, extras) == modules


def test_an_enabled_feature_without_its_extra_is_refused(contract: Contract) -> None:
    read = read_configuration(contract, variables(memory_enabled=True, extras=["totp"]))
    assert [str(problem) for problem in read.problems] == [
        "kai_install_extras: found totp although MEMORY_ENABLED is true, expected memory among "
        "them. Fix: add memory to kai_install_extras, or remove the variable"
    ]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://me:secret@pypi.example.org/simple", True),
        ("file:///srv/index", True),
        ("http://localhost:3141/root/pypi/+simple/", True),
        ("http://127.0.0.1/simple", True),
        # what root installs must not be changed on the way
        ("http://me:secret@pypi.example.org/simple", False),
        ("http://localhost.evil.example/secret", False),
        ("http://127.0.0.1:80@evil.example/secret", False),
    ],
)
def test_an_index_that_nobody_can_pose_as(contract: Contract, url: str, fine: bool) -> None:
    read = read_configuration(contract, variables(index_url=url))
    assert (read.problems == []) is fine
    assert "secret" not in " ".join(problem.found for problem in read.problems).replace(
        "a secret of", ""
    )


def test_packages_come_from_one_place(contract: Contract) -> None:
    both = variables(index_url="https://pypi.example.org/simple", wheelhouse="/srv/wheels")
    (problem,) = read_configuration(contract, both).problems
    assert problem.found == "both kai_install_wheelhouse and kai_install_index_url"
