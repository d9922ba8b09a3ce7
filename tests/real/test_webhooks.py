"""What reaches the bot over HTTP, with and without a signature, and what it starts then."""

import hashlib
import hmac
import json
import time
from typing import Any

from tests.real.lab import ADA, BOB, Lab

REPOSITORY = "owner/repo"
ASK = """
import json, sys, urllib.error, urllib.request
method, path, headers, body = json.load(sys.stdin)
request = urllib.request.Request(
    f"http://127.0.0.1:8080{path}", body.encode() or None, headers, method=method
)
try:
    with urllib.request.urlopen(request, timeout=60) as answer:
        print(json.dumps([answer.status, answer.read().decode()]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, error.read().decode()]))
"""


def ask(lab: Lab, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, str]:
    given = json.dumps([method, path, headers, body])
    done = lab.machine.run(["python3", "-c", ASK], input=given)
    status, text = json.loads(done.stdout)
    return int(status), str(text)


def secret(lab: Lab) -> str:
    return str(lab.desk.secrets("bot")["kai_install_webhook_secret"])


def github(lab: Lab, event: str, payload: dict[str, Any], key: str | None) -> tuple[int, str]:
    """Send an event as GitHub does, signed with a key."""
    body = json.dumps(payload)
    headers = {"Content-Type": "application/json", "X-GitHub-Event": event}
    if key is not None:
        digest = hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={digest}"
    return ask(lab, "POST", "/webhook/github", headers, body)


def test_health_answers_everybody(lab: Lab) -> None:
    assert ask(lab, "GET", "/health", {}, "")[0] == 200


def test_a_webhook_counts_with_its_signature_alone(lab: Lab) -> None:
    push = {
        "ref": "refs/heads/main",
        "repository": {"full_name": REPOSITORY},
        "pusher": {"name": "ada"},
        "commits": [{"id": "0a1b2c3d", "message": "change it", "author": {"name": "ada"}}],
        "compare": "https://example.org",
    }
    since = lab.mark()
    assert github(lab, "push", push, None)[0] == 401
    assert github(lab, "push", push, "guessed")[0] == 401
    assert github(lab, "push", push, secret(lab))[0] == 200
    assert "change it" in lab.said(ADA, "change it", since)


def test_the_bots_own_routes_take_its_secret_alone(lab: Lab) -> None:
    body = json.dumps({"text": "a reminder", "chat_id": BOB})
    headers = {"Content-Type": "application/json"}
    since = lab.mark()
    assert ask(lab, "POST", "/api/send-message", headers, body)[0] == 401
    wrong = {**headers, "X-Webhook-Secret": "guessed"}
    assert ask(lab, "POST", "/api/send-message", wrong, body)[0] == 401
    right = {**headers, "X-Webhook-Secret": secret(lab)}
    assert ask(lab, "POST", "/api/send-message", right, body)[0] == 200
    lab.said(BOB, "a reminder", since)


def pull_request(number: int) -> dict[str, Any]:
    return {
        "action": "opened",
        "repository": {"full_name": REPOSITORY},
        "sender": {"login": "ada"},
        "pull_request": {
            "number": number,
            "title": "A change",
            "body": "",
            "user": {"login": "ada"},
            "html_url": "https://example.org",
            "head": {"ref": "x"},
            "base": {"ref": "main"},
            "additions": 1,
            "deletions": 1,
            "changed_files": 1,
        },
    }


def test_a_pull_request_is_reviewed_by_the_agent_as_the_account_of_its_user(lab: Lab) -> None:
    users = [dict(user) for user in lab.users()]
    for user in users:
        if user["telegram_id"] in (ADA, BOB):
            user |= {"pr_review": True, "github_repos": [REPOSITORY]}
    lab.set(kai_install_users=users)
    lab.install()
    before = {name: len(lab.events(name, "once")) for name in ("alice", "bob")}
    # a second review of the same pull request would wait for its cooldown
    number = int(time.time()) % 100000
    assert github(lab, "pull_request", pull_request(number), secret(lab))[0] == 200
    limit = time.monotonic() + 120
    wanted = {name: count + 1 for name, count in before.items()}
    while time.monotonic() < limit:
        found = {name: len(lab.events(name, "once")) for name in wanted}
        if all(found[name] > before[name] for name in before):
            break
        time.sleep(1)
    lab.set(kai_install_users=lab.users())
    log = lab.log()[-4000:]
    # the first of the two starts the cooldown of the pull request
    assert any(found[name] > before[name] for name in before), log
    assert "a password is required" not in log, log
