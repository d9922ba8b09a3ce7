"""What status found on hosts, for the tests of how it is shown."""

from datetime import UTC, datetime
from typing import Any

from kai_ansible.terminal.status_view import StatusProbe

TAKEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<script>document.title='planted'</script>&\"'"
FINDING = {
    "where": "/etc/kai/env: DEFAULT_MODEL",
    "found": f"another value {HOSTILE}",
    "expected": "the value of host_vars",
    "fix": "kai-ansible install",
}


def report(**more: Any) -> dict[str, Any]:
    """The report of a healthy host."""
    return {
        "healthy": True,
        "line": "2",
        "as_root": True,
        "system": {
            "name": "Debian 13",
            "kernel": "Linux 6.12 x86_64",
            "python": "3.13.5",
            "sudo": "Sudo version 1.9.16p2",
            "manager_version": 257,
        },
        "service": {
            "unit": "kai",
            "active": True,
            "enabled": True,
            "state": "active",
            "since": "2026-01-01T03:04:05Z",
            "pid": 7,
            "restarts": 0,
            "release": "0a1b2c3d4e5f",
            "health": 200,
        },
        "live": "0a1b2c3d4e5f",
        "unfinished": None,
        "releases": [{"id": "0a1b2c3d4e5f", "state": "good", "live": True}],
        "installs": [],
        "last_install": {
            "number": 1,
            "release": "0a1b2c3d4e5f",
            "time": "2026-01-01T03:04:05Z",
            "by": "ada@laptop",
            "outcome": "verified",
        },
        "drift": [],
        "problems": [],
        "unknown": [],
        "backends": [
            {
                "backend": "codex",
                "path": "/usr/local/lib/node_modules/@openai/codex/bin/a-rather-long-name/codex.js",
                "source": "deployed",
                "version": "0.169.0",
                "accounts": ["alice"],
                "changed_by": [],
                "faults": [],
            }
        ],
        "users": [
            {
                "name": "Ada",
                "telegram_id": 1,
                "os_user": "alice",
                "account": "alice",
                "backend": "codex",
                "provider": "openai",
                "model": "gpt-5.5",
                "profile": "rtp_d2d76ab94be15a75c83c485f63d147b5",
                "tree": "complete",
                "logged_in": "yes",
            }
        ],
        "users_from": "host",
        "pending": [],
        "limits": [],
        "login_notice": [],
        "free_space": [
            {"path": "/opt/kai", "size_mb": 900, "free_mb": 800, "files": 0, "free_files": 0}
        ],
        **more,
    }


PROBE = StatusProbe(
    TAKEN,
    {
        "bot1": report(),
        "bot2": report(
            healthy=False, drift=[FINDING], login_notice=["  sudo -iu alice codex login"]
        ),
        HOSTILE: report(healthy=False, unknown=[{**FINDING, "where": "/etc/kai/env"}]),
    },
    [],
)
