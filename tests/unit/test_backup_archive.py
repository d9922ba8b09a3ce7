"""The reader of backups takes what the writer wrote, and nothing else."""

import copy
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.controller.decrypted_backup import decrypted
from kai_ansible.rules.backup_archive import (
    DATA,
    META,
    ArchiveWriter,
    BadArchive,
    Meta,
    read_archive,
    read_meta,
)
from kai_ansible.rules.data_limits import MOST_CONFIG_BYTES

HOST = Meta("bot", "2026-01-02T03:04:05Z", "0a1b", "/var/lib/kai", {"kai.yml": "a: 1\n"})
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
PARTS = NAMES.filter(lambda name: name not in (".", ".."))


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    made.mode = 0o640
    made.uname = made.gname = "alice"
    for key, value in more.items():
        setattr(made, key, value)
    return made


def archive(*members: tuple[tarfile.TarInfo, bytes], meta: Meta = HOST, ends: bool = True) -> bytes:
    """Return a backup of a data directory with these members."""
    target = io.BytesIO()
    writer = ArchiveWriter(target, meta)
    for made, content in ((member(DATA, tarfile.DIRTYPE), b""), *members):
        made = copy.copy(made)
        made.size = len(content)
        writer.add(made, io.BytesIO(content) if made.isreg() else None)
    if ends:
        writer.finish()
    else:
        writer.close()
    return target.getvalue()


