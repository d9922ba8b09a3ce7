"""Builds of a release on a machine: by pip and uv, offline, cut off, and what they leave."""

import base64
import hashlib
import json
import re
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kai_ansible.host.system import BUILD_LOCK
from kai_ansible.rules.contract import Contract
from kai_ansible.rules.typed_data import as_data
from plugins.module_utils.controller import source_files, source_packing
from tests.conftest import ROOT, STAND_IN

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

pytestmark = pytest.mark.later("kinds of builds, off the whole way")

Files = dict[str, tuple[bytes, bool]]
RunModule = Callable[..., dict[str, Any]]

RELEASES = "/opt/kai/releases"
PASSWORD = "s3same/%"
QUOTED_PASSWORD = "s3same%2F%25"

# what root's shell would like a build to do
HOSTILE_SHELL = """
umask 0077
export PIP_INDEX_URL=http://hostile/simple UV_DEFAULT_INDEX=http://hostile/simple
export PIP_CONFIG_FILE=/etc/hostile.conf PYTHONPATH=/hostile
"""
# builds as setuptools does, and notes what everybody on the machine can see meanwhile
NOTING_BACKEND = b"""
import glob, json, os, pathlib
from setuptools.build_meta import *
from setuptools.build_meta import __all__
seen = {"umask": os.umask(0o022), "environment": dict(os.environ), "arguments": []}
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        seen["arguments"].append(pathlib.Path(path).read_text().split("\\0"))
    except OSError:
        pass
pathlib.Path("/run/noted.json").write_text(json.dumps(seen))
"""
# waits at a gate, then says whether its own file is still there
WAITING_BACKEND = b"""
import os, pathlib
pathlib.Path("/run/waiting").touch()
open("/run/gate").read()
pathlib.Path("/run/undisturbed").write_text(str(os.path.exists(__file__)))
raise SystemExit("error: the gate was opened")
"""
INDEX = """
import http.server, os, socket, sys
class Index(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") == "Basic " + sys.argv[1]:
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic realm=x")
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Index)
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
server.serve_forever()
"""


def stand_in(**changed: bytes | None) -> Files:
    """Return the files of the stand-in bot, some replaced, added or (None) taken away."""
    names = source_files.names_below(str(STAND_IN), [])
    files = source_files.files_of(str(STAND_IN), names)
    for name, content in changed.items():
        if content is None:
            del files[name]
        else:
            files[name] = (content, False)
    return files


def with_backend(backend: bytes) -> Files:
    """Return the stand-in bot, built by a backend of its own."""
    files = stand_in(**{"backend/noting.py": backend})
    text = files["pyproject.toml"][0].decode()
    text = text.replace(
        'build-backend = "setuptools.build_meta"',
        'build-backend = "noting"\nbackend-path = ["backend"]',
    )
    files["pyproject.toml"] = (text.encode(), False)
    return files


def with_extra(name: str, requirement: str, module: str) -> Files:
    """Return the stand-in bot, one of whose extras brings its module from elsewhere."""
    files = stand_in(**{f"src/{module}.py": None})
    text = files["pyproject.toml"][0].decode()
    text = text.replace(f"{name} = []", f'{name} = ["{requirement}"]').replace(f'"{module}", ', "")
    files["pyproject.toml"] = (text.encode(), False)
    return files


@pytest.fixture(scope="module", autouse=True)
def place(machine: "Machine") -> None:
    """Root's shell is hostile, and the service user has no home that anybody can enter."""
    machine.run(["useradd", "--create-home", "--shell", "/usr/sbin/nologin", "kai"])
    machine.run(["install", "-d", RELEASES])
    machine.run(["tee", "/root/.bashrc"], input=HOSTILE_SHELL)


@pytest.fixture(scope="module")
def uv(machine: "Machine") -> str:
    """Where uv is kept while a build shall not find it."""
    machine.run(["python3", "-m", "venv", "/opt/tools"])
    machine.run(["/opt/tools/bin/pip", "install", "--quiet", "uv"])
    return "/opt/tools/bin/uv"


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, machine: "Machine", uv: str) -> str:
    """A machine without uv, and one with it."""
    place = "/usr/local/bin/uv"
    machine.run(["cp", uv, place] if request.param == "uv" else ["rm", "-f", place])
    return str(request.param)


