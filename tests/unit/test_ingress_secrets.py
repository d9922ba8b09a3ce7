"""Secrets of what may call Kai 2; tests/real asks a real one."""

from kai_ansible.rules.start_checks import equal_secrets

NAMES = ("ONE_SECRET", "OTHER_SECRET", "THIRD_SECRET")


def test_equal_secrets_are_named_in_pairs() -> None:
    settings = {"ONE_SECRET": "a", "OTHER_SECRET": " a ", "THIRD_SECRET": "b", "ELSE": "b"}
    assert equal_secrets(settings, NAMES) == [("ONE_SECRET", "OTHER_SECRET")]
    assert len(equal_secrets(dict.fromkeys(NAMES, "x"), NAMES)) == 3


def test_absent_ones_are_not_equal() -> None:
    assert equal_secrets({}, NAMES) == []
    assert equal_secrets({"ONE_SECRET": "", "OTHER_SECRET": None}, NAMES) == []
