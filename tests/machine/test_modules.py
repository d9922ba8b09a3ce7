"""The modules and the quoting rules on a machine with the real sudo, systemd and accounts."""

import json
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from kai_ansible.rules.contract import Contract
from kai_ansible.rules.paths import fault_of_path, fault_of_search_directory
from kai_ansible.rules.sudoers import commands_by_account, secure_path, sudoers_command
from kai_ansible.rules.typed_data import as_data
from kai_ansible.rules.unit import unit_argument, unit_path, unit_word

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

RunModule = Callable[..., dict[str, Any]]

# a small file system, so that a disk can be full
MACHINE_OPTIONS = ("--tmpfs", "/full:size=64k")


@pytest.fixture(scope="module", autouse=True)
def service_user(machine: "Machine") -> None:
    machine.run(["useradd", "--create-home", "--shell", "/usr/sbin/nologin", "kai"])


def python(machine: "Machine", script: str, *, user: str | None = None, **values: Any) -> Any:
    """Run a script on the machine with variables, and return what it puts into ``result``."""
    text = "import json, os, pathlib, shutil, subprocess\nresult = None\n"
    text += "".join(
        f"{name} = json.loads({json.dumps(value)!r})\n" for name, value in values.items()
    )
    text += textwrap.dedent(script) + "\nprint(json.dumps(result))\n"
    return json.loads(machine.run(["python3", "-"], input=text, user=user).stdout)


LISTING = """
import pwd
result = {}
def note(path):
    status = os.lstat(path)
    kind = 'link' if os.path.islink(path) else 'dir' if os.path.isdir(path) else 'file'
    owner = pwd.getpwuid(status.st_uid).pw_name, pwd.getpwuid(status.st_gid).pw_name
    text = open(path).read() if kind == 'file' else os.readlink(path) if kind == 'link' else ''
    result[path] = [kind, *owner, f'{status.st_mode & 0o7777:04o}', text]
for root in roots:
    if os.path.lexists(root):
        note(root)
    for parent, directories, files in os.walk(root):
        for name in directories + files:
            note(os.path.join(parent, name))
"""


def listing(machine: "Machine", *roots: str) -> dict[str, list[str]]:
    """Return kind, owner, group, mode and text of everything below the roots."""
    found: dict[str, list[str]] = python(machine, LISTING, roots=roots)
    return found


# sudo

HOSTILE = [
    *(
        "/opt/p/a b",
        "/opt/p/a,b",
        "/opt/p/a:b",
        "/opt/p/a=b",
        "/opt/p/a#b",
        "/opt/p/a ",
        "/opt/p/b,",
    ),
    *("/opt/p/#a", "/opt/p/%a", "/opt/p/a%b", "/opt/p/a@b", "/opt/p/@a", "/opt/p/a+b", "/opt/p/+a"),
    *("/opt/p/-a", "/opt/p/~a", "/opt/p/a^b", "/opt/p/é🦉", "/opt/p/ a"),
    *("/opt/p/a\xa0b", "/opt/p/#, :=x/y z"),
]

SUDO = """
rules = pathlib.Path('/etc/sudoers.d/hostile')
rules.write_text(drop_in)
rules.chmod(0o440)
result = {'visudo': subprocess.run(['visudo', '-c'], capture_output=True, text=True).stdout}
for path in allowed + refused:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copy('/bin/true', path)
def ask(*command):
    return subprocess.run(
        ['runuser', '-u', 'kai', '--', 'sudo', '-n', '-u', 'alice', '--', *command],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd='/',
    )
result['allowed'] = [
    ask(path).returncode == ask(path, '--version').returncode == 0 for path in allowed
]
result['refused'] = [ask(path).stderr for path in refused]
result['by_name'] = [ask(name).stderr for name in names]
rules.unlink()
"""


