"""Root touches nothing through what other accounts have put in their directories.

Whatever an account can make stands where a directory or a file of Kai belongs, and root's files
that it leads to have to stay as they are, their times of change included.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kai_ansible.rules.typed_data import as_data
from tests.conftest import ROOT, Contract
from tests.machine.site import Site, Snapshot

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

INSTALLED = True
pytestmark = pytest.mark.later(
    "one of many links; tests/unit judges the walk that follows none", apart=True
)

RunModule = Callable[..., dict[str, Any]]

# what root owns, and what a device of the kernel is: changed, they would be another one
CANARIES = """
import json, os

found = {}
places = ["/etc/shadow", "/etc/passwd", "/dev/null", "/victim"]
places += [os.path.join("/victim", name) for name in os.listdir("/victim")]
for path in places:
    status = os.stat(path)
    owner = [status.st_uid, status.st_gid, status.st_mode]
    found[path] = [*owner, status.st_nlink, status.st_ctime_ns]
print(json.dumps(found, sort_keys=True))
"""
# each as an account could bring it about where it may write; {path} lies in a directory of its own
KINDS = {
    "a link to a directory": ("ln -s /victim {path}", "a link of {owner}"),
    "a link to a file": ("ln -s /etc/shadow {path}", "a link of {owner}"),
    "a link to itself": ("ln -s {path} {path}", "a link of {owner}"),
    "a link to nothing": ("ln -s /victim/new {path}", "a link of {owner}"),
    "a named pipe": ("mkfifo {path}", "a named pipe of {owner}"),
    "a socket": (
        "python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' {path}",
        "a socket of {owner}",
    ),
    "a file": ("touch {path}", "a file of {owner}"),
    # only root can make one, but nothing may come of it either
    "a device": ("mknod {path} c 1 3", "a device of root"),
}
# each place gets so many of the kinds, and each kind comes to several places
TURNS = 3
AGENTS = {"telegram_id": "1", "os_user": "alice"}


@pytest.fixture(scope="module")
def site(machine: "Machine", snapshot: Snapshot) -> Iterator[Site]:
    """A host with an installed bot, and files of root that others would like to reach."""
    machine.run(["install", "-d", "-m", "0755", "/victim"])
    machine.run(["install", "-m", "0600", "/dev/stdin", "/victim/file"], input="of root\n")
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        site.install()
        yield site


def canaries(machine: "Machine") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.run(["python3", "-c", CANARIES]).stdout)
    return found


def entries(contract: Contract) -> list[dict[str, str]]:
    """Return every directory below the data directory, as the role asks for it, parents first."""
    places = {"data_dir": "/var/lib/kai", "install_dir": "/opt/kai", "home": "/var/lib/kai/home/1"}
    found = []
    for part in ("directories", "user_directories", "os_user_directories"):
        for entry in getattr(contract, part):
            path = entry.path.format(**places, **AGENTS)
            owner = {"root": "root", "service": "kai", "agent": "alice"}[entry.owner]
            group = "root" if owner == "root" else "kai"
            found.append({"path": path, "owner": owner, "group_of": group, "mode": entry.mode})
            if entry.reader:
                found[-1]["reader"] = "alice"
    return [entry for entry in found if entry["path"].startswith("/var/lib/kai/")]


@pytest.fixture(scope="module")
def holders(contract: Contract) -> dict[str, str]:
    """The account that can put something in the place of a directory, by the directory."""
    owners = {entry["path"]: entry["owner"] for entry in entries(contract)}
    return {path: owners.get(str(Path(path).parent), "kai") for path in owners}


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("turn", range(TURNS))
def test_X3_nothing_that_stands_for_a_directory_is_touched(
    machine: "Machine",
    run_module: RunModule,
    contract: Contract,
    holders: dict[str, str],
    turn: int,
) -> None:
    wanted = {"directories": entries(contract)}
    # those that hold others, and then those in them
    parents = {str(Path(path).parent) for path in holders}
    for layer in (holders.keys() - parents, (holders.keys() & parents) - {"/var/lib/kai/home/1"}):
        plant, repair, expected = [], [], {}
        for number, path in enumerate(sorted(layer)):
            command, words = list(KINDS.values())[(number * TURNS + turn) % len(KINDS)]
            user = "root" if "root" in words else holders[path]
            plant.append(f"mv {path} {path}.away")
            plant.append(f"runuser -u {user} -- {command.format(path=path)}")
            repair.append(f"rm {path}; mv {path}.away {path}")
            expected[path] = words.format(owner=user)
        machine.run(["sh", "-ec", "\n".join(plant)])
        before = canaries(machine)
        tried = run_module("kai_user_tree", wanted)
        after = canaries(machine)
        machine.run(["sh", "-ec", "\n".join(repair)])
        assert after == before
        assert tried["failed"] is True
        told = {line.partition(": ")[0]: line for line in tried["msg"].splitlines()[1:]}
        assert told.keys() == expected.keys()
        for path, words in expected.items():
            assert f"found {words}" in told[path]
            assert f"Fix: check it on the host (ls -ld {path})" in told[path]
        assert tried["changes"] == []


@pytest.mark.usefixtures("site")
def test_X3_what_is_in_its_place_again_is_as_it_was(
    run_module: RunModule, contract: Contract
) -> None:
    assert run_module("kai_user_tree", {"directories": entries(contract)})["changed"] is False


# in place of directories, beside the database, and where a login is looked for
EVERYWHERE = """
runuser -u kai -- sh -ec '
  cd /var/lib/kai
  mv kai.db kai.db.away; ln -s kai.db.away kai.db
  rm -r files; ln -s /victim files
  mv memory memory.away; ln -s /victim memory
