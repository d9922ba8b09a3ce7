"""Models for single tasks; tests/real asks a real Kai."""

from typing import Any

import pytest
from kai_2 import MODELS, ROLES

from kai_ansible.rules.start_checks import fault_of_default_models, role_problems

CODEX = MODELS["codex"]["openai"]


@pytest.mark.parametrize("text", ["", " ", "{}", '{" PR_Review ": " opus "}', '{"agent": 1}'])
def test_what_kai_reads(text: str) -> None:
    assert fault_of_default_models(text, ROLES) is None


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", '{"chat": "opus"}', '{"agent": ""}', '{"agent": " "}', "[" * 9999]
)
def test_what_kai_refuses(text: str) -> None:
    assert fault_of_default_models(text, ROLES)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({}, []),
        ({"pr_review": "gpt-5.4", "Agent": "gpt-5.6"}, []),
        ([], [""]),
        ("x", [""]),
        ({"pr_reviw": "gpt-5.4"}, [".pr_reviw"]),
        ({"pr_review": "opus"}, [".pr_review"]),
        ({"pr_review": " "}, [".pr_review"]),
        ({"chat": "gpt-5.4", "agent": "x"}, [".chat", ".agent"]),
    ],
)
def test_the_models_of_a_user(value: Any, places: list[str]) -> None:
    found = role_problems("users[0].models", value, ROLES, CODEX, ("codex", "openai"))
    assert [problem.where for problem in found] == [f"users[0].models{place}" for place in places]


def test_a_role_that_is_nearly_one_is_named() -> None:
    [problem] = role_problems("m", {"pr_reviw": "x"}, ROLES, CODEX, ("codex", "openai"))
    assert "did you mean pr_review?" in problem.found