def test_sudo_allows_exactly_the_path_that_was_meant(machine: "Machine") -> None:
    assert [fault_of_path(path) for path in HOSTILE] == [None] * len(HOSTILE)
    # what a rule would mean if a character were lost, doubled or taken for a pattern
    refused = {f"{path}x" for path in HOSTILE}
    for character in " ,:=#":
        refused |= {path.replace(character, "") for path in HOSTILE}
        refused |= {path.replace(character, "\\" + character) for path in HOSTILE}
        refused |= {path.replace(character, "z") for path in HOSTILE}
    refused = {path for path in refused - set(HOSTILE) if not path.endswith("/")}
    drop_in = "".join(
        f"kai ALL=(alice) SETENV: NOPASSWD: {sudoers_command(path)}\n" for path in HOSTILE
    )
    assert commands_by_account(drop_in) == [("alice", path) for path in HOSTILE]
    directories = [
        directory
        for path in HOSTILE
        if not fault_of_search_directory(directory := path.replace("/opt/p", "/opt/d"))
    ]
    named = {f"{directory}/n{index}": f"n{index}" for index, directory in enumerate(directories)}
    drop_in += f"Defaults:kai secure_path={secure_path(directories)}\n"
    drop_in += "".join(f"kai ALL=(alice) NOPASSWD: {sudoers_command(path)}\n" for path in named)
    found = python(
        machine,
        SUDO,
        drop_in=drop_in,
        allowed=[*HOSTILE, *named],
        refused=sorted(refused),
        names=list(named.values()),
    )
    assert "/etc/sudoers.d/hostile: parsed OK" in found["visudo"]
    assert dict(zip([*HOSTILE, *named], found["allowed"], strict=True)) == dict.fromkeys(
        [*HOSTILE, *named], True
    )
    for path, said in zip(sorted(refused), found["refused"], strict=True):
        assert "a password is required" in said, path
    assert dict(zip(named, found["by_name"], strict=True)) == dict.fromkeys(named, "")


# systemd

WORDS = [
    *("plain", "a b", " ", "", "100%", "%h %n %%", "$HOME ${HOME} $$", "it's", 'say "x"', "a\\nb"),
    *("\\", "\\\\x41", "'", '"', ";", "#x", "é🦉", "a=b", "-x", "@x", "\t", "trailing \\"),
]
UNIT = """
home = pathlib.Path(directory)
home.mkdir(parents=True)
program = pathlib.Path(path)
program.parent.mkdir(parents=True, exist_ok=True)
program.write_text(
    '#!/usr/bin/python3\\nimport json, os, sys\\n'
    'print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]), flush=True)\\n'
)
program.chmod(0o755)
pathlib.Path('/etc/systemd/system/quoting.service').write_text(unit)
def systemctl(*arguments):
    run = subprocess.run(['systemctl', *arguments], capture_output=True, text=True)
    return run.stdout.strip() + run.stderr.strip()
said = systemctl('daemon-reload') + systemctl('start', 'quoting')
shown = systemctl('show', '--property=WorkingDirectory', '--value', 'quoting')
result = [said, shown, json.loads(pathlib.Path('/run/quoting.json').read_text() or 'null')]
"""


def test_systemd_reads_the_words_that_were_meant(machine: "Machine") -> None:
    directory = "/opt/u/50% a\\b 'é #;@/%n"
    path = "/opt/u/100%n a b é,:=#+@^~/run %i"
    assert fault_of_path(path) is None
    environment = {f"WORD_{index}": word for index, word in enumerate(WORDS)}
    lines = [
        "[Service]",
        "Type=oneshot",
        "StandardOutput=truncate:/run/quoting.json",
        f"WorkingDirectory={unit_path(directory)}",
        *(f"Environment={unit_word(f'{key}={value}')}" for key, value in environment.items()),
        " ".join([f"ExecStart={unit_argument(path)}", *map(unit_argument, WORDS)]),
    ]
    said, shown, dumped = python(
        machine, UNIT, directory=directory, path=path, unit="\n".join(lines) + "\n"
    )
    assert (said, shown) == ("", directory)
    arguments, cwd, seen = dumped
    assert arguments == WORDS
    assert cwd == directory
    assert {key: seen.get(key) for key in environment} == environment


