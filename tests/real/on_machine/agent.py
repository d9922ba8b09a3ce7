#!/usr/bin/python3
"""claude, codex, goose and gh in one stub: enough of each protocol for a conversation with Kai.

Which one it is follows from its name. The last line of what it is told may be a command:
  !env             uid, groups, directory, arguments and environment, as JSON
  !sh COMMAND      run it, answer with its output
  !slow SECONDS    talk for so long
  !child           leave a child running that ignores SIGTERM, answer with its process ID
Anything else is echoed. A one-shot whose input has the word HANG does not end, and neither does its
child. What was started goes to /var/tmp/agents/<account>.jsonl, one JSON a line.
"""

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = Path(sys.argv[0]).name
ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
LOG = Path(f"/var/tmp/agents/{ACCOUNT}.jsonl")
LOGINS = {"claude": ".claude/.credentials.json", "codex": ".codex/auth.json"}
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3000)"
CLOSED: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)


def note(event: str, **more: Any) -> None:
    """Write down what happened."""
    entry = {"event": event, "agent": NAME, "pid": os.getpid(), "argv": sys.argv[1:], **more}
    with LOG.open("a") as handle:
        handle.write(json.dumps(entry) + "\n")


def say(value: object) -> None:
    """Print a line of JSON."""
    print(json.dumps(value), flush=True)


def command_of(prompt: str) -> str:
    """Return the last line, or the last one that is a command: Kai may add lines of its own."""
    lines = [line.strip() for line in prompt.splitlines() if line.strip()] or [""]
    commands = [line for line in lines if line.startswith("!")]
    return commands[-1] if commands else lines[-1]


def replies(prompt: str) -> Iterator[str]:
    """Yield the pieces of the answer to a prompt."""
    word, _, rest = command_of(prompt).partition(" ")
    who = f"[{NAME} as {ACCOUNT}]"
    if word == "!env":
        facts = {
            "uid": os.getuid(),
            "groups": os.getgroups(),
            "cwd": str(Path.cwd()),
            "argv": sys.argv[1:],
            "env": {**os.environ, "KAI_WEBHOOK_SECRET": bool(os.environ.get("KAI_WEBHOOK_SECRET"))},
        }
        yield f"{who} env {json.dumps(facts)}"
    elif word == "!sh":
        done = subprocess.run(["sh", "-c", rest], capture_output=True, text=True, timeout=60)
        yield f"{who} code={done.returncode} {done.stdout}{done.stderr}"
    elif word == "!slow":
        for number in range(int(rest)):
            yield f"{who} tick {number}\n"
            time.sleep(1)
    elif word == "!child":
        child = subprocess.Popen([sys.executable, "-c", STUBBORN], **CLOSED)
        yield f"{who} child {child.pid} of {os.getpid()}"
    else:
        yield f"{who} echo: {(word + ' ' + rest).strip()[:200]}"


def text_of(content: Any) -> str:
    """Return the text of a message."""
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content)


def documents() -> Iterator[dict[str, Any]]:
    """Yield what is said to the agent."""
    for line in sys.stdin:
        yield json.loads(line)


def claude() -> None:
    """Talk in claude's stream of JSON."""
    session = f"s-{os.getpid()}"
    for given in documents():
        if given.get("type") == "control_request":
            response = {"subtype": "success", "request_id": given["request_id"], "response": {}}
            say({"type": "control_response", "response": response})
        elif given.get("type") == "user":
            prompt = text_of(given["message"]["content"])
            note("turn", prompt=prompt[-6000:])
            say({"type": "system", "subtype": "init", "session_id": session})
            whole = ""
            for piece in replies(prompt):
                whole += piece
                block = {"content": [{"type": "text", "text": piece}]}
                say({"type": "assistant", "message": block, "session_id": session})
            result = {"subtype": "success", "is_error": False, "result": whole}
            say({"type": "result", "session_id": session, "total_cost_usd": 0.01, **result})


def codex() -> None:
    """Talk as codex's app-server."""
    turns = 0
    for given in documents():
        method, number = given.get("method"), given.get("id")
        if method == "initialize":
            say({"id": number, "result": {"userAgent": "stub", "platformOs": "linux"}})
        elif method == "thread/start":
            say({"id": number, "result": {"thread": {"id": f"t-{os.getpid()}"}}})
        elif method == "turn/start":
            turns += 1
            prompt = text_of(given["params"]["input"])
            note("turn", prompt=prompt[-6000:], model=given["params"].get("model"))
            item, whole = {"type": "agentMessage", "id": f"i{turns}"}, ""
            say({"id": number, "result": {"turn": {"id": f"u{turns}"}}})
            say({"method": "item/started", "params": {"item": item}})
            for piece in replies(prompt):
                whole += piece
                delta = {"itemId": item["id"], "delta": piece}
                say({"method": "item/agentMessage/delta", "params": delta})
            say({"method": "item/completed", "params": {"item": {**item, "text": whole}}})
            say({"method": "turn/completed", "params": {"turn": {"status": "completed"}}})


def goose() -> None:
    """Talk in the agent client protocol."""
    for given in documents():
        method, number = given.get("method"), given.get("id")
        result: dict[str, Any] = {}
        if method == "session/new":
            result = {"sessionId": f"g-{os.getpid()}"}
        elif method == "session/prompt":
            prompt = text_of(given["params"]["prompt"])
            note("turn", prompt=prompt[-6000:])
            for piece in replies(prompt):
                content = {"type": "text", "text": piece}
                update = {"sessionUpdate": "agent_message_chunk", "content": content}
                params = {"sessionId": given["params"]["sessionId"], "update": update}
                say({"jsonrpc": "2.0", "method": "session/update", "params": params})
            result = {"stopReason": "end_turn"}
        if number is not None:
            say({"jsonrpc": "2.0", "id": number, "result": result})


def once() -> None:
    """Answer one question."""
    prompt = sys.stdin.read()
    note("once", prompt=prompt[-6000:])
    if "HANG" in prompt:
        subprocess.Popen([sys.executable, "-c", STUBBORN], **CLOSED)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(3000)
    answer = f"[{NAME} as {ACCOUNT}] once"
    if NAME == "codex":
        say({"type": "item.completed", "item": {"type": "agent_message", "text": answer}})
    else:
        print(answer)


def gh() -> int:
    """Answer what a review asks of GitHub."""
    note("gh")
    if "diff" in sys.argv:
        print("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b")
    elif "comment" in sys.argv:
        note("comment", body=sys.stdin.read() if not sys.stdin.isatty() else "")
    return 0


def main() -> int:
    """Be the program that the name says."""
    given = sys.argv[1:]
    if given == ["--version"]:
        print("9.9.9 (stub)")
        return 0
    if NAME == "gh":
        return gh()
    if given[:2] in (["auth", "status"], ["login", "status"]):
        there = (Path.home() / LOGINS[NAME]).exists()
        print(json.dumps({"loggedIn": there}) if NAME == "claude" else "Logged in")
        return 0 if there else 1
    chatting = {"claude": "--input-format", "codex": "app-server", "goose": "acp"}
    if chatting[NAME] not in given:
        note("started", env=dict(os.environ), cwd=str(Path.cwd()))
        once()
    elif NAME == "codex" and not os.environ.get("STUB_INNER"):
        # as the package of npm: a wrapper, and the program below it
        with subprocess.Popen(sys.argv, env={**os.environ, "STUB_INNER": "1"}) as inner:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda which, _: inner.send_signal(which))
            return inner.wait()
    else:
        note("started", env=dict(os.environ), cwd=str(Path.cwd()))
        {"claude": claude, "codex": codex, "goose": goose}[NAME]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
