"""No secret stands in a text that others wrote."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kai_ansible.rules.redact import MASK, masked

TOKEN = "123456789:AAbb/Cc+dd=e e"


@pytest.mark.parametrize(
    "text",
    [
        f"refused: {TOKEN}",
        f"GET https://api.telegram.org/bot{TOKEN}/getMe",
        f"https://example.org/{quote(TOKEN)}",
        f"https://example.org/?token={quote(TOKEN, safe='')}&x=1",
        f"https://example.org/?token={quote_plus(TOKEN)}&x=1",
        json.dumps({"token": TOKEN}),
        f"{TOKEN!r}",
    ],
)
def test_a_secret_is_masked_wherever_it_stands(text: str) -> None:
    shown = masked(text, [TOKEN])
    assert MASK in shown
    assert "AAbb" not in shown


def test_credentials_in_a_url_are_redacted_for_every_owner() -> None:
    shown = masked("http://ada:open@sesame@proxy.example/", [])
    assert shown == f"http://{MASK}@proxy.example/"
    shown = masked("proxy http://ada:sesame@proxy.example:3128/ refused", [])
    assert shown == f"proxy http://{MASK}@proxy.example:3128/ refused"


def test_a_secret_that_is_a_part_of_another_does_not_uncover_it() -> None:
    assert masked("sesame-open", ["sesame", "sesame-open"]) == MASK


def test_text_without_a_secret_stays_as_it_is() -> None:
    text = "kai.service: Main process exited, code=exited, status=1/FAILURE"
    assert masked(text, [TOKEN, ""]) == text


@given(st.text(min_size=1), st.text(), st.text())
def test_no_value_survives(secret: str, before: str, after: str) -> None:
    assume(secret not in MASK)
    assert secret not in masked(before + secret + after, [secret]).replace(MASK, "")