# kai_user_tree


def owned(path: str, owner: str, mode: str | None, group_of: str | None = "kai") -> dict[str, Any]:
    return {"path": path, "owner": owner, "group_of": group_of, "mode": mode}


def test_directories_and_first_files(machine: "Machine", run_module: RunModule) -> None:
    python(
        machine,
        """
        os.makedirs('/data/t'); os.makedirs('/data/release/templates')
        os.makedirs('/data/t/loose', 0o777); os.chmod('/data/t/loose', 0o777)
        os.makedirs('/data/t/left'); os.chmod('/data/t/left', 0o751)
        pathlib.Path('/data/release/templates/A.md').write_text('from the release')
        # a link that only root can have made
        os.symlink('../data/t', '/srv/linked')
        """,
    )
    arguments = {
        "directories": [
            owned("/srv/linked", "kai", "0711"),
            owned("/srv/linked/home", "kai", "0711"),
            owned("/srv/linked/home/1", "alice", "2750"),
            owned("/srv/linked/home/1/.claude", "alice", "2750"),
            owned("/data/t/loose", "bob", "0700", None),
            owned("/data/t/left", "bob", None),
            owned("/data/t/new", "bob", None),
            owned("/data/t/deep/er/most", "alice", "0750"),
        ],
        "seeds": [
            {
                **owned("/srv/linked/home/1/A.md", "alice", "0640"),
                "source": "templates/A.md",
                "fallback": "unused",
            },
            {**owned("/data/t/home/1/B.md", "alice", "0640"), "source": "B", "fallback": "b\n"},
            {**owned("/data/t/home/1/C.md", "alice", "0640"), "source": "C"},
        ],
        "release": "/data/release",
    }
    before = listing(machine, "/data", "/srv")
    would = run_module("kai_user_tree", arguments, check=True)
    assert listing(machine, "/data", "/srv") == before
    done = run_module("kai_user_tree", arguments)
    assert done["changed"] is would["changed"] is True
    assert done["changes"] == would["changes"]
    assert len(done["changes"]) == 9
    found = listing(machine, "/data/t", "/srv")
    assert found == {
        "/srv": ["dir", "root", "root", "0755", ""],
        "/srv/linked": ["link", "root", "root", "0777", "../data/t"],
        "/data/t": ["dir", "kai", "kai", "0711", ""],
        "/data/t/home": ["dir", "kai", "kai", "0711", ""],
        "/data/t/home/1": ["dir", "alice", "kai", "2750", ""],
        "/data/t/home/1/.claude": ["dir", "alice", "kai", "2750", ""],
        "/data/t/home/1/A.md": ["file", "alice", "kai", "0640", "from the release"],
        "/data/t/home/1/B.md": ["file", "alice", "kai", "0640", "b\n"],
        "/data/t/loose": ["dir", "bob", "bob", "0700", ""],
        "/data/t/left": ["dir", "root", "root", "0751", ""],
        "/data/t/new": ["dir", "bob", "kai", "0755", ""],
        "/data/t/deep": ["dir", "root", "root", "0755", ""],
        "/data/t/deep/er": ["dir", "root", "root", "0755", ""],
        "/data/t/deep/er/most": ["dir", "alice", "kai", "0750", ""],
    }
    machine.run(["truncate", "-s", "0", "/data/t/home/1/A.md"])
    again = run_module("kai_user_tree", arguments)
    assert (again["changed"], again["changes"]) == (False, [])
    # a first file is the person's own from then on
    assert listing(machine, "/data/t/home/1/A.md")["/data/t/home/1/A.md"][4] == ""


