"""The collection as others get it: what the archive holds, and Ansible's own sanity tests of it."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

# ansible-test would download pip's installer; Python carries one
PIP_WITHOUT_DOWNLOAD = """\
import subprocess, sys
sys.exit(subprocess.call([sys.executable, "-m", "ensurepip", "--default-pip"]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which ansible-test and ansible-galaxy see nothing of this checkout."""
    home = tmp_path_factory.mktemp("home")
    passed_on = ("LANG", "PIP_", "SSL_CERT", "REQUESTS_CA")
    kept = {name: value for name, value in os.environ.items() if name.startswith(passed_on)}
    return {**kept, "HOME": str(home), "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """The built collection."""
    output = tmp_path_factory.mktemp("build")
    subprocess.run(
        ["ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(output)],
        check=True,
        capture_output=True,
        env=environment,
    )
    [built] = output.glob("kai-bot-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], archive: Path
) -> Path:
    """The collection where ansible-galaxy installs it."""
    path = tmp_path_factory.mktemp("collections")
    subprocess.run(
        ["ansible-galaxy", "collection", "install", str(archive), "--collections-path", str(path)],
        check=True,
        capture_output=True,
        cwd=path,
        env=environment,
    )
    return path / "ansible_collections" / "kai" / "bot"


@pytest.mark.slow
def test_the_archive_holds_what_users_need_and_nothing_else(archive: Path) -> None:
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        *("CHANGELOG.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"),
        *("docs", "meta", "playbooks", "plugins", "roles"),
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".log"))]
    assert {"playbooks/install.yml", "roles/kai_install/vars/kai_1.yml"} <= set(names)


@pytest.mark.slow
def test_the_wheel_brings_the_rules_the_collection_and_the_manual_page(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    [built] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as packed:
        names = packed.namelist()
    assert {"kai_ansible/rules/masking.py", "kai_ansible/collection/galaxy.yml"} <= set(names)
    assert [name for name in names if name.endswith("/share/man/man1/kai-ansible.1")]
    assert len(names) == len(set(names))


@pytest.mark.slow
@pytest.mark.parametrize(
    "plugin", ["kai_installs", "kai_probe", "kai_proof", "kai_release", "kai_status", "kai_switch"]
)
def test_ansible_doc_shows_a_module(
    installed: Path, environment: dict[str, str], plugin: str
) -> None:
    shown = subprocess.run(
        ["ansible-doc", f"kai.bot.{plugin}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=installed,
        env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(installed.parents[2])},
    )
    assert plugin in shown.stdout
    assert "EXAMPLES" in shown.stdout


@pytest.mark.slow
def test_ansible_test_sanity_passes_without_an_ignore_file(
    installed: Path, environment: dict[str, str]
) -> None:
    assert not list(installed.glob("tests/sanity/ignore*"))
    subprocess.run(["git", "init", "--quiet"], check=True, cwd=installed, env=environment)
    subprocess.run(["git", "add", "--all"], check=True, cwd=installed, env=environment)
    cache = Path(environment["HOME"], ".ansible", "test", "cache")
    cache.mkdir(parents=True)
    (cache / pip_installer_name()).write_text(PIP_WITHOUT_DOWNLOAD, encoding="utf-8")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    run = subprocess.run(
        ["ansible-test", "sanity", "--local", "--python", version, "--color", "no"],
        check=False,
        capture_output=True,
        text=True,
        cwd=installed,
        env=environment,
    )
    told = run.stdout + run.stderr
    assert run.returncode == 0, "\n".join(
        line for line in told.splitlines() if line.startswith(("ERROR", "FATAL"))
    )


def pip_installer_name() -> str:
    """The file name under which ansible-test looks for pip's installer, its version in it."""
    import ansible_test

    source = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    found = re.search(r"pip='(?P<version>[\d.]+)'", source.read_text(encoding="utf-8"))
    assert found, "ansible-test names its pip in another way now"
    return f"get_pip_{found['version'].replace('.', '_')}.py"
