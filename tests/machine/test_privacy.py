"""What one user says, sends and keeps is not seen by the agent of another."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.machine.site import Site

if TYPE_CHECKING:
    from tests.testbed.machines import Machine

REPAIRS = pytest.mark.later("what a later install closes again; tests/unit has the same rules")
ADA, BEN, EVE, FINN, DORA = 1, 2, 3, 4, 5
# eve and finn have one primary group, dora has no account
ACCOUNTS = {ADA: "alice", BEN: "bob", EVE: "eve", FINN: "finn"}
WORDS = "my tax number is 4711"
DATA = "/var/lib/kai"
ASK = """
import json, sys, urllib.request
path, secret, body = sys.argv[1:]
request = urllib.request.Request(
    f"http://127.0.0.1:8080{path}", body.encode(), {"X-Webhook-Secret": secret}, method="POST"
)
print(urllib.request.urlopen(request, timeout=120).status)
"""
SEEN = """
for d in "$@"; do
    ls "$d" >/dev/null 2>&1 && echo "LIST $d"
    cd "$d" 2>/dev/null && echo "ENTER $d"
    touch "$d/x" 2>/dev/null && echo "WRITE $d"
done
true
"""


@pytest.fixture(scope="module")
def site(machine: "Machine") -> Iterator[Site]:
    for name in ("eve", "finn"):
        machine.run(["useradd", "--create-home", "--gid", "users", name])
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        site = Site(machine, Path(directory))
        users: list[dict[str, Any]] = [
            {"telegram_id": number, "name": account.title(), "os_user": account}
            for number, account in ACCOUNTS.items()
        ]
        users.append({"telegram_id": DORA, "name": "Dora"})
        users[0]["role"] = "admin"
        site.set(kai_install_users=users)
        for account in ACCOUNTS.values():
            login = [
                "install",
                "-D",
                "-m",
                "0600",
                "/dev/null",
                f"/home/{account}/.codex/auth.json",
            ]
            machine.run(login, user=account)
        site.install()
        yield site


def use(site: Site) -> None:
    """Let everybody say and send something."""
    secret = site.desk.secrets("bot")["kai_install_webhook_secret"]
    for user in (*ACCOUNTS, DORA):
        for path in (f"/agents/{user}/version", f"/agents/{user}/upload/tax.txt"):
            assert site.python(ASK, path, secret, WORDS).strip() == "200"


def places(*kinds: str) -> dict[str, int]:
    """Return the directories of users with whose they are."""
    return {f"{DATA}/{kind}/{user}": user for kind in kinds for user in (*ACCOUNTS, DORA)}


KEPT = ("history", "files", "memory", "preferences", "home")


def seen_by(site: Site, account: str, paths: list[str]) -> str:
    command = ["sh", "-c", SEEN, "sh", *paths]
    return site.machine.run(command, user=account).stdout


@pytest.fixture(scope="module")
def used(site: Site) -> Site:
    use(site)
    return site


@pytest.mark.parametrize("user", ACCOUNTS)
def test_nobody_sees_the_directories_of_others(used: Site, user: int) -> None:
    others = [path for path, owner in places(*KEPT).items() if owner != user]
    assert seen_by(used, ACCOUNTS[user], others) == ""


@pytest.mark.parametrize("user", ACCOUNTS)
def test_everybody_reads_what_the_bot_keeps_for_them(used: Site, user: int) -> None:
    paths = [f"{DATA}/{kind}/{user}" for kind in ("history", "files")]
    found = used.machine.run(["grep", "-rl", WORDS, *paths], user=ACCOUNTS[user]).stdout
    assert all(path in found for path in paths)


def test_what_the_bot_makes_is_what_an_install_wants(used: Site) -> None:
    before = used.data()
    done = used.run("install")
    assert (done.code, done.report["changes"]) == (0, []), done.text
    # which tries these directories too
    assert json.dumps(done.report["verified"]).count("in no other account's") == 1
    assert used.data() == before
    assert used.run("status").report["drift"] == []


@REPAIRS
def test_directories_of_uploads_outlive_the_last_upload(used: Site) -> None:
    used.machine.run(["sh", "-c", f"find {DATA}/files -name '*_tax.txt' -delete"])
    used.set(kai_install_file_retention_days=1)
    used.install()
    used.machine.run(["systemctl", "restart", "kai.service"])
    used.install()
    use(used)
    others = [f"{DATA}/files/{user}" for user in (ADA, EVE, DORA)]
    assert seen_by(used, "bob", others) == ""


@REPAIRS
@pytest.mark.parametrize("user", [ADA, EVE])
def test_a_host_that_was_installed_before_is_closed(used: Site, user: int) -> None:
    paths = [f"{DATA}/{kind}/{user}" for kind in ("history", "files")]
    for path in paths:
        # as the bot makes them where nobody has made them before
        used.machine.run(["setfacl", "--remove-all", "--remove-default", path])
        used.machine.run(["chown", "kai:kai", path])
        used.machine.run(["chmod", "0755", path])
    assert seen_by(used, "finn", paths)
    drift = json.dumps(used.run("status").report["drift"])
    assert all(path in drift for path in paths)
    used.install()
    assert seen_by(used, "finn", paths) == ""
    assert used.machine.run(["ls", *paths], user=ACCOUNTS[user]).stdout


@REPAIRS
def test_an_access_list_that_lets_others_in_is_taken_away(used: Site) -> None:
    path = f"{DATA}/history/{ADA}"
    used.machine.run(["setfacl", "--modify", "u:bob:rx", path])
    assert seen_by(used, "bob", [path])
    assert path in json.dumps(used.run("status").report["drift"])
    used.install()
    assert seen_by(used, "bob", [path]) == ""