@pytest.fixture
def with_uv(machine: "Machine", uv: str) -> None:
    """A machine with uv, which is quicker."""
    machine.run(["cp", uv, "/usr/local/bin/uv"])


@pytest.fixture(scope="module")
def wheelhouse(machine: "Machine", uv: str) -> str:
    """All that the stand-in bot needs, as documented; from then on PyPI is out of reach."""
    machine.push(STAND_IN, "/tmp/stand-in")
    page = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")
    [block] = re.findall(r"## Without an index\n.*?```console\n(.*?)```", page, re.DOTALL)
    for line in block.splitlines():
        machine.run(["env", "-C", "/tmp/stand-in", *shlex.split(line)])
    command = ["/tmp/tools/bin/pip", "wheel", "--quiet", "--wheel-dir", "/srv/wheels"]
    text = '[project]\nname = "mem0ai"\nversion = "1"\n[tool.setuptools]\npy-modules = ["mem0"]\n'
    machine.run(["install", "-d", "/tmp/mem0ai"])
    machine.run(["tee", "/tmp/mem0ai/pyproject.toml"], input=text)
    machine.run(["touch", "/tmp/mem0ai/mem0.py"])
    machine.run([*command, "--no-index", "--find-links", "/srv/wheels", "/tmp/mem0ai"])
    hosts = "127.0.0.1 localhost pypi.org files.pythonhosted.org\n"
    machine.run(["tee", "/etc/hosts"], input=hosts)
    return "/srv/wheels"


Build = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def build(
    machine: "Machine", run_module: RunModule, tmp_path_factory: pytest.TempPathFactory
) -> Build:
    """Send files and build them: ``build(name, files, **arguments)``."""
    places = tmp_path_factory.mktemp("archives")

    def run(name: str, files: Files, **arguments: Any) -> dict[str, Any]:
        archive = places / f"{name}.tar.gz"
        archive.write_bytes(source_packing.pack(files))
        machine.push(archive, f"{RELEASES}/.{name}.tar.gz")
        return run_module(
            "kai_release",
            {
                "path": f"{RELEASES}/{name}",
                "archive": f"{RELEASES}/.{name}.tar.gz",
                "python": "/usr/bin/python3",
                "extras": ["memory", "totp"],
                "constraints": "requirements/constraints.txt",
                "module": "kai",
                "modules": ["mem0", "sentence_transformers", "pyotp", "qrcode"],
                "service_user": "kai",
                **arguments,
            },
        )

    return run


def left(machine: "Machine", name: str) -> str:
    """Return what there is of a release and its archive."""
    return machine.run(["find", RELEASES, "-path", f"*{name}*"]).stdout


def names_of(listing: str, top: str) -> dict[str, tuple[str, str]]:
    """Return mode and owner by path below a directory, links left out."""
    found = {}
    for line in listing.splitlines():
        kind, mode, owner, path = line.split(" ", 3)
        if kind != "l":
            found[path.removeprefix(top).lstrip("/")] = (mode, owner)
    return found


