#!/usr/bin/python3
"""A Telegram Bot API for one bot on 127.0.0.1:443 of a throwaway machine, and its users.

telegram.py serve                       run the server (TLS: /opt/lab/tls)
telegram.py say USER TEXT               write something, a /command too
telegram.py upload USER PATH [CAPTION]  send a document
telegram.py voice USER                  send a voice message
telegram.py sent [SINCE]                print what the bot did since that number, one JSON a line
telegram.py wait USER REGEX [SECONDS] [SINCE]   until a message to the user matches
telegram.py mark                        print the number of the last call
"""

import email.parser
import email.policy
import http.server
import json
import re
import shutil
import ssl
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

TLS = Path("/opt/lab/tls")
STATE = Path("/opt/lab/state")
ADDRESS = ("127.0.0.1", 443)
BOT = {
    "id": 123456789,
    "is_bot": True,
    "first_name": "Kai",
    "username": "kai_lab_bot",
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
}
SENDING = (
    *("sendMessage", "editMessageText", "editMessageReplyMarkup"),
    *("sendDocument", "sendPhoto", "sendVoice"),
)
LONGEST_POLL = 20
Fields = dict[str, Any]


class Chats:
    """What was said on both sides; every access holds the lock."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.updates: list[Fields] = []
        self.calls: list[Fields] = []
        # a poll of the bot that outlived an earlier server must not take these for old ones
        self.numbers = {"update": int(time.time()), "message": 100}

    def message(self, user: int, sender: Fields, **content: Any) -> Fields:
        """Return a message of a private chat under a number of its own."""
        self.numbers["message"] += 1
        return {
            "message_id": self.numbers["message"],
            "date": int(time.time()),
            "chat": {"id": user, "type": "private", "first_name": f"user {user}"},
            "from": sender,
            **content,
        }

    def hear(self, user: int, content: Fields) -> None:
        """Hand a message of a user to the bot."""
        sender = {"id": user, "is_bot": False, "first_name": f"user {user}"}
        self.numbers["update"] += 1
        message = self.message(user, sender, **content)
        self.updates.append({"update_id": self.numbers["update"], "message": message})
        self.lock.notify_all()

    def poll(self, given: Fields) -> list[Fields]:
        """Return updates from an offset on, waiting for one."""
        offset = int(given.get("offset") or 0)
        limit = time.monotonic() + min(LONGEST_POLL, int(given.get("timeout") or 0))
        while True:
            self.updates = [entry for entry in self.updates if entry["update_id"] >= offset]
            left = limit - time.monotonic()
            if self.updates or left <= 0:
                return self.updates[:100]
            self.lock.wait(left)

    def call(self, method: str, given: Fields) -> Any:
        """Return the result of a method of the Bot API."""
        if method == "getUpdates":
            return self.poll(given)
        number = len(self.calls) + 1
        self.calls.append({"number": number, "method": method, **given})
        self.lock.notify_all()
        if method == "getMe":
            return BOT
        if method in SENDING:
            text = given.get("text") or given.get("caption") or "x"
            sent = self.message(int(given["chat_id"]), BOT, text=text)
            if "message_id" in given:
                sent["message_id"] = int(given["message_id"])
            return sent
        if method == "getFile":
            name = given["file_id"]
            return {"file_id": name, "file_unique_id": name, "file_path": f"documents/{name}"}
        if method == "getWebhookInfo":
            return {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
        return True


CHATS = Chats()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request of the bot, or of a user by way of /lab."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a download or a method."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer a method of the Bot API, or of the lab."""
        address = urllib.parse.urlsplit(self.path)
        given: Fields = dict(urllib.parse.parse_qsl(address.query))
        given.update(self.fields())
        parts = address.path.split("/")
        if parts[1] == "file":
            self.answer((STATE / parts[-1]).read_bytes())
            return
        if parts[1] != "lab" and not parts[1].startswith(f"bot{BOT['id']}:"):
            # https://core.telegram.org/bots/api#making-requests, as it answers a token of nobody
            refused = {"ok": False, "error_code": 401, "description": "Unauthorized"}
            self.answer(refused, code=401)
            return
        with CHATS.lock:
            if parts[1] != "lab":
                self.answer({"ok": True, "result": CHATS.call(parts[-1], given)})
            elif parts[2] == "hear":
                CHATS.hear(given["user"], given["content"])
                self.answer(None)
            else:
                self.answer(CHATS.calls[given["since"] :])

    def fields(self) -> Fields:
        """Return what the body holds; of a file only its name and beginning."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("application/json"):
            return dict(json.loads(body or b"{}"))
        if not kind.startswith("multipart/"):
            return dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        header = b"Content-Type: " + kind.encode() + b"\r\n\r\n"
        parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(header + body)
        found = {}
        for part in parsed.iter_parts():
            content = part.get_payload(decode=True) or b""
            name = str(part.get_param("name", header="content-disposition"))
            file = part.get_filename()
            found[name] = f"{file}: {content[:80]!r}" if file else content.decode()
        return found

    def answer(self, value: Any, code: int = 200) -> None:
        """Send bytes as they are, anything else as JSON."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serve() -> None:
    """Run the server."""
    STATE.mkdir(exist_ok=True)
    server = http.server.ThreadingHTTPServer(ADDRESS, Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.serve_forever()


def ask(what: str, **given: Any) -> Any:
    """Return the answer of the lab's own routes."""
    context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    request = urllib.request.Request(
        f"https://api.telegram.org/lab/{what}",
        json.dumps(given).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        return json.load(answer)


def hear(user: str, **content: Any) -> None:
    """Let a user write."""
    ask("hear", user=int(user), content=content)


def file_for_the_bot(path: str) -> Fields:
    """Return a file as Telegram describes it, ready to be fetched."""
    name = f"F{time.time_ns()}"
    shutil.copy(path, STATE / name)
    return {"file_id": name, "file_unique_id": name, "file_size": Path(path).stat().st_size}


def wait(user: str, pattern: str, seconds: str = "60", since: str = "0") -> int:
    """Print the first message to a user that matches, or everything that did not."""
    limit = time.monotonic() + float(seconds)
    while True:
        calls = [call for call in ask("calls", since=int(since)) if call.get("chat_id")]
        told = [call for call in calls if str(call["chat_id"]) == user]
        for call in told:
            text = f"{call.get('text', '')}{call.get('document', '')}{call.get('caption', '')}"
            if call["method"] in SENDING and re.search(pattern, text, re.DOTALL):
                print(json.dumps({**call, "said": text}))
                return 0
        if time.monotonic() > limit:
            print(json.dumps(told))
            return 1
        time.sleep(0.2)


def main(verb: str, *given: str) -> int:
    """Do what a command line says."""
    if verb == "serve":
        serve()
    elif verb == "say":
        user, text = given
        command = {"type": "bot_command", "offset": 0, "length": len(text.split()[0])}
        hear(user, text=text, **({"entities": [command]} if text.startswith("/") else {}))
    elif verb == "upload":
        user, path, *caption = given
        document = {**file_for_the_bot(path), "file_name": Path(path).name}
        document["mime_type"] = "text/plain"
        hear(user, document=document, **({"caption": caption[0]} if caption else {}))
    elif verb == "voice":
        hear(given[0], voice={**file_for_the_bot("/etc/hostname"), "duration": 1})
    elif verb == "sent":
        for call in ask("calls", since=int(given[0] if given else 0)):
            print(json.dumps(call))
    elif verb == "mark":
        print(len(ask("calls", since=0)))
    elif verb == "wait":
        return wait(*given)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
