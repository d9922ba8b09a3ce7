"""What a host must look like."""

import json
from pathlib import Path
from typing import Any

import pytest
from kai import agents
from kai import config as bot
from samples import SECRET, TOKEN, probe, user, variables

from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.env_file import env_line
from kai_ansible.rules.probe_requests import probe_request
from kai_ansible.rules.typed_data import as_data

ADA = user(1, "Ada", os_user="alice", agent_backend="codex")
BEN = user(2, "Ben", os_user="bob")
CEM = user(3, "Cem")
DIA = user(
    *(4, "Dia"), os_user="carol", agent_backend="goose", llm_provider="ollama", model="llama4:8b"
)


def plan(
    contract: Contract, *users: dict[str, Any], seen: dict[str, Any] | None = None, **settings: Any
) -> dict[str, Any]:
    read = read_configuration(contract, variables(*users, **settings))
    assert read.problems == []
    return desired_state(read, seen or probe())


def places(desired: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem["where"], problem["found"]) for problem in desired["problems"]]


@pytest.mark.parametrize(
    ("url", "index"),
    [
        ("file:///srv/an%20index", "/srv/an index"),
        ("file://localhost/srv/index", "/srv/index"),
        ("file:///srv/index#simple", "/srv/index"),
        ("https://pypi.example.org/simple", None),
        ("https://[pypi.example.org/simple", None),
    ],
)
def test_an_index_on_the_host_is_looked_at(contract: Contract, url: str, index: str | None) -> None:
    read = read_configuration(contract, variables(index_url=url))
    assert probe_request(read)["index"] == index


def test_the_request_for_a_look_at_the_host(contract: Contract) -> None:
    read = read_configuration(
        contract,
        variables(
            {**ADA, "home_workspace": "/srv/ada", "allowed_workspaces": ["/srv/a", "/srv/ada"]},
            {**BEN, "workspace_base": "/srv/ben"},
            DIA,
            allowed_workspaces="/srv/a,/srv/b",
            codex_bin="/opt/codex",
            wheelhouse="/srv/wheels",
        ),
    )
    request = probe_request(read)
    assert request.pop("platforms") == as_data(contract.platforms)
    binaries = request.pop("binaries")
    access = request.pop("access")
    assert {(entry["path"], entry["account"], entry["write"]) for entry in access} == {
        ("/opt", "kai", False),
        *(("/var/lib", account, False) for account in ("kai", "alice", "bob")),
        # goose is never wrapped, so carol's agents are the service user's
        *(("/srv/a", account, False) for account in ("kai", "alice", "bob")),
        *(("/srv/b", account, False) for account in ("kai", "alice", "bob")),
        ("/srv/ada", "kai", False),
        ("/srv/ada", "alice", True),
        ("/srv/ben", "kai", False),
        ("/srv/ben", "bob", False),
    }
    assert request == {
        "service_user": "kai",
        "os_users": ["alice", "bob", "carol"],
        "install_dir": "/opt/kai",
        "data_dir": "/var/lib/kai",
        "wheelhouse": "/srv/wheels",
        "index": None,
        "python": "",
        "trust_user_binaries": False,
        "directories": ["/srv/ada", "/srv/ben", "/srv/a", "/srv/b", "/srv/wheels"],
        "targets": ["/opt/kai", "/var/lib/kai", "/etc/kai", "/etc/sudoers.d", "/tmp"],
        "files": [
            *(entry.path for entry in contract.protected_files.values()),
            "/etc/sudoers.d/kai",
            "/etc/kai/kai-ansible.json",
        ],
        "texts": [],
        "workshop": None,
        "port": 8080,
        "addresses": [],
        "programs": ["sudo", "pgrep", "systemctl", "journalctl", "runuser", "curl", "git"],
        "models": [],
        "env_file": "/etc/kai/env",
        "turns": "/var/lib/kai/.responding",
        "sudoers_file": "/etc/sudoers.d/kai",
    }
    for entry in binaries:
        assert "linux" in entry.pop("usual_places")
    assert binaries == [
        {
            "backend": "codex",
            "name": "codex",
            "env_key": "CODEX_BIN",
            "wanted": "/opt/codex",
            "accounts": ["alice"],
            "resolvers": [],
            "login_files": [".codex/auth.json"],
            "login_check": ["login", "status"],
        },
        {
            "backend": "claude",
            "name": "claude",
            "env_key": "",
            "wanted": "",
            "accounts": ["bob"],
            "resolvers": [],
            "login_files": [".claude/.credentials.json"],
            "login_check": ["auth", "status"],
        },
        {
            "backend": "goose",
            "name": "goose",
            "env_key": "",
            "wanted": "",
            "accounts": ["kai"],
            "resolvers": [],
            "login_files": [],
            "login_check": [],
        },
    ]


