"""A backup knows which host_vars the controller gave to it, whatever the host puts into it."""

import io
import tarfile
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.ansible.api import decrypt, encrypt
from kai_ansible.errors import CommandError
from kai_ansible.rules.backup_archive import DATA, ArchiveWriter, Meta
from kai_ansible.secrets.sealed_backup import Backup, NewBackup, digest_of, open_backup
from kai_ansible.secrets.vault_password import VaultPassword

PASSWORD = VaultPassword(b"a password", None)
OURS = {"kai.yml": "a: '{{ b }}'\n", "vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n00\n"}
HOSTILE = "a: \"{{ lookup('pipe', 'id > /tmp/x') }}\"\n"
CREATED = "2026-01-02T03:04:05Z"


def made(
    path: Path,
    returned: dict[str, str],
    created: str = CREATED,
    ours: dict[str, str] | None = None,
) -> NewBackup:
    """Make a backup with what a host returned."""
    new = NewBackup(path, PASSWORD, OURS if ours is None else ours)
    content = io.BytesIO()
    writer = ArchiveWriter(content, Meta("bot", created, None, "/var/lib/kai", returned))
    data = tarfile.TarInfo(DATA)
    data.type, data.mode, data.uname, data.gname = tarfile.DIRTYPE, 0o755, "kai", "kai"
    writer.add(data)
    writer.finish()
    content.seek(0)
    with new.beside.open("ab") as handle:
        pyrage.encrypt_io(content, handle, [pyrage.x25519.Recipient.from_str(new.recipient)])
    return new


def opened(path: Path) -> Backup:
    return open_backup(path, PASSWORD)


def test_host_vars_that_come_back_unchanged_are_those_of_the_controller(tmp_path: Path) -> None:
    new = made(tmp_path / "bot.kai", OURS)
    summary = new.finish()
    assert summary is not None
    assert summary.meta.host_vars == new.host_vars
    backup = opened(tmp_path / "bot.kai")
    assert backup.meta().host_vars == OURS
    assert backup.origin_of_host_vars == "controller"


@pytest.mark.parametrize(
    "returned",
    [
        {"kai.yml": HOSTILE, "vault.yml": OURS["vault.yml"]},
        {**OURS, "z.yml": HOSTILE},
        {"kai.yml": OURS["kai.yml"]},
        {"kai.yml": OURS["vault.yml"], "vault.yml": OURS["kai.yml"]},
        {"vars.yml": OURS["kai.yml"], "vault.yml": OURS["vault.yml"]},
        {},
    ],
)
def test_host_vars_that_the_host_changed_are_known_as_such(
    tmp_path: Path, returned: dict[str, str]
) -> None:
    new = made(tmp_path / "bot.kai", returned)
    summary = new.finish()
    assert summary is not None
    assert summary.meta.host_vars != new.host_vars
    assert opened(tmp_path / "bot.kai").origin_of_host_vars == "changed"


def test_a_backup_of_an_earlier_version_says_nothing_about_its_host_vars(tmp_path: Path) -> None:
    path = tmp_path / "bot.kai"
    made(path, OURS).finish()
    backup = opened(path)
    earlier = Backup(path, backup.offset, backup.length, backup.identity)
    assert earlier.origin_of_host_vars == "unknown"


def test_the_key_still_opens_the_backup_with_age_alone(tmp_path: Path) -> None:
    new = made(tmp_path / "bot.kai", OURS)
    assert new.identity.startswith("AGE-SECRET-KEY-")
    new.finish()
    assert opened(tmp_path / "bot.kai").identity == new.identity


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "bot.kai", OURS, created="[red]yesterday").finish()
    with pytest.raises(CommandError, match="its time is not valid"):
        opened(tmp_path / "bot.kai").meta()


files = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)


@given(files, files)
def test_only_the_same_files_have_the_same_digest(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (digest_of(one) == digest_of(other)) == (one == other)


def test_a_key_of_an_earlier_version_opens(tmp_path: Path) -> None:
    path = tmp_path / "bot.kai"
    new = made(path, OURS)
    new.finish()
    # the key is the identity alone there
    text = path.read_bytes()
    size = int(text[124:135], 8)
    key = decrypt(text[512 : 512 + size].decode(), PASSWORD.secrets)
    assert key.decode().splitlines()[-1] == new.identity
    alone = encrypt(new.identity, PASSWORD.secrets, "").encode()
    rest = text[512 + size + -size % 512 :]
    header = bytearray(text[:512])
    header[124:136] = b"%011o\0" % len(alone)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    earlier = tmp_path / "earlier.kai"
    earlier.write_bytes(bytes(header) + alone + bytes(-len(alone) % 512) + rest)
    assert opened(earlier).identity == new.identity
    assert opened(earlier).origin_of_host_vars == "unknown"