'
runuser -u alice -- sh -ec '
  cd /var/lib/kai/home/1
  mv .claude .claude.away; ln -s /etc .claude
  rm -rf /home/alice/.codex; mkdir /home/alice/.codex; mkfifo /home/alice/.codex/auth.json
  ln -s /etc/shadow /home/alice/.codex/config.toml
'
"""
AWAY_AGAIN = """
cd /var/lib/kai
rm files memory kai.db home/1/.claude
install -d -o kai -g kai -m 0711 files
mv kai.db.away kai.db
mv memory.away memory
mv home/1/.claude.away home/1/.claude
rm -r /home/alice/.codex
"""


def test_X3_no_command_follows_what_was_planted(site: Site) -> None:
    machine = site.machine
    site.set(kai_install_agent_timeout_seconds=123)
    site.install()
    state, live = site.state(), site.health()
    machine.run(["sh", "-ec", EVERYWHERE])
    before = canaries(machine)
    site.set(kai_install_agent_timeout_seconds=456)
    refused = site.run("install")
    kept = site.state(), site.health()
    logins, status = site.run("logins"), site.run("status")
    back = site.run("rollback", "--yes")
    went_back = site.health()
    after = canaries(machine)
    machine.run(["sh", "-ec", AWAY_AGAIN])

    assert after == before
    assert refused.code == 1
    for name, owner in (("files", "kai"), ("memory", "kai"), ("home/1/.claude", "alice")):
        assert f"/var/lib/kai/{name}: found a link of {owner}" in refused.text
        assert f"/var/lib/kai/{name}" in status.text
    assert "/var/lib/kai/kai.db: found a link of kai" in refused.text
    assert "Nothing had been switched: the bot was not touched." in refused.text
    assert (logins.code, status.code) == (0, 3), logins.text + status.text
    assert [login["logged_in"] for login in logins.report["logins"]] == [False]
    assert kept == (state, live)
    # people cannot work behind those links, which is no reason to keep a bot that should go
    assert back.code == 0, back.text
    assert "alice cannot work in /var/lib/kai/memory/1, its own directory" in back.text
    assert went_back["settings"].get("AGENT_TIMEOUT_SECONDS") != "123"


# One account swaps a directory for a link as fast as it can, while root walks there a given number
# of times; what is counted is how often root came through and how often it was refused.
RACE = """
import ctypes, json, os, pwd, signal, sys, types
basic = types.ModuleType("ansible.module_utils.basic")
basic.AnsibleModule = None
for name in ("ansible", "ansible.module_utils"):
    sys.modules[name] = types.ModuleType(name)
sys.modules[basic.__name__] = basic
sys.path.insert(0, "/srv/race")
from plugins.module_utils.host import layout

