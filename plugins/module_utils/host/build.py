# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building a release: its code and its virtual environment."""

from __future__ import annotations

import contextlib
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
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ..rules.accounts import refuse_alias_of_root
from ..rules.constraints import hashed_entries, normalized, without_hashes
from ..rules.network_environment import of_words
from ..rules.problems import Refused
from ..rules.sources import fault_of_member, path_of_index
from .built_release import ENVIRONMENT, MARKER, SYSTEM_PATH, find_uv, python_of
from .left_processes import end_processes
from .root_places import refuse_places, refuse_program
from .subprocesses import run_bounded, run_group
from .system import account_of
from .tree_removal import remove_filled
from .trusted_paths import Accounts

if TYPE_CHECKING:
    from ..rules.module_arguments import BuildArguments
    from ..rules.run_results import Built

LAST_LINES = 15
IMPORT_SECONDS = 600
# large packages on a slow line take long; an index that sends a byte now and then takes forever
STEP_SECONDS = 7200
LITTLE_MB = 32
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
# how pip, uv and Python begin the lines that say why they failed
CAUSE = re.compile(r"\s*((ERROR|error|cause|\w*Error|SystemExit): |× |╰─▶ )")
MOST_CAUSES = 3
# why pip and uv had no answer; their last line only says that there is no such package
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
        line = f"error: {name} cannot be imported: {type(error).__name__}: {error}"
        print(line, file=sys.stderr)
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
    """Return why a step of a build failed. words: the output of its program."""
    said = words.strip().splitlines()
    causes = [line.strip() for line in said if CAUSE.match(line)] or said[-1:]
    unanswered = NO_ANSWER.search(words)
    if unanswered:
        causes.insert(0, f"the index does not answer ({unanswered[0].strip()})")
    return "; ".join(dict.fromkeys(causes[:MOST_CAUSES]))


class BuildFailed(Refused):
    """A step of a build that failed, with its cause and the end of its output."""


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
    """Let every account read a release, and root alone write to it."""
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


