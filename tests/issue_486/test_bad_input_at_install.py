"""What only the host can tell to be wrong is refused before anything is changed."""

from tests.cli.desk import Desk
from tests.issue_486.hosts import Bot


def test_everything_that_the_host_tells_to_be_wrong_is_listed_together(
    desk: Desk, bot: Bot
) -> None:
    content = desk.answers(AGENT_BACKEND="codex", CODEX_BIN="/opt/agents/none")
    content["users"][0] |= {"os_user": "grace", "home_workspace": "/srv/none"}
    content["users"].append({"telegram_id": 2, "name": "Bob", "os_user": "bob"})
    desk.given(content)
    files, before = desk.tree(), bot.snapshot()
    done = desk.run("install")
    assert done.returncode == 2
    for words in (
        *("1. ", "kai_install_users: os_user", "'grace', which is no account on the host"),
        "useradd --create-home grace",
        *("2. ", "kai_install_codex_bin", "/opt/agents/none", "does not exist"),
        *("3. ", "/srv/none", "mkdir -p /srv/none"),
        "Nothing was changed.",
    ):
        assert words in done.stderr
    assert bot.snapshot() == before
    assert desk.tree() == files
