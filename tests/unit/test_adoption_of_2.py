"""A host that Kai 2's own installer made: what an import takes from it, and what an adoption knows.

The texts are those of the installer of 14 August 2026; the helpers of 2.1 were not run.
"""

import json
from collections.abc import Collection
from typing import Any

import pytest
from samples import probe, user

from kai_ansible.ansible.collection import contract as contract_of_line
from kai_ansible.errors import CommandError
from kai_ansible.inventory.importing import Imported, from_host, from_install_conf, host_paths
from kai_ansible.rules.adoption import lost_rules
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.principal_ids import profile_of_telegram
from kai_ansible.rules.sudoers import statements

CONTRACT = contract_of_line("2")
ENV = """\
# Managed by kai install

DEFAULT_TIMEOUT="120"
KAI_ENABLED_ADAPTERS="workshop"
PR_REVIEW_ENABLED="true"
"""
USERS = """\
users:
- {telegram_id: 1, name: Ada, role: admin, os_user: alice}
- {telegram_id: 2, name: Ben, os_user: bob, agent_backend: claude}
"""
REGISTRY = """\
version: 1
default_backend: claude
backends:
  claude: {driver: claude, runtime: local_process, command: /usr/local/bin/claude}
  codex: {driver: codex, runtime: local_process, command: /opt/agents/codex}
"""
ADA, BEN = profile_of_telegram(1), profile_of_telegram(2)
PROFILES = f"""\
version: 1
runtime_profiles:
  {ADA}: {{display_name: Ada, compatibility_runtime_config_id: 1, os_user: alice, backend: claude,
    provider: anthropic, model: opus, timeout_seconds: 120, allowed_services: [],
    allowed_workspaces: []}}
  {BEN}: {{display_name: Ben, compatibility_runtime_config_id: 2, os_user: bob, backend: codex,
    provider: openai, model: gpt-5.5, timeout_seconds: 300, allowed_services: [search],
    allowed_workspaces: []}}
"""
UNIT = """\
[Service]
User=kai
ExecStart=/opt/kai/venv/bin/python -m kai
Environment=PATH=/usr/local/bin:/usr/bin:/bin
Environment=KAI_DATA_DIR=/var/lib/kai
Environment=KAI_INSTALL_DIR=/opt/kai
"""
AGENTS = ("/usr/local/bin/claude", "/opt/agents/codex", "/usr/local/bin/opencode")
RULES = "\n".join(
    [
        "# Managed by kai install",
        *(
            f"kai ALL=(root) NOPASSWD: /usr/bin/cat {one.path}"
            for one in CONTRACT.protected_files.values()
            if "read" in one.access
        ),
        "kai ALL=(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts",
        *(
            f"kai ALL=({account}) CWD=* SETENV: NOPASSWD: {agent}"
            for account in ("alice", "bob")
            for agent in AGENTS
        ),
        "kai ALL=(alice) NOPASSWD: /bin/kill",
        "kai ALL=(bob) NOPASSWD: /bin/kill",
    ]
)
FILES = {
    "/etc/kai/env": ENV,
    "/etc/kai/users.yaml": USERS,
    "/etc/kai/backends.yaml": REGISTRY,
    "/etc/kai/runtime-profiles.yaml": PROFILES,
    "/etc/systemd/system/kai.service": UNIT,
    "/etc/sudoers.d/kai": RULES,
}


def imported(**changed: str | None) -> Imported:
    texts = {**FILES, **{f"/etc/kai/{k}.yaml": v for k, v in changed.items() if v is not None}}
    gone = {f"/etc/kai/{name}.yaml" for name, text in changed.items() if text is None}
    return from_host(CONTRACT, {k: v for k, v in texts.items() if k not in gone})


def test_every_file_of_the_line_is_asked_for() -> None:
    assert set(FILES) <= set(host_paths(CONTRACT))
    assert "/etc/kai/memory-projects.yaml" in host_paths(CONTRACT)
    for line in ("1", "2.0"):
        assert "/etc/kai/runtime-profiles.yaml" not in host_paths(contract_of_line(line))


def test_a_host_becomes_host_vars_that_an_install_accepts() -> None:
    found = imported()
    assert found.problems == []
    variables = {"kai_install_source": "/srv/kai", **found.variables}
    read = read_configuration(CONTRACT, variables)
    assert read.problems == []
    assert variables["kai_install_claude_bin"] == "/usr/local/bin/claude"
    assert variables["kai_install_codex_bin"] == "/opt/agents/codex"
    assert variables["kai_install_default_backend"] == "claude"
    assert [(one.backend, one.model) for one in read.users] == [
        ("claude", "opus"),
        ("codex", "gpt-5.5"),
    ]
    assert "PR_REVIEW_ENABLED" in found.retired