class Build:
    """The build of one release, from nothing."""

    def __init__(self, parameters: BuildArguments, lock: int) -> None:
        self.parameters = parameters
        # every step inherits it, so it stays locked until the last installer has ended, even when
        # Ansible and this module were killed
        self.lock = lock
        self.path: str = parameters["path"]
        self.scratch = os.path.join(self.path, ".build")
        self.source = os.path.join(self.scratch, "source")
        self.python = python_of(self.path)
        self.uv = find_uv()

    def run(self, archive: Any) -> list[str]:
        """Build the release and return the installed packages. Raises BuildFailed and OSError."""
        remove_filled(self.path)
        for directory in (self.path, self.scratch):
            os.mkdir(directory, 0o755)
        for name in ("home", "tmp"):
            os.mkdir(os.path.join(self.scratch, name), 0o700)
        # built from a copy, as a build leaves its own files in the source
        unpack(archive, self.source)
        self.install()
        self.prove()
        listing = self.step("listing the installed packages", [self.python, "-I", "-c", LISTING])
        remove_filled(self.scratch)
        unpack(archive, self.path)
        settle(self.path)
        # a power cut must not keep the marker and lose the release
        os.sync()
        with open(os.path.join(self.path, MARKER), "x", encoding="utf-8"):
            pass
        return sorted(listing.splitlines())

    def install(self) -> None:
        """Create the virtual environment and install Kai into it, without pip."""
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
        """Install Kai, and of its dependencies only files with a hash of the constraints.

        kai: its source or wheel. brackets: the extras, as pip wants them. text: of the constraints.
        hashed: their entries with hashes. Nothing runs before its hash is checked, so only wheels
        are chosen. pip itself installs nothing that has no hash.
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
        # the report has the URLs of packages, and the index may have a password
        limits, report, requirements = (
            os.path.join(self.scratch, "tmp", name) for name in ("limits", "report", "requirements")
        )
        write(limits, without_hashes(text))
        choose = [*pip, "install", *self.places(), "--only-binary", ":all:", "--constraint", limits]
        dry = ["--dry-run", "--report", report, f"{wheel}{brackets}"]
        self.step("choosing the dependencies of Kai", [*choose, *dry])
        with open(report, encoding="utf-8") as handle:
            chosen = [entry["metadata"] for entry in json.load(handle)["install"]]
        own = normalized(os.path.basename(wheel).split("-")[0])
        needed = sorted({normalized(each["name"]) for each in chosen} - {own})
        lacking = [name for name in needed if name not in hashed]
        if lacking:
            raise BuildFailed(
                f"{self.parameters['constraints']}: found no hash of {', '.join(lacking)}, "
                "expected a hash of each package that Kai needs, as others have one. Fix: write "
                "the file again with all its hashes, or with none"
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
        """Return the options of pip and uv that name the wheelhouse."""
        wheelhouse = self.parameters["wheelhouse"]
        return ["--no-index", "--find-links", wheelhouse] if wheelhouse else []

    def with_uv(self) -> list[str]:
        """Return the command that installs with uv."""
        installer = [str(self.uv), "pip", "install", "--python", self.python]
        # no index of the source's own, and no file that is shared with a cache
        return [*installer, "--no-sources", "--link-mode", "copy", "--compile-bytecode", "--quiet"]

    def pip(self) -> list[str]:
        """Create a pip for this build alone; return its command."""
        tools = os.path.join(self.scratch, "pip")
        self.make_environment(tools)
        command = [os.path.join(tools, "bin", "python"), "-I", "-m", "pip", "--python", self.python]
        return [*command, "--no-input", "--quiet", "--disable-pip-version-check"]

    def make_environment(self, path: str, *options: str) -> None:
        """Create a virtual environment."""
        command = [self.parameters["python"], "-I", "-m", "venv", *options, path]
        self.step("creating the virtual environment", command)

    def prove(self) -> None:
        """Import the modules of the bot as the service user."""
        account = account_of(self.parameters["service_user"]) or pwd.getpwnam("nobody")
        refuse_alias_of_root(account)
        # some libraries create files when they are imported
        home = os.path.join(self.scratch, "home")
        os.chown(home, account.pw_uid, account.pw_gid)
        modules = [self.parameters["module"], *self.parameters["modules"]]
        command = [self.python, "-I", "-B", "-c", IMPORTS, *modules]
        environment = {"HOME": home, "TMPDIR": home, "USER": account.pw_name}
        # the account may stop it, so it gets no lock, and a time limit
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
        """Run one command of a build and return its output. Raises BuildFailed."""
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
        """Raise BuildFailed when a command failed."""
        if code != 0:
            said = words.strip().splitlines()
            lines = [f"{name} failed: {cause_of(words)}", f"the last lines of {command[0]}:"]
            free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize >> 20
            if free < LITTLE_MB:
                # not every program reports why it could not write
                lines.insert(1, f"only {free} MB are free: df -h {self.path}")
            raise BuildFailed("\n".join([*lines, *said[-LAST_LINES:]]))

    def environment(self) -> dict[str, str]:
        """Return the environment of pip, uv and the builds that they start."""
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
            # every account may read the arguments of a process, but not its environment
            for key in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
                environment[key] = self.parameters["index_url"]
        return {**environment, **of_words(self.parameters.get("environment") or ())}


def refuse_to_build(parameters: BuildArguments) -> None:
    """Raise Refused where root would use a path that another account can change."""
    accounts = Accounts([parameters["service_user"]])
    refuse_places(
        wheelhouse=parameters["wheelhouse"] or "",
        index=path_of_index(parameters["index_url"] or ""),
        directories=[parameters["path"]],
        accounts=accounts,
    )
    uv = find_uv()
    for program in [parameters["python"], *([uv] if uv else [])]:
        refuse_program(program, accounts)


def build(parameters: BuildArguments, archive: Any, lock: int) -> Built:
    """Build a release; return the result of the module. A failed build leaves nothing behind."""
    started = time.monotonic()
    refuse_to_build(parameters)
    work = Build(parameters, lock)
    try:
        installed = work.run(archive)
    except BaseException:
        with contextlib.suppress(OSError, Refused):
            remove_filled(work.path)
        raise
    return {
        "changed": True,
        "installed": installed,
        "installer": "uv" if work.uv else "pip",
        "seconds": round(time.monotonic() - started, 1),
    }