def test_links_of_other_accounts_are_not_followed(
    machine: "Machine", run_module: RunModule
) -> None:
    python(
        machine,
        """
        for path in ('/victim', '/victim/inner', '/links', '/links/home'):
            os.mkdir(path, 0o755)
        for path in ('/links/alice', '/links/alice/fine'):
            os.mkdir(path)
            shutil.chown(path, 'alice', 'alice')
        # anybody may plant something here
        os.mkdir('/links/shared'); os.chmod('/links/shared', 0o1777)
        # root's own link, into what alice controls
        os.symlink('/links/alice/store', '/links/through')
        """,
    )
    python(
        machine,
        """
        os.symlink('/victim', '/links/alice/store')
        os.symlink('/victim', '/links/alice/.claude')
        os.symlink('/victim/inner', '/links/shared/1')
        os.symlink('/victim/seed', '/links/alice/fine/S.md')
        os.symlink('/victim/seed', '/links/alice/fine/narrow.md')
        for name, mode in (('old.md', 0o666), ('tight.md', 0o400), ('twice.md', 0o666)):
            path = pathlib.Path('/links/alice/fine', name)
            path.write_text(name)
            path.chmod(mode)
        os.link('/links/alice/fine/twice.md', '/links/alice/fine/twin.md')
        os.mkfifo('/links/alice/pipe')
        """,
        user="alice",
    )
    before = listing(machine, "/victim")
    wanted = [
        *("/links/alice/.claude", "/links/alice/.claude/inner", "/links/alice/.claude/new"),
        *("/links/shared/1", "/links/shared/1/new"),
        *("/links/through", "/links/through/inner", "/links/through/new"),
        "/links/alice/pipe",
    ]
    arguments = {
        "directories": [
            *(owned(path, "alice", "2770") for path in wanted),
            owned("/links/home/2", "bob", "0700"),
        ],
        "seeds": [
            {
                **owned(f"/links/{path}/S.md", "alice", "0640"),
                "source": "S",
                "fallback": "planted",
            }
            for path in ("alice/.claude", "alice/fine", "through")
        ]
        + [
            {
                **owned(f"/links/alice/fine/{name}.md", "alice", "0640"),
                "fallback": "",
                "narrow": True,
            }
            for name in ("old", "tight", "twice", "narrow")
        ],
    }
    for check in (True, False):
        failed = run_module("kai_user_tree", arguments, check=check)
        assert listing(machine, "/victim") == before
        assert failed["failed"] is True
        lines = failed["msg"].splitlines()
        assert lines[0] == "These paths were not changed:"
        told = [line.partition(": ")[0] for line in lines[1:]]
        # each once, however many paths lead there
        assert told == [
            *("/links/alice/.claude", "/links/shared/1", "/links/alice/store", "/links/alice/pipe"),
            *("/links/alice/fine/twice.md", "/links/alice/fine/narrow.md"),
        ]
        # whatever else was asked for is done
        assert failed["changes"] == [
            "/links/home/2: made",
            "/links/alice/fine/old.md: 0666 -> 0640",
        ]
    assert (
        "/links/alice/store: found a link of alice, in a directory that root does not own alone, "
        "expected a directory. Fix: check it on the host (ls -ld /links/alice/store), and move "
        "it away: mv /links/alice/store /links/alice/store.planted"
    ) in failed["msg"]
    assert "/links/alice/fine/twice.md: found a file of alice that has 2 names" in failed["msg"]
    found = listing(machine, "/links/home/2", "/links/alice/fine")
    assert found["/links/home/2"][1:4] == ["bob", "kai", "0700"]
    assert [found[f"/links/alice/fine/{name}.md"][1:] for name in ("old", "tight", "twice")] == [
        ["alice", "alice", "0640", "old.md"],
        ["alice", "alice", "0400", "tight.md"],
        ["alice", "alice", "0666", "twice.md"],
    ]


# kai_switch

SUDOERS_TEXT = "kai ALL=(alice) NOPASSWD: /bin/true\n"


