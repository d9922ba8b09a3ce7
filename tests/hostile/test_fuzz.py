"""Readers and writers under any input: a result, or the error that they declare, and no other."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from kai_ansible.errors import CommandError
from kai_ansible.inventory.answers import answers_in, read_answers, read_assignments
from kai_ansible.inventory.importing import from_host, from_install_conf, host_paths
from kai_ansible.inventory.variable_text import content_of
from kai_ansible.inventory.yaml_edit import literally, meaning, same
from kai_ansible.rules import accounts, env_file, paths, sudoers
from kai_ansible.rules import unit as systemd_unit
from kai_ansible.rules.configuration import env_of, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.operator_files import read_with_files
from kai_ansible.rules.yaml_text import UnwritableData, yaml_text
from tests.unit.samples import variables

DEEP = 10_000
# words that mean something to one of the readers
WORDS = st.sampled_from(
    [
        *("kai ALL=(alice) ", "ALL=(root) ", "NOPASSWD: ", "/usr/bin/codex", "/a\\ b", " , ", "\\"),
        *(
            "# ",
            "Defaults:kai ",
            "env_keep += ",
            "@includedir ",
            "#include ",
            "/etc/sudoers.d",
            "%h",
        ),
        *('"', "'", "Matching Defaults entries for ", "Sudo version 1.9.16p2", "[Service]\n"),
        *("User=", "Environment=", "A=b", "%%", "export ", "KEY=value\n", "users:\n", "- {", "}"),
        *("*b", "&b ", "!unsafe ", "!!set ", "!!int ", "!!bool ", "!!timestamp ", "!!binary "),
        *("telegram_id: 1\n", "name: Ada\n", "os_user: ", "<<: ", "host:\n", "settings:\n", "  "),
        *("AGENT_BACKEND: codex\n", "2001-01-01", "2001-99-99", "0x1f", ".inf", "12:30:45", "? "),
        *("{{ x }}", "{% x %}", "#jinja2: a\n", "\n", " ", "\t", "\\\n", "\0", "\ud800", ": "),
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=8), max_size=30).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(TEXTS)
def test_what_reads_system_files_reads_any_text(text: str) -> None:
    env = env_file.read_env(text)
    assert all(isinstance(value, str) for value in env.values())
    for read in (
        sudoers.commands_by_account,
        sudoers.statements,
        sudoers.accounts_with_rules,
        sudoers.flags_in_force,
        sudoers.sudo_version,
        systemd_unit.service_of,
    ):
        read(text)
    sudoers.includes(text, "/etc", "host")
    files = sudoers.PolicyFiles(lambda path: text, lambda path: ["kai"], str)
    sudoers.reads_directory("/etc/sudoers.d", files)
    sudoers.policy_with_candidate("/etc/sudoers.d/kai", text, files, "/run/kai")
    accounts.has_expired(text, 1)


@given(TEXTS | st.from_regex(r"/[ -~]{0,30}", fullmatch=True))
def test_what_is_written_is_one_line_or_refused(text: str) -> None:
    try:
        command = sudoers.sudoers_command(text)
    except ValueError:
        assert paths.fault_of_path(text)
    else:
        rule = f"kai ALL=(alice) NOPASSWD: {command}\n"
        assert len(rule.splitlines()) == 1
        assert sudoers.commands_by_account(rule) == [("alice", text)]
    if env_file.fault_of_value(text) is None:
        unit = "Environment=" + systemd_unit.unit_word(f"A={text}")
        assert len(unit.splitlines()) == 1
        assert systemd_unit.service_of(unit)[1] == {"A": text}


@given(JSON)
@example([])
def test_any_install_conf_is_imported_or_refused(contract: Contract, document: Any) -> None:
    for conf in (document, {"version": 1, "env": document}, {"version": 1, "env": {"A": document}}):
        try:
            read_configuration(
                contract, from_install_conf(contract, json.dumps(conf), "conf").over({})
            )
        except CommandError as error:
            assert "fix: " in str(error)


@pytest.mark.parametrize("text", ["[" * DEEP, '{"a":' * DEEP, "{'a': " * DEEP, "- " * DEEP])
def test_what_is_nested_too_deeply_is_refused(
    contract: Contract, tmp_path: Path, text: str
) -> None:
    with pytest.raises(CommandError):
        from_install_conf(contract, text, "conf")
    for path in host_paths(contract):
        try:
            from_host(contract, {path: text})
        except CommandError as error:
            assert path in str(error)
    answers = tmp_path / "answers.yml"
    answers.write_text(text)
    with pytest.raises(CommandError, match="answers"):
        read_answers(contract, answers_in(answers))
    with pytest.raises(CommandError, match="kai"):
        content_of(text, Path("kai.yml"))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["env", "users", "rules", "unit"], TEXTS)))
def test_any_files_of_a_host_are_imported_or_refused(
    contract: Contract, files: dict[str, str]
) -> None:
    places = {
        "env": "/etc/kai/env",
        "users": "/etc/kai/users.yaml",
        "rules": "/etc/sudoers.d/kai",
        "unit": "/etc/systemd/system/kai.service",
    }
    try:
        imported = from_host(contract, {places[name]: text for name, text in files.items()})
    except CommandError as error:
        assert "fix: " in str(error)
        return
    read_configuration(contract, imported.over({}))


@given(TEXTS | JSON.map(yaml.safe_dump) | st.binary(max_size=40))
@example("users: &a [*a]")
@example("users: [{telegram_id: 1, name: x, note: &a [*a]}]")
@example("settings: {? [a, b] : c}")
@example("host: {1: 2}\nhost: {3: 4}")
def test_any_answers_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, contract: Contract, content: str | bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yml"
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    path.write_bytes(raw)
    try:
        found, _ = read_answers(contract, answers_in(path))
        read_configuration(contract, found)
    except CommandError as error:
        assert str(path) in str(error)


@given(st.lists(TEXTS, max_size=3))
def test_any_words_are_read_or_refused(contract: Contract, words: list[str]) -> None:
    found, problems = read_assignments(contract, words)
    assert len(found) + len(problems) <= len(words)


@given(st.dictionaries(st.sampled_from(["users", "extra_env", "install_dir", "model"]), JSON))
def test_any_variables_are_judged(contract: Contract, given_variables: dict[str, Any]) -> None:
    named = {f"kai_install_{name}": value for name, value in given_variables.items()}
    read = read_configuration(contract, {**variables(), **named})
    for key, value in env_of(read).items():
        assert env_file.fault_of_key(key) is None
        assert env_file.fault_of_value(value) is None


@given(TEXTS)
@example("users: [{telegram_id: 1, name: x, note: &a [*a]}]")
@example("[" * DEEP)
@example("users: [{telegram_id: 1, name: x, note: 2001-01-01}]")
@example("users: [{telegram_id: 1, name: x, 2001-01-01: !!set {a, b}}]")
def test_any_users_file_is_judged(contract: Contract, text: str) -> None:
    given_variables = {k: v for k, v in variables().items() if k != "kai_install_users"}
    read = read_with_files(contract, given_variables, {"users_file": text})
    assert isinstance(read.problems, list)


@given(st.lists(st.dictionaries(TEXTS, JSON, max_size=3), max_size=3))
def test_users_yaml_says_the_same_or_is_refused(users: list[dict[str, Any]]) -> None:
    try:
        text = yaml_text({"users": users})
    except UnwritableData:
        return
    assert same(yaml.safe_load(text), {"users": users})


@given(st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), JSON, max_size=3))
def test_variables_of_a_run_say_the_same_to_ansible(given_variables: dict[str, Any]) -> None:
    def encodable(value: Any) -> bool:
        return "\\ud800" not in json.dumps(value)

    if encodable(given_variables):
        assert same(meaning(literally(given_variables)) or {}, given_variables)
