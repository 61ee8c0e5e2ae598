"""The local page: a small web server on the vehicle for its own screen, or a tablet in its LAN.

Enters: what `edge.team` shows, once a second. Leaves: a page, its data, and presses of "roll-call". Called by
`edge.agent`. It serves in a thread of its own, from one snapshot: nothing that a browser does can hold up the loop.
Beyond loopback a code is asked for; requests are few, small, and of one address family of names.
"""

import json
import logging
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from edge.config import TeamConfig
from protocols.keys import same

log = logging.getLogger("zhantu.edge.team")

TIMEOUT_S = 5
CONNECTIONS_MAX = 16
WRONG_PAUSE_S = 1.0
PRESSES_MAX = 4
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
}
PAGES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}


class TeamPage:
    """The server. `presses` holds what was asked for, for the loop to take out."""

    def __init__(self, config: TeamConfig, code: bytes) -> None:
        self._config = config
        self._code = code
        self._server: ThreadingHTTPServer | None = None
        self._retry_s = 0.0
        self._told = False
        self.snapshot = b"{}"
        self.presses: queue.Queue[str] = queue.Queue(PRESSES_MAX)

    @property
    def port(self) -> int | None:
        return None if self._server is None else int(self._server.server_address[1])

    def show(self, shown: dict[str, object]) -> None:
        """What is served from now on."""
        self.snapshot = json.dumps(shown, ensure_ascii=False).encode()

    def maintain(self, t_mono_s: float) -> None:
        """Listen when it is time: an interface may come later than the agent."""
        if not self._config.on or self._server is not None or t_mono_s < self._retry_s:
            return
        self._retry_s = t_mono_s + 5.0
        try:
            self._server = _Server((self._config.listen, self._config.port), _handler(self, self._code))
        except OSError as err:
            if not self._told:
                log.error("team.listen %s:%s: %s", self._config.listen, self._config.port, err.strerror)
            self._told = True
            return
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._server = None


class _Server(ThreadingHTTPServer):
    """As many connections at once as a vehicle has screens, and some more."""

    daemon_threads = True
    request_queue_size = 8

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.Semaphore(CONNECTIONS_MAX)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


def _handler(page: TeamPage, code: bytes) -> type[BaseHTTPRequestHandler]:
    wrong = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        server_version = "zhantu"
        sys_version = ""

        def log_message(self, format: str, *args: Any) -> None:
            """The agent's log is for what its owner must know."""

        def do_GET(self) -> None:
            if self.path in PAGES:
                name, kind = PAGES[self.path]
                self._answer(200, kind, (files("edge") / "team_screen" / name).read_bytes())
            elif self.path == "/team.json":
                if self._may():
                    self._answer(200, "application/json", page.snapshot)
            else:
                self._answer(404, "text/plain", b"no such page\n")

        def do_POST(self) -> None:
            # the header cannot be sent by a page of somebody else's
            if self.path != "/roll-call" or self.headers.get("X-Zhantu") != "1":
                self._answer(404, "text/plain", b"no such page\n")
            elif self._may():
                try:
                    page.presses.put_nowait("roll-call")
                except queue.Full:
                    self._answer(429, "text/plain", b"too many\n")
                    return
                self._answer(202, "application/json", b"{}")

        def _may(self) -> bool:
            said = (self.headers.get("X-Code") or "").encode("latin-1", "replace")
            if not code or same(said, code):
                return True
            if said:
                with wrong:  # one wrong code a second, whoever tries
                    time.sleep(WRONG_PAUSE_S)
            self._answer(401, "text/plain", b"a code is needed\n")
            return False

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
