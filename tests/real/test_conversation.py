"""Every user is answered by their own agent, as their own account, and by nobody else's."""

import pytest

from tests.real.lab import ACCOUNTS, ADA, AGENTS, BOB, DATA, DORA, EVE, FINN, GUS, Lab

EVERYBODY = (ADA, BOB, EVE, FINN, DORA, GUS)
OWN_ACCOUNT = (ADA, BOB, EVE, FINN)
SECRET_WORDS = "my tax number is 4711"


@pytest.mark.parametrize("user", EVERYBODY)
def test_a_user_is_answered_by_the_right_agent_as_the_right_account(lab: Lab, user: int) -> None:
    assert lab.turn(user, "hello there") == "echo: hello there"


@pytest.mark.parametrize("user", EVERYBODY)
def test_an_agent_has_its_environment_and_home(lab: Lab, user: int) -> None:
    facts = lab.facts(user)
    env, account = facts["env"], ACCOUNTS[user]
    home = lab.at_machine("getent", "passwd", account).split(":")[5]
    assert facts["uid"] == int(lab.at_machine("id", "-u", account))
    assert facts["cwd"] == f"{DATA}/home/{user}"
    assert env["HOME"] == home
    assert env["KAI_WEBHOOK_SECRET"] is True
    if user in OWN_ACCOUNT:
        assert env["USER"] == env["LOGNAME"] == account
        assert "TELEGRAM_BOT_TOKEN" not in env
    if user == GUS:
        assert (env["GOOSE_PROVIDER"], env["GOOSE_MODEL"]) == ("ollama", "llama4:8b")
    if AGENTS[user] == "claude":
        model = facts["argv"][facts["argv"].index("--model") + 1]
        assert model == ("haiku" if user == DORA else "sonnet")


@pytest.mark.parametrize("user", OWN_ACCOUNT)
def test_a_user_has_their_own_history_uploads_memory_preferences_and_workspace(
    lab: Lab, user: int
) -> None:
    lab.turn(user, f"remember {user}")
    lab.at_machine("sh", "-c", f"echo 'file of {user}' > /opt/lab/upload-{user}.txt")
    since = lab.mark()
    lab.telegram("upload", str(user), f"/opt/lab/upload-{user}.txt", f"take it {user}")
    lab.said(user, rf"as {ACCOUNTS[user]}\]", since)
    assert lab.shell(user, f"grep -rl 'remember {user}' {DATA}/history/{user}")[0] == 0
    assert lab.shell(user, f"grep -r 'file of {user}' {DATA}/files/{user}")[0] == 0
    for path in (f"memory/{user}/MEMORY.md", f"preferences/{user}/PREFERENCES.md"):
        code, said = lab.shell(user, f"echo noted >> {DATA}/{path} && tail -n1 {DATA}/{path}")
        assert (code, said.strip()) == (0, "noted"), path
    code, said = lab.shell(user, "echo mine > note && cat note && cat .claude/CLAUDE.md")
    assert code == 0 and said.startswith("mine"), said


@pytest.fixture(scope="module")
def kept(lab: Lab) -> None:
    """Everybody has said and sent something that is nobody else's business."""
    lab.at_machine("sh", "-c", f"echo '{SECRET_WORDS}' > /opt/lab/tax.txt")
    for user in EVERYBODY:
        lab.turn(user, f"{SECRET_WORDS} ({user})")
        since = lab.mark()
        lab.telegram("upload", str(user), "/opt/lab/tax.txt", "my tax")
        lab.said(user, rf"as {ACCOUNTS[user]}\]", since)
    found = lab.at_machine("grep", "-rl", SECRET_WORDS, f"{DATA}/history", f"{DATA}/files")
    for kind in ("history", "files"):
        assert all(f"{DATA}/{kind}/{user}/" in found for user in EVERYBODY), found


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("user", OWN_ACCOUNT)
def test_nobody_reads_what_others_said_sent_or_keep(lab: Lab, user: int) -> None:
    others = [other for other in EVERYBODY if other != user]
    kinds = ("history", "files", "memory", "preferences", "home")
    places = [f"{DATA}/{kind}/{other}" for kind in kinds for other in others]
    # the words are put together here, so that the question is not in the answer
    first, _, rest = SECRET_WORDS.partition(" ")
    code, said = lab.shell(
        user,
        f"for d in {' '.join(places)}; do ls -a $d >/dev/null 2>&1 && echo LIST $d; "
        f"cd $d 2>/dev/null && echo ENTER $d; touch $d/x 2>/dev/null && echo WRITE $d; done; "
        f'w={first}; grep -rsl "$w {rest}" {DATA} /opt/kai /tmp | grep -v /{user}/; echo over',
    )
    assert (code, said.strip()) == (0, "over")
    # what is their own they read all the same
    for kind in kinds:
        assert lab.shell(user, f"ls {DATA}/{kind}/{user}")[0] == 0, kind


@pytest.mark.parametrize("user", OWN_ACCOUNT)
def test_nobody_reads_what_the_bot_keeps_of_everybody(lab: Lab, user: int) -> None:
    names = ("kai.db", "kai.db-wal", "logs", "memory/qdrant", "memory/mem0_history.db")
    places = " ".join(f"{DATA}/{name}" for name in (*names, ".responding"))
    code, said = lab.shell(user, f"for p in {places}; do test -r $p && echo $p; done; echo over")
    assert (code, said.strip()) == (0, "over")


def test_a_new_session_starts_a_new_agent(lab: Lab) -> None:
    before = lab.turn(BOB, "!sh echo $PPID")
    assert lab.turn(BOB, "!sh echo $PPID") == before
    lab.say(BOB, "/new", "ession")
    assert lab.turn(BOB, "!sh echo $PPID") != before


def test_a_user_chooses_another_model(lab: Lab) -> None:
    lab.turn(BOB, "hello")
    lab.say(BOB, "/model opus", "(?i)opus")
    argv = lab.facts(BOB)["argv"]
    assert argv[argv.index("--model") + 1] == "opus"
    lab.say(BOB, "/model sonnet", "(?i)sonnet")
