#!/usr/bin/python
# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release of Kai on a host: its code and its virtual environment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kai_release
short_description: A release is built in a directory of its own
version_added: 0.1.0
description:
  - Unpacks an archive made by M(kai.bot.kai_source) and builds its virtual environment beside the
    live release, which is not touched.
  - A release counts as complete only when everything succeeded and its modules could be imported
    as the service user. What an interrupted build left is built anew.
  - Packages are installed by uv where the host has it, else by pip, with the same result. Nothing
    of the caller's environment and of the host's pip and uv configuration has a say in it but the
    proxies in C(http_proxy), C(https_proxy) and C(no_proxy).
  - One build runs at a time. A build waits for the one of an earlier run that was cut off.
options:
  path:
    description: The release's directory. Its parent exists.
    type: path
    required: true
  archive:
    description: The archive on the host; it is removed.
    type: path
    required: true
  python:
    description: The interpreter for the virtual environment.
    type: path
    required: true
  wheel:
    description: Path of a wheel below the release, installed in place of the release's own code.
    type: str
    default: ""
  extras:
    description: Optional dependency groups to install.
    type: list
    elements: str
    default: []
  constraints:
    description: Path of pip constraints below the release, used when it exists.
    type: str
    required: true
  index_url:
    description: Where packages come from in place of PyPI; it may hold a password.
    type: str
  wheelhouse:
    description:
      - A directory on the host that has every package that is needed, so that no index is asked.
      - Nobody but root may be able to write to it.
    type: path
  module:
    description: The module that the bot is started by.
    type: str
    required: true
  modules:
    description: More modules that have to be importable.
    type: list
    elements: str
    default: []
  service_user:
    description: The account that has to be able to import them; nobody, until there is such one.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Says whether a release would be built.
  diff_mode:
    support: full
    description: Says that there was no release.
author: the kai-ansible authors (@kai-ansible)
"""

EXAMPLES = r"""
- name: The release is built
  kai.bot.kai_release:
    path: /opt/kai/releases/0a1b2c3d4e5f
    archive: /opt/kai/releases/.0a1b2c3d4e5f.tar.gz
    python: /usr/bin/python3.13
    extras: [memory]
    constraints: requirements/constraints.txt
    module: kai
    modules: [mem0]
    service_user: kai
"""

RETURN = r"""
installed:
  description: What the virtual environment holds, as in a file of requirements.
  returned: when built
  type: list
  elements: str
  sample: [kai==1.2.0, pyyaml==6.0.3]
installer:
  description: What installed it.
  returned: when built
  type: str
  sample: uv
seconds:
  description: How long the build took.
  returned: when built
  type: float
"""

import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tarfile
import time
import urllib.parse
from pathlib import PurePath
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.built_release import (
    ENVIRONMENT,
    MARKER,
    SYSTEM_PATH,
    find_uv,
    is_complete,
    python_of,
)
from ..module_utils.host.flock import held
from ..module_utils.host.left_processes import end_processes
from ..module_utils.host.root_places import refuse_places, refuse_program
from ..module_utils.host.subprocesses import run_bounded, run_group
from ..module_utils.host.trusted_paths import Accounts
from ..module_utils.rules.accounts import refuse_alias_of_root
from ..module_utils.rules.constraints import hashed_entries, normalized, without_hashes
from ..module_utils.rules.diff import difference
from ..module_utils.rules.problems import Refused, problem_of_error
from ..module_utils.rules.sanitize import printable
from ..module_utils.rules.sources import fault_of_member

LAST_LINES = 15
IMPORT_SECONDS = 600
LOCK_SECONDS = 900
# large packages on a slow line take long, and an index that sends a byte now and then for ever
STEP_SECONDS = 7200
LITTLE_MB = 32
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
# how pip, uv and Python begin the lines that say why they failed
CAUSE = re.compile(r"\s*((ERROR|error|cause|\w*Error|SystemExit): |× |╰─▶ )")
MOST_CAUSES = 3
# why pip and uv had no answer; what they say in the end is that there is no such package
NO_ANSWER = re.compile(
    r"Failed to establish a new connection: [^')\"]+|Read timed out|Connection to \S+ timed out"
    r"|certificate verify failed: [^(')]+|dns error|operation timed out"
)
IMPORTS = """
import importlib, importlib.util, sys
failed = False
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        told = f"error: {name} cannot be imported: {type(error).__name__}: {error}"
        print(told, file=sys.stderr)
        failed = True
if not failed and importlib.util.find_spec(sys.argv[1] + ".__main__") is None:
    print(f"error: {sys.argv[1]} cannot be started: it has no module __main__", file=sys.stderr)
    failed = True
