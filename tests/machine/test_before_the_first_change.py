"""The preflight checks everything and reports all problems at once, before any change."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.typed_data import as_data
from tests.cli.desk import Desk
from tests.issue_486.conftest import desk_for
from tests.issue_486.hosts import Bot

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("tests/unit judges each refusal; here the host stays as it was")

MACHINE_OPTIONS = (
    *("--tmpfs", "/small:size=20m,mode=755"),
    *("--tmpfs", "/sealed:ro,size=1m,mode=755"),
)

PLANT = r"""
set -e
useradd --system --create-home --shell /usr/sbin/nologin kai
# a second name for an account
useradd --non-unique --uid "$(id -u alice)" --create-home twin

# modes tell that everybody may enter, and that nobody may
install -d -m 0777 /srv/denied
setfacl -m u:bob:--- /srv/denied
install -d -m 0700 /srv/granted
setfacl -m u:alice:rwx,u:kai:x /srv/granted
install -d -m 0755 /srv/home
install -d -m 0700 /srv/closed /srv/closed/work

# a tool behind a link into somebody's home
install -d -m 0755 -o alice /home/alice/bin
cp /bin/true /home/alice/bin/codex
ln -s /home/alice/bin/codex /usr/local/lib/codex-link
ln -s /usr/local/lib/codex-link /opt/codex
"""
UNPLANT = """
systemctl stop listener 2>/dev/null
chage -E -1 kai
mv -f /usr/bin/pgrep.away /usr/bin/pgrep 2>/dev/null
mv -f /etc/sudoers.whole /etc/sudoers 2>/dev/null
rm -f /etc/sudoers.d/aa-broken /etc/sudoers.local /run/kai-ansible.lock
true
"""

# the first process of the machine stands for one that is in the middle of an install
HOLD = """
import json, os
boot = open("/proc/sys/kernel/random/boot_id").read().strip()
started = open("/proc/1/stat").read().rpartition(")")[2].split()[19]
holder = {
    "by": "ada@laptop", "pid": 1, "started": started, "boot": boot,
    "namespace": os.readlink("/proc/self/ns/pid"), "machine": "", "host": "bot",
    "since": "2026-01-02 03:04:05 UTC", "connection": "",
}
open("/run/kai-ansible.lock", "w").write(json.dumps(holder))
"""


@pytest.fixture(scope="module")
def bot(machine: "Machine") -> Bot:
    machine.run(["sh", "-c", PLANT])
    return Bot(machine)


@pytest.fixture
def desk(bot: Bot) -> Iterator[Desk]:
    with desk_for(bot) as desk:
        yield desk
    bot.machine.run(["sh", "-c", UNPLANT])


@pytest.fixture
def refused(bot: Bot, desk: Desk) -> Callable[..., str]:
    """Return what an install that has to be refused says, once it is clear that it did nothing."""

    def install(content: dict[str, Any], *arguments: str) -> str:
        desk.given(content)
        before = snapshot(bot)
        done = desk.run("install", *arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Nothing was changed." in done.stderr
        assert snapshot(bot) == before
        return done.stderr

    return install


def snapshot(bot: Bot) -> str:
    shown = "%p %y %m %u %g %s %T@ %l\n"
    places = ["/srv", "/small", "/sealed", "/tmp", "/run/kai-ansible.lock"]
    found = bot.machine.run(["find", *places, "-printf", shown], check=False).stdout
    # the time of the lock and of the directory of modules tell only that somebody looked
    return bot.snapshot() + "".join(
        line for line in found.splitlines(keepends=True) if not line.startswith(("/run", "/tmp "))
    )


def people(desk: Desk, *users: dict[str, Any], **settings: Any) -> dict[str, Any]:
    content = desk.answers(AGENT_BACKEND="codex", **settings)
    content["users"] = [
        {"telegram_id": number, "name": f"P{number}", "role": "admin", **user}
        for number, user in enumerate(users, start=1)
    ]
    return content


def listed_in(text: str, *parts: str) -> None:
    """Fail unless each part is reported."""
    lines = " ".join(text.split())
    missing = [part for part in parts if part not in lines]
    assert not missing, f"{missing} not in:\n{text}"


def listen(bot: Bot) -> None:
    """Let another process listen on the bot's port."""
    command = ["systemd-run", "--quiet", "--unit=listener", "--uid=bob", "--property=Type=exec"]
    bot.machine.run([*command, "python3", "-m", "http.server", "8080", "--bind", "127.0.0.1"])
    bot.machine.run(
        ["sh", "-c", "until grep -q ':1F90 00000000:0000 0A' /proc/net/tcp; do sleep 0.1; done"],
        timeout=30,
    )


