"""A small valid configuration that tests vary."""

from typing import Any

from tests.conftest import BACKENDS

TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp_-q"
SECRET = "0f" * 32
CODEX_MODELS = (
    *("gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.3-codex", "gpt-5.3-codex-spark", "gpt-5.2"),
)


def user(telegram_id: int = 1, name: str = "Ada", **fields: Any) -> dict[str, Any]:
    """Return an entry of users.yaml."""
    return {"telegram_id": telegram_id, "name": name, "role": "admin", **fields}


def variables(*users: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return variables of a valid installation: alice on claude, unless something else is said."""
    return {
        "kai_install_source": "/src/kai",
        "kai_install_telegram_bot_token": TOKEN,
        "kai_install_webhook_secret": SECRET,
        "kai_install_users": list(users) or [user(os_user="alice")],
        **{f"kai_install_{name.lower()}": value for name, value in settings.items()},
    }


def probe(**seen: Any) -> dict[str, Any]:
    """Return what kai_probe sees on a host on which everything is in order."""
    accounts = {
        name: {"uid": uid, "gid": uid, "home": f"/home/{name}", "home_kind": "directory"}
        for uid, name in enumerate(("kai", "alice", "bob", "carol"), start=1000)
    }
    return {
        "platform": "linux",
        "system": {"name": "Debian 13", "kernel": "Linux 6.12 x86_64", "python": "3.13.5"},
        "is_controller": False,
        "privileged": True,
        "accounts": accounts,
        "service_home": "/home/kai",
        "tools": {
            "cat": "/usr/bin/cat",
            "tee": "/usr/bin/tee",
            "kill": "/bin/kill",
            "visudo": "/usr/sbin/visudo",
        },
        "interpreters": [{"path": "/usr/bin/python3.13", "version": "3.13.5", "fault": None}],
        "directories": {},
        "access": [],
        "targets": {},
        "port": [],
        "foreign_addresses": [],
        "programs": dict.fromkeys(
            ("sudo", "pgrep", "systemctl", "journalctl", "runuser", "curl", "git"), "/bin/x"
        ),
        "models": {},
        "identities": {},
        "sudo": {"version": "Sudo version 1.9.16p2", "flags": ["env_reset", "use_pty"]},
        "sudoers_sha256": "",
        "file_sizes": {},
        "texts": {},
        "workshop": None,
        "former_install": None,
        "manager_version": 257,
        "lock": {"path": "/run/kai-ansible.lock", "taken": False, "by": "", "problems": []},
        "release": {
            "live": None,
            "complete": [],
            "missing": False,
            "size": None,
            "has_models": True,
        },
        "service": {"active": False, "enabled": False, "pid": 0, "turns": 0},
        "env_keys": [],
        "binaries": {
            name: [
                {"path": f"/usr/local/bin/{name}", "source": "path", "fault": None, "changers": []}
            ]
            for name in BACKENDS
        },
        "logins": [],
        "places": [],
        "live_python": None,
        "faults": [],
        "damaged": [],
        **seen,
    }
