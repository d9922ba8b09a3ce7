"""A host whose name servers do not answer: sudo itself judges how long each command waits."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.site import Site, Snapshot
from tests.testbed.machines import Machine

INSTALLED = True
pytestmark = pytest.mark.later("every command of sudo waits for a name here")

# nobody has this address on the network of the machines, so that a question gets no answer at all
HANG = (
    "cp /etc/hosts /etc/resolv.conf /root; echo 'nameserver 10.88.255.254' >/etc/resolv.conf; "
    'grep -v "$(hostname)" /root/hosts >/etc/hosts'
)
ANSWER = "cat /root/hosts >/etc/hosts; cat /root/resolv.conf >/etc/resolv.conf"


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        yield Site(machine, Path(directory), snapshot)


def notes_on_sudo(site: Site) -> list[str]:
    done = site.run("install", "--check")
    assert done.code == 0, done.text
    return [note for note in done.report["notes"] if "sudo took" in note]


def test_a_sudo_that_waits_for_a_name_is_reported_with_the_fix(site: Site) -> None:
    assert notes_on_sudo(site) == []
    name = site.machine.run(["hostname"]).stdout.strip()
    site.machine.run(["sh", "-ec", HANG])
    try:
        [note] = notes_on_sudo(site)
        assert f"127.0.1.1 {name}" in note
        # what the note says is enough
        site.machine.run(["sh", "-c", f"echo 127.0.1.1 {name} >>/etc/hosts"])
        assert notes_on_sudo(site) == []
    finally:
        site.machine.run(["sh", "-ec", ANSWER])
