"""Says whether this checkout can be released as it stands; lists everything that is in the way.

usage: python -m tools.release [--output DIRECTORY]

Collection and package are built twice, once from a copy of the checkout, installed where nothing of
ours is, and checked by Galaxy's importer and antsibull-docs. ``--output`` keeps what was built when
nothing is in the way.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

import yaml
from packaging.version import InvalidVersion, Version

from kai_ansible.rules.problems import Problem
from tools.lint import DOCUMENTS, run
from tools.packages import (
    ROOT,
    bare_environment,
    build_collection,
    build_package,
    copy_checkout,
)

GALAXY = "galaxy.yml"
CHANGES = "changelogs/changelog.yaml"
CHANGELOG = "CHANGELOG.md"
FRAGMENTS = "changelogs/fragments"
EXECUTION_ENVIRONMENT = "execution-environment.yml"
INSTALLED = "collections"
AGAIN = "make release-check"
RELEASE = "antsibull-changelog release"
# semver.org, without the build that Galaxy takes no notice of
_SEMANTIC = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?"
)
_LAST_LINES = 15


@dataclass(frozen=True)
class Packages:
    """What is published."""

    collection: Path
    wheel: Path
    source: Path

    @property
    def sums(self) -> dict[str, str]:
        """The checksum of each file by its name."""
        files = (self.collection, self.wheel, self.source)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def build(directory: Path, root: Path) -> Packages:
    """Build everything of a checkout into a new directory. Raises CalledProcessError."""
    directory.mkdir(parents=True)
    return Packages(build_collection(directory, root), *build_package(directory, root))


def version_of(root: Path) -> str:
    """Return the version that a checkout states, in the one place that states it."""
    document = yaml.safe_load((root / GALAXY).read_text(encoding="utf-8"))
    return str(document["version"])


def stated_elsewhere(root: Path) -> Iterator[Problem]:
    """Yield a problem for each file with another version, and for a change without a release."""
    version = version_of(root)
    if not _SEMANTIC.fullmatch(version):
        yield Problem(
            f"{GALAXY}: version", version, "MAJOR.MINOR.PATCH, as semver.org has it", "fix it"
        )
    released = yaml.safe_load((root / CHANGES).read_text(encoding="utf-8"))["releases"]
    newest = max(map(str, released), key=_order, default="nothing")
    yield from otherwise(f"{CHANGES}: the newest release", newest, version, RELEASE)
    for path in sorted((root / FRAGMENTS).glob("[!.]*")):
        yield Problem(str(path.relative_to(root)), "a change of no release", "none left", RELEASE)
    present = (root / CHANGELOG).read_text(encoding="utf-8")
    if present != _changelog_of(root):
        yield Problem(
            CHANGELOG, "another text", f"what {CHANGES} tells", "antsibull-changelog generate"
        )
    text = (root / EXECUTION_ENVIRONMENT).read_text(encoding="utf-8")
    for name in dict.fromkeys(re.findall(r"kai-bot-(.+)\.tar\.gz", text)):
        yield from otherwise(
            f"{EXECUTION_ENVIRONMENT}: kai-bot", name, version, f"name {version} there"
        )


def problems(directory: Path) -> tuple[list[Problem], Packages | None]:
    """Return everything that is in the way of a release, and the packages where they can be built.

    directory: a scratch place, in which the packages stay, and the collection as it is installed.
    """
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(lambda: list(stated_elsewhere(ROOT)))]
        jobs += [pool.submit(_stale, linter) for linter in DOCUMENTS]
        packages, bytes_found = None, []
        try:
            copy = copy_checkout(directory / "checkout")
            packages, again = pool.map(
                build, (directory / "dist", directory / "again"), (ROOT, copy)
            )
        except subprocess.CalledProcessError as error:
            said = f"{error.stdout}{error.stderr}"
            bytes_found = [_objection("the packages", error.cmd, said)]
        else:
            bytes_found = list(other_bytes(packages.sums, again.sums))
            archive = packages.collection
            jobs += [
                pool.submit(_of_wheel, packages.wheel, directory / "package"),
                pool.submit(_of_collection, archive, directory / INSTALLED),
                pool.submit(_of_importer, archive, directory / "importer"),
            ]
    return [*bytes_found, *(problem for job in jobs for problem in job.result())], packages


def other_bytes(sums: Mapping[str, str], again: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each package of which a second build has other bytes."""
    for name in sorted({*sums, *again}):
        if sums.get(name) != again.get(name):
            yield Problem(
                name,
                "other bytes when it is built from a copy of the checkout",
                "the same",
                "find what differs: diffoscope compares two builds",
            )