PLACE = {"install_dir": "/opt/k", "unit": "k", "unit_file": "/etc/systemd/system/k.service"}


def files(*entries: dict[str, Any], env: str = 'TOKEN="sesame"\nNEW="1"\n') -> dict[str, Any]:
    return {
        **PLACE,
        "files": list(entries),
        "secret_contents": {"/etc/k/env": env},
        "release": "r1",
        "sudoers_files": ["/etc/sudoers.d/k"],
        "secret_files": ["/etc/k/env"],
    }


ENV = {"path": "/etc/k/env", "mode": "0600"}
OTHER = {"path": "/etc/k/users.yaml", "content": "users: []\n", "mode": "0640"}
RULES = {"path": "/etc/sudoers.d/k", "content": SUDOERS_TEXT, "mode": "0440"}


# what a record needs, or it counts as damaged
PROOF: dict[str, Any] = {
    "service_user": "kai",
    "timeout": 1,
    "environment": {},
    "secret_keys": [],
    "commands": [],
    "agents": [],
    "private_directories": [],
}


@pytest.fixture(scope="module")
def former_files(machine: "Machine") -> dict[str, list[str]]:
    """Files that an earlier installation left, and things that live beside drop-ins."""
    python(
        machine,
        """
        os.mkdir('/etc/k', 0o755)
        env = pathlib.Path('/etc/k/env')
        env.write_text('TOKEN="former"\\n')
        env.chmod(0o644)
        shutil.chown(env, 'bob', 'bob')
        os.mkdir('/etc/sudoers.d/disabled')
        os.symlink('/nowhere', '/etc/sudoers.d/dangling')
        pathlib.Path('/etc/sudoers.d/my rules').write_text('bob ALL=(alice) /bin/true\\n')
        pathlib.Path('/etc/sudoers.d/broken.off').write_text('no rule\\n')
        os.makedirs('/opt/k/releases/r1')
        pathlib.Path('/etc/systemd/system/k.service').write_text(
            '[Service]\\nExecStart=/usr/bin/sleep infinity\\n'
            '[Install]\\nWantedBy=multi-user.target\\n'
        )
        """,
    )
    return listing(machine, "/etc/k", "/etc/sudoers.d")


def test_files_are_in_place_and_can_be_brought_back(
    machine: "Machine", run_module: RunModule, former_files: dict[str, list[str]]
) -> None:
    absent = {"path": "/etc/k/services.yaml", "content": "", "mode": "0600", "given": False}
    arguments = files(ENV, OTHER, RULES, absent)
    roots = ("/etc/k", "/etc/sudoers.d", "/opt/k")
    before = listing(machine, *roots)
    would = run_module("kai_switch", arguments, check=True)
    assert listing(machine, *roots) == before
    done = run_module("kai_switch", arguments)
    assert done["changed_paths"] == would["changed_paths"]
    assert done["changed_paths"] == ["/etc/k/env", "/etc/k/users.yaml", "/etc/sudoers.d/k"]
    assert listing(machine, "/etc/k", "/etc/sudoers.d") == {
        **former_files,
        "/etc/k/env": ["file", "root", "root", "0600", 'TOKEN="sesame"\nNEW="1"\n'],
        "/etc/k/users.yaml": ["file", "root", "root", "0640", "users: []\n"],
        "/etc/sudoers.d/k": ["file", "root", "root", "0440", SUDOERS_TEXT],
    }
    # what is kept is as secret as what it replaced should have been
    kept = listing(machine, "/opt/k/installs")
    assert kept["/opt/k/installs"][1:4] == ["root", "root", "0700"]
    assert [path for path, entry in kept.items() if int(entry[3], 8) & 0o077] == []
    assert machine.run(["sudo", "-n", "-u", "alice", "/bin/true"], user="kai").returncode == 0
    assert machine.run(["systemctl", "is-active", "k"]).stdout == "active\n"

    kept_install = {"install_dir": "/opt/k", "keep_releases": 3, "proof": PROOF}
    assert run_module("kai_installs", kept_install)["number"] == 1
    assert listing(machine, "/opt/k/installs/1/former") == {}
    again = run_module("kai_switch", arguments)
    assert (again["changed"], again["changed_paths"]) == (False, [])
    assert run_module("kai_installs", kept_install)["changed"] is False

    newer = files(ENV, OTHER, RULES, env='TOKEN="newer"\n')
    verified = listing(machine, "/etc/k", "/etc/sudoers.d", "/opt/k")
    assert run_module("kai_switch", newer)["changed_paths"] == ["/etc/k/env"]
    restored = {**PLACE, "state": "restored"}
    would = run_module("kai_switch", restored, check=True)
    assert would["changed_paths"] == ["/etc/k/env"]
    assert run_module("kai_switch", restored)["changed_paths"] == ["/etc/k/env"]
    assert listing(machine, "/etc/k", "/etc/sudoers.d", "/opt/k") == verified
    assert run_module("kai_switch", restored)["changed"] is False


