"""Who logs in where, as ssh itself makes it of a command and its configuration."""

from pathlib import Path

from kai_ansible.secrets.sudo_passwords import login_of


def test_a_login_is_reported_as_ssh_will_make_it(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host bot\n  HostName 192.0.2.1\n  Port 2222\n")
    assert login_of(["ssh", "-F", str(config), "-l", "operator", "bot"]) == (
        "operator@192.0.2.1:2222"
    )
