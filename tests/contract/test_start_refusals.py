"""doctor explains each refusal of Kai 2 to start: section 6 of the reference, in Kai's own words.

The words are those of the tree of 14 August 2026. Three refusals of 2.1 are not among them, as
their words are not known: a directory of logs that is a link, a bootstrap plan that differs from
the database, and two users whose names give one handle.
"""

import re

import pytest

from kai_ansible.ansible.collection import contract

PROFILE = "Runtime profile rtp_d2d76ab94be15a75c83c485f63d147b5"
UNSAFE = "protected config {} has unsafe permissions 0o644; expected no more than 0o600"
REFUSALS = [
    *(
        (UNSAFE.format(f"/etc/kai/{name}"), "metadata_refused")
        for name in (
            *("env", "users.yaml", "workspaces.yaml", "services.yaml"),
            *("memory-projects.yaml", "runtime-profiles.yaml"),
        )
    ),
    (
        "protected config /etc/kai/backends.yaml has unsafe permissions 0o664; expected no more "
        "than 0o644",
        "metadata_refused",
    ),
    (
        "protected config /etc/kai/env is owned by uid 1000; expected root ownership",
        "metadata_refused",
    ),
    (
        "could not stat protected config /etc/kai/backends.yaml: Permission denied",
        "config_unreachable",
    ),
    # the misleading ones: the rule of cat is missing, or the file
    (
        "TELEGRAM_BOT_TOKEN is required when the Telegram adapter is enabled",
        "token_missing",
    ),
    (
        "/etc/kai/users.yaml is malformed or has an invalid top-level YAML shape. Fix the file or "
        "re-run 'make config' to regenerate it.",
        "users_unusable",
    ),
    (
        "kai.workshop.runtime_profiles.WorkshopRuntimeProfileError: Protected runtime policy "
        "/etc/kai/runtime-profiles.yaml is missing or unreadable",
        "profiles_missing",
    ),
    ("backend registry /etc/kai/backends.yaml does not exist", "registry_missing"),
    (
        "could not read backend registry /etc/kai/backends.yaml: [Errno 13] Permission denied",
        "registry_missing",
    ),
    (
        "users.yaml is required for authorization and was not found at /etc/kai/users.yaml.",
        "users_missing",
    ),
    (
        "Protected installation requires one unique, non-service os_user for every "
        "interactive user:",
        "users_not_apart",
    ),
    (
        "WorkshopRuntimeProfileError: Protected runtime profiles must use existing non-service OS "
        "accounts:",
        "profile_of_account",
    ),
    (
        "WorkshopRuntimeProfileError: Configured user has no protected runtime profile",
        "user_without_profile",
    ),
    (
        "Protected runtime profile must resolve to exactly one canonical human storage owner",
        "profile_of_nobody",
    ),
    (f"{PROFILE}: backend 'pi' is not present in the backend registry", "profile_refused"),
    (f"{PROFILE}: model 'x' is not valid for backend 'claude'", "profile_refused"),
    (f"{PROFILE}: allowed_services is required", "profile_refused"),
    (f"{PROFILE}: os_user is invalid", "profile_refused"),
    (
        "configured default backend 'codex' is not installed; installed backends: claude",
        "backend_not_installed",
    ),
    (
        "DEFAULT_BACKEND is not set and backend registry does not define default_backend; "
        "installed backends: claude, codex",
        "backend_undecided",
    ),
    ("KAI_ENABLED_ADAPTERS must enable at least one client adapter", "adapters_refused"),
    (
        "KAI_ENABLED_ADAPTERS contains unsupported adapter(s): x; expected: telegram, workshop",
        "adapters_refused",
    ),
    (
        "GITHUB_WEBHOOK_SECRET and GENERIC_WEBHOOK_SECRET must use different values",
        "secrets_equal",
    ),
    ("WORKSPACE_BASE is not an existing directory: /srv/none", "base_missing"),
    ("WEBHOOK_PORT must be an integer", "setting_refused"),
    ("TOTP_SESSION_MINUTES must be a positive integer", "setting_refused"),
    (
        "CODEX_EFFORT_LEVEL must be one of ['low'] or empty, got 'x'",
        "setting_refused",
    ),
    ("WORKSHOP_LAN_HOST must be a non-loopback private IPv4 address", "setting_refused"),
    ("DEFAULT_MODELS_JSON must be a JSON object; got list.", "role_models_refused"),
    (
        "Memory extraction requires the 'codex' binary to be reachable at startup (at least one "
        "extraction-eligible user routes to it), but backend registry command for backend 'codex' "
        "is not a file: '/usr/local/bin/codex'.",
        "extraction_without_binary",
    ),
    ("Invalid YAML in protected services config: a tab", "services_unreadable"),
    (
        "PermissionError: [Errno 13] Permission denied: '/var/lib/kai/kai.db'",
        "permission_denied",
    ),
]


@pytest.mark.parametrize(("words", "symptom"), REFUSALS)
def test_a_refusal_to_start_is_a_symptom_with_its_fix(words: str, symptom: str) -> None:
    found = [one for one in contract("2").symptoms if re.search(one.pattern, words)]
    assert [one.name for one in found] == [symptom]
    assert found[0].fix


@pytest.mark.parametrize(("words", "symptom"), REFUSALS)
def test_a_refusal_that_kai_2_0_shares_is_one_there(words: str, symptom: str) -> None:
    known = {one.name for one in contract("2.0").symptoms}
    found = [one.name for one in contract("2.0").symptoms if re.search(one.pattern, words)]
    assert found == ([symptom] if symptom in known else [])
