"""A host on which a bot is installed already: made once for each state of the code, by the product.

A module whose machine starts from it has `INSTALLED = True`; its Site then has the desk from which
the install was made.
"""

import hashlib
import json
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.machine.site import Site, Snapshot
from tests.testbed import images, machines, podman, state

REPOSITORY = "localhost/kai-ansible-installed"
# whatever decides what an install of the stand-in makes of a host
_DECIDING = (
    *("kai_ansible", "meta", "playbooks", "plugins", "roles", "tests/fixtures", "tests/testbed"),
    *("ansible.cfg", "galaxy.yml", "requirements-dev.txt"),
    *("tests/cli/desk.py", "tests/machine/installed.py", "tests/machine/site.py"),
)


def ensure() -> Snapshot:
    """Return the snapshot of this state of the code, made when it is not there.

    Raises TestbedError when its machine cannot be started, and fails when it cannot be installed.
    """
    image = f"{REPOSITORY}:{state.CHECKOUT}-{_digest()}"
    kept = state.root() / "installed.json"
    with images.lock(f"installed-{state.CHECKOUT}"):
        if podman.run(["image", "exists", image], check=False).returncode != 0:
            kept.write_text(json.dumps(_make(image)), encoding="utf-8")
        return Snapshot(image, json.loads(kept.read_text(encoding="utf-8")))


def settle(machine: machines.Machine) -> None:
    """Let a machine that starts from the snapshot have what was installed in a layer of its own.

    overlayfs cannot rename a directory that came with the image.
    """
    script = """
    systemctl stop kai.service
    for place in /etc/kai /opt/kai /var/lib/kai; do
        cp -a $place $place.own
        rm -rf $place
        mv $place.own $place
    done
    systemctl start kai.service
    """
    machine.run(["sh", "-ec", script])


def _make(image: str) -> dict[str, str]:
    """Install on a fresh machine, keep that as an image, and return the files of the desk."""
    old = podman.run(["images", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY]).stdout.split()
    for name in old:
        if name.startswith(f"{REPOSITORY}:{state.CHECKOUT}-"):
            podman.run(["rmi", "--force", name], check=False)
    with (
        machines.running("installed") as machine,
        # ssh's socket below this home has to have a short path
        tempfile.TemporaryDirectory(prefix="desk-") as directory,
    ):
        site = Site(machine, Path(directory))
        site.install()
        # a database that nobody writes, and no keys of this machine
        machine.run(["systemctl", "stop", "kai.service"])
        machine.run(
            ["rm", "-f", "/root/.ssh/authorized_keys", "/home/operator/.ssh/authorized_keys"]
        )
        podman.run(["commit", "--quiet", machine.container, image])
        return site.desk.kept()


def _digest() -> str:
    """Return a digest of the state of the code."""
    digest = hashlib.sha256(images.tag("trixie").encode())
    for name in _DECIDING:
        place = ROOT / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
