"""A bot is ready when its health page says so of each of its parts."""

import json

import pytest

from kai_ansible.rules.readiness import unready_parts

PLACES = ["core.ready", "adapters.http.ready", "adapters.*.ready", "adapters.telegram.ready"]


def page(core: object = True, **adapters: object) -> bytes:
    parts = {name: {"ready": ready} for name, ready in adapters.items()}
    return json.dumps({"status": "ok", "core": {"ready": core}, "adapters": parts}).encode()


def test_a_ready_bot() -> None:
    assert unready_parts(page(http=True, telegram=True), PLACES) == []
    # what is true of a part that is off is not asked
    assert unready_parts(page(http=True), PLACES[:3]) == []


@pytest.mark.parametrize(
    ("said", "unready"),
    [
        (page(core=False, http=True, telegram=True), ["core.ready"]),
        (page(http=True, telegram=False), ["adapters.telegram.ready"]),
        (page(http=True), ["adapters.telegram.ready"]),
        (page(http=None, telegram=True), ["adapters.http.ready"]),
        (page(http="true", telegram=1), ["adapters.http.ready", "adapters.telegram.ready"]),
        (page(http=True, telegram=True, workshop=False), ["adapters.workshop.ready"]),
        (b'{"status": "ok"}', PLACES),
        (b"[]", PLACES),
        (b"not json", PLACES),
        (b"\xff", PLACES),
        (b"[" * 100000, PLACES),
    ],
)
def test_anything_else_is_not_ready(said: bytes, unready: list[str]) -> None:
    assert unready_parts(said, PLACES) == unready
