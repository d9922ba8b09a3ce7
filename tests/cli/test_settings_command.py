"""The verbs settings, upgrade and logs, as far as they need no host."""

import pytest

from kai_ansible.rules.redact import fingerprint
from tests.cli.desk import TOKEN, Desk


@pytest.fixture
def configured(desk: Desk) -> Desk:
    """A desk with a configuration."""
    desk.given(desk.answers(AGENT_BACKEND="codex", WEBHOOK_PORT=8123))
    return desk


def test_settings_are_listed_with_their_origin_and_secrets_by_fingerprint(configured: Desk) -> None:
    done = configured.run("settings")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["Setting", "Value", "From"] in lines
    assert ["AGENT_BACKEND", "codex", "inventory/host_vars/localhost/kai.yml"] in lines
    assert f"fingerprint {fingerprint(TOKEN)}" in done.stdout
    assert TOKEN not in done.stdout
    assert "TELEGRAM_TRANSPORT" not in done.stdout
    every = configured.call("settings", "--all").stdout
    assert "TELEGRAM_TRANSPORT" in every
    assert "Kai's default" in every
    # its default is the empty text
    [empty] = [line.split() for line in every.splitlines() if "GITHUB_REPO" in line]
    assert empty == ["GITHUB_REPO", "not", "set"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["WEBHOOK_PORT"], 0, "8123\n"),
        (["WEBHOOK_PORT", "localhost"], 0, "8123\n"),
        (["service_user"], 0, "kai\n"),
        # as a variable, and in another case
        (["kai_install_webhook_port"], 0, "8123\n"),
        (["Webhook-Port"], 0, "8123\n"),
        (["SERVICE_USER"], 0, "kai\n"),
        (["PERPLEXITY_API_KEY"], 1, ""),
    ],
)
def test_one_setting_is_its_value_alone(
    configured: Desk, words: list[str], code: int, said: str
) -> None:
    done = configured.call("settings", *words)
    assert (done.returncode, done.stdout) == (code, said)


def test_a_password_in_the_url_of_a_source_is_not_shown(configured: Desk) -> None:
    url = "https://operator:hunter2@git.example.org/kai.git"
    configured.write("inventory/host_vars/localhost/zz.yml", {"kai_install_source": url})
    for words in ([], ["source"], ["source", "--json"]):
        done = configured.call("settings", *words)
        assert "git.example.org" in done.stdout
        assert "hunter2" not in done.stdout + done.stderr


def test_a_setting_that_is_mistyped_is_refused_with_the_right_one(configured: Desk) -> None:
    done = configured.call("settings", "AGENT_BAKEND")
    assert done.returncode == 2
    assert "did you mean AGENT_BACKEND?" in done.stderr


def test_a_host_in_the_place_of_a_setting_is_the_host(configured: Desk) -> None:
    assert "AGENT_BACKEND" in configured.call("settings", "localhost").stdout


def test_an_upgrade_says_from_what_to_what_and_refuses_a_ref_of_a_directory(
    configured: Desk,
) -> None:
    done = configured.call("upgrade", "--ref", "v1.5.0", "--yes")
    assert done.returncode == 2
    assert "which is no git URL" in done.stderr
    done = configured.run("upgrade", "--source", "nowhere", "--dry-run")
    assert "Host       Present" in done.stdout
    assert str(configured.work / "nowhere") in done.stdout
    assert done.returncode != 0


@pytest.mark.parametrize("words", [["--follow", "--json"]])
def test_a_log_that_goes_on_is_no_document(configured: Desk, words: list[str]) -> None:
    done = configured.call("logs", *words)
    assert done.returncode == 2
    assert "one of the two" in done.stderr