def test_f2_f6_g8_a_build_is_the_same_whatever_installs_it_and_whatever_the_shell_says(
    machine: "Machine", build: Build, uv: str
) -> None:
    files = stand_in(**{"bin/tool": b"#!/bin/sh\n"})
    files["bin/tool"] = (files["bin/tool"][0], True)
    by_pip = build("same-1", files)
    machine.run(["cp", uv, "/usr/local/bin/uv"])
    machine.run(["sed", "-i", "s/0077/0002/", "/root/.bashrc"])
    by_uv = build("same-2", files)
    machine.run(["sed", "-i", "s/0002/0077/", "/root/.bashrc"])
    assert [done.get("installer") for done in (by_pip, by_uv)] == ["pip", "uv"], (by_pip, by_uv)
    assert by_pip["installed"] == by_uv["installed"] == ["kai==1.0.0+standin", "pyyaml==6.0.3"]
    for name in ("same-1", "same-2"):
        top = f"{RELEASES}/{name}"
        shown = machine.run(["find", top, "-printf", "%y %m %U:%G %p\\n"]).stdout
        found = names_of(shown, top)
        assert {owner for _mode, owner in found.values()} == {"0:0"}
        assert {mode for mode, _owner in found.values()} == {"755", "644"}
        held = {path for path in found if path.split("/")[0] not in ("venv", ".complete")}
        directories = {str(parent) for path in files for parent in Path(path).parents}
        assert held == {*files, *directories, ""} - {"."}
        assert {path for path in files if found[path][0] == "755"} == {"bin/tool"}
        sums = machine.run(["sha256sum", *(f"{top}/{path}" for path in files)]).stdout
        assert {
            line.split("  ", 1)[1].removeprefix(f"{top}/"): line.split()[0]
            for line in sums.splitlines()
        } == {path: hashlib.sha256(content).hexdigest() for path, (content, _x) in files.items()}
        asked = [f"{top}/venv/bin/python", "-c", "import kai.__main__; print(kai.__file__)"]
        assert top in machine.run(asked, user="kai").stdout
    assert build("same-1", files)["changed"] is False
    assert ".tar.gz" not in left(machine, "same")


@pytest.mark.usefixtures("with_uv")
def test_g3_a_feature_whose_module_cannot_be_imported_is_no_release(
    machine: "Machine", build: Build, wheelhouse: str
) -> None:
    files = with_extra("memory", "mem0ai", "mem0")
    whole = build("feature", files, wheelhouse=wheelhouse)
    assert whole["failed"] is False, whole
    assert "mem0ai==1" in whole["installed"]
    without = build("lacking", files, wheelhouse=wheelhouse, extras=["totp"])
    assert without["msg"].splitlines()[0] == (
        "importing as kai failed: error: mem0 cannot be imported: ModuleNotFoundError: No module "
        "named 'mem0'"
    )
    assert left(machine, "lacking") == ""


@pytest.mark.usefixtures("with_uv")
def test_g4_what_the_source_no_longer_has_cannot_be_imported(
    machine: "Machine", build: Build, wheelhouse: str
) -> None:
    former = build("former", stand_in(**{"src/kai/stale.py": b""}), wheelhouse=wheelhouse)
    later = build("later", stand_in(), wheelhouse=wheelhouse)
    assert (former["failed"], later["failed"]) == (False, False)
    asked = ["venv/bin/python", "-c", "import kai.stale"]
    for name, found in (("former", True), ("later", False)):
        run = machine.run(["env", "-C", f"{RELEASES}/{name}", *asked], check=False)
        assert (run.returncode == 0) is found


def test_a_password_of_the_index_is_seen_by_nobody(
    machine: "Machine", build: Build, wheelhouse: str, installer: str
) -> None:
    for wheel in machine.run(["ls", wheelhouse]).stdout.split():
        project = wheel.split("-")[0].lower().replace("_", "-")
        machine.run(["install", "-D", f"{wheelhouse}/{wheel}", f"/srv/index/{project}/{wheel}"])
    machine.run(["tee", "/srv/index.py"], input=INDEX)
    token = base64.b64encode(f"kai:{PASSWORD}".encode()).decode()
    server = ["systemd-run", "--unit=index", "--property=WorkingDirectory=/srv/index"]
    machine.run([*server, "--property=Type=notify", "python3", "/srv/index.py", token])
    url = f"http://kai:{QUOTED_PASSWORD}@127.0.0.1:8000/"
    try:
        done = build(f"index-{installer}", with_backend(NOTING_BACKEND), index_url=url)
        failed = build("lost", with_extra("memory", "no-such-thing", "mem0"), index_url=url)
    finally:
        machine.run(["systemctl", "stop", "index"])
    assert done["failed"] is False, done
    assert done["installer"] == installer
    assert failed["msg"].startswith("installing Kai failed: ")
    assert "no-such-thing" in failed["msg"].splitlines()[0]
    noted = json.loads(machine.run(["cat", "/run/noted.json"]).stdout)
    seen = json.dumps([done, failed, noted["arguments"]])
    assert PASSWORD not in seen
    assert QUOTED_PASSWORD not in seen
    assert noted["umask"] == 0o022
    # root's shell has no say
    assert "hostile" not in json.dumps(noted["environment"])
    assert noted["environment"]["TMPDIR"].startswith(f"{RELEASES}/index-{installer}/.build/")


