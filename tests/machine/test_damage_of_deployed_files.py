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
def test_what_is_no_file_hangs_nothing(site: Site, how: str) -> None:
    paths = ("/etc/kai/env", "/etc/kai/kai-ansible.json")
    damage(site, how, *paths)
    for command in ("status", "doctor"):
        done = site.run(command)
        assert done.code == 3, done.text
        named(done, *paths)
    refused_and_fixed(site, *paths)
    site.install()
    assert site.run("status").code == 0


@pytest.mark.parametrize(
    ("how", "paths"),
    [
        (
            LATIN,
            [
                "/etc/kai/users.yaml",
                "/etc/kai/env",
                "/etc/sudoers.d/kai",
                "/etc/systemd/system/kai.service",
            ],
        ),
        (NESTED, ["/etc/kai/users.yaml", "/etc/kai/kai-ansible.json"]),
        (CUT, ["/etc/kai/env"]),
    ],
)
def test_deployed_files_that_are_no_text_are_named_and_brought_back(
    site: Site, how: str, paths: list[str]
) -> None:
    damage(site, how, *paths)
    for command in ("status", "doctor"):
        done = site.run(command)
        assert done.code == 3, done.text
        named(done, *paths)
    check = site.run("install", "--check")
    assert check.code == 0, check.text
    named(check, *paths)
    site.install()
    assert site.run("status").code == 0


def test_a_lock_that_is_no_record_is_named(site: Site) -> None:
    path = "/run/kai-ansible.lock"
    for how in (LATIN, FIFO, NESTED, DIRECTORY):
        damage(site, how, path)
        refused_and_fixed(site, path)
    site.install()


def test_what_was_verified_before_is_only_a_help(site: Site) -> None:
    path = "/run/kai-ansible.proofs"
    for how in (LATIN, FIFO, NESTED, DIRECTORY):
        damage(site, how, path)
        site.install()
    # what this one changes needs every proof
    site.new_release("proofs")
    site.install()
    site.machine.run(["rm", "-rf", path])
