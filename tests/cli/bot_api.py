"""A stand-in for Telegram's Bot API that knows one bot."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.cli.desk import TOKEN

BOT = {"id": 123456789, "is_bot": True, "first_name": "Kai", "username": "kai_of_ada_bot"}


@contextlib.contextmanager
def serving(token: str = TOKEN) -> Iterator[tuple[str, list[str]]]:
    """Serve; yield the address, and the paths that were asked for. token: the one that it knows."""
    asked: list[str] = []

    class BotApi(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            known = self.path == f"/bot{token}/getMe"
            answer = {"ok": True, "result": BOT} if known else {"ok": False, "error_code": 401}
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), BotApi) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()
