"""The reports that playbooks publish as they are; the others have their types in the rules."""

from __future__ import annotations

from typing import TypedDict


class LogReport(TypedDict):
    """The report of ``logs``."""

    lines: list[str]


class DoctorReport(TypedDict):
    """The report of ``doctor``. findings: the fields of each."""

    findings: list[dict[str, str]]


class EnrolmentReport(TypedDict):
    """The report of ``enrol``. minutes: how long the token is valid. pages: where to enter it."""

    user: str
    expires: str
    restarted: bool
    minutes: int
    pages: list[str]


class FetchReport(TypedDict):
    """The report of ``fetch``. absent, readable: paths; any other could not be read."""

    absent: list[str]
    readable: list[str]
