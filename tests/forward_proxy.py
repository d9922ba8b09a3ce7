"""A minimal forward proxy for tests: it asks for a login, and notes who came and where to.

CONNECT reaches a host by the address that the proxy is given for it. Any other request gets a git
repository, whatever its host. ``python3 forward_proxy.py FILE`` serves on port 3128 as a service;
FILE holds the arguments of Proxy as JSON.
"""

import base64
import http.server
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Proxy(http.server.ThreadingHTTPServer):
    """A proxy on a port of this host.

    login: NAME:PASSWORD. addresses: by host name. repositories: the directory of those for git.
    notes: a file that gets a line of JSON for each request: its host, and who asked.
    """

    daemon_threads = True

    def __init__(
        self,
        port: int,
        login: str,
        notes: str,
        addresses: Mapping[str, str] | None = None,
        repositories: str = "",
    ) -> None:
        self.token = "Basic " + base64.b64encode(login.encode()).decode()
        self.notes = Path(notes)
        self.addresses = addresses or {}
        self.repositories = repositories
        super().__init__(("127.0.0.1", port), _Request)


class _Request(http.server.BaseHTTPRequestHandler):
    server: Proxy

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""

    def do_CONNECT(self) -> None:
        host, _colon, port = self.path.rpartition(":")
        if not self._may(host):
            return
        with socket.create_connection((self.server.addresses.get(host, host), int(port))) as there:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: there, there: self.connection}
            while ready := select.select([*ends], [], [], 60)[0]:
                for end in ready:
                    piece = end.recv(65536)
                    if not piece:
                        return
                    ends[end].sendall(piece)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not self._may(url.hostname or ""):
            return
        done = subprocess.run(
            ["git", "http-backend"],
            input=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": self.server.repositories,
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": url.path,
                "QUERY_STRING": url.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            capture_output=True,
            check=True,
        )
        headers, _blank, body = done.stdout.partition(b"\r\n\r\n")
        self.send_response(200)
        for line in headers.decode().splitlines():
            name, _colon, value = line.partition(": ")
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def _may(self, host: str) -> bool:
        """Note the request, and return whether it has the login; otherwise ask for that."""
        has_login = self.headers.get("Proxy-Authorization") == self.server.token
        who = _command_at(self.client_address[1])
        with self.server.notes.open("a") as handle:
            handle.write(json.dumps({"host": host, "who": who, "login": has_login}) + "\n")
        if not has_login:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", "Basic realm=x")
            self.send_header("Content-Length", "0")
            self.end_headers()
        return has_login


def _command_at(port: int) -> str:
    """Return the command line of the process that connected from a port of this host."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}"):
            for path in Path("/proc").glob("[0-9]*/fd/*"):
                try:
                    if str(path.readlink()) == f"socket:[{fields[9]}]":
                        text = path.parents[1].joinpath("cmdline").read_bytes()
                        return text.replace(b"\0", b" ").decode()
                except OSError:
                    continue
    return "unknown"


if __name__ == "__main__":
    with Proxy(3128, **json.loads(Path(sys.argv[1]).read_text())) as proxy:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
        proxy.serve_forever()
