"""Damaged files of a real host: named, and brought back or moved away by what the product says."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.damage import (
    CUT,
    DIRECTORY,
    FIFO,
    HUGE,
    LATIN,
    NESTED,
    damage,
    named,
    refused_and_fixed,
)
from tests.machine.site import Site, Snapshot
from tests.testbed.machines import Machine

INSTALLED = True


pytestmark = pytest.mark.later(
    "each kind of damage of each file, one after the other on one machine", apart=True
)


@pytest.fixture(scope="module")
def site(machine: Machine, snapshot: Snapshot) -> Iterator[Site]:
    # ssh's socket below this home has to have a short path
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory), snapshot)
        yield site


@pytest.mark.parametrize("how", [FIFO, DIRECTORY, HUGE])
@pytest.mark.parametrize("path", ["/etc/kai/env", "/etc/kai/kai-ansible.json"])
def test_what_is_no_file_hangs_nothing(site: Site, path: str, how: str) -> None:
    damage(site, how, path)
    for command in ("status", "doctor"):
        done = site.run(command)
        assert done.code == 3, done.text
        named(done, path)
    refused_and_fixed(site, path)
    site.install()
    assert site.run("status").code == 0


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("/etc/kai/users.yaml", LATIN),
        ("/etc/kai/env", LATIN),
        ("/etc/kai/users.yaml", NESTED),
        ("/etc/kai/kai-ansible.json", NESTED),
        ("/etc/kai/env", CUT),
        ("/etc/sudoers.d/kai", LATIN),
        ("/etc/systemd/system/kai.service", LATIN),
    ],
)
def test_a_deployed_file_that_is_no_text_is_named_and_brought_back(
    site: Site, path: str, how: str
) -> None:
    damage(site, how, path)
    for command in ("status", "doctor"):
        done = site.run(command)
        assert done.code == 3, done.text
        named(done, path)
    check = site.run("install", "--check")
    assert check.code == 0, check.text
    named(check, path)
    site.install()
    assert site.run("status").code == 0


@pytest.mark.parametrize("how", [LATIN, FIFO, NESTED, DIRECTORY])
def test_a_lock_that_is_no_record_is_named(site: Site, how: str) -> None:
    path = "/run/kai-ansible.lock"
    damage(site, how, path)
    refused_and_fixed(site, path)
    site.install()


@pytest.mark.parametrize("how", [LATIN, FIFO, NESTED, DIRECTORY])
def test_what_was_verified_before_is_only_a_help(site: Site, how: str) -> None:
    damage(site, how, "/run/kai-ansible.proofs")
    site.install()
    site.new_release(f"proofs {how[:6]}")
    site.install()
    site.machine.run(["rm", "-rf", "/run/kai-ansible.proofs"])
