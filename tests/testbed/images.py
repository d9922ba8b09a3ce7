"""Build the images of the machines: one per Debian suite, named by their recipe."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tools import progress

from . import podman, state
from .podman import TestbedError

SUITES = ("trixie", "bookworm")
REPOSITORY = "localhost/kai-ansible-testbed"
# names an image of Debian's or Fedora's family that machines are made from in place of Debian's
BASE = "KAI_TESTBED_BASE"

_HERE = Path(__file__).parent
_CHECKOUT = "kai-ansible.checkout"
_CERTS = Path("/etc/ssl/certs")
_STEP_SECONDS = 1800


def host_certs() -> Path | None:
    """Return the host's directory of CA certificates, when a machine can use it.

    Only Debian's layout serves: elsewhere the bundle is a link to a place that
    a machine does not have.
    """
    bundle = _CERTS / "ca-certificates.crt"
    return _CERTS if bundle.is_file() and not bundle.is_symlink() else None


def tag(suite: str) -> str:
    """Return the image name of `suite`; it changes with the recipe and with another base.

    Raises TestbedError for a suite that is not in SUITES.
    """
    if suite not in SUITES:
        raise TestbedError(f"unknown suite {suite!r}; known: {', '.join(SUITES)}")
    digest = hashlib.sha256(suite.encode() + os.environ.get(BASE, "").encode())
    for path in [_HERE / "Containerfile", *sorted((_HERE / "files").iterdir())]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{REPOSITORY}:{suite}-{digest.hexdigest()[:12]}"


def ensure(suite: str) -> str:
    """Build the image of `suite` unless it is there; return its name.

    The image is also tagged REPOSITORY:SUITE, for tools that want a fixed name.
    Progress goes to stderr, the output of the build to a log in the state directory.
    Raises TestbedError, with the end of the log and its path, when the build fails.
    """
    image = tag(suite)
    if _exists(image):
        return image
    with lock(f"image-{suite}"):
        if not _exists(image):
            _build(suite, image)
            _remove_old(suite, image)
    return image


def _exists(image: str) -> bool:
    return podman.run(["image", "exists", image], check=False).returncode == 0


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Let one process of this account at a time make what has a name, in any checkout.

    Images are shared by checkouts, so the lock is not in one of them.
    """
    # a directory of one's own, as others may write in the temporary one
    place = Path(tempfile.gettempdir(), f"kai-ansible-testbed-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        raise TestbedError(f"{place} is not a directory of this account; remove it")
    with (place / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(suite: str, image: str) -> None:
    path = state.root() / f"image-{suite}.log"
    print(f"Building {image} (log: {path})", file=sys.stderr, flush=True)
    certs = host_certs()
    # Not at /etc/ssl/certs: installing ca-certificates writes there.
    volume = [] if certs is None else ["--volume", f"{certs}:/run/host-certs:ro"]
    with path.open("w", encoding="utf-8") as log:
        base = _base(suite, log)
        command = [
            "podman",
            "build",
            # One layer, and no cached ones of 1 GB each left behind.
            "--layers=false",
            "--force-rm",
            f"--build-arg=BASE={base}",
            *volume,
            f"--tag={image}",
            f"--tag={REPOSITORY}:{suite}",
            f"--label={_CHECKOUT}={state.CHECKOUT}",
            f"--file={_HERE / 'Containerfile'}",
            str(_HERE),
        ]
        _step("Installing packages and agents", command, log)


def _base(suite: str, log: IO[str]) -> str:
    chosen = os.environ.get(BASE)
    if chosen:
        return chosen
    # Root with debootstrap needs no registry; anybody else has no other way
    # than one, since debootstrap makes devices and mounts.
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        return f"docker.io/library/debian:{suite}"
    base = f"{REPOSITORY}-base:{suite}"
    if _exists(base):
        return base
    work = Path(tempfile.mkdtemp(prefix="kai-ansible-testbed-", dir="/var/tmp"))
    try:
        # A directory below, made by debootstrap: the mode of the temporary one
        # would become that of / in the image.
        tree, archive = work / "root", work / "root.tar"
        _step(
            f"Installing Debian {suite}",
            ["debootstrap", "--variant=minbase", suite, str(tree)],
            log,
        )
        skip = ["./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*"]
        excludes = [f"--exclude={pattern}" for pattern in skip]
        _step("Packing it", ["tar", "-C", str(tree), *excludes, "-cf", str(archive), "."], log)
        _step("Importing it", ["podman", "import", str(archive), base], log)
    finally:
        # An interrupted debootstrap leaves /proc mounted inside.
        remove = ["rm", "-rf", "--one-file-system", str(work)]
        subprocess.run(remove, check=False, stderr=subprocess.DEVNULL)
    return base


def _step(title: str, command: Sequence[str], log: IO[str]) -> None:
    failure = None
    try:
        with progress.shown(title, Path(log.name)):
            result = subprocess.run(
                command,
                env=podman.environment(),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_STEP_SECONDS,
                umask=0o022,
            )
        if result.returncode != 0:
            failure = f"exit code {result.returncode}"
    except FileNotFoundError:
        failure = "not installed; run tests/testbed/prepare"
    except subprocess.TimeoutExpired:
        failure = f"no end after {_STEP_SECONDS} s"
    if failure is not None:
        log.flush()
        lines = Path(log.name).read_text(encoding="utf-8", errors="replace").splitlines()
        tail = "\n".join(lines[-20:])
        raise TestbedError(f"{tail}\n{' '.join(command[:2])}: {failure}\nfull log: {log.name}")


def _remove_old(suite: str, image: str) -> None:
    # those of another checkout are that one's to remove
    own = f"--filter=label={_CHECKOUT}={state.CHECKOUT}"
    # podman takes no name beside a filter
    result = podman.run(["images", own, "--format", "{{.Repository}}:{{.Tag}}"])
    for old in result.stdout.split():
        if old.startswith(f"{REPOSITORY}:{suite}-") and old != image:
            # An image that a machine still runs on stays until the next build.
            podman.run(["rmi", old], check=False)
