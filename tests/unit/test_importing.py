"""Kai's install.conf and what is deployed on a host, read as variables."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import template as trust
from ansible.parsing.dataloader import DataLoader
from hypothesis import given
from hypothesis import strategies as st
from samples import SECRET, TOKEN, user, variables
from whole_configurations import EVERYBODY, KEYS, NEEDED, SPECIAL, answers_of_type, texts

from kai_ansible.commands.config import confirm_on_controller
from kai_ansible.errors import CommandError
from kai_ansible.inventory.importing import Imported, from_host, from_install_conf, host_paths
from kai_ansible.inventory.yaml_edit import TEMPLATE, literally
from kai_ansible.rules.configuration import env_of, read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.env_file import env_line
from kai_ansible.rules.host_record import recorded
from kai_ansible.rules.operator_files import FILES
from kai_ansible.rules.sudoers import sudoers_command
from kai_ansible.rules.unit import unit_word

ENV = "/etc/kai/env"
USERS = "/etc/kai/users.yaml"
SUDOERS = "/etc/sudoers.d/kai"
RECORD = "/etc/kai/kai-ansible.json"
UNIT = "/etc/systemd/system/kai.service"
CONF = "install.conf"

# Kai 1.x installer, sections 5, 6, 8
KAI_UNIT = """\
[Service]
User=kaibot
WorkingDirectory=/srv/kai
ExecStart=/srv/kai/venv/bin/python -m kai
Environment=PATH=/home/kaibot/.local/bin:/usr/local/bin:/usr/bin:/bin
Environment=KAI_DATA_DIR=/srv/kai-data
Environment=KAI_INSTALL_DIR=/srv/kai
"""
KAI_RULES = """\
# Managed by kai install
kaibot ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env
kaibot ALL=(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts

kaibot ALL=(alice) SETENV: NOPASSWD: /home/kaibot/.local/bin/claude
kaibot ALL=(alice) SETENV: NOPASSWD: /opt/homebrew/bin/codex
kaibot ALL=(alice) NOPASSWD: /bin/kill
"""


def conf(**changes: Any) -> str:
    whole = {
        "version": 1,
        "install_dir": "/srv/kai",
        "data_dir": "/srv/kai-data",
        "service_user": "kaibot",
        "platform": "linux",
        "env": {"TELEGRAM_BOT_TOKEN": TOKEN, "WEBHOOK_SECRET": SECRET},
    }
    return json.dumps({**whole, **changes}, indent=2)


def from_env(contract: Contract, text: str) -> Imported:
    return from_host(contract, {ENV: text})


# install.conf


def test_an_install_conf_becomes_variables(contract: Contract) -> None:
    env = {"TELEGRAM_BOT_TOKEN": TOKEN, "WEBHOOK_PORT": "8081", "MEMORY_ENABLED": "true"}
    imported = from_install_conf(contract, conf(env=env), CONF)
    assert imported.variables == {
        "kai_install_install_dir": "/srv/kai",
        "kai_install_data_dir": "/srv/kai-data",
        "kai_install_service_user": "kaibot",
        "kai_install_telegram_bot_token": TOKEN,
        "kai_install_webhook_port": 8081,
        "kai_install_memory_enabled": True,
    }
    assert set(imported.places.values()) == {Path(CONF)}
    assert imported.problems == []


# Kai 1.x installer, section 11, item 19
DROPPED_BY_KAI = {
    "AGENT_TIMEOUT_SECONDS": ("300", 300),
    "CLAUDE_MAX_CONTEXT_WINDOW": ("200000", 200000),
    "WORKSPACE_BASE": ("/srv/work", "/srv/work"),
    "ALLOWED_WORKSPACES": ("/srv/a,/srv/b", ["/srv/a", "/srv/b"]),
    "PR_REVIEW_ENABLED": ("true", True),
    "ISSUE_TRIAGE_ENABLED": ("true", True),
    "GITHUB_NOTIFY_CHAT_ID": ("-100123", -100123),
}


def test_what_a_second_run_of_kais_own_wizard_drops_arrives(contract: Contract) -> None:
    env = {key: text for key, (text, _) in DROPPED_BY_KAI.items()}
    expected = {f"kai_install_{key.lower()}": value for key, (_, value) in DROPPED_BY_KAI.items()}
    for imported in (
        from_install_conf(contract, conf(env=env), CONF),
        from_env(contract, "".join(f'{key}="{text}"\n' for key, text in env.items())),
    ):
        assert expected.items() <= imported.variables.items()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '{"version": 1,\n "env": {"A": "b" "c"}}',
            f"{CONF}:2:19\n   found:    not valid JSON: Expecting",
        ),
        ("", f"{CONF}:1:1\n   found:    not valid JSON"),
        ("[1]", "it holds a list, not an object"),
        ("{}", "version is null; only 1 is understood"),
        (conf(version=2), "version is 2; only 1 is understood"),
        (conf(version=True), "version is true; only 1 is understood"),
        (conf(env=None), "env is not an object"),
        (conf(env=["A=b"]), "env is not an object"),
    ],
)
def test_a_file_that_is_no_install_conf_stops_with_the_cause(
    contract: Contract, text: str, told: str
) -> None:
    with pytest.raises(CommandError) as caught:
        from_install_conf(contract, text, CONF)
    assert CONF in str(caught.value)
    assert told in str(caught.value)


def test_a_broken_install_conf_does_not_show_a_secret(contract: Contract) -> None:
    with pytest.raises(CommandError) as caught:
        from_install_conf(contract, conf()[:-4], CONF)
    assert TOKEN not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_values_that_are_no_text_are_reported(contract: Contract) -> None:
    env = {"WEBHOOK_PORT": 8081, "TTS_ENABLED": None, "OTHER": ["a"], "DEFAULT_MODEL": "opus"}
    imported = from_install_conf(contract, conf(env=env), CONF)
    assert [(problem.where, problem.found) for problem in imported.problems] == [
        ("install.conf: env.WEBHOOK_PORT", "a value of the type int"),
        ("install.conf: env.TTS_ENABLED", "a value of the type NoneType"),
        ("install.conf: env.OTHER", "a value of the type list"),
    ]
    assert imported.variables["kai_install_default_model"] == "opus"


def test_a_value_that_kais_installer_would_have_escaped_is_taken_as_typed(
    contract: Contract,
) -> None:
    imported = from_install_conf(contract, conf(env={"WEBHOOK_SECRET": 'a"b\\c'}), CONF)
    assert imported.variables["kai_install_webhook_secret"] == 'a"b\\c'
    assert any(note.startswith("WEBHOOK_SECRET: Kai's own") for note in imported.notes)
    assert 'a"b' not in "".join(imported.report(contract))


# Names


def test_old_names_become_todays(contract: Contract) -> None:
    imported = from_env(
        contract, 'CLAUDE_TIMEOUT_SECONDS="300"\nCLAUDE_MODEL=opus\nCLAUDE_MAX_BUDGET_USD="2.5"\n'
    )
    assert imported.variables == {
        "kai_install_agent_timeout_seconds": 300,
        "kai_install_default_model": "opus",
        "kai_install_budget_ceiling": 2.5,
    }
    assert imported.renamed == {
        "CLAUDE_TIMEOUT_SECONDS": "AGENT_TIMEOUT_SECONDS",
        "CLAUDE_MODEL": "DEFAULT_MODEL",
        "CLAUDE_MAX_BUDGET_USD": "BUDGET_CEILING",
    }
    assert "CLAUDE_MODEL is now DEFAULT_MODEL." in imported.report(contract)


def test_old_and_new_name_with_different_values_are_a_problem(contract: Contract) -> None:
    imported = from_env(contract, "AGENT_TIMEOUT_SECONDS=300\nCLAUDE_TIMEOUT_SECONDS=200\n")
    [problem] = imported.problems
    assert problem.where == "kai_install_agent_timeout_seconds"
    assert problem.found == "different values under AGENT_TIMEOUT_SECONDS, CLAUDE_TIMEOUT_SECONDS"
    assert imported.places[problem.where] == Path(ENV)
    assert problem.where not in imported.variables


@pytest.mark.parametrize("other", ["300", " 300 ", ""])
def test_old_and_new_name_that_agree_are_one(contract: Contract, other: str) -> None:
    imported = from_env(
        contract, f'AGENT_TIMEOUT_SECONDS="300"\nCLAUDE_TIMEOUT_SECONDS="{other}"\n'
    )
    assert imported.problems == []
    assert imported.variables == {"kai_install_agent_timeout_seconds": 300}


def test_retired_keys_are_listed_with_the_reason(contract: Contract) -> None:
    text = "".join(f"{key}=1\n" for key in contract.retired)
    imported = from_env(contract, text)
    assert imported.retired == contract.retired
    assert imported.variables == imported.extra_env == imported.secret_extra_env == {}
    told = imported.report(contract)
    assert "MEMORY_REASONER_BACKEND is left out: the reasoner follows each user's backend." in told


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("HAND_ADDED", "1", False),
        ("KAGI_API_KEY", "x", True),
        ("Github_Token", "x", True),
        ("MY_SECRET", "x", True),
        ("DB_PASSWORD", "x", True),
        ("DATABASE_URL", "postgres://kai:pw@db/kai", True),
        ("BLOB", "q7Zk29xVb41LmmPqRs88", True),
        ("HOMEPAGE", "https://kai.example/about", False),
        ("SOME_DIR", "/srv/data/of/2026/archive01", False),
        ("GREETING", "", False),
    ],
)
def test_unknown_keys_are_carried_and_secrets_go_to_the_vault(
    contract: Contract, key: str, value: str, secret: bool
) -> None:
    imported = from_env(contract, f'{key}="{value}"\n')
    home, other = imported.secret_extra_env, imported.extra_env
    if not secret:
        home, other = other, home
    assert (home, other) == ({key: value}, {})
    assert f"Kai 1.x does not know {key}; it is carried over." in imported.report(contract)


def test_every_setting_is_known(contract: Contract) -> None:
    imported = from_env(contract, "".join(f"{key}=x\n" for key in contract.settings))
    assert set(imported.variables) == {f"kai_install_{key.lower()}" for key in contract.settings}
    assert imported.extra_env == imported.secret_extra_env == {}


# What the bot sees


def test_the_value_that_the_bot_sees_is_kept(contract: Contract) -> None:
    # Kai's own installer escaped it, and Kai's reader does not undo that
    imported = from_env(contract, 'WEBHOOK_SECRET="a\\"b\\\\c"\nWEBHOOK_SECRET="second"\n')
    assert imported.variables["kai_install_webhook_secret"] == 'a\\"b\\\\c'


@pytest.mark.parametrize(
    ("text", "value", "noted"),
    [("YES", True, False), ("1", True, False), ("off", False, False), ("on", False, True)],
)
def test_a_switch_is_read_as_kai_reads_it(
    contract: Contract, text: str, value: bool, noted: bool
) -> None:
    imported = from_env(contract, f"TTS_ENABLED={text}\n")
    assert imported.variables == {"kai_install_tts_enabled": value}
    assert bool(imported.notes) is noted


def test_an_empty_value_stays_empty(contract: Contract) -> None:
    imported = from_env(contract, 'WORKSPACE_BASE=""\n')
    assert imported.variables == {"kai_install_workspace_base": None}
    read = read_configuration(contract, {**variables(), **imported.variables})
    assert read.cleared == {"WORKSPACE_BASE"}


def test_a_value_that_is_not_acceptable_is_left_to_the_check_of_the_whole(
    contract: Contract,
) -> None:
    imported = from_env(contract, "WEBHOOK_PORT=08080\n")
    assert imported.variables == {"kai_install_webhook_port": "08080"}
    read = read_configuration(contract, {**variables(), **imported.variables})
    assert [problem.where for problem in read.problems] == ["kai_install_webhook_port"]


# The other files of a host


def test_what_kais_own_installer_deployed(contract: Contract) -> None:
    text = "# the family\nusers:\n  - telegram_id: 1\n    name: Ada\n    nick: [A, 1.5]\n"
    imported = from_host(
        contract,
        {
            ENV: f'TELEGRAM_BOT_TOKEN="{TOKEN}"\nCODEX_BIN="/opt/codex"\n',
            USERS: text,
            SUDOERS: KAI_RULES,
            UNIT: KAI_UNIT,
            "/etc/kai/services.yaml": "services: {}\n",
        },
    )
    assert imported.variables == {
        "kai_install_telegram_bot_token": TOKEN,
        "kai_install_codex_bin": "/opt/codex",
        "kai_install_claude_bin": "/home/kaibot/.local/bin/claude",
        "kai_install_install_dir": "/srv/kai",
        "kai_install_data_dir": "/srv/kai-data",
        "kai_install_service_user": "kaibot",
        "kai_install_users": [{"telegram_id": 1, "name": "Ada", "nick": ["A", 1.5]}],
    }
    told = "\n".join(imported.report(contract))
    assert "comments of /etc/kai/users.yaml are not carried over" in told
    assert "kai_install_users[0].nick is unknown; it is carried over" in told
    assert "/etc/kai/services.yaml is on the host and stays as it is" in told
    assert "kai_install_services_file" in told


def test_the_rules_name_a_binary_only_if_a_user_has_it(contract: Contract) -> None:
    imported = from_host(contract, {ENV: "AGENT_BACKEND=codex\n", SUDOERS: KAI_RULES})
    assert "kai_install_claude_bin" not in imported.variables
    users = yaml.safe_dump({"users": [user(agent_backend="claude")]})
    imported = from_host(contract, {ENV: "AGENT_BACKEND=codex\n", USERS: users, SUDOERS: KAI_RULES})
    assert imported.variables["kai_install_claude_bin"] == "/home/kaibot/.local/bin/claude"


def test_the_service_user_is_reported_by_the_rules_where_there_is_no_unit(
    contract: Contract,
) -> None:
    imported = from_host(contract, {ENV: "KAI_DATA_DIR=/d/\n", SUDOERS: KAI_RULES})
    assert imported.variables["kai_install_service_user"] == "kaibot"
    assert imported.variables["kai_install_data_dir"] == "/d"
    assert not {*imported.extra_env, *imported.secret_extra_env}


def test_a_unit_and_rules_that_disagree_are_told(contract: Contract) -> None:
    unit = KAI_UNIT.replace("User=kaibot", "User=kai")
    imported = from_host(contract, {ENV: "", SUDOERS: KAI_RULES, UNIT: unit})
    assert imported.variables["kai_install_service_user"] == "kai"
    assert any("has rules for kaibot" in note for note in imported.notes)


def test_a_property_list_of_macos(contract: Contract) -> None:
    path = contract.platforms["darwin"].unit.path
    plist = """<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>UserName</key><string>kaibot</string>
<key>EnvironmentVariables</key><dict><key>KAI_DATA_DIR</key><string>/d</string></dict></dict></plist>
"""
    imported = from_host(contract, {path: plist})
    assert imported.variables == {
        "kai_install_service_user": "kaibot",
        "kai_install_data_dir": "/d",
    }
    with pytest.raises(CommandError, match="not a property list"):
        from_host(contract, {path: plist.replace("<dict>", "<d & >")})


def test_users_are_read_as_kai_reads_them(contract: Contract) -> None:
    # YAML 1.1: an octal, a boolean, a date
    text = "users:\n- {telegram_id: 0123, name: 'yes', since: 2026-01-31, vip: yes, none: null}\n"
    imported = from_host(contract, {USERS: text})
    assert imported.variables["kai_install_users"] == [
        {"telegram_id": 83, "name": "yes", "since": "2026-01-31", "vip": True, "none": None}
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "users:\n  - {name: Ada\n  - x\n",
            "1. /etc/kai/users.yaml:4\n   found:    not valid YAML: ",
        ),
        ("users: [{since: 2026-13-45}]\n", "1. /etc/kai/users.yaml\n   found:    not valid YAML: "),
        (
            f"users: [{{telegram_id: 0x{'f' * 6000}}}]\n",
            "1. /etc/kai/users.yaml\n   found:    not valid YAML: it holds a number that is too",
        ),
        ("", "1. /etc/kai/users.yaml\n   found:    no list named users"),
        ("- {name: Ada}\n", "1. /etc/kai/users.yaml\n   found:    no list named users"),
        ("users: {name: Ada}\n", "1. /etc/kai/users.yaml\n   found:    no list named users"),
    ],
)
def test_users_that_cannot_be_read_stop_the_import(
    contract: Contract, text: str, told: str
) -> None:
    with pytest.raises(CommandError) as caught:
        from_host(contract, {USERS: text})
    assert str(caught.value).startswith(told)


# Together with what is set already


def test_an_import_that_was_asked_for_wins_and_loses_nothing() -> None:
    imported = Imported(
        "x",
        {"kai_install_a": 1, "kai_install_b": 2},
        extra_env={"NEW": "1", "MINE": "2"},
        secret_extra_env={"MOVED": "3"},
    )
    before = {
        "kai_install_a": 0,
        "kai_install_extra_env": {"OLD": "0", "MOVED": "0"},
        "kai_install_secret_extra_env": {"MINE": "0"},
    }
    assert imported.over(before) == {
        "kai_install_a": 1,
        "kai_install_b": 2,
        "kai_install_extra_env": {"OLD": "0", "NEW": "1", "MOVED": "3"},
        "kai_install_secret_extra_env": {"MINE": "2"},
    }
    assert imported.under(before) == {
        "kai_install_b": 2,
        "kai_install_extra_env": {"OLD": "0", "NEW": "1", "MOVED": "0"},
        "kai_install_secret_extra_env": {"MINE": "0"},
    }


def test_a_users_file_of_the_operator_stays_the_owner() -> None:
    imported = Imported("x", {"kai_install_users": [user()]})
    before = {"kai_install_users_file": "/srv/users.yaml"}
    assert imported.over(before) == imported.under(before) == {}


# import(export(x)) == x

plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
)
fields = st.dictionaries(
    st.from_regex(r"x_[a-z]{1,8}", fullmatch=True),
    plain | st.lists(plain, max_size=3) | st.dictionaries(texts, plain, max_size=3),
    max_size=3,
)
# what others of the settings cannot be without
WANTED = (
    *(*NEEDED, *KEYS, "MEMORY_ENABLED", "CODEX_AUTH_MODE"),
    *("TELEGRAM_TRANSPORT", "TELEGRAM_WEBHOOK_URL"),
)
unknown_keys = st.from_regex(r"HAND_[A-Z_]{1,10}", fullmatch=True)


def exported(contract: Contract, given_variables: dict[str, Any]) -> dict[str, str]:
    """What the role writes to the host for a configuration."""
    read = read_configuration(contract, given_variables)
    assert read.problems == []
    host = read.host
    environment = {
        "PATH": "/usr/bin:/bin",
        "KAI_INSTALL_DIR": f"{host['install_dir']}/current",
        "KAI_DATA_DIR": host["data_dir"],
    }
    lines = [env_line(key, value) for key, value in env_of(read).items()]
    claude = given_variables["kai_install_claude_bin"]
    return {
        RECORD: json.dumps(recorded(read, given_variables)),
        ENV: "# Managed by kai-ansible\n\n" + "\n".join(sorted(lines)) + "\n",
        # in escapes, as PyYAML reads some characters otherwise; test_filters shows the role's text
        USERS: yaml.safe_dump({"users": read.entries}, sort_keys=False),
        SUDOERS: (
            f"Defaults:{host['service_user']} env_keep += X\n"
            f"{host['service_user']} ALL=(root) NOPASSWD: /usr/bin/cat {ENV}\n"
            f"{host['service_user']} ALL=(alice) SETENV: NOPASSWD: {sudoers_command(claude)}\n"
        ),
        UNIT: f"[Service]\nUser={host['service_user']}\n"
        + "".join(
            f"Environment={unit_word(f'{key}={value}')}\n" for key, value in environment.items()
        ),
    }


@pytest.mark.slow
@given(st.data())
def test_what_was_exported_is_imported_unchanged(contract: Contract, data: st.DataObject) -> None:
    given_variables = variables(
        *({**entry, **data.draw(fields)} for entry in EVERYBODY),
        service_user=data.draw(st.sampled_from(["kai", "kai-bot", "k_9"])),
        install_dir=data.draw(
            st.sampled_from(["/opt/kai", "/srv/a b", "/srv/50%,x", "/srv/current"])
        ),
        data_dir=data.draw(st.sampled_from(["/var/lib/kai", "/srv/ü n#i=c:o"])),
        claude_bin=data.draw(st.sampled_from(["/usr/bin/claude", "/opt/a b,c/claude"])),
    )
    for name, value in (
        ("create_os_users", True),
        ("extras", ["memory", "tts"]),
        ("python", "/opt/python/bin/python3"),
        ("goose_bin", "/opt/a b/goose"),
    ):
        if data.draw(st.booleans(), label=name):
            given_variables[f"kai_install_{name}"] = value
    for key, spec in contract.settings.items():
        wanted = key in WANTED
        if spec.written == "never" or not (wanted or data.draw(st.booleans())):
            continue
        answers = SPECIAL[key] if key in SPECIAL else answers_of_type(spec)
        if key == "DEFAULT_MODEL":
            answers = st.sampled_from([("Vendor/X", "Vendor/X"), ("OPUS", "opus")])
        given_variables[f"kai_install_{key.lower()}"], _ = data.draw(answers, label=key)
    given_variables["kai_install_extra_env"] = data.draw(
        st.dictionaries(unknown_keys, texts | st.just(""), max_size=4)
    )
    before = read_configuration(contract, given_variables)
    imported = from_host(contract, exported(contract, given_variables))
    assert imported.problems == []
    assert imported.on_controller == {"kai_install_source": given_variables["kai_install_source"]}
    taken = {**imported.over({}), **imported.on_controller}
    after = read_configuration(contract, taken)
    assert after.problems == []
    assert env_of(after) == env_of(before)
    assert after.entries == before.entries
    assert after.host == before.host
    assert after.chosen.items() >= before.chosen.items()
    assert exported(contract, {**given_variables, **taken}) == exported(contract, given_variables)


def test_every_path_is_fetched(contract: Contract) -> None:
    paths = host_paths(contract)
    assert paths[0] == ENV
    assert {ENV, USERS, SUDOERS, UNIT} < set(paths)


def test_what_no_file_of_the_bot_carries_is_recorded_and_no_secret(contract: Contract) -> None:
    given_variables = variables(
        create_os_users=True,
        install_dir="/srv/kai",
        data_dir="/srv/kai-data",
        service_user="kaibot",
        goose_bin="/opt/goose",
        google_api_key="of nobody",
        llm_provider="",
        index_url="https://me:secret@pypi.example.org/simple",
    )
    record = recorded(read_configuration(contract, given_variables), given_variables)
    assert record == {
        "kai_install_create_os_users": True,
        "kai_install_goose_bin": "/opt/goose",
        "kai_install_source": given_variables["kai_install_source"],
    }


def test_a_record_of_a_hostile_host_sets_nothing_but_what_is_of_kai(contract: Contract) -> None:
    record = {"kai_install_keep_releases": 5, "ansible_ssh_common_args": "-o ProxyCommand=id"}
    imported = from_host(contract, {RECORD: json.dumps(record)})
    assert imported.variables == {"kai_install_keep_releases": 5}
    left_out = (
        "the import leaves out ansible_ssh_common_args, which is not a variable of kai-ansible."
    )
    assert f"{RECORD}: {left_out}" in imported.notes


def on_controller(contract: Contract) -> list[str]:
    """Return the variables that lead the machine that runs Ansible to its own files."""
    specs = contract.host.items()
    found = [
        # "on the machine that runs Ansible", "as the machine that runs Ansible sees it"
        name
        for name, spec in specs
        if "machine that runs Ansible" in spec.help or name.startswith("source_files")
    ]
    return [f"kai_install_{name}" for name in found]


def test_the_contract_marks_what_is_read_on_the_controller(contract: Contract) -> None:
    marked = [f"kai_install_{name}" for name, spec in contract.host.items() if spec.on_controller]
    assert marked == on_controller(contract)
    files = [name for name in FILES if name in contract.host]
    assert {f"kai_install_{name}" for name in files} < set(marked)


@pytest.mark.parametrize("value", ["/home/op/secret", ["/home/op/secret"], {"a": 1}, "{{ x }}"])
def test_a_record_leads_the_controller_to_no_file(contract: Contract, value: Any) -> None:
    record = dict.fromkeys(on_controller(contract), value)
    imported = from_host(contract, {RECORD: json.dumps(record)})
    assert imported.variables == {}
    assert imported.over({}) == imported.under({}) == {}
    assert imported.on_controller == record


@pytest.mark.parametrize(
    "name",
    ["users_file", "users", "extra_env", "secret_extra_env", "environment", "index_url", "unknown"],
)
def test_a_record_sets_nothing_that_no_install_records(contract: Contract, name: str) -> None:
    imported = from_host(contract, {RECORD: json.dumps({f"kai_install_{name}": "/x"})})
    assert (imported.variables, imported.on_controller) == ({}, {})
    assert any(f"leaves out kai_install_{name}" in note for note in imported.notes)


@dataclass
class Asker:
    """An operator who answers each question alike."""

    answer: bool
    asked: list[str] = field(default_factory=list)

    def confirm(self, label: str, *, default: bool = True) -> bool:
        assert not default
        self.asked.append(label)
        return self.answer


def confirmed(asker: Any, value: Any = "/home/op/secret", **before: Any) -> Imported:
    imported = Imported("the host", on_controller={"kai_install_constraints": value})
    imported.places["kai_install_constraints"] = Path(RECORD)
    confirm_on_controller(imported, before, set(), asker)
    return imported


@pytest.mark.parametrize("answer", [True, False])
def test_a_path_on_the_controller_is_taken_only_where_the_operator_agrees(answer: bool) -> None:
    asker = Asker(answer)
    imported = confirmed(asker)
    (question,) = asker.asked
    assert RECORD in question
    assert "kai_install_constraints" in question
    assert "/home/op/secret" in question
    assert ("kai_install_constraints" in imported.variables) == answer


@pytest.mark.parametrize(
    ("value", "option"),
    [
        ("/home/op/secret", "--set constraints=/home/op/secret"),
        (["a", "b"], "--set constraints=a,b"),
        ("$(id)", "--set 'constraints=$(id)'"),
        ("/x\x1b[31m", "--set 'constraints=/x\\x1b[31m'"),
        ({"a": 1}, "--set"),
    ],
)
def test_without_a_question_it_is_left_out_and_the_option_is_named(value: Any, option: str) -> None:
    imported = confirmed(None, value)
    assert imported.variables == {}
    (note,) = imported.notes
    assert note.startswith(f"{RECORD}: the import leaves out kai_install_constraints, ")
    assert option in note


def test_what_host_vars_have_already_is_no_question() -> None:
    imported = confirmed(None, kai_install_constraints="/home/op/secret")
    assert (imported.variables, imported.notes) == ({}, [])


hostile_texts = st.sampled_from(
    ["{{ lookup('pipe', 'id') }}", "{% x %}", "{# x #}", "#jinja2: a:'b'\n{{ c }}", "!unsafe {{ a"]
)
trees = st.recursive(
    hostile_texts | st.integers() | st.booleans() | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(hostile_texts | texts, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(trees)
def test_ansible_evaluates_nothing_that_a_host_gave(contract: Contract, value: Any) -> None:
    record = {"kai_install_keep_releases": value}
    users_of_host = yaml.safe_dump({"users": [{"name": value}]})
    imported = from_host(contract, {RECORD: json.dumps(record), USERS: users_of_host})
    text = literally(imported.over({}))
    found = DataLoader().load(trust.trust_as_template(text))
    assert templates_in(found) == []


def test_a_template_that_ansible_evaluates_is_found() -> None:
    assert templates_in(DataLoader().load(trust.trust_as_template("{a: [{b: '{{ c }}'}]}"))) == [
        "{{ c }}"
    ]


def templates_in(value: Any) -> list[str]:
    """Return the texts in a tree that Ansible would evaluate."""
    if isinstance(value, dict):
        return [one for pair in value.items() for part in pair for one in templates_in(part)]
    if isinstance(value, list):
        return [one for part in value for one in templates_in(part)]
    is_trusted = isinstance(value, str) and trust.is_trusted_as_template(value)
    return [value] if is_trusted and TEMPLATE.search(value) else []


def test_a_broken_record_is_named(contract: Contract) -> None:
    with pytest.raises(CommandError, match=rf"{RECORD}:1:2\n +found: +not valid JSON"):
        from_host(contract, {ENV: "", RECORD: "{"})
