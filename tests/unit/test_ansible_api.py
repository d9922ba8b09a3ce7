"""One file alone knows what ansible-core does not promise to keep."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai_ansible.ansible.api import AnsibleRefused, decrypt, encrypt
from kai_ansible.ansible.playbooks import INSTALL
from kai_ansible.ansible.reading import HostReading, Reading, Session
from kai_ansible.ansible.request import Run
from kai_ansible.secrets.vault_password import VaultPassword
from tests.conftest import ROOT

PACKAGE = ROOT / "kai_ansible"
# of it the plugins may import what every plugin has to
ALLOWED = {
    "ansible/api.py",
    "ansible/action_plugins/kai_read.py",
    "ansible/callback_plugins/kai_escaped.py",
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def test_only_one_file_imports_ansible() -> None:
    # the rooms of the collection are links, which are not followed
    files = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "rules")]
    found = {
        str(path.relative_to(PACKAGE))
        for path in files
        if any(name.split(".")[0] == "ansible" for name in imported(path))
    }
    assert {name for name in found if not name.startswith(("host/", "controller/"))} == ALLOWED


def test_what_is_locked_keeps_its_vault_id_and_opens_again() -> None:
    first, second = ("one", b"a"), ("two", b"b")
    former = encrypt("x: 1\n", [second])
    assert former.startswith("$ANSIBLE_VAULT;1.2;AES256;two\n")
    locked = encrypt("x: 2\n", [first, second], former)
    assert locked.startswith("$ANSIBLE_VAULT;1.2;AES256;two\n")
    assert decrypt(locked, [first, second]) == b"x: 2\n"
    with pytest.raises(AnsibleRefused):
        decrypt(locked, [first])


def test_python_shows_no_password() -> None:
    password = VaultPassword(b"s3cret", None, others=(("two", b"s3cret"),))
    session = Session([("one", b"s3cret")], typed_connection_password="s3cret")
    run = Run(
        *(INSTALL, Path("inventory")),
        vault_password=password,
        reading=Reading({"bot": HostReading({"kai_install_token": "s3cret"})}, session),
        become_password="s3cret",
        become_passwords={"bot": "s3cret"},
        known_secrets=["s3cret"],
    )
    assert "s3cret" not in repr(run)