def version_in_wheel(wheel: Path) -> str:
    """Return the version in the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as packed:
        [name] = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        return str(HeaderParser().parsestr(packed.read(name).decode())["Version"])


def _of_wheel(wheel: Path, directory: Path) -> list[Problem]:
    """Install the wheel in an empty environment, and ask it."""
    version = version_of(ROOT)
    found = [*otherwise(wheel.name, version_in_wheel(wheel), version, f"see {GALAXY}")]
    directory.mkdir()
    python = directory / "venv" / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(directory / "venv")],
        [str(python), "-m", "pip", "install", "--quiet", str(wheel)],
        [str(python.with_name("kai-ansible")), "--version"],
    ):
        code, said = _said(command, directory, python.parent)
        if code:
            return [*found, _objection(wheel.name, command, said)]
    found_version = said.strip().removeprefix("kai-ansible ")
    return [*found, *otherwise("kai-ansible --version", found_version, version, AGAIN)]


def _of_collection(archive: Path, directory: Path) -> list[Problem]:
    """Install the collection where there is no other, and look through its documentation."""
    directory.mkdir()
    installed = directory / "ansible_collections" / "kai" / "bot"
    lint = ["antsibull-docs", "lint-collection-docs", "--plugin-docs"]
    for command in (
        ["ansible-galaxy", "collection", "install", str(archive), "-p", str(directory)],
        [*lint, "--validate-collection-refs", "self", str(installed)],
    ):
        code, said = _said(command, directory)
        if code:
            return [_objection(archive.name, command, said)]
    return [_objection(archive.name, lint, said)] if said.strip() else []


def _of_importer(archive: Path, directory: Path) -> list[Problem]:
    """Import the collection as Galaxy does."""
    directory.mkdir()
    command = [sys.executable, "-m", "galaxy_importer.main", str(archive)]
    _, said = _said(command, directory)
    lines = said.splitlines()
    objections = [line for line in lines if line.startswith(("ERROR", "WARNING"))]
    if objections or not said.strip().endswith("Importer processing completed successfully"):
        return [_objection(archive.name, command, "\n".join(objections) or said)]
    return []


def _said(command: list[str], directory: Path, *binaries: Path) -> tuple[int, str]:
    environment = bare_environment(directory, *binaries)
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(directory)
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _stale(linter: tuple[str, ...]) -> list[Problem]:
    _, code, said = run(linter)
    return [_objection("the checkout", list(linter), said)] if code else []


def _objection(where: str, command: list[str], said: str) -> Problem:
    output = "\n".join(said.strip().splitlines()[-_LAST_LINES:]) or "nothing"
    return Problem(where, output, "no objection", f"fix what it names: {' '.join(command)}")


def otherwise(where: str, found: str, version: str, fix: str) -> Iterator[Problem]:
    """Yield that a place has another version, unless it is the same to Python."""
    if found != version and _order(found) != _order(version):
        yield Problem(where, found, f"{version}, as {GALAXY} has it", fix)


def _order(version: str) -> Version:
    """Return a version as Python compares it; what is none comes before all others."""
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0.dev0")


def _changelog_of(root: Path) -> str:
    """Return what CHANGELOG.md has to be by the data beside it."""
    with tempfile.TemporaryDirectory(prefix="kai-changelog-") as name:
        copy = Path(name)
        shutil.copy(root / GALAXY, copy)
        shutil.copytree(root / Path(CHANGES).parent, copy / Path(CHANGES).parent)
        command = ["antsibull-changelog", "generate"]
        code, said = _said(command, copy)
        made = copy / CHANGELOG
        return said if code else made.read_text(encoding="utf-8")


def main() -> int:
    """Check everything; return 1 when something is in the way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, metavar="DIRECTORY", help="keep what was built here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kai-release-") as name:
        found, packages = problems(Path(name))
        for problem in found:
            print(problem)
        if found or packages is None:
            print(f"{len(found)} in the way of a release.")
            return 1
        if options.output:
            shutil.copytree(packages.wheel.parent, options.output, dirs_exist_ok=True)
        for file, checksum in packages.sums.items():
            print(f"{checksum}  {file}")
    print(f"{version_of(ROOT)} can be released.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
