"""The collection and the package as others get them: what they hold, and what others' tools say."""

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

from kai_ansible.rules.problems import Problem
from tools import release, sanity
from tools.packages import bare_environment, build_collection

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sanity.pythons()
# what playbooks play of the role
# the wizard's probe is a part of the role, and no entry point
PLAYED = set(
    re.findall(
        r"tasks_from: (.+)", "".join(path.read_text() for path in ROOT.glob("playbooks/*.yml"))
    )
) - {"probe.yml"}

pytestmark = pytest.mark.slow
PYLINT = pytest.mark.later("ruff has most of its rules; make sanity-all runs it too", apart=True)
PACKAGES = pytest.mark.later("two builds and the tools of others; make release-check runs them too")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what is released was built and installed."""
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the tools see nothing of this checkout."""
    return bare_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the collection."""
    return build_collection(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def judged(place: Path) -> tuple[list[Problem], release.Packages]:
    """What is in the way of a release, and what would be released."""
    found, packages = release.problems(place)
    assert packages, found
    return found, packages


@pytest.fixture(scope="module")
def packages(judged: tuple[list[Problem], release.Packages]) -> release.Packages:
    """What would be released."""
    return judged[1]


@pytest.fixture(scope="module")
def installed(place: Path, packages: release.Packages) -> Path:
    """The collection where ansible-galaxy installs it."""
    return place / release.INSTALLED / "ansible_collections" / "kai" / "bot"


def said(environment: dict[str, str], cwd: Path, *command: str) -> str:
    """Run a command that has to succeed, and return all that it says."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@PACKAGES
def test_only_changes_of_no_release_yet_are_in_the_way_of_one(
    judged: tuple[list[Problem], release.Packages],
) -> None:
    fragments = {str(path.relative_to(ROOT)) for path in ROOT.glob("changelogs/fragments/*.yml")}
    assert [str(problem) for problem in judged[0] if problem.where not in fragments] == []
    assert {problem.where for problem in judged[0]} == fragments


@PACKAGES
def test_the_archive_holds_what_users_need_and_nothing_else(packages: release.Packages) -> None:
    with tarfile.open(packages.collection) as packed:
        names = packed.getnames()
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        *("CHANGELOG.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"),
        *("bindep.txt", "execution-environment.yml"),
        *("changelogs", "docs", "meta", "playbooks", "plugins", "roles"),
    }
    assert [name for name in names if name.endswith("/rules/redact.py")] == [
        "plugins/module_utils/rules/redact.py"
    ]
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".log"))]
    assert {"playbooks/install.yml", "roles/kai_install/vars/kai_1.yml"} <= set(names)


@PACKAGES
def test_the_wheel_brings_the_rules_the_collection_and_the_manual_page(
    packages: release.Packages,
) -> None:
    with zipfile.ZipFile(packages.wheel) as packed:
        names = packed.namelist()
    assert {"kai_ansible/commands/install.py", "kai_ansible/collection/galaxy.yml"} <= set(names)
    assert [name for name in names if name.endswith("/share/man/man1/kai-ansible.1")]
    assert len(names) == len(set(names))
    assert [name for name in names if name.endswith("/rules/redact.py")] == [
        "kai_ansible/collection/plugins/module_utils/rules/redact.py"
    ]
    # the links of a checkout would bring each of these files once more
    links = tuple(f"kai_ansible/{room}" for room in ("rules", "host", "controller"))
    assert not [name for name in names if name.startswith(links)]
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


@PACKAGES
@pytest.mark.parametrize("kind", ["module", "filter", "role"])
def test_ansible_doc_documents_everything_with_an_example(
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


@PACKAGES
def test_ansible_builder_makes_an_execution_environment_of_it(
    packages: release.Packages, installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    archive = packages.collection
    shutil.copy(ROOT / "execution-environment.yml", tmp_path)
    (tmp_path / "dist").mkdir()
    shutil.copy(archive, tmp_path / "dist")
    said(environment, tmp_path, "ansible-builder", "create", "--context", "context")
    assert (tmp_path / "context/_build/collections" / archive.name).is_file()
    collections = str(installed.parents[2])
    needed = said(environment, tmp_path, "ansible-builder", "introspect", collections)
    assert "git [" in needed


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--skip-test", "pylint"), id="all but pylint"),
        pytest.param(("--test", "pylint"), id="pylint", marks=PYLINT),
    ],
)
def test_ansible_test_sanity_passes_without_an_ignore_file(
    archive: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with tarfile.open(archive) as packed:
        assert not [name for name in packed.getnames() if "ignore" in name]
    assert not sanity.objections(archive, BIN, VERSION, tmp_path, options)


@pytest.mark.later("the ansible-core and the Python of development judge every change")
@pytest.mark.parametrize("python", PYTHONS, ids=[path.name for path in PYTHONS])
def test_sanity_passes_on_every_supported_ansible_core(archive: Path, python: Path) -> None:
    wanted = sanity.matrix()[python]
    assert wanted
    found = dict(sanity.judged(archive, python, wanted))
    assert {core: told for core, told in found.items() if told} == {}
