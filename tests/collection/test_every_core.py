"""What the command knows through Ansible, with each release of ansible-core that is supported."""

import json
import subprocess
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.conftest import ROOT
from tools import sanity

PYTHONS = sanity.pythons()
READ = """
import json
from pathlib import Path
from kai_ansible.ansible.api import decrypt, encrypt
from kai_ansible.ansible.reading import hosts_of, read
found = read(Path("inventory"), "bot", ["--vault-password-file", "password"])
secrets = found.session.vault
assert decrypt(encrypt("a", secrets), secrets) == b"a"
[known] = found.hosts.values()
names = ("variables", "faults", "local", "ssh", "has_become_password", "failure")
print(json.dumps([{name: getattr(known, name) for name in names},
                  {Path(file).name: list(names) for file, names in known.files.items()},
                  sorted(hosts_of(Path("inventory")))]))
"""


@pytest.mark.later("the ansible-core of development judges every change")
@pytest.mark.parametrize("python", PYTHONS, ids=[path.name for path in PYTHONS])
def test_ansible_reports_the_same_on_every_supported_core(tmp_path: Path, python: Path) -> None:
    cores = sanity.releases(python)
    assert cores
    for core in cores:
        directory = tmp_path / core
        directory.mkdir()
        judge(directory, python, core)


def judge(tmp_path: Path, base: Path, core: str) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([base, "-m", "venv", tmp_path / "venv"], check=True)
    wanted = [f"ansible-core=={core}.*", "ansible-runner", "platformdirs", "pyyaml"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    host_vars = tmp_path / "inventory" / "host_vars" / "bot"
    host_vars.mkdir(parents=True)
    (tmp_path / "password").write_text("open sesame")
    (tmp_path / "inventory" / "hosts.yml").write_text(
        "all: {hosts: {bot: {ansible_port: 2222, ansible_become_password: x}, other: {}}}\n"
    )
    locked = VaultLib([]).encrypt("kai_install_a: 1\n", secret=VaultSecret(b"open sesame"))
    (host_vars / "vault.yml").write_bytes(locked)
    (host_vars / "more.yml").write_text("kai_install_b: '{{ 1 + 1 }}'\nkai_install_c: '{{ no }}'\n")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [python, "-c", READ],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    known, files, hosts = json.loads(done.stdout)
    assert "'no' is undefined" in known.pop("faults")["kai_install_c"]
    assert known == {
        "variables": {"kai_install_a": 1, "kai_install_b": 2},
        "local": False,
        "ssh": ["ssh", "-p", "2222", "bot"],
        "has_become_password": True,
        "failure": "",
    }
    assert files == {
        "more.yml": ["kai_install_b", "kai_install_c"],
        "vault.yml": ["kai_install_a"],
    }
    assert hosts == ["bot", "other"]
