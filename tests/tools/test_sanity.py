"""Which tests of ansible-test run with which ansible-core and Python."""

from pathlib import Path

import pytest

from tools import sanity


def test_one_python_of_each_ansible_core_runs_every_test(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {Path("python3.11"): ["2.19"], Path("python3.12"): ["2.19", "2.20"]}
    monkeypatch.setattr(sanity, "pythons", lambda: [*known])
    monkeypatch.setattr(sanity, "releases", known.__getitem__)
    sanity.matrix.cache_clear()
    try:
        old, new = sanity.matrix().values()
    finally:
        sanity.matrix.cache_clear()
    assert old.keys() == {"2.19"}
    assert set(old["2.19"]) == {"--test", "compile", "import"}
    assert new == {"2.19": (), "2.20": ()}
