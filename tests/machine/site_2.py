"""A site with Kai 2: its desk, what a client of the Workshop does, and what one answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.machine.site import PATIENT, TOKEN, Site
from tests.testbed.machines import Machine

STAND_IN_2 = ROOT / "tests" / "fixtures" / "kai_2"
OF_2_1 = ROOT / "tests" / "fixtures" / "kai_2_1" / "src"
ADA = {"telegram_id": 1, "name": "Ada", "role": "admin", "os_user": "alice"}
BEN = {"telegram_id": 2, "name": "Ben", "role": "user", "os_user": "bob"}
# an agent that answers the greeting of a proof as both codex and claude would, and ends cleanly
AGENT = """#!/usr/bin/python3
import json, os, sys
if "--version" in sys.argv:
    print("9.9")
    sys.exit()
for line in sys.stdin:
    print('{"id": 1, "result": {}}')
    print('{"type": "control_response", "response": {"subtype": "success"}}', flush=True)
with open(os.path.expanduser("~/turn.json"), "w") as file:
    json.dump({"directory": os.getcwd(), "uid": os.getuid()}, file)
"""
AGENTS = {"codex": "/opt/agents/codex", "claude": "/opt/agents/claude"}
_WORKSHOP = """
import sqlite3
print(sqlite3.connect("file:/var/lib/kai/kai.db?mode=ro", uri=True)
      .execute("SELECT id FROM workshops").fetchone()[0])
"""
_ENROL = """
import os, re, subprocess, sys
place = "/opt/kai/current"
os.chdir(place)
done = subprocess.run(
    ["sudo", "-H", "-u", "kai", "env", "KAI_DATA_DIR=/var/lib/kai", f"KAI_INSTALL_DIR={place}",
     f"{place}/venv/bin/python", "-m", "kai", "workshop", "client-access", "issue-enrollment",
     "--telegram-user-id", sys.argv[1]], capture_output=True, text=True)
print(re.search(r"kai_ws_enroll_\\S+", done.stdout)[0])
"""
_CLIENT = """
import json, sys, time, urllib.request, uuid
base, (token, said, seconds) = "http://127.0.0.1:8080", sys.argv[1:]
def call(method, path, body=None, session=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(base + path, method=method, data=data)
    request.add_header("Content-Type", "application/json")
    if session:
        request.add_header("Authorization", f"Bearer {session}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())
redeemed = call("POST", "/v1/client/enrollment/redeem",
                {"enrollment_token": token, "device_display_name": uuid.uuid4().hex})
session = redeemed["session"]["token"]
seen = json.dumps(call("GET", "/v1/client/navigation", session=session))
channel = "chn_" + seen.partition("chn_")[2][:32]
asked = call("POST", f"/v1/channels/{channel}/commands",
             {"client_message_id": str(uuid.uuid4()), "body": said}, session)
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    run = call("GET", f"/v1/channels/{channel}/runs/{asked['run_id']}", session=session)["run"]
    if run["status"] not in ("accepted", "started"):
        break
    time.sleep(0.5)
print(json.dumps(run))
"""


def become_kai_2_1(source: Path) -> None:
    """Give a copy of the stand-in for Kai 2 what Kai 2.1 adds."""
    shutil.copytree(OF_2_1, source / "src", dirs_exist_ok=True)


class Site2(Site):
    """A desk whose host_vars are written by hand, and its machine. Both users run codex."""

    # a real Kai has many packages
    run_seconds = 1200

    def __init__(
        self, machine: Machine, directory: Path, source: Path = STAND_IN_2, **variables: Any
    ) -> None:
        super().__init__(machine, directory, source=source, **variables)
        for path in AGENTS.values():
            machine.run(["install", "-D", "-m", "0755", "/dev/stdin", path], input=AGENT)

    def configure(self) -> None:
        """Write the host_vars of the machine."""
        path = self.desk.host_vars("bot") / "kai.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        given = {
            "kai_install_source": str(self.desk.source),
            "kai_install_telegram_bot_token": TOKEN,
            "kai_install_default_backend": "codex",
            "kai_install_users": [ADA, BEN],
            "kai_install_health_timeout": PATIENT,
            **{f"kai_install_{name}_bin": place for name, place in AGENTS.items()},
        }
        path.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
        self.desk.put(str(self.desk.password_file.relative_to(self.desk.directory)), "secret\n")

    def profiles(self) -> dict[str, Any]:
        """Return the profiles of the machine by display name."""
        text = self.machine.run(["cat", "/etc/kai/runtime-profiles.yaml"]).stdout
        return {
            one["display_name"]: one for one in yaml.safe_load(text)["runtime_profiles"].values()
        }

    def workshop(self) -> str:
        """Return the id of the workshop."""
        return self.python(_WORKSHOP).strip()

    def turn(self, telegram_id: int, said: str = "hello", seconds: int = 60) -> dict[str, Any]:
        """Enrol a user, with the service stopped, and return how a turn of theirs ends."""
        self.machine.run(["systemctl", "stop", "kai"])
        try:
            token = self.python(_ENROL, str(telegram_id)).strip()
        finally:
            self.machine.run(["systemctl", "start", "kai"])
        self.wait_for_health()
        return self.say(token, said, seconds)

    def say(self, token: str, said: str = "hello", seconds: int = 60) -> dict[str, Any]:
        """Enter the Workshop by an enrolment, and return how a turn there ends."""
        run: dict[str, Any] = json.loads(self.python(_CLIENT, token, said, str(seconds)))
        return run