@pytest.mark.sample(3, "the same way with another fault")
@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        pytest.param(
            [{**RULES, "content": "kai ALL=(alice NOPASSWD: /bin/true\n"}],
            "visudo rejects the policy with the new /etc/sudoers.d/k:\n/etc/sudoers.d/k:1:",
            id="not sudoers",
        ),
        pytest.param(
            [{"path": "/etc/k/link", "content": "x", "mode": "0600"}],
            "move it away on the host: mv /etc/k/link /etc/k/link.old",
            id="a link",
        ),
        pytest.param(
            [{"path": "/etc/k/directory", "content": "x", "mode": "0600"}],
            "move it away on the host: mv /etc/k/directory /etc/k/directory.old",
            id="a directory",
        ),
        pytest.param(
            [{"path": "/etc/k/missing/file", "content": "x", "mode": "0600"}],
            "No such file or directory",
            id="no directory",
        ),
        pytest.param(
            [{"path": "/etc/k/bare", "mode": "0600"}],
            "/etc/k/bare has no text in files or secret_contents",
            id="no text",
        ),
        pytest.param(
            [{"path": "/full/file", "content": "x" * 100_000, "mode": "0600"}],
            "No space left on device",
            id="a full disk",
        ),
    ],
)
def test_one_that_cannot_be_put_in_place_keeps_all_away(
    machine: "Machine",
    run_module: RunModule,
    former_files: dict[str, list[str]],
    entries: list[dict[str, Any]],
    reason: str,
) -> None:
    python(
        machine,
        """
        if not os.path.lexists('/etc/k/link'):
            os.symlink('/victim/file', '/etc/k/link')
            os.mkdir('/etc/k/directory')
        """,
    )
    roots = ("/etc/k", "/etc/sudoers.d", "/full", "/victim", "/opt/k")
    before = listing(machine, *roots)
    inodes = "result = [os.stat(path).st_ino for path in ('/etc/k/env', '/etc/k')]"
    numbers = python(machine, inodes)
    failed = run_module("kai_switch", files(ENV, OTHER, *entries))
    assert failed["failed"] is True
    assert reason in failed["msg"]
    assert "sesame" not in json.dumps(failed)
    assert listing(machine, *roots) == before
    # not even replaced by a copy of itself
    assert python(machine, inodes) == numbers


# kai_probe


