"""The collection and the package as others get them: what they hold, and what others' tools say."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools import sanity

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PYTHONS = sanity.pythons()
# what playbooks play of the role
PLAYED = set(
    re.findall(
        r"tasks_from: (.+)", "".join(path.read_text() for path in ROOT.glob("playbooks/*.yml"))
    )
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the tools see nothing of this checkout."""
    return sanity.bare_environment(BIN, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built collection."""
    return sanity.build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], archive: Path
) -> Path:
    """The collection where ansible-galaxy installs it."""
    path = tmp_path_factory.mktemp("collections")
    command = ["ansible-galaxy", "collection", "install", str(archive)]
    said(environment, path, *command, "--collections-path", str(path))
    return path / "ansible_collections" / "kai" / "bot"


def said(environment: dict[str, str], cwd: Path, *command: str) -> str:
    """Run a command that has to succeed, and return all that it says."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_archive_holds_what_users_need_and_nothing_else(archive: Path) -> None:
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        *("CHANGELOG.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"),
        *("bindep.txt", "execution-environment.yml"),
        *("changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".log"))]
    assert {"playbooks/install.yml", "roles/kai_install/vars/kai_1.yml"} <= set(names)


@pytest.fixture(scope="module")
def packages(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> tuple[Path, Path]:
    """Two builds of the Python package at the same date."""
    dated = {**environment, "SOURCE_DATE_EPOCH": "1767225600"}
    builds = [tmp_path_factory.mktemp("package") for _ in range(2)]
    for directory in builds:
        said(dated, ROOT, sys.executable, "-m", "build", "--outdir", str(directory), str(ROOT))
    return builds[0], builds[1]


def test_the_wheel_brings_the_rules_the_collection_and_the_manual_page(
    packages: tuple[Path, Path],
) -> None:
    [built] = packages[0].glob("*.whl")
    with zipfile.ZipFile(built) as packed:
        names = packed.namelist()
    assert {"kai_ansible/rules/masking.py", "kai_ansible/collection/galaxy.yml"} <= set(names)
    assert [name for name in names if name.endswith("/share/man/man1/kai-ansible.1")]
    assert len(names) == len(set(names))
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_two_builds_of_the_package_are_the_same_bytes(packages: tuple[Path, Path]) -> None:
    first, second = (
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}
        for directory in packages
    )
    assert len(first) == 2
    assert first == second


@pytest.mark.parametrize("kind", ["module", "filter", "lookup", "role"])
def test_ansible_doc_tells_everything_with_an_example(
    installed: Path, environment: dict[str, str], kind: str
) -> None:
    found = {**environment, "ANSIBLE_COLLECTIONS_PATH": str(installed.parents[2])}

    def ask(*arguments: str) -> dict[str, Any]:
        told = said(found, installed, "ansible-doc", "-t", kind, "--json", *arguments)
        return dict(json.loads(told))

    names = sorted(ask("--list", "kai.bot"))
    assert names
    for name, documented in ask(*names).items():
        if kind == "role":
            entries = documented["entry_points"]
            assert entries["main"]["options"]
            assert [point for point, entry in entries.items() if "examples" not in entry] == []
            assert {f"{point}.yml" for point in entries} >= PLAYED
            continue
        assert documented["doc"]["description"], name
        assert name in documented["examples"], name
        assert documented["return"], name


def test_antsibull_has_nothing_against_the_documentation(
    installed: Path, environment: dict[str, str]
) -> None:
    found = {**environment, "ANSIBLE_COLLECTIONS_PATH": str(installed.parents[2])}
    command = ["antsibull-docs", "lint-collection-docs", "--plugin-docs"]
    told = said(found, installed, *command, "--validate-collection-refs", "self", str(installed))
    assert not told.strip()


def test_galaxy_imports_the_collection_without_a_complaint(
    archive: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "galaxy_importer.main", str(archive)]
    told = said(environment, tmp_path, *command).splitlines()
    assert "Importer processing completed successfully" in told[-1]
    assert not [line for line in told if line.startswith(("ERROR", "WARNING"))]


def test_ansible_builder_makes_an_execution_environment_of_it(
    archive: Path, installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(ROOT / "execution-environment.yml", tmp_path)
    (tmp_path / "dist").mkdir()
    shutil.copy(archive, tmp_path / "dist")
    said(environment, tmp_path, "ansible-builder", "create", "--context", "context")
    assert (tmp_path / "context/_build/collections" / archive.name).is_file()
    collections = str(installed.parents[2])
    needed = said(environment, tmp_path, "ansible-builder", "introspect", collections)
    assert "git [" in needed


def test_ansible_test_sanity_passes_without_an_ignore_file(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as packed:
        assert not [name for name in packed.getnames() if "ignore" in name]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert not sanity.objections(archive, BIN, version, tmp_path)


@pytest.mark.matrix
@pytest.mark.parametrize("python", PYTHONS, ids=[path.name for path in PYTHONS])
def test_sanity_passes_on_every_supported_ansible_core(archive: Path, python: Path) -> None:
    wanted = sanity.releases(python)
    assert wanted
    assert {release: told for release, told in sanity.judged(archive, python, wanted) if told} == {}
