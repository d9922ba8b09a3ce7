"""A prompt says whom it concerns, and whether it may stay empty."""

import pytest
from samples import user, variables

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.wizard.questions import everything_in, label_of


@pytest.mark.parametrize(
    ("agent", "label"),
    [
        ({"agent_backend": "claude"}, "Anthropic API key (for Ada, may stay empty)"),
        (
            {"agent_backend": "goose", "llm_provider": "anthropic", "model": "sonnet"},
            "Anthropic API key (for Ada)",
        ),
    ],
)
def test_a_key_that_only_some_agents_need_may_stay_empty(
    agent: dict[str, str], label: str, contract: Contract
) -> None:
    read = read_configuration(contract, variables(user(1, "Ada", os_user="alice", **agent)))
    [question] = [
        one for one in everything_in(contract, "agents") if one.key == "ANTHROPIC_API_KEY"
    ]
    assert label_of(question, read) == label
