"""How users reach Kai 2; tests/real asks a real one."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai_ansible.rules.client_adapters import (
    ADAPTERS,
    BadAdapters,
    fault_of_lan_host,
    read_adapters,
)

BOTH = frozenset(ADAPTERS)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, BOTH),
        ("telegram,workshop", BOTH),
        (" Workshop ", {"workshop"}),
        ("telegram,,telegram", {"telegram"}),
    ],
)
def test_what_kai_reads(value: str | None, found: set[str]) -> None:
    assert read_adapters(value) == found


@pytest.mark.parametrize("value", ["", " ", ",", "matrix", "telegram,matrix", "telegram workshop"])
def test_what_kai_refuses(value: str) -> None:
    with pytest.raises(BadAdapters):
        read_adapters(value)


@pytest.mark.parametrize("value", ["", " ", "10.0.0.1", "172.31.255.255", " 192.168.1.5 "])
def test_an_address_of_a_private_network(value: str) -> None:
    assert fault_of_lan_host(value, BOTH) is None


@pytest.mark.parametrize(
    "value",
    [
        *("0.0.0.0", "127.0.0.1", "8.8.8.8", "172.32.0.1", "224.0.0.1", "::1", "fd00::1"),
        *("host", "10.0.0", "10.0.0.1/8", "10.0.0.01", "169.254.1.1"),
    ],
)
def test_any_other_address_is_refused(value: str) -> None:
    assert fault_of_lan_host(value, BOTH)


def test_an_address_is_of_use_to_the_workshop_alone() -> None:
    assert "Workshop" in str(fault_of_lan_host("10.0.0.1", frozenset({"telegram"})))
    assert fault_of_lan_host("", frozenset({"telegram"})) is None


@given(st.ip_addresses(v=4))
def test_what_passes_is_private(address: ipaddress.IPv4Address) -> None:
    if fault_of_lan_host(str(address), BOTH) is None:
        assert address.is_private
        assert not address.is_loopback
