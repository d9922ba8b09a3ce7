"""Who logs in where, as ssh itself makes it of a command and its configuration."""

from pathlib import Path

import pytest

from kai_ansible.ansible.reading import HostReading
from kai_ansible.secrets import sudo_passwords
from kai_ansible.secrets.sudo_passwords import UnknownLogin, kept_sudo_passwords, login_of


def test_a_login_is_reported_as_ssh_will_make_it(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host bot\n  HostName 192.0.2.1\n  Port 2222\n")
    assert login_of(["ssh", "-F", str(config), "-l", "operator", "bot"]) == (
        "operator@192.0.2.1:2222"
    )


@pytest.mark.parametrize(
    "command",
    [["ssh", "-o", "NoSuchOption=1", "far"], ["/no/such/ssh", "far"], ["true", "far"]],
)
def test_a_login_that_ssh_does_not_report_is_none_of_another_host(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownLogin):
        login_of(command)
    # two such hosts would share one password
    monkeypatch.setattr(sudo_passwords, "through_sudo", lambda: None)
    monkeypatch.setattr(
        sudo_passwords, "passwords_in_keyring", lambda entries: dict.fromkeys(entries, "secret")
    )
    assert kept_sudo_passwords({"far": HostReading(ssh=command)}) == {}
