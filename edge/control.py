"""The agent's local socket: a person or a button's script asks for its state or raises an SOS.

Enters: one line of text from a process on the same machine (`status`, `sos`, `orders`, `say TEXT` …). Leaves: one
line of JSON. The socket lies beside the spool with mode 0600. Called by `edge.agent`; `ask` by `edge.cli`.
"""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

LINE_BYTES_MAX = 4_096
ANSWER_BYTES_MAX = 65_536
TIMEOUT_S = 0.2

Answer = Callable[[str], dict[str, object]]


class Control:
    """Listens on a unix socket; each connection is one question and one answer."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Listen. An old socket of an agent that was killed is replaced."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path))
        os.chmod(self._path, 0o600)
        listener.listen(4)
        listener.setblocking(False)
        self._socket = listener

    def fileno(self) -> int | None:
        return None if self._socket is None else self._socket.fileno()

    def on_readable(self) -> None:
        """Answer one question; a silent asker is left after 0.2 s."""
        assert self._socket is not None
        try:
            peer, _ = self._socket.accept()
        except BlockingIOError:
            return
        with peer:
            peer.settimeout(TIMEOUT_S)
            try:
                question = peer.recv(LINE_BYTES_MAX).decode("utf-8", "replace").strip()
                peer.sendall(json.dumps(self._answer(question), ensure_ascii=False).encode() + b"\n")
            except OSError:
                return

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._path.unlink(missing_ok=True)
            self._socket = None


def ask(path: Path, question: str, timeout_s: float = 3.0) -> dict[str, object]:
    """Ask a running agent. OSError when none listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        line.connect(str(path))
        line.sendall(question.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < ANSWER_BYTES_MAX:
            part = line.recv(4_096)
            if not part:
                break
            answer += part
    loaded: dict[str, object] = json.loads(answer)
    return loaded