def test_a_host_without_an_index_installs_from_its_wheelhouse(
    machine: "Machine", build: Build, wheelhouse: str, installer: str
) -> None:
    done = build(f"offline-{installer}", stand_in(), wheelhouse=wheelhouse)
    assert done["failed"] is False, done
    assert done["installer"] == installer


def test_a_wheelhouse_that_others_can_change_is_refused(
    machine: "Machine", build: Build, wheelhouse: str
) -> None:
    machine.run(["cp", "-r", wheelhouse, "/srv/loose"])
    machine.run(["install", "-o", "alice", "/dev/null", "/srv/loose/kai-9-py3-none-any.whl"])
    refused = build("loose", stand_in(), wheelhouse="/srv/loose")
    assert (
        "/srv/loose: found a path that can be changed by alice "
        "(through /srv/loose/kai-9-py3-none-any.whl), expected a path that only root can change"
    ) in refused["msg"]
    assert "Fix: chown -R root: /srv/loose && chmod -R go-w /srv/loose" in refused["msg"]
    assert left(machine, "loose") == ""


def test_only_what_has_the_hash_of_its_constraints_is_installed(
    machine: "Machine", build: Build, wheelhouse: str, installer: str
) -> None:
    [said] = machine.run(["sh", "-c", f"sha256sum {wheelhouse}/[Pp]y[Yy]*.whl"]).stdout.splitlines()
    digest = said.split()[0]
    outcomes = {}
    for name, text in {
        "right": f"PyYAML==6.0.3 \\\n    --hash=sha256:{digest}\n",
        "wrong": f"pyyaml==6.0.3 --hash=sha256:{digest[::-1]}\n",
        "partial": f"pyyaml==6.0.3\nanother==1 --hash=sha256:{digest}\n",
    }.items():
        files = stand_in(**{"requirements/constraints.txt": text.encode()})
        outcomes[name] = build(f"{name}-{installer}", files, wheelhouse=wheelhouse)
    right, wrong, partial = outcomes.values()
    assert right["failed"] is False, right
    assert right["installed"] == ["kai==1.0.0+standin", "pyyaml==6.0.3"]
    assert wrong["msg"].startswith("installing Kai failed: ")
    assert f"Got        {digest}" in wrong["msg"]
    assert partial["msg"].startswith(
        "requirements/constraints.txt: found no hash of pyyaml, expected a hash of each package"
    )
    assert not left(machine, f"wrong-{installer}") + left(machine, f"partial-{installer}")


@pytest.mark.usefixtures("with_uv")
def test_a_wheel_is_installed_as_it_is(machine: "Machine", build: Build, wheelhouse: str) -> None:
    [wheel] = [name for name in machine.run(["ls", wheelhouse]).stdout.split() if "kai-" in name]
    content = machine.run(["base64", f"{wheelhouse}/{wheel}"]).stdout
    files = {wheel: (base64.b64decode(content), False)}
    done = build("wheel", files, wheel=wheel, wheelhouse=wheelhouse)
    assert done["failed"] is False, done
    assert "kai==1.0.0+standin" in done["installed"]


@pytest.mark.usefixtures("with_uv")
def test_a_build_that_was_killed_is_waited_for_and_repaired(
    machine: "Machine", build: Build, wheelhouse: str
) -> None:
    machine.run(["mkfifo", "/run/gate"])
    results: dict[str, dict[str, Any]] = {}

    def start(name: str, files: Files) -> threading.Thread:
        def run() -> None:
            results[name] = build("killed", files, wheelhouse=wheelhouse)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def wait_for(condition: str) -> None:
        machine.run(["sh", "-c", f"until {condition}; do sleep 0.05; done"], timeout=60)

    first = start("cut off", with_backend(WAITING_BACKEND))
    wait_for("test -e /run/waiting")
    held = f":$(stat --format=%i {BUILD_LOCK})$"
    holder = f"awk -v held={held} '$2 == \"FLOCK\" && $6 ~ held {{print $5}}' /proc/locks"
    machine.run(["sh", "-c", f"kill -KILL $({holder})"])
    first.join()
    assert ".complete" not in left(machine, "killed")
    # the installer still runs, and still writes below the release
    second = start("next", stand_in())
    # an archive is removed as soon as it is opened
    wait_for(f"test -e {RELEASES}/.killed.tar.gz")
    wait_for(f"! test -e {RELEASES}/.killed.tar.gz")
    machine.run(["sh", "-c", "echo >/run/gate"])
    second.join()
    assert machine.run(["cat", "/run/undisturbed"]).stdout == "True"
    assert results["cut off"]["failed"] is True
    assert results["next"]["failed"] is False, results["next"]
    assert f"{RELEASES}/killed/.complete" in left(machine, "killed").splitlines()