parent, name, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
account = pwd.getpwnam("kai")
libc = ctypes.CDLL(None, use_errno=True)
swapper = os.fork()
if swapper == 0:
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.chdir(parent)
    os.symlink("/victim", "other")
    while True:
        # RENAME_EXCHANGE
        libc.renameat2(-100, name.encode(), -100, b"other", 2)
entries = [
    {"path": f"{parent}/{name}", "owner": "alice", "group_of": "kai", "mode": "2750"},
    {"path": f"{parent}/{name}/deep", "owner": "alice", "group_of": "kai", "mode": "2750"},
]
seeds = {"owner": "alice", "group_of": "kai", "source": None, "fallback": "x", "mode": "0640"}
seeds = [{**seeds, "path": f"{parent}/{name}/seed{number}", "narrow": True} for number in range(3)]
passed = refused = 0
for _ in range(times):
    tree = layout.Tree(None, False)
    for ensure, entry in [(tree.directory, one) for one in entries] + [
        (tree.seed, one) for one in seeds
    ]:
        try:
            ensure(entry)
            passed += 1
        except (layout.Refused, OSError):
            refused += 1
os.kill(swapper, signal.SIGKILL)
os.wait()
print(json.dumps([passed, refused, os.listdir("/victim")]))
"""


def test_X3_root_is_not_led_away_while_it_walks(site: Site) -> None:
    machine = site.machine
    machine.run(["install", "-d", "/srv/race/plugins"])
    for part in ("modules", "module_utils"):
        machine.push(ROOT / "plugins" / part, f"/srv/race/plugins/{part}")
    machine.run(["install", "-d", "-o", "kai", "/srv/swapped", "/srv/swapped/1"])
    before = canaries(machine)
    passed, refused, names = json.loads(site.python(RACE, "/srv/swapped", "1", "3000"))
    assert canaries(machine) == before
    assert names == ["file"]
    assert passed + refused == 5 * 3000
    # else nobody raced
    assert min(passed, refused) > 100


# Programs and start-up files of an account that never end, say too much, or steer a terminal
HOSTILE = """
cd /home/alice
mkdir -p tools
printf '%s\n' '#!/bin/sh' 'printf "\033[2J\033]0;x\a1.2.3\033[31m[red]\n"' >tools/steers
printf '%s\n' '#!/bin/sh' 'yes 4.5.6' >tools/endless
printf '%s\n' '#!/bin/sh' 'sleep 100000 & sleep 100000' >tools/silent
chmod 0755 tools/*
printf '%s\n' '#!/bin/sh' >"$(printf 'tools/\033[31mcodex')"
printf '%s\n' 'codex-x() { :; }' 'cat /dev/zero &' 'yes' >.profile
"""


def test_what_others_wrote_gets_so_much_time_and_steers_nothing(
    machine: "Machine", run_module: RunModule, contract: Contract, site: Site
) -> None:
    machine.run(["sh", "-ec", HOSTILE], user="alice")

    def request(name: str, **more: Any) -> dict[str, Any]:
        wanted = f"/home/alice/tools/{name}"
        entry = {"backend": name, "name": name, "usual_places": {"linux": []}, "wanted": wanted}
        return {**entry, "accounts": ["alice"], **more}

    found = run_module(
        "kai_probe",
        {
            "service_user": "kai",
            "os_users": ["alice"],
            "install_dir": "/opt/kai",
            "env_file": "/etc/kai/env",
            "sudoers_file": "/etc/sudoers.d/kai",
            "platforms": as_data(contract.platforms),
            "versions": True,
            "binaries": [
                *(request(name) for name in ("steers", "endless", "silent", "\x1b[31mcodex")),
                request("codex-x", wanted=""),
            ],
        },
    )
    assert found["failed"] is False, found
    [seen] = [found["probe"]["binaries"]]
    assert [seen[name][0].get("version") for name in ("steers", "endless", "silent")] == [
        # what says nothing in time is unknown
        *("1.2.3", "4.5.6", None),
    ]
    assert seen["\x1b[31mcodex"][0]["fault"].startswith("has a control character")
    assert seen["codex-x"] == []
    # nothing that alice's files started goes on
    assert machine.run(["pgrep", "--uid", "alice"], check=False).stdout == ""