def test_what_the_probe_sees(machine: "Machine", run_module: RunModule, contract: Contract) -> None:
    python(
        machine,
        """
        os.chdir('/home/alice')
        tools = pathlib.Path('.agents/bin')
        tools.mkdir(parents=True)
        (tools / 'special').write_text('#!/bin/sh\\n')
        (tools / 'special').chmod(0o700)
        with open('.profile', 'a') as profile:
            profile.write('\\necho welcome\\nPATH="$HOME/.agents/bin:$PATH"\\n')
        """,
        user="alice",
    )

    def request(backend: str, **more: Any) -> dict[str, Any]:
        return {
            "backend": backend,
            "name": backend,
            "usual_places": {"linux": []},
            "accounts": ["alice"],
            "login_files": [],
            **more,
        }

    arguments = {
        "service_user": "kai",
        "os_users": ["alice", "bob", "nobody-here"],
        "install_dir": "/opt/kai",
        "directories": ["/srv", "/no/such", "/etc/passwd"],
        "env_file": "/etc/probe/env",
        "sudoers_file": "/etc/sudoers.d/probe",
        "platforms": as_data(contract.platforms),
        "binaries": [
            request("special"),
            request(
                "named",
                name="special",
                wanted="/home/alice/.agents/bin/special",
                accounts=["alice", "bob"],
            ),
            request(
                "codex",
                env_key="CODEX_BIN",
                login_files=[".codex/auth.json"],
                accounts=["alice", "bob"],
            ),
            request("none", usual_places={"linux": ["{service_home}/none", "/etc"]}),
            request("claude"),
        ],
    }
    python(
        machine,
        """
        os.mkdir('/etc/probe')
        pathlib.Path('/etc/probe/env').write_text('CODEX_BIN="/usr/local/bin/codex"\\nZ=1\\nA=2\\n')
        pathlib.Path('/etc/sudoers.d/probe').write_text(
            '#kai ALL=(alice) NOPASSWD: /usr/bin/claude\\n'
            'kai ALL=(alice) SETENV: NOPASSWD: /gone/claude\\n'
        )
        os.makedirs('/home/bob/.codex')
        pathlib.Path('/home/bob/.codex/auth.json').write_text('{}')
        os.chmod('/home/bob/.codex', 0o755)
        """,
    )
    before = listing(machine, "/etc/probe", "/home/alice", "/etc/sudoers.d")
    found = run_module("kai_probe", arguments)
    assert found["changed"] is False
    assert listing(machine, "/etc/probe", "/home/alice", "/etc/sudoers.d") == before
    probe = found["probe"]
    assert probe["faults"] == []
    assert (probe["platform"], probe["privileged"]) == ("linux", True)
    assert probe["service_home"] == "/home/kai"
    assert probe["accounts"]["alice"]["home"] == "/home/alice"
    assert probe["accounts"]["nobody-here"] is None
    assert probe["directories"] == {
        "/srv": "directory",
        "/no/such": "absent",
        "/etc/passwd": "file",
    }
    assert probe["tools"]["visudo"] == "/usr/sbin/visudo"
    assert probe["interpreters"][0]["path"].startswith("/usr/bin/python3")
    assert probe["service"] == {"active": False, "enabled": False, "pid": 0, "turns": 0}
    nothing = {"live": None, "complete": [], "missing": False, "size": None, "has_models": True}
    assert probe["release"] == nothing
    assert probe["env_keys"] == ["A", "CODEX_BIN", "Z"]
    alice = {"accounts": ["alice"], "everybody": False}
    assert probe["binaries"] == {
        "special": [
            {
                "path": "/home/alice/.agents/bin/special",
                "source": "path",
                "fault": None,
                "changers": [
                    {"path": f"/home/alice{below}", **alice}
                    for below in ("", "/.agents", "/.agents/bin", "/.agents/bin/special")
                ],
            }
        ],
        "named": [
            {
                "path": "/home/alice/.agents/bin/special",
                "source": "host_vars",
                "fault": "bob cannot execute, as it cannot enter /home/alice",
            }
        ],
        # what is deployed and works is not searched for any further
        "codex": [
            {"path": "/usr/local/bin/codex", "source": "deployed", "fault": None, "changers": []}
        ],
        "none": [
            {"path": "/home/kai/none", "source": "usual", "fault": "does not exist"},
            {"path": "/etc", "source": "usual", "fault": "is not a file"},
        ],
        "claude": [
            {"path": "/gone/claude", "source": "deployed", "fault": "does not exist"},
            {"path": "/usr/local/bin/claude", "source": "path", "fault": None, "changers": []},
        ],
    }
    assert probe["logins"] == [
        {"account": "alice", "backend": "codex", "logged_in": False},
        {"account": "bob", "backend": "codex", "logged_in": True},
    ]
    python(
        machine,
        "os.mkdir('/home/alice/.codex')\n"
        "pathlib.Path('/home/alice/.codex/auth.json').write_text('{}')",
        user="alice",
    )
    logins = run_module("kai_probe", arguments, check=True)["probe"]["logins"]
    assert [entry["logged_in"] for entry in logins] == [True, True]


