"""Which hosts are switched together: as Ansible's own ``serial`` does it."""

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.executor.playbook_executor import PlaybookExecutor
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.ansible.batches import batches_of, read_sizes
from kai_ansible.errors import CommandError

SIZES = st.one_of(st.integers(1, 40).map(str), st.integers(1, 100).map(lambda part: f"{part}%"))


def ansible(hosts: list[str], sizes: list[Any]) -> list[list[str]]:
    inventory = SimpleNamespace(get_hosts=lambda *_, **__: list(hosts))
    play = SimpleNamespace(hosts="all", order=None, serial=sizes)
    executor = SimpleNamespace(_inventory=inventory)
    found: list[list[str]] = PlaybookExecutor._get_serialized_batches(executor, play)
    return found


@given(st.integers(1, 60), st.lists(SIZES, min_size=1, max_size=5))
def test_batches_are_those_of_ansible(number: int, sizes: list[str]) -> None:
    hosts = [f"bot{index}" for index in range(number)]
    assert read_sizes(", ".join(sizes)) == sizes
    batches = batches_of(hosts, sizes)
    assert batches == ansible(hosts, sizes)
    # what is handed to Ansible in place of the percentages is the same again
    assert batches == ansible(hosts, [len(batch) for batch in batches])


def test_by_default_one_host_goes_first_and_batches_grow() -> None:
    hosts = [f"bot{index}" for index in range(20)]
    assert [len(batch) for batch in batches_of(hosts, read_sizes(None))] == [1, 5, 10, 4]
    assert batches_of(["bot"], read_sizes(None)) == [["bot"]]


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-1", "1,,2", "1;2", "all", "1.5"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--batches"):
        read_sizes(text)
