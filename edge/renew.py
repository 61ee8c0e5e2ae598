"""A new certificate before the old one ends: the asking, and the agent's watch over when to ask.

Enters: an identity's folder; for the watch, times. Leaves: new files, and a word when they are there. Callers:
`zhantu-edge renew`, which a person or the agent starts; `Renewer` by `edge.agent`.

The asking is a program of its own, because it blocks, and because its X.509 library stays out of the agent.
"""

import logging
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge import identity
from edge.config import Config, ConfigError, read_key
from edge.identity import Identity, IdentityError
from protocols.errors import EnrolmentError
from protocols.keys import MacKey

log = logging.getLogger("zhantu.edge.renew")

REVOKED_EXIT = 3
FIRST_S = 60.0
"""A renewal that is due at the start waits up to this, so that a fleet does not ask all at once."""
HOUR_S, DAY_S = 3_600.0, 86_400.0
CHILD_S_MAX = 180.0


def renew(config: Config) -> Identity:
    """Ask for a new certificate with a new key, and write both. HubError, EnrolmentError, IdentityError say why not."""
    from edge import certificates, enrol, hub_http
    from protocols import enrolment

    path, held = _identity_of(config)
    authority = (path.parent / identity.AUTHORITY).read_text(encoding="ascii", errors="replace")
    hub = hub_http.at(held.hub, authority)
    request = certificates.new_request()
    t_utc_ms = round(time.time() * 1000)
    proof = enrolment.renewal_bytes(held.device, t_utc_ms, request.csr)
    mac = MacKey(read_key(config.device.key_file), held.realm).renewal(proof).hex()
    said = {"device": held.device, "t_utc_ms": t_utc_ms, "csr": request.csr, "mac": mac}
    granted = enrolment.granted(hub_http.post(hub, enrolment.RENEW_PATH, said))
    if (granted.device, granted.realm, granted.epoch) != (held.device, held.realm, held.epoch):
        raise EnrolmentError(
            f"hub: answers for device {granted.device}, realm {granted.realm}, epoch {granted.epoch}; enrol anew"
        )
    made, files = enrol.contents(hub, granted, request)
    # The certificate first: cut between the two, the next start merely renews once more.
    for name in (identity.CERTIFICATE, identity.NAME):
        identity.write(path.parent / name, files[name])
    return made


def _identity_of(config: Config) -> tuple[Path, Identity]:
    if config.device.identity is None or config.identity is None:
        raise ConfigError(f"{config.path}: no device.identity, so there is no certificate to renew")
    return config.device.identity, config.identity


class Renewer:
    """Starts the renewal when it is due, at most once an hour, and never waits for it.

    `maintain` is called now and then; `on_new` is told the identity that a renewal wrote.
    """

    def __init__(
        self,
        config: Config,
        rng: random.Random,
        on_new: Callable[[Identity], None],
        command: list[str] | None = None,
    ) -> None:
        self._path = config.device.identity
        self.identity = config.identity
        self._rng = rng
        self._on_new = on_new
        self._command = command or [sys.executable, "-m", "edge", "renew", "--config", str(config.path)]
        self._child: subprocess.Popen[bytes] | None = None
        self._next_s: float | None = None
        self._end_s = 0.0

    def maintain(self, t_mono_s: float, t_utc_ms: int) -> None:
        """Start a renewal that is due, or see how the running one went."""
        if self._child is not None:
            self._look(self._child, t_mono_s)
        elif self.identity is not None and self.identity.renewal_due(t_utc_ms):
            if self._next_s is None:
                self._next_s = t_mono_s + self._rng.uniform(0, FIRST_S)
            if t_mono_s >= self._next_s and not self._renewed_by_hand():
                self._start(t_mono_s)

    def close(self) -> None:
        """End a renewal that runs; its files are whole at any moment."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def _renewed_by_hand(self) -> bool:
        """Whether somebody typed `zhantu-edge renew` meanwhile; then that is what we take."""
        before = self.identity
        try:
            if self._path is None or identity.read(self._path) == before:
                return False
        except IdentityError:
            return False  # the child will say it
        self._read()
        return True

    def _start(self, t_mono_s: float) -> None:
        self._end_s = t_mono_s + CHILD_S_MAX
        self._later(t_mono_s, HOUR_S)
        try:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        except OSError as err:
            log.error("renewal of the certificate cannot be started: %s", err)

    def _later(self, t_mono_s: float, pause_s: float) -> None:
        self._next_s = t_mono_s + pause_s * self._rng.uniform(1.0, 1.5)

    def _look(self, child: "subprocess.Popen[bytes]", t_mono_s: float) -> None:
        code = child.poll()
        if code is None:
            if t_mono_s > self._end_s:
                child.kill()
            return
        self._child = None
        if code == 0:
            self._read()
        elif code == REVOKED_EXIT:
            self._later(t_mono_s, DAY_S)
            log.error("the hub has revoked this gateway; it must be enrolled anew. Asked again in a day")
        else:
            log.warning("the certificate was not renewed; asked again in an hour or so")

    def _read(self) -> None:
        assert self._path is not None
        try:
            self.identity = identity.read(self._path)
        except IdentityError as err:
            log.error("%s", err)
            return
        log.info("certificate renewed, until %s", identity.when(self.identity.not_after_utc_ms))
        self._on_new(self.identity)
