"""The vault password: the keyring among its places, and the commands below ``vault``.

The keyring is a stand-in: a backend of the keyring library that keeps everything in a JSON file.
"""

import json
import os
import shutil
import stat
from pathlib import Path

import pexpect
import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.cli.desk import TOKEN, Desk, exit_code
from tests.conftest import TESTS

pytestmark = pytest.mark.later(
    "passwords of vaults, made, moved and changed; test_one_reader.py opens vaults", apart=True
)

# a group named as a host is: its file of variables has a dot in its name
WARNED_OF = ("Invalid characters were found in group names",)


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """A desk with a configured localhost, its vault locked by our own password file."""
    desk.given(desk.answers())
    return desk


def use_keyring(desk: Desk, name: str = "Keyring") -> Path:
    """Give a desk the stand-in keyring, and return its file."""
    file = desk.work / "keyring.json"
    desk.variables.update(
        PYTHONPATH=str(TESTS / "fixtures" / "keyring"),
        PYTHON_KEYRING_BACKEND=f"stand_in.{name}",
        STAND_IN_KEYRING=str(file),
        PYTHONDONTWRITEBYTECODE="1",
    )
    return file


def kept(desk: Desk) -> dict[str, str]:
    """Return what the stand-in keyring has, by the inventory."""
    entries = json.loads((desk.work / "keyring.json").read_text(encoding="utf-8"))
    return {key.removeprefix("kai-ansible "): value for key, value in entries.items()}


def opens(password: str, path: Path) -> bool:
    vault = VaultLib([("default", VaultSecret(password.strip().encode()))])
    try:
        return TOKEN in vault.decrypt(path.read_bytes()).decode()
    except Exception:  # noqa: BLE001 # whatever it says about a password that is wrong
        return False


def vault(desk: Desk) -> Path:
    return desk.host_vars() / "vault.yml"


