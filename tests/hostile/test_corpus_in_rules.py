"""Hostile inputs in every field that takes such a value: refused by name, or the same at the end.

The rules are those that the wizard, the role and `users` call; the judges are Kai's own reader,
YAML and Ansible.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kai.protected import parse_env

from kai_ansible.errors import CommandError
from kai_ansible.inventory.answers import answers_in, read_answers, read_assignments
from kai_ansible.inventory.host_vars_files import HostVars, edited_texts
from kai_ansible.inventory.importing import from_host, from_install_conf
from kai_ansible.inventory.variable_text import content_of
from kai_ansible.rules.configuration import Configuration, env_of, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.env_file import env_line, fault_of_value
from kai_ansible.rules.sudoers import secure_path, sudoers_command
from kai_ansible.rules.yaml_text import yaml_text
from kai_ansible.secrets.vault_password import VaultPassword
from tests.hostile.corpus import entries
from tests.read_in_process import variables as read_in_process
from tests.unit.samples import SECRET, TOKEN

Field = tuple[str, str]
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
CORPUS_OF_TYPE = {"account": "accounts", "path": "paths", "directory": "paths", "string": "values"}
# their own patterns refuse more than the corpus tells
NARROWER = {
    *("TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET", "WEBHOOK_SECRET"),
    *("index_url", "source_checksum"),
}


def with_value(field: Field, value: Any) -> dict[str, Any]:
    """Return the variables of a valid installation with one value in it."""
    part, name = field
    user = {**ADA, name: value} if part == "users" else ADA
    given = {
        "kai_install_source": "/src/kai",
        "kai_install_telegram_bot_token": TOKEN,
        "kai_install_webhook_secret": SECRET,
        "kai_install_users": [user],
        # every backend is in use, so that every setting applies
        "kai_install_agent_backend": "codex",
    }
    if part == "extra_env":
        given["kai_install_extra_env"] = {name: value}
    elif part != "users":
        given[f"kai_install_{name.lower()}"] = value
    return given


def place_of(field: Field) -> str:
    part, name = field
    if part == "users":
        return f"kai_install_users[0].{name}"
    return f"kai_install_extra_env.{name}" if part == "extra_env" else f"kai_install_{name.lower()}"


def value_in(configuration: Configuration, field: Field) -> Any:
    part, name = field
    places: dict[str, Any] = {
        "host": configuration.host,
        "settings": configuration.chosen,
        "users": configuration.entries[0],
        "extra_env": configuration.extra_env,
    }
    return places[part].get(name)


def fields_of(contract: Contract, kind: str) -> Iterator[Field]:
    for part, listed in (
        ("host", contract.host),
        ("settings", contract.settings),
        ("users", contract.user_fields),
    ):
        yield from ((part, name) for name, spec in listed.items() if spec.type == kind)


@pytest.mark.parametrize("kind", CORPUS_OF_TYPE)
def test_every_field_refuses_what_is_hostile_and_keeps_what_is_not(
    contract: Contract, kind: str
) -> None:
    corpus = CORPUS_OF_TYPE[kind]
    inputs = entries(corpus)
    inputs += entries("paths", "single") if corpus == "paths" else []
    fields = [*fields_of(contract, kind), *([("extra_env", "NEW")] if kind == "string" else [])]
    assert fields
    for field in fields:
        name = field[1]
        other = read_configuration(contract, with_value(field, None))
        for value, refused in inputs:
            read = read_configuration(contract, with_value(field, value))
            at = f"{field}: {value!r:.60}"
            told = [problem for problem in read.problems if problem.where == place_of(field)]
            # the bot strips what it looks for
            if refused or (kind == "directory" and value != value.strip()):
                assert told, at
                assert all(problem.fix for problem in told), at
                # nobody reads 64 KiB of it
                assert all(len(str(problem)) < 1000 for problem in told), at
                assert value_in(read, field) != value, at
            elif name not in NARROWER:
                assert told == [], at
                assert value_in(read, field) == value, at
            # no other key has another value
            env, before = (
                {key: text for key, text in env_of(one).items() if key != name}
                for one in (read, other)
            )
            assert env == before, at


def test_lists_of_paths_are_no_way_around(contract: Contract) -> None:
    for value, refused in entries("paths"):
        if not isinstance(value, str):
            continue
        for field in (("users", "allowed_workspaces"), ("settings", "ALLOWED_WORKSPACES")):
            read = read_configuration(contract, with_value(field, ["/opt/a", value]))
            told = [problem.where for problem in read.problems]
            # the bot strips what it looks for
            refused = refused or value != value.strip()
            assert (place_of(field) in told) is refused, value
            if not refused:
                assert value_in(read, field) == ["/opt/a", value]


def accepted() -> list[str]:
    return [value for value, _ in entries("values", "unchanged")]


def test_the_bot_reads_what_was_given() -> None:
    text = "".join(env_line(f"KEY_{n}", value) + "\n" for n, value in enumerate(accepted()))
    assert list(parse_env(text).values()) == accepted()
    for value, _ in entries("values", "refused"):
        assert fault_of_value(value), repr(value)[:60]


@pytest.mark.parametrize("where", ["users", "unknown"])
def test_users_yaml_says_what_was_given(where: str) -> None:
    users = [
        {"telegram_id": n, "name": value if where == "users" else "x", "note": {"a": [value]}}
        for n, value in enumerate(accepted(), start=1)
    ]
    assert yaml.safe_load(yaml_text({"users": users})) == {"users": users}


def test_paths_reach_sudoers_or_are_refused_there_too() -> None:
    for value, refused in entries("paths", "refused", "unchanged", "single"):
        if not isinstance(value, str):
            continue
        for write in (sudoers_command, lambda path: secure_path([path])):
            try:
                write(value)
            except ValueError:
                assert refused or ":" in value, value
            else:
                assert not refused, value


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that is not there afterwards, as nothing was evaluated."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


def test_host_vars_that_config_writes_are_not_evaluated(tmp_path: Path, canary: Path) -> None:
    values = [entry.value for entry in entries("values", "unchanged", canary=str(canary))]
    evil = f"lookup('pipe', 'touch {canary}')"
    # no setting may have two lines, but an unknown field of a person may
    lines = f"#jinja2: variable_start_string:'[[', variable_end_string:']]'\n[[ {evil} ]]"
    variables = {
        "kai_install_extra_env": {f"KEY_{n}": value for n, value in enumerate(values)},
        "kai_install_users": [
            {"telegram_id": n, "name": value, "x": {value[:99]: [value, lines]}}
            for n, value in enumerate(values, start=1)
        ],
        "kai_install_spec_dir": f"{{{{ {evil} }}}}",
        "kai_install_webhook_secret": f"{{{{ {evil} }}}}",
    }
    (tmp_path / "hosts.yml").write_text("all: {hosts: {bot: {}}}\n")
    files = HostVars("bot", tmp_path / "host_vars" / "bot")
    password = VaultPassword(b"password", None)
    texts, _ = edited_texts(files, variables, lambda name: "secret" in name, password)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    read = read_in_process(tmp_path / "hosts.yml", "bot", password)
    assert read == variables


def test_an_answers_file_says_what_was_given(tmp_path: Path, contract: Contract) -> None:
    path = tmp_path / "answers.yml"
    for value in accepted():
        answers = {"settings": {"SPEC_DIR": value}, "users": [{"name": value, "x": [value]}]}
        path.write_text(yaml.safe_dump(answers))
        found, problems = read_answers(contract, answers_in(path))
        assert problems == []
        assert found["kai_install_spec_dir"] == value
        assert found["kai_install_users"] == answers["users"]
        # on the command line only blanks around a value go
        found, problems = read_assignments(contract, [f"SPEC_DIR={value}"])
        assert (found, problems) == ({"kai_install_spec_dir": value.strip()}, [])


@pytest.mark.parametrize(
    "text",
    [
        "settings:\n  TELEGRAM_BOT_TOKEN: hush-hush: x\n",
        'settings: {WEBHOOK_SECRET: "hush-hush\n',
        "settings: {WEBHOOK_PORT: !!int hush-hush}\n",
        "settings: {WEBHOOK_SECRET: [hush-hush, *x]}\n",
        "settings: [hush-hush",
    ],
)
def test_what_is_wrong_with_a_file_is_reported_without_its_secrets(
    tmp_path: Path, contract: Contract, text: str
) -> None:
    path = tmp_path / "answers.yml"
    path.write_text(text)
    for read in (lambda: read_answers(contract, answers_in(path)), lambda: content_of(text, path)):
        with pytest.raises(CommandError) as told:
            read()
        assert "valid YAML" in str(told.value)
        assert "hush" not in str(told.value)


def test_an_import_brings_what_the_bot_had(contract: Contract) -> None:
    values = accepted()
    env = {f"KEY_{n}": value for n, value in enumerate(values)} | {"SPEC_DIR": "{{ 1 }}"}
    conf = from_install_conf(contract, json.dumps({"version": 1, "env": env}), "install.conf")
    host = from_host(
        contract,
        {
            "/etc/kai/env": "".join(env_line(key, value) + "\n" for key, value in env.items()),
            "/etc/kai/users.yaml": yaml.safe_dump({"users": [{"name": value} for value in values]}),
        },
    )
    for imported in (conf, host):
        assert imported.problems == []
        assert imported.variables["kai_install_spec_dir"] == "{{ 1 }}"
        extra = {**imported.extra_env, **imported.secret_extra_env}
        assert extra == {key: value for key, value in env.items() if key != "SPEC_DIR"}
    assert [user["name"] for user in host.variables["kai_install_users"]] == values
