"""Old installs come along: what is deployed on a real host is imported and changes nothing."""

import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kai_ansible.ansible.playbooks import FETCH
from kai_ansible.ansible.request import Run
from kai_ansible.ansible.runner import run_playbook
from tests.cli.desk import KAI_ANSIBLE, TOKEN, Desk

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

pytestmark = pytest.mark.later(
    "tests/unit/test_importing.py judges what is read; here it is a host's"
)

STAND_IN = Path(__file__).parents[1] / "fixtures" / "kai"
SECONDS = 300
WEBHOOK_SECRET = "planted {{ secret }} of 'the' webhook"
SERVICE_KEY = "planted-key-of-a-service"
PERPLEXITY = "planted-pplx-0123"
SECRETS = (TOKEN, WEBHOOK_SECRET, SERVICE_KEY, PERPLEXITY)


@pytest.fixture
def desk(machine: "Machine") -> Iterator[Desk]:
    """A desk whose inventory has the machine."""
    # a short path, because ssh keeps a socket in the home
    with tempfile.TemporaryDirectory(prefix="kai-") as directory:
        made = Desk(Path(directory, "desk"))
        (made.directory / "tmp").mkdir()
        hosts = {"all": {"hosts": {machine.name: machine.inventory_entry()}}}
        made.write("inventory/hosts.yml", hosts)
        yield made


@pytest.fixture(autouse=True)
def bare(machine: "Machine") -> None:
    """The machine without a bot."""
    machine.run(["sh", "-c", "systemctl disable --now kai.service; true"])
    machine.run(
        [
            *("rm", "-rf", "/etc/kai", "/opt/kai", "/var/lib/kai", "/etc/sudoers.d/kai"),
            *("/etc/systemd/system/kai.service", "/srv/kai-data"),
        ]
    )


