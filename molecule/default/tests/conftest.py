"""Fixtures for the tests of an installed bot."""
# ruff: noqa: S101 (assert is how pytest checks)

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

SCENARIO = Path(__file__).parents[1]
INVENTORIES = (SCENARIO.parent / "shared/inventory/hosts.yml", SCENARIO / "inventory/hosts.yml")
SERVICE_USER = "kai"

HTTP_CLIENT = """
import http.client, json, sys
port, method, path, headers = json.loads(sys.argv[1])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
connection.request(method, path, headers=headers)
answer = connection.getresponse()
print(json.dumps([answer.status, json.loads(answer.read())]))
"""

Http = Callable[..., tuple[int, Any]]
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="session")
def chosen() -> dict[str, Any]:
    """Return the variables as the operator wrote them, Jinja not rendered."""
    found: dict[str, Any] = {}
    for path in INVENTORIES:
        found |= yaml.safe_load(path.read_text(encoding="utf-8"))["all"]["vars"]
    return found


@pytest.fixture(scope="module")
def http(host: Host, chosen: dict[str, Any]) -> Http:
    """Return a function that sends a request to the bot over the target's loopback."""

    def send(method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        request = json.dumps([chosen["kai_install_webhook_port"], method, path, headers or {}])
        answer = host.check_output("python3 -c %s %s", HTTP_CLIENT, request)
        status, body = json.loads(answer)
        return status, body

    return send


@pytest.fixture(scope="module")
def health(http: Http) -> dict[str, Any]:
    """Return the health report of the running bot."""
    status, body = http("GET", "/health")
    assert status == 200
    assert isinstance(body, dict)
    return body


@pytest.fixture(scope="module")
def run_as(host: Host) -> Run:
    """Return a function that runs a command as an OS user: exit code and standard output."""

    def run(account: str, *argv: str) -> tuple[int, str]:
        words = " ".join(["%s"] * len(argv))
        result = host.run(f"cd / && runuser -u %s -- {words}", account, *argv)
        return result.rc, result.stdout

    return run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the bot's journal to the report of a test that failed."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and host is not None:
        journal = host.run("journalctl --unit=kai.service --lines=50 --no-pager")
        report.sections.append(("journal of kai.service", journal.stdout + journal.stderr))
    return report
