"""What an adoption must not lose, and its report."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import probe, user, variables

from kai_ansible.rules.adoption import adoption_notes, lost_rules
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.sudoers import statements
from tests.testbed.kai_1_install import RULES


def seen(*texts: str, paths: tuple[str, ...] = ()) -> dict[str, Any]:
    rules = [list(statement) for statement in statements("\n".join(texts))]
    return probe(former_install={"paths": list(paths), "drop_ins": [], "rules": rules})


def lost(contract: Contract, *texts: str, **settings: Any) -> list[str]:
    configuration = read_configuration(contract, variables(user(os_user="alice"), **settings))
    return [problem.where for problem in lost_rules(configuration, seen(*texts), ())]


def test_what_kais_installer_writes_is_known(contract: Contract) -> None:
    assert lost(contract, RULES) == []
    configuration = read_configuration(contract, variables(user(os_user="alice")))
    [note] = adoption_notes(configuration, seen(RULES))
    assert "is adopted" in note


def test_a_program_that_host_vars_name_is_known(contract: Contract) -> None:
    rule = "kai ALL=(alice) SETENV: NOPASSWD: /opt/agents/my-codex"
    assert lost(contract, rule) == ["/etc/sudoers.d/kai:1"]
    settings = {"CODEX_BIN": "/opt/agents/my-codex"}
    assert lost(contract, rule, **settings) == []


@pytest.mark.parametrize(
    "rule",
    [
        "kai ALL=(root) NOPASSWD: /usr/bin/systemctl restart kai",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env, /usr/bin/id",
        "kai ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/other",
        "kai ALL=(root) NOPASSWD: /usr/bin/tee /etc/kai/env",
        "kai ALL=(root) /usr/bin/cat /etc/kai/env",
        "kai ALL=(root) NOPASSWD: /usr/local/bin/codex",
        "kai ALL=(root) NOPASSWD: /bin/kill",
        "kai ALL=(ALL) NOPASSWD: /bin/kill",
        "kai ALL=(alice) NOPASSWD: /usr/local/bin/codex",
        "kai ALL=(alice) SETENV: NOPASSWD: /usr/local/bin/codex exec",
        "ada ALL=(alice) NOPASSWD: /bin/kill",
        "%kai ALL=(alice) NOPASSWD: /bin/kill",
        "#1000 ALL=(alice) NOPASSWD: /bin/kill",
        "Defaults:kai !requiretty",
        "#include /etc/kai/rules",
        "kai ALL=(alice) NOPASSWD: /bin/kill # for Ada",
        "kai ALL=(alice) \\\n  NOPASSWD: /usr/bin/id",
    ],
)
def test_every_other_statement_is_told_with_its_line(contract: Contract, rule: str) -> None:
    assert lost(contract, "# Managed by kai install.", "", rule, RULES) == ["/etc/sudoers.d/kai:3"]


@given(st.text(alphabet="ab#\\ \n\t", max_size=40))
def test_no_word_of_a_drop_in_is_passed_over(text: str) -> None:
    found = statements(text)
    lines = text.splitlines()
    assert [number for number, _ in found] == sorted({number for number, _ in found})
    told = "".join("".join(words.split()) for _, words in found)
    uncommented = [line for line in lines if "#" not in line]
    for line in uncommented:
        assert "".join(line.split()).rstrip("\\") in told


def test_rules_for_somebody_who_left_go_and_that_is_told(contract: Contract) -> None:
    configuration = read_configuration(contract, variables(user(os_user="alice")))
    rule = "kai ALL=(carol) NOPASSWD: /bin/kill"
    [_, note] = adoption_notes(configuration, seen(rule))
    assert note.startswith("The rules for carol in /etc/sudoers.d/kai are removed")


def test_only_what_is_strange_is_listed(contract: Contract) -> None:
    configuration = read_configuration(contract, variables(user(os_user="alice")))
    own = ("/opt/kai/src", "/opt/kai/config", "/opt/kai/venv", "/etc/kai/env")
    looked = seen(paths=(*own, "/opt/kai/models", "/etc/kai/notes"))
    [_, note] = adoption_notes(configuration, looked)
    assert note.endswith(": /opt/kai/models, /etc/kai/notes.")
    assert adoption_notes(configuration, probe()) == []
