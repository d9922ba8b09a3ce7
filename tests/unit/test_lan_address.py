"""The address in the LAN on which the Workshop answers: its form, and whether the host has it."""

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import probe
from test_enrolment import configuration

from kai_ansible.ansible.collection import contract
from kai_ansible.rules.enrolment import lan_addresses, pages
from kai_ansible.rules.preflight import host_problems

FORM = str(contract("2").settings["WORKSHOP_LAN_HOST"].pattern)


@given(st.from_regex(re.compile(FORM, re.ASCII), fullmatch=True))
def test_kai_takes_each_that_is_accepted(text: str) -> None:
    # normalize_workshop_lan_host of Kai 2 asks ipaddress as well
    address = ipaddress.IPv4Address(text)
    assert address.is_private
    assert str(address) == text


@pytest.mark.parametrize("text", ["10.1.2", "192.168.1.2.3", "172.16.1", "10.0.0.256", "11.0.0.1"])
def test_what_kai_refuses_is_refused(text: str) -> None:
    assert re.fullmatch(FORM, text) is None


def test_one_that_the_host_lacks_keeps_an_install_from_working() -> None:
    lan = configuration(WORKSHOP_LAN_HOST="10.1.2.3")
    assert lan_addresses(lan) == ["10.1.2.3"]
    lan.host.update(service_user="kai", create_os_users=True)
    seen = probe(programs=dict.fromkeys(lan.contract.programs, "/bin/x"))
    assert host_problems(lan, seen) == []
    [problem] = host_problems(lan, {**seen, "foreign_addresses": ["10.1.2.3"]})
    assert problem.where == "kai_install_workshop_lan_host"
    assert problem.found == "10.1.2.3, which no interface of the host has"


def test_a_workshop_that_is_off_needs_none() -> None:
    off = configuration(WORKSHOP_LAN_HOST="10.1.2.3", KAI_ENABLED_ADAPTERS="telegram")
    assert lan_addresses(off) == pages(off) == []
