"""Whether an order is to be believed: who signed it, and whether that counts here.

Enters: an order with its signatures, the held list of commanders' keys, the hub's key. Leaves: a reason to doubt it, or
"". Pure: `verify` is Ed25519. Called by `edge.obey_desk`. The MAC of the message was good already.
"""

from typing import Protocol

from protocols import orders
from protocols.errors import OrderError
from protocols.orders import NEVER_LATE, SIGNED, KeyList, Order, OrderType, Signature, Verify

STRANGE_MS = 15_000
"""An order under an unknown key that still comes after so long is forged: a new list would have come by then."""
STRANGE_MAX = 64


class Keys(Protocol):
    """Whose orders count, as `edge.trust.Trust` is."""

    @property
    def keys(self) -> KeyList | None: ...
    @property
    def signer(self) -> bytes | None: ...


class Proof:
    """Reasons: `forged` a signature that does not fit, `signer` by nobody whom the held list knows, `expired` by a key
    whose time is over, `keys` no list yet, `realm`."""

    def __init__(self, trust: Keys, realm: str, verify: Verify) -> None:
        self._trust = trust
        self._realm = realm
        self._verify = verify
        self._strange_ms: dict[int, int] = {}

    def doubt(
        self, core: bytes, order: Order, signatures: tuple[Signature, ...], t_utc_ms: int | None
    ) -> str:
        """Why an order is not to be believed, as a reason; "" when it is. `t_utc_ms` None: the time is not proven."""
        if order.realm != self._realm:
            return "realm"
        if order.type == OrderType.CONFIG:
            return self._doubt_config(core, signatures)
        return self._doubt_signed(core, order, signatures, t_utc_ms) if order.type in SIGNED else ""

    def _doubt_config(self, core: bytes, signatures: tuple[Signature, ...]) -> str:
        signer = self._trust.signer
        if signer is None:
            return "signer"
        mark, message = orders.key_id(signer), orders.signed_bytes(core)
        good = any(
            said.key_id == mark and self._verify(signer, message, said.signature) for said in signatures
        )
        return "" if good else "forged"

    def _doubt_signed(
        self, core: bytes, order: Order, signatures: tuple[Signature, ...], t_utc_ms: int | None
    ) -> str:
        keys = self._trust.keys
        if self._trust.signer is None:
            # such a gateway can verify nobody; an evacuation is obeyed by its MAC, as on narrow ways
            return "" if order.type in NEVER_LATE else "signer"
        if keys is None:
            return "keys"
        if not self._fits(core, signatures, keys, None):
            known = {key.key_id for key in keys.keys}
            return "forged" if {said.key_id for said in signatures} <= known else "signer"
        if order.type in NEVER_LATE or self._fits(core, signatures, keys, t_utc_ms):
            return ""
        return "expired"  # the hub says such an order no more; here it is no forgery, and no order

    def _fits(
        self, core: bytes, signatures: tuple[Signature, ...], keys: KeyList, t_utc_ms: int | None
    ) -> bool:
        try:
            orders.check_signatures(core, signatures, keys, self._verify, t_utc_ms)
        except OrderError:
            return False
        return True

    def is_forged(self, seq: int, reason: str, t_ms: int) -> bool:
        """Whether a doubted order is an alarm: at once, or when an unknown key's still comes after a while."""
        if reason != "signer" or self._trust.signer is None:
            return reason == "forged"
        first_ms = self._strange_ms.get(seq)
        if first_ms is None:
            self._strange_ms[seq] = t_ms
            if len(self._strange_ms) > STRANGE_MAX:
                del self._strange_ms[next(iter(self._strange_ms))]
        return first_ms is not None and t_ms - first_ms >= STRANGE_MS