def contents(text: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def note(made: tarfile.TarInfo, content: Any) -> None:
        found[made.name] = content.read() if content else made.linkname.encode()

    read_archive(io.BytesIO(text), note)
    return found


def test_a_deployed_file_is_no_larger_than_one_that_was_backed_up() -> None:
    name = "config/etc/kai/env"
    assert contents(archive((member(name), bytes(MOST_CONFIG_BYTES))))
    with pytest.raises(BadArchive, match=f"{name} has more than 16 MB"):
        contents(archive((member(name), bytes(MOST_CONFIG_BYTES + 1))))


@given(st.dictionaries(PARTS, st.binary(max_size=4096)), st.floats(0, 2**33))
def test_what_was_written_is_read(files: dict[str, bytes], time: float) -> None:
    members = [
        (member(f"{DATA}/{name}", mtime=time), text)
        for name, text in sorted(files.items(), key=lambda item: item[0].encode())
    ]
    text = archive(*members)
    wanted = {f"{DATA}/{name}": content for name, content in files.items()}
    assert contents(text) == {DATA: b"", **wanted}
    summary = read_archive(io.BytesIO(text))
    assert summary.meta == read_meta(io.BytesIO(text)) == HOST
    assert (summary.owners, summary.numbers) == (["alice"], [])
    assert summary.size == sum(map(len, files.values()))


HOSTILE = {
    "absolute": [member("/etc/passwd")],
    "above": [member(f"{DATA}/../passwd")],
    "dot": [member(f"{DATA}/./a")],
    "elsewhere": [member("etc/passwd")],
    "twice": [member(f"{DATA}/a"), member(f"{DATA}/a")],
    "below a link": [
        member(f"{DATA}/a", tarfile.SYMTYPE, linkname="/etc"),
        member(f"{DATA}/a/passwd"),
    ],
    "below a file": [member(f"{DATA}/a"), member(f"{DATA}/a/b")],
    "below nothing": [member(f"{DATA}/a/b")],
    "hard link": [member(f"{DATA}/a", tarfile.LNKTYPE, linkname="/etc/shadow")],
    "device": [member(f"{DATA}/a", tarfile.BLKTYPE)],
    "character device": [member(f"{DATA}/a", tarfile.CHRTYPE)],
    "pipe": [member(f"{DATA}/a", tarfile.FIFOTYPE)],
    "link as configuration": [member("config/etc/kai/env", tarfile.SYMTYPE, linkname="/etc/x")],
    "set-user-ID": [member(f"{DATA}/a", mode=0o4755)],
    "odd time": [member(f"{DATA}/a", mtime=1e300)],
    "odd owner": [member(f"{DATA}/a", uname="a\nb")],
    "second meta": [member(META)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_member_that_would_leave_its_place_is_refused(members: list[tarfile.TarInfo]) -> None:
    with pytest.raises(BadArchive):
        contents(archive(*((made, b"") for made in members)))


def test_what_is_not_whole_or_of_another_format_is_refused() -> None:
    other = Meta(**{**HOST.__dict__, "format": 3})
    outside = Meta(**{**HOST.__dict__, "host_vars": {"../all.yml": ""}})
    file = (member(f"{DATA}/a"), b"text")
    for text in (
        archive(file, ends=False),
        archive(file, meta=other),
        archive(file, meta=outside),
        b"a letter",
        b"",
    ):
        with pytest.raises(BadArchive):
            read_archive(io.BytesIO(text))


def rewritten(text: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Return a backup with the contents of its members changed, of the same length or not."""
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(text)) as old,
        tarfile.open(fileobj=target, mode="w:gz") as new,
    ):
        for made in old:
            opened = old.extractfile(made)
            content = change(made.name, opened.read() if opened else b"")
            made.size = len(content)
            new.addfile(made, io.BytesIO(content) if opened else None)
    return target.getvalue()


def test_a_content_or_a_member_that_the_manifest_does_not_know_is_refused() -> None:
    text = archive((member(f"{DATA}/a"), b"text"))
    assert contents(rewritten(text, lambda _name, content: content))
    with pytest.raises(BadArchive, match="manifest"):
        contents(rewritten(text, lambda name, old: b"tixt" if name.endswith("/a") else old))

    def without(name: str, old: bytes) -> bytes:
        if name != "manifest.json":
            return old
        told = json.loads(old)
        told["members"] -= 1
        return json.dumps(told).encode()

    with pytest.raises(BadArchive, match="manifest"):
        contents(rewritten(text, without))


@pytest.mark.parametrize("size", range(20))
def test_what_ends_in_its_header_is_no_backup(size: int) -> None:
    with pytest.raises(BadArchive):
        contents(archive((member(f"{DATA}/a"), b"text"))[:size])


@given(st.data())
def test_no_damage_is_taken_for_a_backup(data: st.DataObject) -> None:
    text = archive((member(f"{DATA}/a"), b"text" * 100))
    cut = data.draw(st.integers(0, len(text) - 1))
    damaged = data.draw(
        st.sampled_from([text[:cut], text[:cut] + bytes([text[cut] ^ 0x41]) + text[cut + 1 :]])
    )
    try:
        found = contents(damaged)
    except BadArchive:
        return
    # what is no part of any member, such as the time in the header of gzip
    assert found == contents(text)


def test_a_file_that_becomes_shorter_is_filled() -> None:
    target = io.BytesIO()
    writer = ArchiveWriter(target, HOST)
    writer.add(member(DATA, tarfile.DIRTYPE))
    writer.add(member(f"{DATA}/a", size=10), io.BytesIO(b"text"))
    writer.finish()
    assert contents(target.getvalue())[f"{DATA}/a"] == b"text" + bytes(6)


def test_decryption_ends_with_what_was_encrypted(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    text = archive((member(f"{DATA}/a"), bytes(range(256)) * 4096))
    sealed = pyrage.encrypt(text, [identity.to_public()])
    path = tmp_path / "backup"
    path.write_bytes(b"before" + sealed + b"behind")
    with decrypted(str(path), str(identity), 6, len(sealed)) as backup:
        assert read_archive(backup).members == 3
        backup.finish()
    # a reader that has seen enough
    with decrypted(str(path), str(identity), 6, len(sealed)) as backup:
        assert read_meta(backup) == HOST
    other = str(pyrage.x25519.Identity.generate())
    cases = ((str(identity), len(sealed) - 1), (str(identity), None), (other, len(sealed)))
    for key, length in cases:
        with (
            pytest.raises(BadArchive, match="decrypted"),
            decrypted(str(path), key, 6, length) as backup,
        ):
            read_archive(backup)
            backup.finish()
