"""A process is of the bot by the whole path of its control group, which a user cannot have."""

import pytest

from kai_ansible.host import system

UNIT = "/system.slice/kai.service"
USERS = "/user.slice/user-1000.slice/user@1000.service"
CONTAINER = "/machine.slice/libpod-1.scope"


@pytest.mark.parametrize(
    ("first", "path", "is_of_it"),
    [
        ("/init.scope", UNIT, True),
        ("/init.scope", f"{USERS}{UNIT}", False),
        ("/init.scope", f"{UNIT}/agent", False),
        ("/", UNIT, True),
        (f"{CONTAINER}/init.scope", f"{CONTAINER}{UNIT}", True),
        (f"{CONTAINER}/init.scope", UNIT, False),
        (f"{CONTAINER}/init.scope", f"{CONTAINER}{USERS}{UNIT}", False),
    ],
)
def test_the_whole_path_counts(
    monkeypatch: pytest.MonkeyPatch, first: str, path: str, is_of_it: bool
) -> None:
    groups = {1: {"": first}, 7: {"": path}, 8: {}}
    monkeypatch.setattr(system, "_control_groups", groups.__getitem__)
    assert system.belongs(7, UNIT) is is_of_it
    assert not system.belongs(8, UNIT)


def test_the_groups_of_this_process_are_read() -> None:
    found = system._control_groups(1)
    assert set(found) <= {"", "name=systemd"}
    assert all(path.startswith("/") for path in found.values())
