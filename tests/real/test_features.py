"""Voice, speech and workspaces, as far as they go without models."""

from tests.real.lab import ADA, BOB, DATA, Lab

BASE = "/srv/work"


def test_voice_and_speech_work_up_to_the_missing_model(lab: Lab) -> None:
    lab.set(kai_install_voice_enabled=True, kai_install_tts_enabled=True)
    lab.install()
    since = lab.mark()
    lab.telegram("voice", str(BOB))
    assert "missing" in lab.said(BOB, "dependencies are missing", since)
    lab.say(BOB, "/voice on", "(?i)voice")
    # without a model for the voice it is written
    lab.turn(BOB, "say it")
    missed = lab.log().count("Piper model not found")
    assert missed
    # what lies beside the releases is what the bot finds, with no install in between
    model = "/opt/kai/models/piper/en_GB-cori-medium.onnx"
    lab.at_machine("install", "-D", "--mode=0644", "/dev/null", model)
    lab.turn(BOB, "say it")
    assert lab.log().count("Piper model not found") == missed
    lab.at_machine("rm", "-r", "/opt/kai/models/piper")
    lab.say(BOB, "/voice off", "(?i)voice")
    lab.set(kai_install_voice_enabled=None, kai_install_tts_enabled=None)
    lab.install()


def test_a_user_works_in_a_workspace_of_their_own_making(lab: Lab) -> None:
    users = lab.users()
    for entry in users[:2]:
        account = entry["os_user"]
        # as docs/workspaces.md says
        place = entry["workspace_base"] = f"{BASE}/{account}"
        made = ["install", "-D", "--directory", f"--owner={account}", "--group=kai", "--mode=2770"]
        lab.at_machine(*made, place)
        rights = f"--modify=u:{account}:rwx,u:kai:rwx,g::---,o::---"
        lab.at_machine("setfacl", "--default", rights, place)
        git = ["git", "config", "--global", "--add", "safe.directory", "*"]
        lab.at_machine("env", f"HOME=/home/{account}", *git, user=account)
    lab.set(kai_install_users=users)
    lab.install()
    for user, account in ((ADA, "alice"), (BOB, "bob")):
        lab.say(user, f"/workspace new project-{account}", "(?i)project|workspace")
        place = f"{BASE}/{account}/project-{account}"
        assert lab.facts(user)["cwd"] == place
        code, said = lab.shell(user, "echo mine > note && git add note && git status --short")
        assert (code, said.strip()) == (0, "A  note"), said
        lab.say(user, "/workspace home", "(?i)home|workspace")
        assert lab.facts(user)["cwd"] == f"{DATA}/home/{user}"
    code, _ = lab.shell(BOB, f"cat {BASE}/alice/project-alice/note")
    assert code != 0
    lab.set(kai_install_users=lab.users())
    lab.install()
