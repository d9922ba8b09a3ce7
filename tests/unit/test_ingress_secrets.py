"""Secrets of what may call Kai 2; tests/real asks a real one."""

from kai_ansible.rules.ingress_secrets import equal_secrets


def test_equal_secrets_are_named_in_pairs() -> None:
    settings = {
        "TELEGRAM_WEBHOOK_SECRET": "a",
        "GITHUB_WEBHOOK_SECRET": " a ",
        "GENERIC_WEBHOOK_SECRET": "b",
    }
    assert equal_secrets(settings) == [("TELEGRAM_WEBHOOK_SECRET", "GITHUB_WEBHOOK_SECRET")]
    assert len(equal_secrets(dict.fromkeys(settings, "x"))) == 3


def test_absent_ones_are_not_equal() -> None:
    assert equal_secrets({}) == []
    assert equal_secrets({"GITHUB_WEBHOOK_SECRET": "", "GENERIC_WEBHOOK_SECRET": None}) == []