def run(desk: Desk, *arguments: str, code: int = 0) -> str:
    """Run kai-ansible, and return all it said; no secret is in that, and nothing is left."""
    scratch = desk.directory / "tmp"
    done = subprocess.run(
        [KAI_ANSIBLE, *arguments],
        cwd=desk.work,
        # the most that Ansible would tell
        env={**desk.environment(), "ANSIBLE_VERBOSITY": "4", "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert [secret for secret in SECRETS if secret in said] == []
    assert list(scratch.iterdir()) == []
    return said


def seen_by_ansible(desk: Desk, machine: "Machine") -> dict[str, Any]:
    """What the role gets to see of host_vars."""
    shown = subprocess.run(
        [
            str(Path(KAI_ANSIBLE).with_name("ansible-inventory")),
            *("-i", str(desk.inventory), "--host", machine.name),
            *("--vault-password-file", str(desk.password_file)),
        ],
        env=desk.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(shown.stdout)
    return {name: value for name, value in found.items() if name.startswith("kai_install_")}


def deployed(machine: "Machine") -> dict[str, str]:
    paths = ["/etc/kai/env", "/etc/kai/users.yaml", "/etc/sudoers.d/kai"]
    paths.append("/etc/systemd/system/kai.service")
    return {path: machine.run(["cat", path]).stdout for path in paths}


def health(machine: "Machine", port: int) -> dict[str, Any]:
    script = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/health').read().decode())"
    answer: dict[str, Any] = json.loads(machine.run(["python3", "-c", script]).stdout)
    return answer


def changes(report: str, machine: "Machine") -> list[str]:
    found: list[str] = json.JSONDecoder().raw_decode(report, report.index("{"))[0]["hosts"][
        machine.name
    ]["changes"]
    return found


def test_a_host_brings_its_host_vars_back(machine: "Machine", desk: Desk) -> None:
    answers = {
        "host": {"source": str(STAND_IN), "data_dir": "/srv/kai-data", "extras": []},
        "users": [
            {
                "telegram_id": 1,
                "name": "yes",
                "role": "admin",
                "os_user": "alice",
                "model": "gpt-5.4",
                "max_budget": 2.5,
                "hobby": {"since": "2026-01-31", "hours": [1, 2.5, None, True]},
            },
            {"telegram_id": 2, "name": "Bob", "os_user": "bob", "agent_backend": "claude"},
        ],
        "settings": {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PERPLEXITY_API_KEY": PERPLEXITY,
            "AGENT_BACKEND": "codex",
            "WEBHOOK_PORT": 8181,
            "AGENT_TIMEOUT_SECONDS": 300,
            "BUDGET_CEILING": 12.5,
            "PR_REVIEW_ENABLED": True,
        },
    }
    path = desk.write("answers.yml", answers)
    run(desk, "config", "--no-input", "--answers", str(path))
    extra = "kai_install_extra_env: {HAND_ADDED: !unsafe 'a\"b {{ c }} \\ d'}\n"
    settings = desk.host_vars(machine.name) / "kai.yml"
    settings.write_text(settings.read_text() + extra)
    conf = {
        "version": 1,
        "env": {"KAGI_API_KEY": SERVICE_KEY},
    }
    desk.write("install.conf", json.dumps(conf))
    run(desk, "config", "--no-input", "--import", "install.conf")
    run(desk, "install")
    before, files = seen_by_ansible(desk, machine), deployed(machine)
    pid = health(machine, 8181)["pid"]
    assert before["kai_install_secret_extra_env"] == {"KAGI_API_KEY": SERVICE_KEY}

    shutil.rmtree(desk.host_vars(machine.name))
    said = run(desk, "config", "--no-input", "--set", f"source={STAND_IN}")
    assert "Imported from the host" in said
    assert "does not know HAND_ADDED; it is carried over" in said
    after = seen_by_ansible(desk, machine)
    # the role's defaults and the models that it filled in are deployed, so they are explicit now
    users = [
        {**entry, "model": entry.get("model", "sonnet")} for entry in before["kai_install_users"]
    ]
    assert {**after, **before, "kai_install_users": users} == after
    plain = (desk.host_vars(machine.name) / "kai.yml").read_text()
    assert [secret for secret in SECRETS if secret in plain] == []

    assert changes(run(desk, "install", "--json"), machine) == []
    assert deployed(machine) == files
    assert health(machine, 8181)["pid"] == pid

    again = desk.tree()
    run(desk, "config", "--no-input", "--import", "host")
    assert desk.tree() == again


ENV_OF_KAI = f"""\
# Managed by kai install. Do not edit.
# Run make config instead.

AGENT_BACKEND="codex"
CLAUDE_TIMEOUT_SECONDS="300"
CODEX_BIN="/opt/gone/codex"
DEFAULT_MODEL="gpt-5.5"
HAND_ADDED=1
KAGI_API_KEY="{SERVICE_KEY}"
MEMORY_REASONER_BACKEND="codex"
TELEGRAM_BOT_TOKEN="{TOKEN}"
TTS_ENABLED="false"
VOICE_ENABLED="false"
WEBHOOK_PORT="8282"
WEBHOOK_SECRET="planted \\"quoted\\" and \\\\ more"
WORKSPACE_BASE=""
"""
SEEN_SECRET = r"planted \"quoted\" and \\ more"
USERS_OF_KAI = """\
# the family
users:
  - telegram_id: 1
    name: Ada  # me
    role: admin
    os_user: alice
    nickname: Countess
"""
RULES_OF_KAI = """\
kaibot ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/env
kaibot ALL=(root) NOPASSWD: /usr/bin/cat /etc/kai/users.yaml
kaibot ALL=(alice) SETENV: NOPASSWD: /home/kaibot/.local/bin/claude
kaibot ALL=(alice) SETENV: NOPASSWD: /opt/gone/codex
kaibot ALL=(alice) NOPASSWD: /bin/kill
"""
UNIT_OF_KAI = """\
[Unit]
Description=Kai Telegram Bot

[Service]
Type=simple
User=kaibot
WorkingDirectory=/opt/kai
ExecStart=/opt/kai/venv/bin/python -m kai
Environment=PATH=/home/kaibot/.local/bin:/usr/local/bin:/usr/bin:/bin
Environment=KAI_DATA_DIR=/srv/kai-data
Environment=KAI_INSTALL_DIR=/opt/kai

[Install]
WantedBy=multi-user.target
"""
SERVICES = "services: {} # mine\n"


@pytest.fixture
def laid_out(machine: "Machine") -> None:
    """The files of Kai's own installer."""
    machine.run(["sh", "-c", "id kaibot || useradd --create-home kaibot"])
    machine.run(["mkdir", "-p", "/etc/kai", "/opt/kai/src", "/srv/kai-data/logs"])
    for path, mode, text in (
        ("/etc/kai/env", "0600", ENV_OF_KAI),
        ("/etc/kai/users.yaml", "0600", USERS_OF_KAI),
        ("/etc/kai/services.yaml", "0600", SERVICES),
        ("/etc/sudoers.d/kai", "0440", RULES_OF_KAI),
        ("/etc/systemd/system/kai.service", "0644", UNIT_OF_KAI),
    ):
        machine.run(["install", "-m", mode, "/dev/stdin", path], input=text)


@pytest.mark.usefixtures("laid_out")
def test_an_install_of_kais_own_installer_comes_along(machine: "Machine", desk: Desk) -> None:
    said = run(
        desk,
        *("config", "--no-input", "--import", "host"),
        *("--set", f"source={STAND_IN}"),
    )
    assert SEEN_SECRET not in said
    for told in (
        "CLAUDE_TIMEOUT_SECONDS is now AGENT_TIMEOUT_SECONDS",
        "MEMORY_REASONER_BACKEND is left out: the reasoner follows each user's backend",
        "does not know HAND_ADDED; it is carried over",
        "does not know KAGI_API_KEY; it is carried over",
        "WORKSPACE_BASE is empty in /etc/kai/env, and stays so",
        "The comments of /etc/kai/users.yaml are not carried over",
        "kai_install_users[0].nickname is unknown; it is carried over",
        "/etc/kai/services.yaml is on the host and stays as it is",
        "codex is not imported: /opt/gone/codex",
    ):
        assert told in said, said
    variables = seen_by_ansible(desk, machine)
    assert variables["kai_install_service_user"] == "kaibot"
    assert variables["kai_install_data_dir"] == "/srv/kai-data"
    assert variables["kai_install_install_dir"] == "/opt/kai"
    assert variables["kai_install_codex_bin"] == "/usr/local/bin/codex"
    assert variables["kai_install_webhook_secret"] == SEEN_SECRET

    run(desk, "install")
    answer = health(machine, 8282)
    assert answer["data_dir"] == "/srv/kai-data"
    settings = answer["settings"]
    assert settings["AGENT_TIMEOUT_SECONDS"] == "300"
    assert settings["HAND_ADDED"] == "1"
    assert "MEMORY_REASONER_BACKEND" not in settings
    env = machine.run(["cat", "/etc/kai/env"]).stdout
    assert SEEN_SECRET in env
    assert SERVICE_KEY in env
    users = yaml.safe_load(machine.run(["cat", "/etc/kai/users.yaml"]).stdout)["users"]
    assert users[0]["nickname"] == "Countess"
    assert machine.run(["cat", "/etc/kai/services.yaml"]).stdout == SERVICES


@pytest.mark.usefixtures("laid_out")
def test_no_event_of_the_fetch_has_a_secret(
    machine: "Machine", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_VERBOSITY", "4")
    monkeypatch.setenv("ANSIBLE_DEBUG", "True")
    events: list[Any] = []
    variables = {"kai_fetch_paths": ["/etc/kai/env"], "kai_fetch_directory": str(tmp_path)}
    outcome = run_playbook(
        Run(FETCH, machine.inventory, [machine.name], variables=variables), events.append
    )
    assert outcome.succeeded
    assert (tmp_path / "etc/kai/env").read_text() == ENV_OF_KAI
    seen = repr(events) + repr(outcome)
    assert "/etc/kai/env" in seen
    encoded = base64.b64encode(ENV_OF_KAI.encode()).decode()
    for secret in (TOKEN, SERVICE_KEY, "quoted", encoded[40:80], encoded[-80:-40]):
        assert secret not in seen


@pytest.mark.usefixtures("laid_out")
def test_without_privilege_a_deployed_bot_is_not_taken_for_none(
    machine: "Machine", desk: Desk
) -> None:
    desk.write(
        "inventory/hosts.yml",
        {"all": {"hosts": {machine.name: machine.inventory_entry("operator")}}},
    )
    rule = "operator ALL=(ALL:ALL) ALL\n"
    machine.run(["install", "-m", "0440", "/dev/stdin", "/etc/sudoers.d/operator"], input=rule)
    try:
        before = desk.tree()
        for arguments in ([], ["--import", "host"]):
            said = run(desk, "config", "--no-input", *arguments, code=2)
            assert f"{machine.name}: /etc/kai/env, /etc/kai/users.yaml" in said
            assert "files that cannot be read without privilege" in said
            assert "--ask-become-pass" in said
        assert desk.tree() == before
        machine.run(["mv", "/etc/kai/env", "/root/env"])
        machine.run(["sh", "-c", "rm -rf /etc/kai /etc/sudoers.d/kai"])
        said = run(desk, "config", "--no-input", code=2)
        assert "kai_install_telegram_bot_token" in said
    finally:
        rule = "operator ALL=(ALL:ALL) NOPASSWD: ALL\n"
        machine.run(["install", "-m", "0440", "/dev/stdin", "/etc/sudoers.d/operator"], input=rule)


def test_a_broken_file_of_the_host_stops_the_import(machine: "Machine", desk: Desk) -> None:
    machine.run(["mkdir", "-p", "/etc/kai"])
    machine.run(["install", "-m", "0600", "/dev/stdin", "/etc/kai/env"], input=ENV_OF_KAI)
    bad = "users:\n  - {name: Ada\n"
    machine.run(["install", "-m", "0600", "/dev/stdin", "/etc/kai/users.yaml"], input=bad)
    before = desk.tree()
    said = run(desk, "config", "--no-input", code=2)
    assert "/etc/kai/users.yaml:3" in said
    assert "not valid YAML" in said
    machine.run(["sh", "-c", "rm /etc/kai/users.yaml && mkdir /etc/kai/users.yaml"])
    said = run(desk, "config", "--no-input", code=2)
    assert "files that could not be read" in said
    assert "directory" in said
    assert desk.tree() == before


def test_a_bare_host_has_nothing_to_import(machine: "Machine", desk: Desk) -> None:
    said = run(desk, "config", "--no-input", "--import", "host", code=2)
    assert "so no bot is deployed there" in said