# /shared is reached through a link in a home; alice is a member of agents, bob has it as his own
CHANGEABLE = """
import grp, pwd, struct
subprocess.run(['groupadd', 'agents'], check=True)
subprocess.run(['useradd', '--gid', 'agents', 'erin'], check=True)
subprocess.run(['usermod', '--append', '--groups', 'agents', 'alice'], check=True)
def install(path, mode, group='root', owner='root'):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pathlib.Path(path).write_text('#!/bin/sh\\n')
    os.chmod(path, mode)
    shutil.chown(path, owner, group)
install('/changeable/group/agent', 0o775, 'agents')
install('/changeable/nobodys/agent', 0o775, 'staff')
install('/changeable/listed/agent', 0o755)
os.makedirs('/home/bob/agents')
shutil.chown('/home/bob', 'bob', 'bob')
os.symlink('/changeable/listed/agent', '/home/bob/agents/agent')
install('/changeable/python/python3', 0o755, owner='alice')
pathlib.Path('/changeable/python/python3').write_text('#!/bin/sh\\ntouch /changeable/was-run\\n')
install('/changeable/sticky/agent', 0o755)
os.chmod('/changeable/sticky', 0o1777)
bob = pwd.getpwnam('bob').pw_uid
entries = [(1, 7, -1), (2, 6, bob), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
packed = b''.join(struct.pack('<HHi', *entry) for entry in entries)
os.setxattr('/changeable/listed', 'system.posix_acl_access', struct.pack('<I', 2) + packed)
"""


def test_who_may_change_a_program(
    machine: "Machine", run_module: RunModule, contract: Contract
) -> None:
    python(machine, CHANGEABLE)
    paths = {
        "group": "/changeable/group/agent",
        "nobodys": "/changeable/nobodys/agent",
        "listed": "/home/bob/agents/agent",
        "sticky": "/changeable/sticky/agent",
    }
    arguments = {
        "service_user": "kai",
        "os_users": ["alice", "bob"],
        "install_dir": "/opt/kai",
        "env_file": "/etc/probe/env",
        "sudoers_file": "/etc/sudoers.d/probe",
        "platforms": as_data(contract.platforms),
        "binaries": [
            {"backend": name, "name": name, "wanted": path, "usual_places": {}, "accounts": []}
            for name, path in paths.items()
        ],
    }
    probe = run_module("kai_probe", {**arguments, "python": "/changeable/python/python3"})["probe"]
    assert [entry["fault"] for entry in probe["interpreters"] if "changeable" in entry["path"]] == [
        "is not for root to run, as it can be changed by alice (through /changeable/python/python3)"
    ]
    assert machine.run(["test", "-e", "/changeable/was-run"], check=False).returncode == 1
    seen = probe["binaries"]

    def place(path: str, *accounts: str, everybody: bool = False) -> dict[str, Any]:
        return {"path": path, "accounts": list(accounts), "everybody": everybody}

    assert {name: seen[name][0]["changers"] for name in seen} == {
        "group": [place("/changeable/group/agent", "alice", "erin")],
        # a group without members, as Debian has one in /usr/local
        "nobodys": [],
        "listed": [place("/home/bob", "bob"), place("/changeable/listed", "bob")],
        "sticky": [place("/changeable/sticky", everybody=True)],
    }