raise SystemExit(failed)
"""
LISTING = """
import importlib.metadata, re
for package in importlib.metadata.distributions():
    name = re.sub("[-_.]+", "-", package.metadata["Name"]).lower()
    print(f"{name}=={package.version}")
"""


def cause_of(words: str) -> str:
    """Return why a step of a build failed, from what its program has printed."""
    said = words.strip().splitlines()
    causes = [line.strip() for line in said if CAUSE.match(line)] or said[-1:]
    unanswered = NO_ANSWER.search(words)
    if unanswered:
        causes.insert(0, f"the index does not answer ({unanswered[0].strip()})")
    return "; ".join(dict.fromkeys(causes[:MOST_CAUSES]))


class BuildFailed(Refused):
    """A step of a build that failed, with its cause and the end of what it said."""


def unpack(archive: Any, path: str) -> None:
    """Unpack an open archive of kai_source below a new directory, with the modes it carries."""
    archive.seek(0)
    with tarfile.open(fileobj=archive) as packed:
        for member in packed:
            content = packed.extractfile(member) if member.isreg() else None
            if content is None or fault_of_member(member.name):
                raise BuildFailed(f"the archive has {member.name}, which is not a file below it")
            target = os.path.join(path, member.name)
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            with open(target, "xb") as handle:
                shutil.copyfileobj(content, handle)
                os.fchmod(handle.fileno(), 0o755 if member.mode & 0o100 else 0o644)


def write(path: str, text: str) -> None:
    """Write a new file."""
    with open(path, "x", encoding="utf-8", errors="surrogateescape") as handle:
        handle.write(text)


def settle(path: str) -> None:
    """Let everybody read and nobody but root write what a release holds."""
    for parent, directories, files in os.walk(path):
        for name in [*directories, *files]:
            full = os.path.join(parent, name)
            mode = os.lstat(full).st_mode
            if stat.S_ISLNK(mode):
                continue
            runs = stat.S_ISDIR(mode) or mode & stat.S_IXUSR
            wanted = 0o755 if runs else 0o644
            if stat.S_IMODE(mode) != wanted:
                os.chmod(full, wanted)


def passwords_of(url: str) -> set[str]:
    """Return the parts of a URL that must not be seen, as written and as they are meant."""
    login = urllib.parse.urlsplit(url).netloc.rpartition("@")[0]
    name, colon, password = login.partition(":")
    secret = password if colon else name
    return {part for part in (url, login, secret, urllib.parse.unquote(secret)) if part}


class Build:
    """The build of one release, from nothing."""

    def __init__(self, parameters: dict[str, Any], lock: int) -> None:
        self.parameters = parameters
        # every step inherits it, so a build lasts until the last of its installers has ended, even
        # when Ansible and this module were killed
        self.lock = lock
        self.path: str = parameters["path"]
        self.scratch = os.path.join(self.path, ".build")
        self.source = os.path.join(self.scratch, "source")
        self.python = python_of(self.path)
        self.uv = find_uv()

    def run(self, archive: Any) -> list[str]:
        """Build the release and return what was installed. Raises BuildFailed and OSError."""
        if os.path.lexists(self.path):
            shutil.rmtree(self.path)
        for directory in (self.path, self.scratch):
            os.mkdir(directory, 0o755)
        for name in ("home", "tmp"):
            os.mkdir(os.path.join(self.scratch, name), 0o700)
        # built from a copy, as a build leaves its own files in the source
        unpack(archive, self.source)
        self.install()
        self.prove()
        listing = self.step("listing what is installed", [self.python, "-I", "-c", LISTING])
        shutil.rmtree(self.scratch)
        unpack(archive, self.path)
        settle(self.path)
        # a power cut must not keep the marker and lose what it stands for
        os.sync()
        with open(os.path.join(self.path, MARKER), "x", encoding="utf-8"):
            pass
        return sorted(listing.splitlines())

    def install(self) -> None:
        """Make the virtual environment and install Kai into it, without pip itself."""
        self.make_environment(os.path.join(self.path, ENVIRONMENT), "--without-pip")
        constraints = os.path.join(self.source, self.parameters["constraints"])
        text = ""
        if os.path.exists(constraints):
            with open(constraints, encoding="utf-8", errors="surrogateescape") as handle:
                text = handle.read()
        extras = ",".join(self.parameters["extras"])
        brackets = f"[{extras}]" if extras else ""
        kai = os.path.join(self.source, self.parameters["wheel"]).rstrip("/")
        hashed = hashed_entries(text)
        if hashed:
            self.install_hashed(kai, brackets, text, hashed)
            return
        limits = ["--constraint", constraints] if text else []
        installer = self.with_uv() if self.uv else [*self.pip(), "install"]
        command = [*installer, *self.places(), *limits, f"{kai}{brackets}"]
        self.step("installing Kai", command)

    def install_hashed(
        self, kai: str, brackets: str, text: str, hashed: dict[str, list[str]]
    ) -> None:
        """Install Kai, and of what it needs only what has one of the hashes of its constraints.

        kai: its source or wheel. brackets: the extras, as pip wants them. text: of the constraints.
        hashed: their entries with hashes. Before its hash is known to be right, nothing is run, so
        what is chosen are wheels. pip alone installs nothing that has no hash.
        """
        self.uv = None
        pip = self.pip()
        wheels = os.path.join(self.scratch, "wheel")
        if kai.endswith(".whl"):
            wheel = kai
        else:
            build = [*pip, "wheel", *self.places(), "--no-deps", "--wheel-dir", wheels, kai]
            self.step("building Kai", build)
            [name] = os.listdir(wheels)
            wheel = os.path.join(wheels, name)
        # the report tells from where packages come, and the index may have a password
        limits, report, requirements = (
            os.path.join(self.scratch, "tmp", name) for name in ("limits", "report", "requirements")
        )
        write(limits, without_hashes(text))
        choose = [*pip, "install", *self.places(), "--only-binary", ":all:", "--constraint", limits]
        dry = ["--dry-run", "--report", report, f"{wheel}{brackets}"]
        self.step("choosing what Kai needs", [*choose, *dry])
        with open(report, encoding="utf-8") as handle:
            chosen = [entry["metadata"] for entry in json.load(handle)["install"]]
        own = normalized(os.path.basename(wheel).split("-")[0])
        needed = sorted({normalized(each["name"]) for each in chosen} - {own})
        lacking = [name for name in needed if name not in hashed]
        if lacking:
            raise BuildFailed(
                f"{self.parameters['constraints']}: found no hash of {', '.join(lacking)}, "
                "expected one of each package that Kai needs, as others have one. Fix: write the "
                "file anew with all its hashes, or with none"
            )
        with open(wheel, "rb") as handle:
            digest = hashlib.sha256(handle.read()).hexdigest()
        entries = [entry for name in needed for entry in hashed[name]]
        entries.append(f"{own} @ {PurePath(wheel).as_uri()} --hash=sha256:{digest}")
        write(requirements, "".join(f"{entry}\n" for entry in entries))
        install = [*pip, "install", *self.places(), "--only-binary", ":all:", "--no-deps"]
        command = [*install, "--require-hashes", "--requirement", requirements]
        self.step("installing Kai", command)

    def places(self) -> list[str]:
        """Return the options that tell pip and uv where packages are, the index aside."""
        wheelhouse = self.parameters["wheelhouse"]
        return ["--no-index", "--find-links", wheelhouse] if wheelhouse else []

    def with_uv(self) -> list[str]:
        """Return the command with which uv installs."""
        installer = [str(self.uv), "pip", "install", "--python", self.python]
        # no index of the source's own, and no file that is shared with a cache
        return [*installer, "--no-sources", "--link-mode", "copy", "--compile-bytecode", "--quiet"]

    def pip(self) -> list[str]:
        """Make a pip of its own for this build; return the command."""
        tools = os.path.join(self.scratch, "pip")
        self.make_environment(tools)
        command = [os.path.join(tools, "bin", "python"), "-I", "-m", "pip", "--python", self.python]
        return [*command, "--no-input", "--quiet", "--disable-pip-version-check"]

    def make_environment(self, path: str, *options: str) -> None:
        """Make a virtual environment."""
        command = [self.parameters["python"], "-I", "-m", "venv", *options, path]
        self.step("making the virtual environment", command)

    def prove(self) -> None:
        """Import as the service user what the bot will import."""
        try:
            account = pwd.getpwnam(self.parameters["service_user"])
        except KeyError:
            account = pwd.getpwnam("nobody")
        refuse_alias_of_root(account)
        # some libraries make their first files when they are imported
        home = os.path.join(self.scratch, "home")
        os.chown(home, account.pw_uid, account.pw_gid)
        modules = [self.parameters["module"], *self.parameters["modules"]]
        command = [self.python, "-I", "-B", "-c", IMPORTS, *modules]
        environment = {"HOME": home, "TMPDIR": home, "USER": account.pw_name}
        # the account may stop it, so it gets no lock, and so much time
        code, said = run_bounded(
            command,
            {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", **environment},
            IMPORT_SECONDS,
            errors=True,
            account=account,
        )
        end_processes(home)
        if code is None:
            said += f"\nerror: no end within {IMPORT_SECONDS} s, or a signal stopped it"
        self.judge(f"importing as {account.pw_name}", command, code, said)

    def step(self, name: str, command: list[str]) -> str:
        """Run one command of a build and return what it prints. Raises BuildFailed."""
        ended = run_group(
            command,
            STEP_SECONDS,
            stderr=subprocess.STDOUT,
            env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", **self.environment()},
            cwd="/",
            pass_fds=(self.lock,),
        )
        if ended.returncode == -signal.SIGKILL:
            raise BuildFailed(
                f"{name} did not end within {STEP_SECONDS // 60} minutes, or was killed"
            )
        self.judge(name, command, ended.returncode, ended.stdout)
        return str(ended.stdout)

    def judge(self, name: str, command: list[str], code: int | None, words: str) -> None:
        """Raise BuildFailed when a command did not end well."""
        if code != 0:
            said = words.strip().splitlines()
            lines = [f"{name} failed: {cause_of(words)}", f"the end of {command[0]}'s words:"]
            free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize >> 20
            if free < LITTLE_MB:
                # not every program says why it could not write
                lines.insert(1, f"only {free} MB are free: df -h {self.path}")
            raise BuildFailed("\n".join([*lines, *said[-LAST_LINES:]]))

    def environment(self) -> dict[str, str]:
        """Return what steers pip, uv and the builds that they start."""
        caches = os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".cache")
        environment = {
            "HOME": os.path.join(self.scratch, "home"),
            "TMPDIR": os.path.join(self.scratch, "tmp"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_ROOT_USER_ACTION": "ignore",
            "PIP_CACHE_DIR": os.path.join(caches, "pip"),
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": os.path.join(caches, "uv"),
            "UV_PYTHON_DOWNLOADS": "never",
            # the certificates that the host trusts, as with pip
            "UV_SYSTEM_CERTS": "1",
            "UV_NATIVE_TLS": "1",  # the name for older ones
        }
        environment.update(
            (key, value) for key, value in os.environ.items() if key.lower() in PROXIES
        )
        if self.parameters["index_url"]:
            # everybody may read the arguments of a process, but not its environment
            for key in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
                environment[key] = self.parameters["index_url"]
        return environment


def refuse_to_build(parameters: dict[str, Any]) -> None:
    """Raise Refused where root would build with, of or into what others can change."""
    accounts = Accounts([parameters["service_user"]])
    refuse_places(
        wheelhouse=parameters["wheelhouse"] or "",
        directories=[parameters["path"]],
        accounts=accounts,
    )
    uv = find_uv()
    for program in [parameters["python"], *([uv] if uv else [])]:
        refuse_program(program, accounts)


def build(parameters: dict[str, Any], archive: Any, lock: int) -> dict[str, Any]:
    """Build a release; returns the result of the module. What failed leaves nothing behind."""
    started = time.monotonic()
    refuse_to_build(parameters)
    work = Build(parameters, lock)
    try:
        installed = work.run(archive)
    except BaseException:
        shutil.rmtree(work.path, ignore_errors=True)
        raise
    return {
        "changed": True,
        "installed": installed,
        "installer": "uv" if work.uv else "pip",
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "archive": {"type": "path", "required": True},
            "python": {"type": "path", "required": True},
            "wheel": {"type": "str", "default": ""},
            "extras": {"type": "list", "elements": "str", "default": []},
            "constraints": {"type": "str", "required": True},
            "index_url": {"type": "str", "no_log": True},
            "wheelhouse": {"type": "path"},
            "module": {"type": "str", "required": True},
            "modules": {"type": "list", "elements": "str", "default": []},
            "service_user": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    diff = {"diff": difference(parameters["path"], "", "built")} if module._diff else {}
    if module.check_mode:
        missing = not is_complete(parameters["path"])
        module.exit_json(changed=missing, **(diff if missing else {}))
    os.umask(0o022)
    if parameters["index_url"]:
        # pip and uv may repeat a part of it
        module.no_log_values.update(passwords_of(parameters["index_url"]))
    try:
        with open(parameters["archive"], "rb") as archive:
            # it is of no use to anybody else, and this may be killed
            os.unlink(parameters["archive"])
            releases = os.path.dirname(parameters["path"])
            with held(releases, os.O_RDONLY | os.O_DIRECTORY, LOCK_SECONDS) as lock:
                result: dict[str, Any] = {"changed": False}
                if not is_complete(parameters["path"]):
                    result = {**build(parameters, archive, lock), **diff}
    except OSError as error:
        module.fail_json(msg=str(problem_of_error(error, parameters["path"])))
    except (Refused, tarfile.TarError) as error:
        module.fail_json(msg=printable(str(error)))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
