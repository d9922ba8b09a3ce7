"""Runs ansible-test sanity with each supported ansible-core, on each Python that has it.

usage: python -m tools.sanity

The Pythons are those of the PATH and of pyenv. Each pair gets a throwaway environment. The newest
Python of each ansible-core runs every test, and the others those whose result depends on it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from tools.packages import bare_environment, build_collection

OLDEST = (2, 19)
OLDEST_PYTHON = 11
_OF_A_PYTHON = ("--test", "compile", "--test", "import")

# ansible-test would download pip's installer; Python carries one
_PIP_WITHOUT_DOWNLOAD = """\
import subprocess, sys
sys.exit(subprocess.call([sys.executable, "-m", "ensurepip", "--default-pip"]))
"""
_VERSION = re.compile(r"^Available versions: (?P<all>.*)$", re.MULTILINE)


def pythons() -> list[Path]:
    """Return one interpreter of each minor version that is here and new enough."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    places = [
        *map(Path, os.get_exec_path()),
        *sorted((path / "bin" for path in pyenv.glob("3.*")), reverse=True),
    ]
    found: dict[int, Path] = {}
    for place in places:
        for path in place.glob("python3.[0-9][0-9]"):
            minor = int(path.name.partition(".")[2])
            if minor >= OLDEST_PYTHON and minor not in found and _works(path):
                found[minor] = path
    return [found[minor] for minor in sorted(found)]


def _works(python: Path) -> bool:
    """Return whether a Python can make environments; distributions package that apart."""
    prefix = python.resolve().parents[1]
    # Fedora's 64-bit builds have theirs in lib64
    libraries = [prefix / directory / python.name for directory in ("lib", "lib64")]
    return any(
        all((library / name / "__init__.py").is_file() for name in ("ensurepip", "venv"))
        for library in libraries
    )


def releases(python: Path) -> list[str]:
    """Return the supported releases of ansible-core that run on a Python, as 2.19, 2.20 and so on.

    Raises CalledProcessError when the index of packages cannot be asked.
    """
    version = python.name.removeprefix("python")
    command = [sys.executable, "-m", "pip", "index", "versions", "ansible-core"]
    asked = subprocess.run(
        [*command, f"--python-version={version}", "--only-binary=:all:"],
        capture_output=True,
        text=True,
        check=True,
    )
    listed = _VERSION.search(asked.stdout)
    versions = listed["all"].split(", ") if listed else []
    minors = {tuple(map(int, version.split(".")[:2])) for version in versions}
    return [".".join(map(str, minor)) for minor in sorted(minors) if minor >= OLDEST]


def objections(
    archive: Path, binaries: Path, python: str, directory: Path, options: Iterable[str] = ()
) -> list[str]:
    """Return what ansible-test has against the collection of an archive, nothing when it passes.

    binaries: where ansible-test is. python: its version, as 3.11. directory: a scratch place.
    options: which of its tests run, by default every one.
    """
    environment = bare_environment(directory, binaries)
    collections = directory / "collections"
    installed = collections / "ansible_collections" / "kai" / "bot"
    for place, command in (
        (
            directory,
            ["ansible-galaxy", "collection", "install", str(archive), "-p", str(collections)],
        ),
        (installed, ["git", "init", "--quiet"]),
        (installed, ["git", "add", "--all"]),
    ):
        subprocess.run(command, check=True, capture_output=True, cwd=place, env=environment)
    cache = directory / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    (cache / _pip_installer_name(binaries)).write_text(_PIP_WITHOUT_DOWNLOAD, encoding="utf-8")
    run = subprocess.run(
        ["ansible-test", "sanity", "--local", "--python", python, "--color", "no", *options],
        check=False,
        capture_output=True,
        text=True,
        cwd=installed,
        env=environment,
    )
    if run.returncode == 0:
        return []
    lines = (run.stdout + run.stderr).splitlines()
    return [line for line in lines if line.startswith(("ERROR", "FATAL"))] or lines


def _pip_installer_name(binaries: Path) -> str:
    """Return the name under which ansible-test looks for pip's installer, its version in it."""
    [source] = binaries.parent.glob(
        "lib/python3*/site-packages/ansible_test/_internal/python_requirements.py"
    )
    found = re.search(r"pip='(?P<version>[\d.]+)'", source.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{source} names its pip in another way now")
    return f"get_pip_{found['version'].replace('.', '_')}.py"


@cache
def matrix() -> dict[Path, dict[str, Sequence[str]]]:
    """Return, by Python, each ansible-core that runs on it and which of its tests run there."""
    found = {python: releases(python) for python in pythons()}
    newest = {release: python for python, wanted in found.items() for release in wanted}
    return {
        python: {release: () if newest[release] == python else _OF_A_PYTHON for release in wanted}
        for python, wanted in found.items()
    }


def judged(
    archive: Path, python: Path, wanted: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Yield each ansible-core that was wanted on a Python, and what it objects to."""
    for release, options in wanted.items():
        with tempfile.TemporaryDirectory(prefix="kai-sanity-") as name:
            directory = Path(name)
            subprocess.run([str(python), "-m", "venv", str(directory / "venv")], check=True)
            binaries = directory / "venv" / "bin"
            install = [str(binaries / "pip"), "install", "--quiet", f"ansible-core=={release}.*"]
            subprocess.run(install, check=True, capture_output=True)
            version = python.name.removeprefix("python")
            yield release, objections(archive, binaries, version, directory, options)


def main() -> int:
    """Run the whole matrix; return 1 when something objected."""
    failed = False
    with tempfile.TemporaryDirectory(prefix="kai-sanity-") as name:
        archive = build_collection(Path(name))
        for python, wanted in matrix().items():
            for release, said in judged(archive, python, wanted):
                failed = failed or bool(said)
                verdict = "FAILED" if said else "ok"
                print(f"{verdict}: ansible-core {release} on {python.name}", flush=True)
                print("\n".join(said), end="\n" if said else "")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
