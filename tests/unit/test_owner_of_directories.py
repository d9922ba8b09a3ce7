"""Directories of users belong to their accounts, and to none that is root under another name."""

import pwd
from types import SimpleNamespace

import pytest

from kai_ansible.host.layout import identity
from kai_ansible.rules.problems import Refused


def test_no_account_but_root_has_the_uid_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"root": 0, "toor": 0, "alice": 7}
    monkeypatch.setattr(
        pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=numbers[name], pw_gid=numbers[name])
    )
    assert identity("root", "alice") == (0, 7)
    assert identity("alice", None) == (7, 7)
    with pytest.raises(Refused, match=r"the account toor: .*UID 0"):
        identity("toor", "alice")