def done(desk: Desk, *arguments: str) -> str:
    """Run a command that has to succeed, and return what it printed."""
    result = desk.run(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(desk: Desk, *arguments: str) -> str:
    """Run a command that must be refused and change nothing, and return why."""
    before = desk.tree()
    result = desk.run(*arguments)
    assert result.returncode == 2, result.stdout + result.stderr
    assert desk.tree() == before
    return result.stderr


# places


def test_the_password_moves_into_the_keyring_and_is_found_there(ready: Desk) -> None:
    use_keyring(ready)
    password = ready.password_file.read_text(encoding="utf-8").strip()
    said = done(ready, "vault", "password", "--to-keyring")
    assert not ready.password_file.exists()
    assert kept(ready) == {str(ready.inventory): password}
    assert password not in said
    done(ready, "users", "list")
    assert "Vault password: the keyring, fingerprint" in done(ready, "vault", "password")
    # for this inventory, not for another
    ready.inventory.rename(ready.work / "other")
    assert "no vault password" in refused(ready, "users", "list", "-i", "other")


def test_the_keyring_comes_after_what_was_named_and_before_our_own_file(ready: Desk) -> None:
    password = ready.password_file.read_text(encoding="utf-8")
    right, wrong = ready.write("right", password), ready.write("wrong", "another one")
    file = use_keyring(ready)
    file.write_text(json.dumps({f"kai-ansible {ready.inventory}": "another one"}), encoding="utf-8")
    assert "from the keyring does not open" in refused(ready, "users", "list")
    done(ready, "users", "list", "--vault-password-file", str(right))
    ready.variables["ANSIBLE_VAULT_PASSWORD_FILE"] = str(right)
    done(ready, "users", "list")
    # as ansible-playbook has it, the named one comes beside that of the environment
    done(ready, "users", "list", "--vault-password-file", str(wrong))
    del ready.variables["ANSIBLE_VAULT_PASSWORD_FILE"]
    told = refused(ready, "users", "list", "--vault-password-file", str(wrong))
    assert f"from {wrong} does not open" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can come through sudo")
def test_through_sudo_the_keyring_is_left_alone(ready: Desk) -> None:
    file = use_keyring(ready)
    file.write_text(json.dumps({f"kai-ansible {ready.inventory}": "root's"}), encoding="utf-8")
    ready.variables["SUDO_USER"] = "nobody"
    told = refused(ready, "users", "list")
    assert "no vault password" in told
    assert "keyring" not in told
    named = ("--vault-password-file", str(ready.password_file))
    assert "without sudo" in refused(ready, "vault", "rekey", "--keyring", *named)


@pytest.mark.parametrize("backend", ["Asking", "Silent"])
def test_a_keyring_never_asks_or_hangs(ready: Desk, backend: str) -> None:
    use_keyring(ready, backend)
    child = ready.spawn("users", "list")
    child.expect(pexpect.EOF)
    assert exit_code(child) == 0
    assert "Unlock" not in child.before
    assert "Ada" in child.before


def test_without_a_keyring_the_file_stays(ready: Desk) -> None:
    ready.variables["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    for command in (("password", "--to-keyring"), ("rekey", "--keyring")):
        told = refused(ready, "vault", *command)
        assert "not usable" in told
    done(ready, "users", "list")


# rekey


def test_rekey_locks_every_vault_with_a_new_password_in_the_same_place(ready: Desk) -> None:
    old = ready.password_file.read_text(encoding="utf-8")
    other = ready.write("inventory/group_vars/all/secrets.yml", vault(ready).read_text())
    # the mode is the choice of the operator
    other.chmod(0o640)
    said = done(ready, "vault", "rekey")
    new = ready.password_file.read_text(encoding="utf-8")
    assert new != old
    for path in (vault(ready), other):
        assert opens(new, path)
        assert not opens(old, path)
        assert str(path.relative_to(ready.work)) in said
    assert stat.S_IMODE(vault(ready).stat().st_mode) == 0o600
    assert stat.S_IMODE(other.stat().st_mode) == 0o640
    assert str(ready.password_file) in said
    # another inventory may be locked with the old one
    [former] = [
        path for path in ready.password_file.parent.iterdir() if path != ready.password_file
    ]
    assert former.read_text(encoding="utf-8") == old
    assert str(former) in said
    assert {stat.S_IMODE(path.stat().st_mode) for path in (former, ready.password_file)} == {0o600}
    assert old.strip() not in said
    assert new.strip() not in said
    assert ready.secrets()["kai_install_telegram_bot_token"] == TOKEN
    done(ready, "users", "list")


def test_rekey_in_the_keyring(ready: Desk) -> None:
    use_keyring(ready)
    own = ready.password_file.read_text(encoding="utf-8")
    assert "New vault password: the keyring" in done(ready, "vault", "rekey", "--keyring")
    first = kept(ready)[str(ready.inventory)]
    assert opens(first, vault(ready))
    # our own file may serve another inventory
    assert ready.password_file.read_text(encoding="utf-8") == own
    done(ready, "vault", "rekey")
    second = kept(ready)
    assert list(second) == [str(ready.inventory)]
    assert second[str(ready.inventory)] != first
    assert opens(second[str(ready.inventory)], vault(ready))


def test_rekey_with_a_password_of_the_operators(ready: Desk) -> None:
    new = ready.write("new", "chosen by me\n")
    done(ready, "vault", "rekey", "--new-vault-password-file", str(new))
    assert opens("chosen by me", vault(ready))
    done(ready, "users", "list")
    named = ("--vault-password-file", str(new))
    newer = ready.write("newer", "chosen again\n")
    said = done(ready, "vault", "rekey", *named, "--new-vault-password-file", str(newer))
    assert f"--vault-password-file {newer}" in said
    assert opens("chosen again", vault(ready))
    same = ("--vault-password-file", str(newer), "--new-vault-password-file", str(newer))
    assert "the current password" in refused(ready, "vault", "rekey", *same)


def test_rekey_needs_a_place_for_the_new_password(ready: Desk) -> None:
    script = ready.write("script", f"#!/bin/sh\ncat {ready.password_file}\n")
    script.chmod(0o700)
    told = refused(ready, "vault", "rekey", "--vault-password-file", str(script))
    assert "--new-vault-password-file" in told


def test_rekey_of_a_typed_password(ready: Desk) -> None:
    password = ready.password_file.read_text(encoding="utf-8").strip()
    ready.password_file.unlink()
    new = ready.write("new", "chosen by me\n")
    for options, code in (((), 2), (("--new-vault-password-file", str(new)), 0)):
        child = ready.spawn("vault", "rekey", *options)
        child.expect("Vault password: ")
        child.sendline(password)
        child.expect(pexpect.EOF)
        assert exit_code(child) == code, child.before
    assert opens("chosen by me", vault(ready))


@pytest.mark.parametrize("keyring", [False, True])
def test_a_file_that_the_password_does_not_open_stops_it(ready: Desk, keyring: bool) -> None:
    if keyring:
        use_keyring(ready).write_text("{}", encoding="utf-8")
        done(ready, "vault", "password", "--to-keyring")
    locked = VaultLib([]).encrypt("a: 1\n", secret=VaultSecret(b"another one")).decode()
    path = ready.write("inventory/host_vars/other/vault.yml", locked)
    assert f"1. {path.relative_to(ready.work)}\n" in refused(ready, "vault", "rekey")


def test_a_value_that_is_locked_by_itself_stops_it(ready: Desk) -> None:
    inline = "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n"
    path = ready.write("inventory/group_vars/all.yml", inline)
    assert str(path.relative_to(ready.work)) in refused(ready, "vault", "rekey")


@pytest.mark.parametrize("keyring", [False, True])
def test_a_file_that_cannot_be_written_undoes_it(ready: Desk, keyring: bool) -> None:
    if keyring:
        use_keyring(ready).write_text("{}", encoding="utf-8")
        done(ready, "vault", "password", "--to-keyring")
    locked = vault(ready).read_text(encoding="utf-8")
    # a name so long that no file with a longer one can be made beside it
    ready.write(f"inventory/host_vars/zed/{'z' * 250}.yml", locked)
    assert "Nothing was written" in refused(ready, "vault", "rekey")


def test_an_inventory_without_a_vault(ready: Desk) -> None:
    vault(ready).unlink()
    assert "no vault" in refused(ready, "vault", "rekey")
    done(ready, "vault", "password")
    ready.password_file.unlink()
    assert "no vault and no vault password" in refused(ready, "vault", "password")
    assert "no vault password" in refused(ready, "vault", "password", "--to-keyring")


def test_the_keyring_keeps_the_password_of_sudo_for_a_login(desk: Desk) -> None:
    file = use_keyring(desk)
    address = {"ansible_host": "192.0.2.1", "ansible_port": 2222, "ansible_user": "operator"}
    hosts = {"bot": address, "alias": address, "other": {**address, "ansible_user": "root"}}
    desk.write("inventory/hosts.yml", {"all": {"hosts": hosts}})
    assert "run this at a terminal" in refused(desk, "sudo-password", "bot")
    child = desk.spawn("sudo-password", "bot:alias")
    child.expect("sudo password of operator@192.0.2.1:2222: ")
    child.sendline("correct horse")
    child.expect(pexpect.EOF)
    assert exit_code(child) == 0
    # a machine under two names has one, and somebody else's login there has none
    assert kept(desk) == {"sudo operator@192.0.2.1:2222": "correct horse"}
    done(desk, "sudo-password", "bot", "--forget")
    assert json.loads(file.read_text()) == {}


def locked_with(password: str) -> str:
    """Return a vault of one variable, locked with a password."""
    secret = VaultSecret(password.strip().encode())
    return str(VaultLib([]).encrypt("a: 1\n", secret=secret).decode())


@pytest.fixture
def scattered(ready: Desk) -> Desk:
    """A desk whose vaults are wherever Ansible reads one."""
    hosts = {"bot": {"ansible_connection": "local"}}
    groups = {name: {"hosts": {"bot": {}}} for name in ("prod", "prod.example.com")}
    ready.write("inventory/hosts.yml", {"all": {"hosts": hosts, "children": groups}})
    password = ready.password_file.read_text(encoding="utf-8")
    shutil.rmtree(ready.host_vars())
    ready.write("shared/vault.yml", locked_with(password))
    (ready.inventory / "host_vars").mkdir(exist_ok=True)
    (ready.inventory / "host_vars" / "bot").symlink_to(ready.work / "shared")
    for name in ("group_vars/prod.yml", "group_vars/prod.example.com", "site/hosts.ini"):
        ready.write(f"inventory/{name}", locked_with(password))
    # what Ansible passes over may be locked with anything, or be no text
    ready.write("inventory/group_vars/prod.yml~", locked_with("another one"))
    (ready.inventory / "group_vars" / "logo.png").write_bytes(b"\x89PNG\r\n\xff")
    return ready


def test_rekey_finds_every_vault_that_ansible_reads(scattered: Desk) -> None:
    scattered.write("inventory/site/hosts.ini", "[prod]\nbot\n")
    said = done(scattered, "vault", "rekey")
    new = VaultSecret(scattered.password_file.read_text(encoding="utf-8").strip().encode())
    places = ("host_vars/bot/vault.yml", "group_vars/prod.yml", "group_vars/prod.example.com")
    for name in places:
        VaultLib([("default", new)]).decrypt((scattered.inventory / name).read_bytes())
        assert f"inventory/{name}" in said
    assert (scattered.inventory / "host_vars" / "bot").is_symlink()
    assert "a bug" not in scattered.run("settings", "bot").stderr


def test_rekey_reads_a_vault_that_is_an_inventory(scattered: Desk) -> None:
    assert "inventory/site/hosts.ini" in done(scattered, "vault", "rekey")


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        (("vault", "rekey"), "site/hosts.ini"),
        (("vault", "rekey"), "group_vars/prod.example.com"),
        (("settings", "bot"), "group_vars/prod.example.com"),
        (("settings", "bot"), "host_vars/bot/vault.yml"),
    ],
)
def test_the_error_names_the_vault_that_does_not_open(
    scattered: Desk, command: tuple[str, ...], closed: str
) -> None:
    if closed != "site/hosts.ini":
        scattered.write("inventory/site/hosts.ini", "[prod]\nbot\n")
    scattered.write(f"inventory/{closed}", locked_with("another one"))
    assert f"1. inventory/{closed}\n" in refused(scattered, *command)


def test_the_password_moves_only_if_it_opens_every_vault(scattered: Desk) -> None:
    use_keyring(scattered)
    scattered.write("inventory/group_vars/prod.example.com", locked_with("another one"))
    told = refused(scattered, "vault", "password", "--to-keyring")
    assert "1. inventory/group_vars/prod.example.com\n" in told