def test_a_probe_of_the_wizard_needs_no_valid_data_directory(contract: Contract) -> None:
    read = read_configuration(contract, variables(ADA, data_dir="not absolute"))
    request = probe_request(read)
    assert (request["data_dir"], request["turns"]) == (None, None)


def test_sudo_rules_for_the_pairs_in_use_and_no_others(contract: Contract) -> None:
    desired = plan(contract, ADA, BEN, CEM, DIA, {**BEN, "telegram_id": 5, "name": "Eli"})
    assert desired["problems"] == []
    sudo = desired["sudo"]
    assert [(agent["account"], agent["command"]) for agent in sudo["agents"]] == [
        ("alice", "/usr/local/bin/codex"),
        ("bob", "/usr/local/bin/claude"),
    ]
    assert sudo["kill_accounts"] == ["alice", "bob"]
    assert sudo["reads"] == [
        "/etc/kai/env",
        "/etc/kai/users.yaml",
        "/etc/kai/services.yaml",
        "/etc/kai/workspaces.yaml",
        "/etc/kai/totp.secret",
        "/etc/kai/totp.attempts",
    ]
    assert sudo["writes"] == ["/etc/kai/totp.attempts"]
    assert (sudo["path"], sudo["mode"]) == ("/etc/sudoers.d/kai", "0440")
    assert sudo["env_keep"] == ["KAI_WEBHOOK_SECRET", "TMPDIR"]
    assert [
        (call["alias"][:-9], call["arguments"], call["env_keep"]) for call in sudo["environments"]
    ] == [
        (
            "KAI_CODEX_MEMORY",
            "exec --json --skip-git-repo-check --ephemeral --ignore-rules",
            ["CODEX_HOME", "OPENAI_API_KEY", "OPENAI_BASE_URL"],
        ),
        ("KAI_CLAUDE_CHAT", "", ["CLAUDE_AUTOCOMPACT_PCT_OVERRIDE"]),
        (
            "KAI_CLAUDE_MEMORY",
            "--print",
            ["CLAUDE_CONFIG_DIR", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"],
        ),
    ]


def test_nobody_with_an_account_means_no_agent_rule(contract: Contract) -> None:
    sudo = plan(contract, CEM, DIA)["sudo"]
    assert (sudo["agents"], sudo["kill_accounts"]) == ([], [])
    assert (sudo["env_keep"], sudo["environments"]) == ([], [])


@pytest.mark.parametrize("now", [[ADA], [{**ADA, "agent_backend": "claude"}], [CEM]])
def test_who_goes_takes_the_rules_along(contract: Contract, now: list[dict[str, Any]]) -> None:
    before, after = (plan(contract, *people)["sudo"] for people in ([ADA, BEN], now))
    rules = [(agent["account"], agent["backend"]) for agent in after["agents"]]
    backend = now[0].get("agent_backend", "claude")
    assert rules == ([("alice", backend)] if now[0].get("os_user") else [])
    assert after["kill_accounts"] == [account for account, _ in rules]
    assert len(before["agents"]) == 2
    others = {"codex", "claude"} - {backend for _, backend in rules}
    assert not any(
        other.upper() in call["alias"] for call in after["environments"] for other in others
    )


@pytest.mark.parametrize(
    ("people", "kept"),
    [
        ([ADA, BEN], ["OPENAI_API_KEY"]),
        ([BEN], []),
        ([{**CEM, "agent_backend": "codex"}, BEN], []),
    ],
)
def test_the_key_passes_sudo_only_for_codex_behind_sudo(
    contract: Contract, people: list[dict[str, Any]], kept: list[str]
) -> None:
    settings = {"codex_auth_mode": "api_key", "openai_api_key": "k"}
    calls = plan(contract, *people, **settings)["sudo"]["environments"]
    assert [key for call in calls if "_LOGIN_" in call["alias"] for key in call["env_keep"]] == kept


def test_the_environment_file(contract: Contract) -> None:
    desired = plan(contract, ADA, BEN, spec_dir="docs", extra_env={"NEW": "1"})
    assert list(desired["env"].items()) == [
        ("AGENT_BACKEND", "claude"),
        ("CODEX_BIN", "/usr/local/bin/codex"),
        ("DEFAULT_MODEL", "sonnet"),
        ("NEW", "1"),
        ("SPEC_DIR", "docs"),
        ("TELEGRAM_BOT_TOKEN", TOKEN),
        ("TTS_ENABLED", "false"),
        ("VOICE_ENABLED", "false"),
        ("WEBHOOK_PORT", "8080"),
        ("WEBHOOK_SECRET", SECRET),
    ]
    # where nobody uses codex, its path is not written
    assert "CODEX_BIN" not in plan(contract, BEN, codex_bin="/opt/codex")["env"]


def test_a_binary_that_is_started_by_its_name_is_found_first(contract: Contract) -> None:
    works = {"fault": None, "changers": []}
    seen = probe(
        binaries={
            "claude": [{**works, "path": "/opt/claude/bin/claude", "source": "path"}],
            "codex": [{**works, "path": "/opt/codex/codex", "source": "usual"}],
            "goose": [{**works, "path": "/home/kai/bin/goose", "source": "deployed"}],
        }
    )
    desired = plan(contract, ADA, BEN, DIA, seen=seen)
    path = ["/opt/claude/bin", "/home/kai/bin", "/home/kai/.local/bin", "/usr/local/bin"]
    path += ["/usr/bin", "/bin"]
    # what the service user can write is nothing that another account looks for programs in
    assert desired["sudo"]["secure_path"] == [
        entry for entry in path if not entry.startswith("/home/kai")
    ]
    assert desired["unit"]["environment"] == {
        "PATH": ":".join(path),
        "KAI_INSTALL_DIR": "/opt/kai/current",
        "KAI_DATA_DIR": "/var/lib/kai",
    }
    assert desired["unit"]["path"] == "/etc/systemd/system/kai.service"
    assert desired["notes"] == [
        "Using /opt/codex/codex for codex, found in a usual place: host_vars, the deployed files "
        "and the users' PATH have none."
    ]
    assert desired["binaries"]["codex"] == {
        "path": "/opt/codex/codex",
        "source": "usual",
        "changers": [],
    }


def test_the_model_is_filled_in_where_the_inherited_one_does_not_fit(contract: Contract) -> None:
    unknown = {**CEM, "shoe": 44}
    own = {**BEN, "model": "OPUS"}
    desired = plan(contract, ADA, own, unknown, default_model="haiku")
    assert desired["users"] == [
        {**ADA, "model": "gpt-5.5"},
        {**BEN, "model": "opus"},
        # the bot opens to everybody what it takes for a home of its own
        {**CEM, "shoe": 44, "home_workspace": "/var/lib/kai/home/3"},
    ]


def owned(desired: dict[str, Any]) -> dict[str, tuple[str, str, str | None]]:
    return {
        entry["path"]: (entry["owner"], entry["group_of"], entry["mode"])
        for entry in desired["directories"]
    }


def test_directories(contract: Contract) -> None:
    desired = plan(
        contract,
        {**ADA, "home_workspace": "/srv/ada"},
        {**BEN, "home_workspace": "/data/kai/home/ben"},
        CEM,
        seen=probe(directories={"/srv/ada": "directory", "/data/kai/home/ben": "absent"}),
        data_dir="/data/kai",
        install_dir="/srv/kai",
        workspace_base="/srv/work",
    )
    assert desired["problems"] == []
    found = owned(desired)
    assert len(found) == len(desired["directories"])
    assert found == {
        "/etc/kai": ("root", "root", "0755"),
        "/srv/kai": ("root", "root", "0755"),
        "/srv/kai/releases": ("root", "root", "0755"),
        "/srv/kai/models": ("root", "root", "0755"),
        "/data/kai": ("kai", "kai", "0711"),
        "/data/kai/logs": ("kai", "kai", "0700"),
        **{
            f"/data/kai/{name}": ("kai", "kai", "0711")
            for name in ("files", "history", "memory", "preferences", "home", "tmp")
        },
        "/data/kai/memory/qdrant": ("kai", "kai", "0700"),
        "/data/kai/.responding": ("kai", "kai", "0700"),
        **{
            f"/data/kai/{kind}/{number}": ("kai", "kai", "2750")
            for kind in ("history", "files")
            for number in (1, 2, 3)
        },
        "/srv/work": ("kai", "kai", None),
        # a home outside the data directory is the person's own business
        "/data/kai/memory/1": ("alice", "kai", "2750"),
        "/data/kai/preferences/1": ("alice", "kai", "2750"),
        "/data/kai/memory/2": ("bob", "kai", "2750"),
        "/data/kai/preferences/2": ("bob", "kai", "2750"),
        "/data/kai/home/ben": ("bob", "kai", "2750"),
        "/data/kai/home/ben/.claude": ("bob", "kai", "2750"),
        "/data/kai/memory/3": ("kai", "kai", "2750"),
        "/data/kai/preferences/3": ("kai", "kai", "2750"),
        "/data/kai/home/3": ("kai", "kai", "2750"),
        "/data/kai/home/3/.claude": ("kai", "kai", "2750"),
        "/data/kai/tmp/alice": ("alice", "kai", "0700"),
        "/data/kai/tmp/bob": ("bob", "kai", "0700"),
    }
    # what the bot keeps for a person, their agents read; who has no account is the bot
    assert {
        entry["path"]: entry["reader"] for entry in desired["directories"] if entry["reader"]
    } == {
        f"/data/kai/{kind}/{number}": account
        for kind in ("history", "files")
        for number, account in ((1, "alice"), (2, "bob"))
    }
    paths = [entry["path"] for entry in desired["directories"]]
    for index, path in enumerate(paths):
        assert not any(other.startswith(path + "/") for other in paths[:index])


def test_first_files(contract: Contract) -> None:
    seeds = plan(contract, {**ADA, "home_workspace": "/srv/ada"}, DIA)["seeds"]
    assert [seed["path"] for seed in seeds if seed.get("narrow")] == [
        "/var/lib/kai/kai.db",
        "/var/lib/kai/memory/mem0_history.db",
    ]
    assert [(seed["path"], seed["owner"], seed["mode"]) for seed in seeds] == [
        ("/var/lib/kai/files/1/.keep", "kai", "0644"),
        ("/var/lib/kai/memory/1/MEMORY.md", "alice", "0640"),
        ("/var/lib/kai/preferences/1/PREFERENCES.md", "alice", "0640"),
        ("/var/lib/kai/files/4/.keep", "kai", "0644"),
        ("/var/lib/kai/memory/4/MEMORY.md", "kai", "0640"),
        ("/var/lib/kai/preferences/4/PREFERENCES.md", "kai", "0640"),
        ("/var/lib/kai/home/4/.claude/CLAUDE.md", "kai", "0640"),
        ("/var/lib/kai/kai.db", "kai", "0600"),
        ("/var/lib/kai/memory/mem0_history.db", "kai", "0600"),
        ("/home/kai/.config/goose/config.yaml", "kai", "0644"),
    ]


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google", "openrouter", "ollama"])
def test_goose_gets_its_provider_and_its_own_configuration(
    contract: Contract, provider: str
) -> None:
    key = contract.providers[provider].key
    surface = contract.surfaces[contract.backends["goose"].surfaces[provider]]
    model = surface.default or "vendor/x"
    settings = {"llm_provider": provider, "default_model": model} | ({key: "k"} if key else {})
    desired = plan(contract, user(1, "Ada"), agent_backend="goose", **settings)
    assert desired["problems"] == []
    files = {
        "env": "\n".join(env_line(name, value) for name, value in desired["env"].items()),
        "users.yaml": json.dumps({"users": desired["users"]}),
    }
    loaded = bot.load(bot.read_environment({}, files.get), files.get)
    started_with = agents.spawn_env(loaded, loaded.users[0], "kai")
    assert started_with["GOOSE_PROVIDER"] == provider
    names = contract.backends["goose"].spawn["chat"].model_names
    assert started_with["GOOSE_MODEL"] == names.get(provider, {}).get(model, model)
    (proof,) = desired["agent_proofs"]
    assert proof["sets"].items() <= started_with.items()
    assert started_with.get(key or "none") == ("k" if key else None)
    assert [
        (seed["path"], seed["owner"])
        for seed in desired["seeds"]
        if seed["path"].endswith("goose/config.yaml")
    ] == [("/home/kai/.config/goose/config.yaml", "kai")]


def test_proofs_are_the_commands_of_the_bot(contract: Contract, tmp_path: Path) -> None:
    ann = {**ADA, "telegram_id": 5, "model": "gpt-5.4"}
    small = {**BEN, "context_window": 50000, "home_workspace": str(tmp_path)}
    settings = {"webhook_secret": "w", "claude_effort_level": "max", "claude_autocompact_pct": 80}
    desired = plan(contract, ADA, small, CEM, DIA, ann, **settings)
    assert ["sudo", "-n", "cat", "/etc/kai/env"] in [proof["argv"] for proof in desired["proofs"]]
    files = {
        "env": "\n".join(env_line(name, value) for name, value in desired["env"].items()),
        "users.yaml": json.dumps({"users": desired["users"]}),
    }
    service = desired["unit"]["environment"]
    loaded = bot.load(bot.read_environment(service, files.get), files.get)
    # a second person whose agents start the same way is not tried again
    for proof, person in zip(desired["agent_proofs"], loaded.users[:4], strict=True):
        assert proof["argv"] == agents.spawn_argv(loaded, person, "kai")
        environment = {
            **desired["env"],
            **service,
            **proof["sets"],
            **{
                name: desired["env"][key]
                for name, key in proof["copies"].items()
                if key in desired["env"]
            },
        }
        assert environment == agents.spawn_env(loaded, person, "kai")
        assert proof["directory"] == str(agents.home(loaded, person))
    kills = [proof["kill"] for proof in desired["agent_proofs"]]
    rule = [["sudo", "-n", "-u", account, "/bin/kill"] for account in ("alice", "bob")]
    assert kills == [*rule, [], []]
    asked = [proof["argv"] for proof in desired["proofs"] if "-l" in proof["argv"]]
    assert asked == [
        ["sudo", "-n", "-l", "-u", account, "--", "/bin/kill", "-KILL", "-4194305"]
        for account in ("alice", "bob")
    ]
    assert "w" not in json.dumps(desired["agent_proofs"]).split('"')


@pytest.mark.parametrize(("percent", "is_passed_on"), [(0, False), (80, True)])
def test_a_default_is_not_passed_on_to_an_agent(
    contract: Contract, percent: int, is_passed_on: bool
) -> None:
    desired = plan(contract, BEN, claude_autocompact_pct=percent)
    [proof] = desired["agent_proofs"]
    assert ("CLAUDE_AUTOCOMPACT_PCT_OVERRIDE" in proof["copies"]) is is_passed_on
    assert proof["copies"]["KAI_WEBHOOK_SECRET"] == "WEBHOOK_SECRET"


def test_private_directories_are_those_of_everybody(contract: Contract) -> None:
    private = plan(contract, ADA, BEN, CEM, DIA)["private_directories"]
    assert {entry["account"] for entry in private} == {"alice", "bob", "carol", None}
    mine = {"path": "/var/lib/kai/tmp/carol", "account": "carol", "only_reads": False}
    kept = {"path": "/var/lib/kai/history/1", "account": "alice", "only_reads": True}
    # goose runs as the service user, which owns Dia's home
    dias = {"path": "/var/lib/kai/home/4", "account": None, "only_reads": False}
    assert all(entry in private for entry in (mine, kept, dias))
    # whose agents all are the bot, nothing can be kept from each other
    assert plan(contract, CEM, user(5, "Eli"))["private_directories"] == []


@pytest.mark.parametrize(
    ("keys", "settings", "lost"),
    [
        (["NEW_KEY"], {}, ["kai_install_extra_env.NEW_KEY"]),
        (["NEW_KEY"], {"extra_env": {"NEW_KEY": "1"}}, []),
        (["NEW_KEY"], {"secret_extra_env": {"NEW_KEY": "1"}}, []),
        (["NEW_KEY"], {"extra_env": {"NEW_KEY": None}}, []),
        (["BUDGET_CEILING", "SPEC_DIR"], {"spec_dir": "x"}, ["kai_install_budget_ceiling"]),
        (["CLAUDE_MAX_BUDGET_USD"], {}, ["kai_install_budget_ceiling"]),
        (["CLAUDE_MAX_BUDGET_USD"], {"budget_ceiling": 3}, []),
        (["BUDGET_CEILING"], {"budget_ceiling": None}, []),
        # written always, without use for these people, or set by the service definition
        (["WEBHOOK_PORT", "CLAUDE_MODEL", "CODEX_BIN", "CODEX_AUTH_MODE", "KAI_DATA_DIR"], {}, []),
        (["ALLOWED_USER_IDS", "MEMORY_EPISODE_MODEL"], {}, []),
        (["PERPLEXITY_API_KEY"], {}, ["kai_install_perplexity_api_key"]),
    ],
)
def test_keys_that_only_the_host_has(
    contract: Contract, keys: list[str], settings: dict[str, Any], lost: list[str]
) -> None:
    desired = plan(contract, BEN, seen=probe(env_keys=keys), **settings)
    assert [problem["expected"] for problem in desired["problems"]] == [
        f"{place} in host_vars" for place in lost
    ]


def test_what_kai_no_longer_reads_is_reported_when_found(contract: Contract) -> None:
    desired = plan(contract, BEN, seen=probe(env_keys=["ALLOWED_USER_IDS"]))
    assert desired["notes"] == [
        "/etc/kai/env: ALLOWED_USER_IDS is not kept: users.yaml says who may talk to the bot."
    ]


def account(uid: int) -> dict[str, Any]:
    return {"uid": uid, "gid": uid, "home": "/x", "home_kind": "directory"}


@pytest.mark.parametrize(
    ("accounts", "found"),
    [
        ({"kai": account(5), "alice": account(6), "bob": account(7)}, []),
        ({"kai": None, "alice": account(6), "bob": account(7)}, []),
        (
            {"kai": account(5), "alice": None, "bob": account(7)},
            [("kai_install_users: os_user", "'alice', which is no account on the host")],
        ),
        (
            {"kai": account(5), "alice": account(0), "bob": account(5)},
            [
                ("kai_install_users: os_user", "'alice', which has the same UID as root"),
                ("kai_install_users: os_user", "'bob', which has the same UID as kai"),
            ],
        ),
        (
            {"kai": account(5), "alice": account(6), "bob": account(6)},
            [("kai_install_users: os_user", "'bob', which has the same UID as alice")],
        ),
        (
            {"kai": account(0), "alice": account(6), "bob": account(7)},
            [("kai_install_service_user", "'kai', whose UID is 0")],
        ),
    ],
)
def test_accounts_of_the_host(
    contract: Contract, accounts: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    assert places(plan(contract, ADA, BEN, seen=probe(accounts=accounts))) == found


@pytest.mark.parametrize(
    ("kind", "fix"),
    [
        ("absent", "sudo install -d -m 0700 -o alice -g 6 '/home/with space'"),
        ("file", "ls -ld '/home/with space'"),
        ("on a file system that does not answer", "ls -ld '/home/with space'"),
    ],
)
def test_a_home_in_which_no_agent_can_work_is_named_before_anything_is_changed(
    contract: Contract, kind: str, fix: str
) -> None:
    alice = {**account(6), "home": "/home/with space", "home_kind": kind}
    seen = probe(accounts={"kai": account(5), "alice": alice})
    desired = plan(contract, ADA, seen=seen)
    assert places(desired) == [("the home of alice", f"/home/with space, which is {kind}")]
    assert desired["problems"][0]["fix"].endswith(fix)
    unseen = probe(accounts={"kai": account(5), "alice": {**alice, "home_kind": "unseen"}})
    assert places(plan(contract, ADA, seen=unseen)) == []


def test_missing_accounts_are_made_when_the_operator_says_so(contract: Contract) -> None:
    seen = probe(accounts={"kai": None, "alice": None, "bob": account(7)})
    desired = plan(contract, ADA, BEN, CEM, seen=seen, create_os_users=True)
    assert places(desired) == []
    assert desired["missing_accounts"] == ["alice"]


def test_directories_that_have_to_exist(contract: Contract) -> None:
    seen = probe(
        directories={
            "/srv/a": "directory",
            "/srv/b": "absent",
            "/srv/c": "something else",
            "/var/lib/kai/home/x": "absent",
        }
    )
    assert [found for _, found in places(plan(contract, BEN, seen=seen))] == [
        "/srv/b, which is absent",
        "/srv/c, which is something else",
    ]


def test_a_foreign_system_is_reported_and_nothing_else(contract: Contract) -> None:
    fault = {
        "where": "the host",
        "found": "the operating system plan9",
        "expected": "linux or darwin",
        "fix": "choose another host",
    }
    desired = plan(contract, BEN, seen=probe(platform="plan9", faults=[fault]))
    assert desired == {"problems": [fault], "notes": []}


def test_all_obstacles_are_listed_at_once(contract: Contract) -> None:
    seen = probe(
        accounts={"kai": account(5), "alice": None, "bob": None},
        binaries={"claude": []},
        env_keys=["NEW"],
        directories={"/srv/a": "absent"},
    )
    assert [where for where, _ in places(plan(contract, ADA, BEN, seen=seen))] == [
        "kai_install_users: os_user",
        "kai_install_users: os_user",
        "a directory that the configuration names",
        "kai_install_codex_bin",
        "kai_install_claude_bin",
        "/etc/kai/env: NEW",
    ]