SHIM = """#!/bin/sh
# as pyenv has it: it starts what a file in some directory says
if [ "$PYENV_VERSION" != today ]; then echo "pyenv: python3: command not found" >&2; exit 127; fi
exec /usr/bin/python3 "$@"
"""


def test_an_interpreter_is_judged_by_running_it(
    machine: "Machine", run_module: RunModule, contract: Contract
) -> None:
    shims = {"/usr/local/bin/python3.99": SHIM, "/opt/shim": SHIM.replace("today", "")}
    for path, text in shims.items():
        machine.run(["install", "-m", "0755", "/dev/stdin", path], input=text)
    machine.run(["install", "-d", "-m", "0700", "/root/own"])
    machine.run(["cp", "/usr/bin/python3", "/root/own/python3"])
    machine.run(["ln", "-s", "/nowhere", "/usr/local/bin/python3.98"])

    def seen(python: str) -> dict[str, str | None]:
        arguments = {
            "service_user": "kai",
            "install_dir": "/opt/kai",
            "env_file": "/etc/kai/env",
            "sudoers_file": "/etc/sudoers.d/kai",
            "platforms": as_data(contract.platforms),
            "python": python,
        }
        found = run_module("kai_probe", arguments)["probe"]["interpreters"]
        return {entry["path"]: entry["fault"] for entry in found}

    [(best, fault), *others] = seen("/opt/shim").items()
    assert fault is None
    assert best.startswith("/usr/bin/python3.")
    faults = dict(others)
    assert faults["/usr/local/bin/python3.99"] == (
        "cannot be used (pyenv: python3: command not found)"
    )
    assert "No such file" in str(faults["/usr/local/bin/python3.98"])
    assert str(faults["/opt/shim"]).startswith("is a script that starts /usr/bin/python3")
    assert seen("/root/own/python3")["/root/own/python3"] == (
        "kai cannot execute, as it cannot enter /root"
    )


@pytest.mark.usefixtures("with_uv")
def test_g5_a_release_whose_python_is_gone_or_another_is_not_complete(
    machine: "Machine",
    build: Build,
    run_module: RunModule,
    wheelhouse: str,
    contract: Contract,
) -> None:
    names = ("works", "dangles", "changed", "begun")
    assert build("works", stand_in(), wheelhouse=wheelhouse)["changed"] is True
    for name in ("dangles", "changed"):
        machine.run(["cp", "--archive", f"{RELEASES}/works", f"{RELEASES}/{name}"])
    machine.run(["ln", "-sfn", "/usr/bin/python3.0", f"{RELEASES}/dangles/venv/bin/python"])
    # as when python3 became the next Python: it runs, and does not find what is installed
    machine.run(["sh", "-c", f"mv {RELEASES}/changed/venv/lib/python3.* /tmp/elsewhere"])
    machine.run(["install", "-d", f"{RELEASES}/begun/venv"])
    arguments = {
        "service_user": "kai",
        "install_dir": "/opt/kai",
        "env_file": "/etc/kai/env",
        "sudoers_file": "/etc/sudoers.d/kai",
        "platforms": as_data(contract.platforms),
    }
    complete = run_module("kai_probe", arguments)["probe"]["release"]["complete"]
    assert set(complete) & set(names) == {"works"}
    rebuilt = build("dangles", stand_in(), wheelhouse=wheelhouse)
    assert (rebuilt["failed"], rebuilt["changed"]) == (False, True)
