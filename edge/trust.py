"""Which commanders this gateway obeys: the newest list of their keys that the hub signed.

Enters: messages of the orders topic. Leaves: the list, on the disk and in memory. Called by `edge.agent`.
The list with the highest number stays, across restarts; a lower number is refused, whoever sends it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from edge import identity
from protocols import orders
from protocols.errors import OrderError
from protocols.keys import MacKey
from protocols.orders import KeyList, What

Take = Callable[[bytes, int], None]
"""Takes the body of a message and the time it came; OrderError refuses it."""

log = logging.getLogger("zhantu.edge.trust")

LOG_EVERY_NS = 60 * 10**9
FORGED = frozenset({"message", "list"})
"""Reasons that somebody is at work who has not the hub's keys."""


class Trust:
    """The list that is held. `refused` counts messages by a short reason.

    message   not the hub's, or damaged          list    signed by somebody else, of another realm, damaged
    older     not newer than what is held        unknown of a kind that this program does not know
    signer    this gateway was never enrolled, so it cannot tell who may sign
    body      authentic, of another kind, and not what that kind carries
    """

    def __init__(
        self,
        path: Path | None,
        signer: bytes | None,
        realm: str,
        mac_key: MacKey,
        others: Mapping[int, Take] | None = None,
        on_forged: Callable[[], None] = lambda: None,
    ) -> None:
        """`others`: who takes messages down of other kinds. `on_forged`: a message or a list was not the hub's."""
        self._others = others or {}
        self._on_forged = on_forged
        self._path = path
        self._signer = signer
        self._realm = realm
        self._mac_key = mac_key
        self._held: KeyList | None = None
        self._logged_ns: int | None = None
        self._unlogged = 0
        self.refused: Counter[str] = Counter()

    @property
    def number(self) -> int | None:
        """The number of the list that is held; 0 before the first, None on a gateway that cannot hold any."""
        return None if self._signer is None else self._held.number if self._held else 0

    @property
    def keys(self) -> KeyList | None:
        """The list that is held."""
        return self._held

    @property
    def signer(self) -> bytes | None:
        """The hub's Ed25519 key; None on a gateway that was never enrolled."""
        return self._signer

    def load(self) -> None:
        """Take the list from the disk, if the hub's signature under it is good."""
        if self._path is None or self._signer is None:
            return
        try:
            with self._path.open("rb") as file:
                data = file.read(orders.DOWN_BYTES_MAX + 1)
            self._held = self._opened(data)
        except FileNotFoundError:
            return
        except (OSError, OrderError) as err:
            log.error("%s: %s; waiting for a new list from the hub", self._path, err)

    def hear(self, data: bytes, t_mono_ns: int, *, overheard: bool = False) -> None:
        """Take a message down, or count why not. `overheard`: it came by a way where others' messages come too."""
        try:
            what, body = orders.unpack_down(data, self._mac_key)
        except OrderError as err:
            if overheard:
                return
            self._refuse("message", str(err), t_mono_ns)
            return
        take = self._others.get(what)
        if take is not None:
            try:
                take(body, t_mono_ns)
            except OrderError as err:
                self._refuse("body", str(err), t_mono_ns)
        elif what != What.KEYS:
            self._refuse("unknown", f"order: kind {what} is not known to this program", t_mono_ns)
        elif self._signer is None:
            self._no_signer()
        else:
            self._take(body, t_mono_ns)

    def status(self) -> dict[str, object]:
        """For `zhantu-edge status`."""
        names = [key.name for key in self._held.keys] if self._held else []
        return {"list": self.number, "commanders": names, "refused": dict(self.refused)}

    def _take(self, body: bytes, t_mono_ns: int) -> None:
        try:
            keys = self._opened(body)
        except OrderError as err:
            self._refuse("list", str(err), t_mono_ns)
            return
        if keys == self._held:
            return  # the hub says it again until it hears our number
        if self._held is not None and keys.number <= self._held.number:
            words = f"keys: list {keys.number}, but {self._held.number} is held"
            self._refuse("older", words, t_mono_ns)
            return
        self._held = keys
        log.info(
            "list %s of commanders' keys: %s", keys.number, ", ".join(k.name for k in keys.keys) or "nobody"
        )
        assert self._path is not None
        try:
            identity.write(self._path, body)
        except OSError as err:
            log.error("%s: %s; the list is in memory only", self._path, err.strerror)

    def _opened(self, data: bytes) -> KeyList:
        assert self._signer is not None
        return orders.open_list(data, self._signer, self._realm, verify)

    def _no_signer(self) -> None:
        if not self.refused["signer"]:
            log.warning(
                "a list of commanders' keys is ignored: only an enrolled gateway knows the hub's signature"
            )
        self.refused["signer"] += 1

    def _refuse(self, reason: str, words: str, t_mono_ns: int) -> None:
        """Count, and say it once a minute at most: whoever floods us must not fill the log."""
        self.refused[reason] += 1
        if reason in FORGED:
            self._on_forged()
        if self._logged_ns is not None and t_mono_ns - self._logged_ns < LOG_EVERY_NS:
            self._unlogged += 1
            return
        more = f" ({self._unlogged} more were refused before)" if self._unlogged else ""
        log.warning("%s%s", words, more)
        self._logged_ns, self._unlogged = t_mono_ns, 0


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Ed25519. The library is loaded with the first message: many gateways of the demonstration never get one."""
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True