def test_a_profile_wins_over_users_yaml_as_it_does_for_kai() -> None:
    found = imported()
    ada, ben = found.variables["kai_install_users"]
    assert ada == {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"} | {
        "model": "opus"
    }
    assert "agent_backend" not in ben
    assert (ben["backend"], ben["timeout"], ben["allowed_services"]) == ("codex", 300, ["search"])
    assert "provider" not in ben
    note = (
        "kai_install_users[1].backend is that of /etc/kai/runtime-profiles.yaml, which Kai follows."
    )
    assert note in found.notes
    without = imported(**{"runtime-profiles": None}).variables["kai_install_users"]
    assert without[1]["agent_backend"] == "claude"


def test_a_default_that_nobody_names_is_the_only_agent() -> None:
    one = "version: 1\nbackends:\n  codex: {command: /opt/agents/codex}\n"
    assert imported(backends=one).variables["kai_install_default_backend"] == "codex"


def test_the_registry_wins_over_the_environment_and_its_list_of_models_is_told() -> None:
    limited = REGISTRY.replace("claude}", 'claude, allowed_models: ["claude-*"]}', 1)
    files = {**FILES, "/etc/kai/backends.yaml": limited}
    files["/etc/kai/env"] = ENV + 'CODEX_BIN="/gone/codex"\n'
    found = from_host(CONTRACT, files)
    assert found.variables["kai_install_codex_bin"] == "/opt/agents/codex"
    [note] = [one for one in found.notes if "allowed_models" in one]
    assert note.startswith("/etc/kai/backends.yaml: allowed_models of claude is not imported")


@pytest.mark.parametrize(
    "changed",
    [
        {"backends": "backends: [1]"},
        {"backends": "a: ["},
        {"runtime-profiles": "version: 3"},
        {"runtime-profiles": "[1]"},
    ],
)
def test_a_file_that_kai_does_not_accept_stops_the_import(changed: dict[str, str]) -> None:
    with pytest.raises(CommandError) as raised:
        imported(**changed)
    [(name, _)] = changed.items()
    assert f"/etc/kai/{name}.yaml" in str(raised.value.problems[0].where)


def lost(*rules: str, line: str = "2", helpers: Collection[str] = ()) -> list[str]:
    contract = contract_of_line(line)
    given: dict[str, Any] = {
        "kai_install_source": "/srv/kai",
        "kai_install_codex_bin": "/opt/agents/codex",
        "kai_install_default_backend": "claude",
        "kai_install_users": [user(1, "Ada", os_user="alice")],
    }
    texts = [list(one) for one in statements("\n".join(rules))]
    former = {"paths": [], "drop_ins": [], "rules": texts}
    read = read_configuration(contract, given)
    seen = probe(former_install=former)
    return [one.where for one in lost_rules(read, seen, helpers)]


def test_an_adoption_knows_the_rules_of_kai_2() -> None:
    assert lost(RULES) == []
    # a host of Kai 1 that becomes one of Kai 2 has them without the directory
    assert lost("kai ALL=(alice) SETENV: NOPASSWD: /usr/local/bin/claude") == []


@pytest.mark.parametrize(
    "rule",
    [
        "kai ALL=(alice) CWD=/srv SETENV: NOPASSWD: /usr/local/bin/claude",
        "kai ALL=(alice) CWD=* NOPASSWD: /bin/kill",
        "kai ALL=(root) CWD=* NOPASSWD: /usr/bin/cat /etc/kai/env",
        "kai ALL=(root) NOPASSWD: /etc/kai/read-principal-memory alice",
        "kai ALL=(root) NOPASSWD: /etc/kai/another-helper *",
    ],
)
def test_every_other_rule_is_told(rule: str) -> None:
    assert lost(rule) == ["/etc/sudoers.d/kai:1"]


def test_a_rule_of_a_helper_is_known_where_the_source_has_it() -> None:
    paths = [one.path for one in CONTRACT.helpers]
    rules = [f"kai ALL=(root) NOPASSWD: {path} *" for path in paths]
    assert lost(*rules, helpers=paths) == []
    # a source without them would remove what the rules are for
    assert len(lost(*rules)) == len(rules)
    narrower = f"kai ALL=(root) NOPASSWD: {paths[0]} ada"
    assert lost(narrower, helpers=paths) == ["/etc/sudoers.d/kai:1"]


def test_a_line_without_directories_does_not_know_them() -> None:
    rule = "kai ALL=(alice) CWD=* SETENV: NOPASSWD: /usr/local/bin/claude"
    for line in ("1", "2.0"):
        assert lost(rule, line=line) == ["/etc/sudoers.d/kai:1"]


def test_an_install_conf_of_a_single_user_is_no_service() -> None:
    conf = {"version": 1, "env": {}, "deployment_mode": "single_user"}
    [problem] = from_install_conf(CONTRACT, json.dumps(conf), "install.conf").problems
    assert problem.where == "install.conf: deployment_mode"
    conf["deployment_mode"] = "protected"
    found = from_install_conf(CONTRACT, json.dumps(conf), "install.conf")
    assert found.problems == []
    assert not any("deployment_mode" in note for note in found.notes)
