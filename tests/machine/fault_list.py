"""The faults that installs meet on a machine in the tests, and how each ends.

tools/faults.py writes the table of docs/reliability.md from what the tests have seen last.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.machine.site import IMPATIENT

OUTCOMES = Path(__file__).parents[2] / ".cache" / "faults"

BUILD = "Build the release"
LAY_OUT = "Create directories and first files"
SWITCH = "Switch the files, the release and the service"
SWITCH_BACK = "Switch back the files, the release and the service"
PROOF = "Verify that the bot and its agents work"

NOT_TOUCHED = "the bot is not touched"
BACK = "the former install is back"
SUCCEEDS = "the install goes on, and succeeds"
REFUSED = "one of them is refused"
REPAIRED = "the next install succeeds"


@dataclass(frozen=True)
class Fault:
    """A fault of the host, the source or the new bot, and how an install ends that meets it.

    at: the task that begins when the fault comes up; without one it is there from the start.
    plant, repair: shell scripts on the machine; {person} is the account of the person who is new.
    settings, files: variables of the role and files of the source that are part of the fault.
    says: what the operator is told.
    """

    title: str
    outcome: str
    says: str
    at: str = ""
    plant: str = ":"
    repair: str = ":"
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def bot_that(**faults: str) -> dict[str, Any]:
    """Return the variables that give the stand-in bot faults."""
    return {"kai_install_extra_env": {f"KAI_STANDIN_{key}": text for key, text in faults.items()}}


def full(directory: str) -> dict[str, Any]:
    """Return how to fill a small file system, and how to free it again."""
    file = f"{directory}/.filler"
    return {"plant": f"dd if=/dev/zero of={file} bs=4k 2>/dev/null || :", "repair": f"rm {file}"}


def listener(status: int) -> dict[str, Any]:
    """Return how to let a foreign process take port 8081 and answer with a status; 0: never."""
    answer = f"self.send_response({status}); self.end_headers()" if status else "time.sleep(600)"
    program = f"""import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): {answer}
http.server.HTTPServer(("127.0.0.1", 8081), Handler).serve_forever()"""
    return {
        "plant": f"systemd-run --quiet --unit=foreign --uid=bob python3 -c '{program}';"
        "until grep -q ':1F91 00000000:0000 0A' /proc/net/tcp; do sleep 0.1; done",
        "repair": "systemctl stop foreign.service",
    }


_LEAVES: dict[str, Any] = {"plant": "userdel {person}", "repair": "useradd --create-home {person}"}
_OTHER_PORT = {"kai_install_webhook_port": 8081}

FAULTS = [
    Fault(
        "the environment of the release cannot be built",
        NOT_TOUCHED,
        "cannot be built",
        files={"setup.py": "raise SystemExit('this package cannot be built')\n"},
    ),
    Fault(
        "the disk of the releases is full while one is built",
        NOT_TOUCHED,
        "No space left on device",
        BUILD,
        **full("/opt/kai"),
    ),
    Fault(
        "the disk of the data is full at the switch",
        NOT_TOUCHED,
        "the file system of /var/lib/kai is full",
        SWITCH,
        **full("/var/lib/kai"),
    ),
    Fault(
        "an OS user is removed before its directories are made",
        NOT_TOUCHED,
        "{person}",
        LAY_OUT,
        **_LEAVES,
    ),
    Fault("an OS user is removed before the switch", BACK, "{person}", SWITCH, **_LEAVES),
    Fault(
        "visudo refuses the policy",
        NOT_TOUCHED,
        "visudo rejects the policy",
        SWITCH,
        "echo 'alice ALL=(ALL NOPASSWD' >/etc/sudoers.d/aa-broken",
        "rm /etc/sudoers.d/aa-broken",
    ),
    Fault(
        "the disk of the releases is full at the switch",
        NOT_TOUCHED,
        "no free space for a copy of /var/lib/kai/kai.db",
        SWITCH,
        **full("/opt/kai"),
    ),
    Fault(
        "the disk of the configuration is full",
        NOT_TOUCHED,
        "No space left on device",
        SWITCH,
        **full("/etc/kai"),
    ),
    Fault(
        "the configuration cannot be written",
        NOT_TOUCHED,
        "Read-only file system",
        SWITCH,
        "mount -o remount,ro /etc/kai",
        "mount -o remount,rw /etc/kai",
    ),
    Fault(
        "another process takes the port",
        BACK,
        "port 8081 is held by",
        SWITCH,
        settings=_OTHER_PORT,
        **listener(0),
    ),
    Fault(
        "another process answers in the bot's place",
        BACK,
        "port 8081 is held by",
        SWITCH,
        settings=_OTHER_PORT,
        **listener(200),
    ),
    Fault(
        "the new bot ends at once",
        BACK,
        "RuntimeError: stand-in fault",
        settings=bot_that(CRASH_AT_IMPORT="1"),
    ),
    Fault(
        "the new bot never listens",
        BACK,
        f"nothing listens on port 8080 for {IMPATIENT} s",
        settings=bot_that(NEVER_LISTEN="1"),
    ),
    Fault(
        "the new bot answers with an error",
        BACK,
        f"/health answers 500 for {IMPATIENT} s",
        settings=bot_that(HEALTH_STATUS="500"),
    ),
]

CONNECTION_LOST = "the ssh connection is lost in the middle of the switch"
TWO_FROM_ONE = "two installs at once from one machine"
TWO_FROM_TWO = "two installs at once from two machines"
REBOOT = "the host reboots between switch and proof"
KILLED = "Ansible is killed before one of the tasks of an upgrade"
KILLED_RESTORING = "Ansible is killed before one of the tasks that bring the former install back"
SWITCH_KILLED = "the switch is killed in its middle, and the host reboots"

TITLES = [
    *(fault.title for fault in FAULTS),
    *(CONNECTION_LOST, TWO_FROM_ONE, TWO_FROM_TWO),
    *(REBOOT, KILLED, KILLED_RESTORING, SWITCH_KILLED),
]
