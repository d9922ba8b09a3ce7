"""An archive or a wheel of any content is read within bounds, or refused with a reason."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils.controller import source_files, source_limits
from plugins.module_utils.controller.source_files import Refused, read_source
from tests.unit.test_kai_source import asked

pytestmark = pytest.mark.slow

PROJECT = b'[project]\nname = "kai"\n'
MUCH = "expected Kai's code alone"


def a_tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a tar archive of Kai with more members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        project = tarfile.TarInfo("kai/pyproject.toml")
        project.size = len(PROJECT)
        archive.addfile(project, io.BytesIO(PROJECT))
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def a_member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member


def before_end(archive: bytes, block: bytes) -> bytes:
    """Return an archive with raw blocks in front of its first member."""
    return block + archive


def a_header(kind: bytes, size: int) -> bytes:
    """Return the header of a member with nothing behind it."""
    return a_member("x", size, kind).tobuf(tarfile.GNU_FORMAT)


def a_pax(record: bytes) -> bytes:
    """Return a pax header that says one thing of the next member."""
    length = len(record) + 3
    line = b"%d %s\n" % (length + len(str(length)) - 1, record)
    line = b"%d %s\n" % (len(line), record)
    return a_header(tarfile.XHDTYPE, len(line)) + line.ljust(512, b"\0")


def a_zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of Kai with more entries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in (("kai/pyproject.toml", PROJECT), *entries):
            archive.writestr(name, content)
    return packed.getvalue()


def with_fewer_bytes(archive: bytes, size: int, said: int) -> bytes:
    """Return a zip archive that says ``said`` where it has ``size`` bytes unpacked."""
    return archive.replace(struct.pack("<I", size), struct.pack("<I", said))


def encrypted() -> bytes:
    """Return a zip archive whose entries say that they need a password."""
    archive = bytearray(a_zip())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        archive[archive.index(signature) + at] |= 1
    return bytes(archive)


ZEROS = bytes(64 << 20)
TAR = a_tar()
SMALL = {"MOST_FILES": 100, "MOST_READS": 1000}
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "pax header": (lambda: gzip.compress(a_header(tarfile.XHDTYPE, 8 << 30) + TAR), "a header of"),
    "global pax header": (lambda: a_header(tarfile.XGLTYPE, 8 << 30) + TAR, "a header of"),
    "long name": (lambda: bz2.compress(a_header(tarfile.GNUTYPE_LONGNAME, 8 << 30)), "a header of"),
    "long link": (lambda: a_header(tarfile.GNUTYPE_LONGLINK, 1 << 40) + TAR, "a header of"),
    "pax after pax": (lambda: a_pax(b"comment=x") * 5000 + TAR, "cannot be read"),
    "size by pax": (lambda: a_pax(b"size=999999999999") + TAR, MUCH),
    "sparse by pax": (
        lambda: (
            a_pax(b"GNU.sparse.realsize=16492674416640")
            + a_pax(b"GNU.sparse.major=0")
            + a_pax(b"GNU.sparse.map=0,0")
            + TAR
        ),
        f"{MUCH}|cannot be read",
    ),
    "large member": (
        lambda: lzma.compress(a_tar((a_member("x", 200 << 20), bytes(200 << 20)))),
        MUCH,
    ),
    "many files": (lambda: a_tar(*((a_member(f"kai/{n}"), b"") for n in range(200))), MUCH),
    "many directories": (
        lambda: a_tar(*((a_member(f"{n}", 0, tarfile.DIRTYPE), b"") for n in range(200))),
        MUCH,
    ),
    "a directory of a terabyte": (
        lambda: a_header(tarfile.DIRTYPE, 1 << 40) + TAR,
        MUCH,
    ),
    "a member of a gigabyte": (lambda: gzip.compress(a_header(b"5", 1 << 30) + TAR), MUCH),
    "zip of much": (lambda: a_zip(*((f"x{n}", ZEROS) for n in range(3))), MUCH),
    "zip of many": (lambda: a_zip(*((f"x{n}/", b"") for n in range(200))), MUCH),
    "zip that lies": (
        lambda: with_fewer_bytes(a_zip(("x", ZEROS)), len(ZEROS), 10),
        "cannot be read",
    ),
    "zip by bzip2": (lambda: a_zip(("x", ZEROS), method=zipfile.ZIP_BZIP2), "compressed as 12"),
    "zip by lzma": (lambda: a_zip(("x", b"1"), method=zipfile.ZIP_LZMA), "compressed as 14"),
    "zip with a password": (encrypted, "cannot be read"),
    "cut off": (
        lambda: gzip.compress(a_tar((a_member("x", 9999), bytes(9999))))[:-20],
        "cannot be",
    ),
    "damaged": (lambda: lzma.compress(TAR)[:60] + bytes(60), "neither a directory|cannot be read"),
    "no archive": (lambda: b"#!/bin/sh\n", "is neither a directory nor a wheel"),
    "nothing": (lambda: b"", "is neither a directory nor a wheel"),
    "long part": (lambda: a_tar((a_member(f"kai/{'x' * 256}"), b"")), "longer than a name can be"),
    "long path": (lambda: a_tar((a_member("kai/" + "x/" * 600), b"")), "longer than a name can be"),
    "long part in a zip": (lambda: a_zip((f"kai/{'é' * 128}", b"")), "longer than a name can be"),
    "file and directory": (
        lambda: a_tar((a_member("kai/a"), b""), (a_member("kai/a/b"), b"")),
        "kai|a is a file and a directory",
    ),
    "the directory as a file": (lambda: a_tar((a_member("kai/.."), b"")), "leads out of"),
    "a dot": (lambda: a_zip((".", b"")), r"\. is a file and a directory"),
    "NUL in a name": (lambda: a_pax(b"path=kai/a\0b") + TAR, "has a NUL in it"),
    "nested": (
        lambda: a_zip(("pyproject.toml", b"a = " + b"[" * 5000 + b"]" * 5000)),
        "no pyproject.toml|cannot be read",
    ),
}


@pytest.mark.sample(15, "the same way with another kind")
@pytest.mark.parametrize("wheel", [False, True], ids=["archive", "wheel"])
@pytest.mark.parametrize("name", list(BOMBS))
def test_an_archive_of_any_kind_is_refused_within_bounds(
    tmp_path: Path, name: str, wheel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, reason = BOMBS[name]
    content = make()
    path = tmp_path / ("kai-1-py3-none-any.whl" if wheel else "kai")
    path.write_bytes(content)
    for limit, value in SMALL.items():
        monkeypatch.setattr(source_limits, limit, value)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="." if wheel else reason):
            read_source(asked(path))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


def test_a_list_of_millions_of_files_is_not_read(tmp_path: Path) -> None:
    entry = a_zip().split(b"PK\1\2", 1)[1].split(b"PK\5\6", 1)[0]
    listing = (b"PK\1\2" + entry) * 140_000
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 40_000, 40_000, len(listing), 0, 0)
    (tmp_path / "kai.zip").write_bytes(listing + end)
    with pytest.raises(Refused, match="found a header of"):
        read_source(asked(tmp_path / "kai.zip"))


def test_a_sparse_file_of_many_pieces_is_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_limits, "MOST_READS", 1000)
    head = bytearray(a_header(tarfile.GNUTYPE_SPARSE, 0))
    head[482] = 1
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 8 * 32 + sum(head[156:512]))
    more = (b"00000000001\0" * 42).ljust(504, b"\0") + b"\1" + bytes(7)
    (tmp_path / "kai.tar").write_bytes(bytes(head) + more * 20_000)
    with pytest.raises(Refused, match=MUCH):
        read_source(asked(tmp_path / "kai.tar"))


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_what_an_archive_holds_is_read_however_it_is_compressed(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    content = bytes(range(256)) * 10_000
    member = a_member("kai/src/" + "long/" * 60 + "é.bin", len(content))
    (tmp_path / "kai").write_bytes(compress(a_tar((member, content))))
    files, _told = read_source(asked(tmp_path / "kai"))
    assert files == {
        "pyproject.toml": (PROJECT, False),
        "src/" + "long/" * 60 + "é.bin": (content, False),
    }


def seeds() -> Iterator[bytes]:
    yield a_pax(b"mtime=1.5") + a_tar((a_member("kai/src/a", 600), bytes(600)))
    yield gzip.compress(a_tar((a_member("kai/b", 5), b"12345")), mtime=0)
    yield a_zip(("kai/src/a", b"1" * 600))
    yield a_zip(("kai-1.dist-info/METADATA", b"Name: kai\n"), ("kai-1.data/data/x", b"y"))


@given(
    seed=st.sampled_from(list(seeds())),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12),
    cut=st.integers(0, 4000) | st.none(),
    name=st.sampled_from(["kai", "kai-1-py3-none-any.whl"]),
)
def test_whatever_an_archive_says_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    seed: bytes,
    changes: list[tuple[int, int]],
    cut: int | None,
    name: str,
) -> None:
    content = bytearray(seed[:cut])
    for place, value in changes:
        if content:
            content[place % len(content)] = value
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    try:
        files, _told = read_source(asked(path))
    except Refused:
        return
    assert source_files.pack(files)