def test_every_obstacle_is_named_in_one_run_and_nothing_is_changed(
    desk: Desk, bot: Bot, refused: Callable[..., str]
) -> None:
    machine = bot.machine
    listen(bot)
    machine.run(["python3", "-c", HOLD])
    machine.run(["mv", "/usr/bin/pgrep", "/usr/bin/pgrep.away"])
    machine.run(["chage", "-E", "0", "kai"])
    machine.run(["install", "-d", "/etc/kai"])
    machine.run(["ln", "-s", "/home/alice/env", "/etc/kai/env"])
    machine.run(["cp", "-p", "/etc/sudoers", "/etc/sudoers.whole"])
    machine.run(["sh", "-c", "printf 'Defaults requiretty\\nroot ALL=(ALL) ALL\\n' >/etc/sudoers"])
    content = people(
        desk,
        {
            "os_user": "alice",
            "home_workspace": "/srv/home",
            # open by an access list alone
            "allowed_workspaces": ["/srv/granted"],
        },
        {"os_user": "bob", "allowed_workspaces": ["/srv/denied", "/srv/none"]},
        {"os_user": "twin", "workspace_base": "/srv/closed/work"},
        {"os_user": "grace"},
        CODEX_BIN="/opt/codex",
    )
    content["host"] |= {"install_dir": "/small/kai", "data_dir": "/sealed/kai"}
    said = refused(content)
    listed_in(
        said,
        "by ada@laptop (process 1 there, since 2026-01-02 03:04:05 UTC)",
        # accounts
        "the account kai found: an expired account, which sudo refuses",
        "'twin', which has the same UID as alice",
        "'grace', which is no account on the host",
        # directories, asked as those who use them
        "bob cannot enter /srv/denied",
        "setfacl --modify u:bob:x /srv/denied",
        "/srv/none, which is absent",
        "alice cannot write in /srv/home",
        "kai cannot enter /srv/closed",
        "twin cannot enter /srv/closed",
        # room
        "20 MB free expected: 160 MB free",
        "/sealed, where not even root can write",
        # the port
        "port 8080 held by",
        "of bob (",
        # root's own files
        "/etc/kai/env found: a link",
        # programs and sudo
        "no pgrep expected: pgrep",
        "no line that reads /etc/sudoers.d",
        "Defaults requiretty for kai",
        # agents
        "bob cannot execute, as it cannot enter /home/alice",
    )
    assert "18. " in said
    assert "19. " not in said
    # it is still the other one's
    assert "ada@laptop" in bot.read("/run/kai-ansible.lock")


def test_the_verdict_of_visudo_stands_among_the_others(
    desk: Desk, bot: Bot, refused: Callable[..., str]
) -> None:
    machine = bot.machine
    machine.run(["cp", "-p", "/etc/sudoers", "/etc/sudoers.whole"])
    # drop-ins that another file reads, named from its own place
    machine.run(
        [
            *("sh", "-c"),
            "printf 'root ALL=(ALL) ALL\\n@include sudoers.local\\n' >/etc/sudoers;"
            "echo '@includedir sudoers.d' >/etc/sudoers.local;"
            "echo 'alice ALL=(ALL NOPASSWD' >/etc/sudoers.d/aa-broken;"
            "chmod 0440 /etc/sudoers.local /etc/sudoers.d/aa-broken",
        ]
    )
    said = refused(people(desk, {"os_user": "alice", "home_workspace": "/srv/none"}))
    listed_in(
        said,
        "/srv/none, which is absent",
        "/etc/sudoers.d/kai found: visudo rejects the policy",
        "/etc/sudoers.d/aa-broken:1",
        "visudo --check checks it again",
    )
    assert "3. " not in said
    # whoever is refused gives the lock back
    assert bot.read("/run/kai-ansible.lock") == ""


def test_g8_a_free_host_passes_the_check_with_notes_of_what_is_lacking(
    desk: Desk, bot: Bot
) -> None:
    desk.given(people(desk, {"os_user": "alice"}, VOICE_ENABLED=True))
    with (desk.host_vars("bot") / "kai.yml").open("a", encoding="utf-8") as host_vars:
        host_vars.write("kai_install_source_files: [pyproject.toml, src, templates]\n")
    before = snapshot(bot)
    done = desk.run("install", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    listed_in(
        done.stdout,
        "The host has no ffmpeg",
        "The host has no whisper-cli",
        "has no requirements/constraints.txt, so two builds may not install the same packages",
    )
    assert snapshot(bot) == before
    # a mere check takes no lock
    assert bot.machine.run(["cat", "/run/kai-ansible.lock"], check=False).stdout == ""


def test_the_path_of_the_deployed_unit_tells_what_the_bot_starts_by_name(
    bot: Bot, run_module: Callable[..., dict[str, Any]], contract: Contract
) -> None:
    for directory in ("/opt/tools", "/opt/later"):
        bot.machine.run(["install", "-D", "-m", "0755", "/bin/true", f"{directory}/goose"])
    bot.machine.run(
        ["install", "-m", "0644", "/dev/stdin", "/etc/systemd/system/kai.service"],
        input='[Service]\nUser=kai\nEnvironment="PATH=/nowhere:/opt/tools:/opt/later"\n',
    )
    goose = {
        "backend": "goose",
        "name": "goose",
        "usual_places": {"linux": ["/usr/local/bin/goose"]},
        "accounts": ["kai"],
    }
    arguments = {
        "service_user": "kai",
        "install_dir": "/opt/kai",
        "env_file": "/etc/kai/env",
        "sudoers_file": "/etc/sudoers.d/kai",
        "platforms": as_data(contract.platforms),
        "binaries": [goose],
    }
    seen = run_module("kai_probe", arguments)["probe"]
    bot.remove()
    # though another one is at a usual place
    assert seen["binaries"]["goose"] == [
        {"path": "/opt/tools/goose", "source": "deployed", "fault": None, "changers": []}
    ]


def test_with_memory_extraction_the_bot_itself_has_to_reach_the_agent(
    desk: Desk, bot: Bot, refused: Callable[..., str]
) -> None:
    bot.machine.run(["chmod", "0700", "/home/alice"])
    path = "/home/alice/bin/codex"
    switches = {"MEMORY_ENABLED": True, "MEMORY_EXTRACTION_ENABLED": True}
    said = refused(people(desk, {"os_user": "alice"}, CODEX_BIN=path, **switches))
    listed_in(
        said,
        f"'{path}', which kai cannot execute, as it cannot enter /home/alice",
        "and that kai can execute too",
        "or set kai_install_memory_extraction_enabled to false",
    )
