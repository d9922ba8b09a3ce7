"""A bot as Kai's own installer leaves it, made from a description of what that does.

The real installer is not run. The code is the stand-in bot of `tests/fixtures/kai`, the layout is
that of Kai 1.x: flat in /opt/kai, with a real virtual environment, a service that was started and
never enabled, settings under old names, and a sudo rule for an agent that is not there.
"""

import json
from pathlib import Path

import yaml

from .machines import Machine

SOURCE = Path(__file__).parents[1] / "fixtures" / "kai"
TOKEN = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOpp_-q"
SEEN_SECRET = r"planted \"quoted\" and \\ more"

ENV = f"""\
# Managed by kai install. Do not edit.
# Run make config instead.

AGENT_BACKEND="codex"
AGENT_TIMEOUT_SECONDS="300"
CLAUDE_MAX_BUDGET_USD="7.5"
CLAUDE_MODEL="gpt-5.4"
HAND_ADDED="1"
MEMORY_REASONER_BACKEND="codex"
TELEGRAM_BOT_TOKEN="{TOKEN}"
TTS_ENABLED="false"
VOICE_ENABLED="false"
WEBHOOK_PORT="8080"
WEBHOOK_SECRET="{SEEN_SECRET}"
"""
USERS = """\
# the family
users:
  - telegram_id: 1
    name: Ada  # me
    role: admin
    os_user: alice
  - telegram_id: 2
    name: Bob
"""
RULES = "# Managed by kai install.\n" + "".join(
    f"kai ALL={rule}\n"
    for rule in (
        *(
            f"(root) NOPASSWD: /usr/bin/cat /etc/kai/{name}"
            for name in (
                *("env", "services.yaml", "users.yaml", "workspaces.yaml"),
                *("totp.secret", "totp.attempts"),
            )
        ),
        "(root) NOPASSWD: /usr/bin/tee /etc/kai/totp.attempts",
        "(alice) SETENV: NOPASSWD: /home/kai/.local/bin/claude",
        # the place on macOS, which the installer falls back to on Linux as well
        "(alice) SETENV: NOPASSWD: /opt/homebrew/bin/codex",
        "(alice) NOPASSWD: /bin/kill",
    )
)
UNIT = """\
[Unit]
Description=Kai Telegram Bot
After=network-online.target
Wants=network-online.target

[Service]
Type=simple
User=kai
WorkingDirectory=/opt/kai
ExecStart=/opt/kai/venv/bin/python -m kai
Restart=always
RestartSec=5
Environment=PATH=/home/kai/.local/bin:/usr/local/bin:/usr/bin:/bin
Environment=KAI_DATA_DIR=/var/lib/kai
Environment=KAI_INSTALL_DIR=/opt/kai

[Install]
WantedBy=multi-user.target
"""
OPERATORS_OWN = {
    "/etc/kai/services.yaml": "services: {} # mine\n",
    "/etc/kai/totp.secret": "PLANTEDTOTP\n",
    "/etc/kai/totp.attempts": "{}\n",
    "/etc/kai/notes.txt": "ask Ada\n",
    "/opt/kai/home/keep.md": "mine\n",
    "/opt/kai/NOTES": "mine too\n",
    "/etc/sudoers.d/kai-backup": "kai ALL=(root) NOPASSWD: /usr/bin/true\n",
}
"""Files that no installer made, by path."""

_LAY_OUT = r"""
import hashlib, json, os, pathlib, shutil, sqlite3, subprocess, sys
given = json.load(sys.stdin)
def run(*command):
    subprocess.run(command, check=True)
run("useradd", "--create-home", "kai")
def directory(path, owner="root", mode=0o755):
    pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    shutil.chown(path, owner, owner)
    os.chmod(path, mode)
def file(path, text, owner="root", mode=0o644):
    pathlib.Path(path).write_text(text)
    shutil.chown(path, owner, owner)
    os.chmod(path, mode)
opt = pathlib.Path("/opt/kai")
for path in (opt, opt / "config", opt / "home", "/etc/kai"):
    directory(path)
source = pathlib.Path("/root/kai-source")
shutil.copytree(source / "src", opt / "src")
shutil.copy(source / "pyproject.toml", opt)
shutil.copy(source / "templates/config/goose-config.yaml", opt / "config")
run("python3", "-m", "venv", "--without-pip", opt / "venv")
[packages] = opt.glob("venv/lib/python3.*/site-packages")
# as pip leaves the package
shutil.copytree(source / "src", packages, dirs_exist_ok=True)
shutil.copytree("/root/yaml", packages / "yaml")
file(opt / "venv/bin/kai", "#!/opt/kai/venv/bin/python\nimport kai.__main__\n", mode=0o755)
for name in ("src", "pyproject"):
    file(opt / f".{name}.sha256", hashlib.sha256(name.encode()).hexdigest() + "\n")
run("chown", "-R", "root:root", opt)
data = pathlib.Path("/var/lib/kai")
for name in ("", "logs", "files", "history", "history/1", "memory", "preferences", "home", "tmp"):
    directory(data / name, "kai")
for name in ("memory/1", "preferences/1", "home/1", "home/1/.claude"):
    directory(data / name, "alice")
directory(data / "tmp/alice", "alice", 0o700)
for name, owner in (
    ("memory/1/MEMORY.md", "alice"),
    ("preferences/1/PREFERENCES.md", "alice"),
    ("home/1/.claude/CLAUDE.md", "alice"),
    ("home/1/work.txt", "alice"),
    ("history/1/2026-05-01.jsonl", "kai"),
    ("files/photo.jpg", "kai"),
):
    file(data / name, f"content of {name}\n", owner)
with sqlite3.connect(data / "kai.db", isolation_level=None) as database:
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE history (text TEXT)")
    database.executemany("INSERT INTO history VALUES (?)", [(str(n),) for n in range(1000)])
database.close()
shutil.chown(data / "kai.db", "kai", "kai")
for path, text, mode in given["files"]:
    file(path, text, mode=int(mode, 8))
run("visudo", "-c", "-q")
run("systemctl", "daemon-reload")
run("systemctl", "start", "kai.service")
"""


def lay_out(machine: Machine) -> None:
    """Make the machine one on which Kai's own installer was at work.

    Raises TestbedError when it cannot be done; the bot is started, and nobody waits for it.
    """
    machine.push(SOURCE, "/root/kai-source")
    machine.push(Path(yaml.__file__).parent, "/root/yaml")
    files = [
        ("/etc/kai/env", ENV, "0600"),
        ("/etc/kai/users.yaml", USERS, "0600"),
        ("/etc/sudoers.d/kai", RULES, "0440"),
        ("/etc/systemd/system/kai.service", UNIT, "0644"),
        *(
            (path, text, "0440" if "sudoers" in path else "0600")
            for path, text in OPERATORS_OWN.items()
        ),
    ]
    machine.run(["python3", "-c", _LAY_OUT], input=json.dumps({"files": files}))
