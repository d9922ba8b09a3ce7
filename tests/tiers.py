"""Which tests run when: those of every change, and the rest, whole or in slices.

A test marked ``later`` is left to ``make test-all``, for the reason that the marker gives.
``make test`` takes the others; CI takes, on top, as many files of the rest as its time allows, from
a place that the commit chooses. A file that has a machine is begun or left as a whole, with its
tests of every change, because a later one may build on them; ``later(reason, apart=True)`` says
that it does not.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar

import pytest

from tests.testbed import obstacle

LATER = "later"
SAMPLE = "sample"
NO_MACHINE = "needs a machine: "
NO_TIME = "not in this slice"

T = TypeVar("T")
_begun: dict[str, bool] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that make a slice."""
    group = parser.getgroup("slices")
    group.addoption("--slice", metavar="COMMIT", help="begin with the files that a commit chooses")
    group.addoption(
        "--until", metavar="EPOCH", type=float, help="begin nothing after this time, in seconds"
    )


def leave_all_but_samples(items: Iterable[pytest.Item]) -> None:
    """Mark the cases as later ones that are no sample of their test."""
    cases: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker(SAMPLE):
            cases[str(item.path), item.nodeid.partition("[")[0]].append(item)
    for same in cases.values():
        mark = same[0].get_closest_marker(SAMPLE)
        assert mark
        count, reason = mark.args
        if count >= len(same):
            raise pytest.UsageError(f"{same[0].nodeid}: a sample of {count} of {len(same)} cases")
        kept = {len(same) * number // count for number in range(count)}
        for number, item in enumerate(same):
            if number not in kept:
                item.add_marker(pytest.mark.later(reason, apart=True))


def rotated(things: list[T], seed: str) -> list[T]:
    """Return things from the one on that a seed chooses, those before it at the end."""
    if not things:
        return []
    first = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % len(things)
    return things[first:] + things[:first]


def take_the_slice(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the later tests and what they build on, from the file on that the commit chooses.

    Tests that stand apart begin anywhere in their file as well, or its end would never be reached.
    """
    seed = config.getoption("--slice")
    if not seed:
        if config.getoption("--until"):
            raise pytest.UsageError("--until is the end of a slice: add --slice")
        return
    stories = {item.path for item in items if reasons(item) and _is_of_a_story(item)}
    taken = {item: bool(reasons(item)) or item.path in stories for item in items}
    config.hook.pytest_deselected(items=[item for item in items if not taken[item]])
    items[:] = [item for item in items if taken[item]]
    files = rotated(sorted({item.path for item in items if reasons(item)}), seed)
    places = {path: number for number, path in enumerate(files)}
    apart = [item for item in items if stands_apart(item)]
    turns = {
        item: turn
        for path in files
        for turn, item in enumerate(rotated([item for item in apart if item.path == path], seed))
    }
    items.sort(key=lambda item: (places.get(item.path, len(files)), turns.get(item, -1)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what comes too late for this slice, and a machine that cannot be had."""
    until = item.config.getoption("--until")
    unit = str(item.path) if _is_of_a_story(item) else item.nodeid
    if until and not _begun.setdefault(unit, time.time() < until):
        pytest.skip(NO_TIME)
    if item.get_closest_marker("machine"):
        reason = obstacle.obstacle()
        if reason and obstacle.is_required():
            pytest.fail(f"{NO_MACHINE}{reason}", pytrace=False)
        if reason:
            pytest.skip(f"{NO_MACHINE}{reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, and what runs it."""
    for line in _summary(terminalreporter):
        terminalreporter.write_line(line)


def _summary(reporter: pytest.TerminalReporter) -> Iterator[str]:
    skipped = [
        (str(report.nodeid).partition("::")[0], str(report.longrepr[2]))
        for report in reporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]
    reasons = [reason for _file, reason in skipped if NO_MACHINE in reason]
    if reasons:
        sentence = reasons[0].partition(NO_MACHINE)[2]
        yield f"{len(reasons)} cases left out, as this host runs no machines: {sentence}."
        yield "To run them: make test, as root or with a rootless podman, outside of a container."
    if reporter.config.getoption("--until"):
        ran = sorted(
            {
                str(report.nodeid).partition("::")[0]
                for kind in ("passed", "failed")
                for report in reporter.stats.get(kind, [])
            }
        )
        late = {file for file, reason in skipped if NO_TIME in reason}
        for words, files in (
            ("This slice ran", ran),
            ("In part, as the time was up:", sorted(late & {*ran})),
            ("Left to another slice,", sorted(late - {*ran})),
        ):
            yield f"{words} {len(files)} files: {', '.join(files) or 'none'}"


def _is_of_a_story(item: pytest.Item) -> bool:
    """Return whether a test may follow others on the machine of its file."""
    return item.get_closest_marker("machine") is not None and not stands_apart(item)


def stands_apart(item: pytest.Item) -> bool:
    """Return whether a test that is left to ``make test-all`` builds on no other."""
    return any(marker.kwargs.get("apart", False) for marker in item.iter_markers(LATER))


def reasons(item: pytest.Item) -> list[str]:
    """Return why a test is left to ``make test-all``; nothing when every change runs it."""
    return [str(marker.args[0]) for marker in item.iter_markers(LATER)]
