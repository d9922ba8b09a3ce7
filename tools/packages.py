"""Builds collection and package so that the same checkout gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
MANIFEST, FILES = "MANIFEST.json", "FILES.json"
_PASSED_ON = ("LANG", "PIP_", "SSL_CERT", "REQUESTS_CA")


def bare_environment(home: Path, binaries: Path = BIN) -> dict[str, str]:
    """Return an environment for tools of others that has nothing of the caller's settings."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    return {**kept, "HOME": str(home), "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin"}


def epoch() -> int:
    """Return the time that packages bear: SOURCE_DATE_EPOCH, or that of the last commit.

    Raises CalledProcessError where there is neither.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def copy_checkout(directory: Path) -> Path:
    """Copy what git knows or would take of the checkout into a new directory, and return that.

    The copies are of now, and a directory may give them in another order.
    """
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run(
        [*command, "--exclude-standard"], check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # one that was removed and not committed yet is still listed
        if source.is_symlink() or source.exists():
            shutil.copy(source, target, follow_symlinks=False)
    return directory


def build_collection(directory: Path, root: Path = ROOT) -> Path:
    """Build the collection of a checkout into a directory, and return the archive.

    Raises CalledProcessError when ansible-galaxy objects.
    """
    with tempfile.TemporaryDirectory(prefix="kai-build-") as scratch:
        subprocess.run(
            ["ansible-galaxy", "collection", "build", str(root), "--output-path", scratch],
            check=True,
            capture_output=True,
            text=True,
            env=bare_environment(Path(scratch)),
        )
        [built] = Path(scratch).glob("*.tar.gz")
        archive = directory / built.name
        archive.write_bytes(_repacked(built, epoch()))
    return archive


def build_package(directory: Path, root: Path = ROOT) -> tuple[Path, Path]:
    """Build the Python package into a directory; return the wheel and the source distribution.

    Raises CalledProcessError when the build fails.
    """
    with tempfile.TemporaryDirectory(prefix="kai-build-") as scratch:
        subprocess.run(
            [sys.executable, "-m", "build", "--outdir", str(directory), str(root)],
            check=True,
            capture_output=True,
            text=True,
            env={**bare_environment(Path(scratch)), "SOURCE_DATE_EPOCH": str(epoch())},
        )
    [wheel], [source] = directory.glob("*.whl"), directory.glob("kai_ansible-*.tar.gz")
    return wheel, source


def _repacked(archive: Path, time: int) -> bytes:
    """Return a collection with its files in order and of one time.

    ansible-galaxy takes them as the directory has them, and notes when it did.
    """
    contents: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(archive) as packed:
        for member in packed:
            opened = packed.extractfile(member) if member.isreg() else None
            contents[member.name] = member, opened.read() if opened else b""
    files = json.loads(contents[FILES][1])
    files["files"].sort(key=lambda entry: entry["name"])
    manifest = json.loads(contents[MANIFEST][1])
    text = _json(files)
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(text).hexdigest()
    contents[FILES] = contents[FILES][0], text
    contents[MANIFEST] = contents[MANIFEST][0], _json(manifest)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as packed:
        # where ansible-galaxy looks for them, before everything else
        for name in dict.fromkeys([MANIFEST, FILES, *sorted(contents)]):
            member, content = contents[name]
            # the headers of a member that was read keep its time whatever it is set to
            new = tarfile.TarInfo(name)
            new.type, new.mode, new.linkname = member.type, member.mode, member.linkname
            new.mtime, new.size = time, len(content)
            packed.addfile(new, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=time)


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=1).encode()
