"""HTTPS for screens and API: the certificate, kept fresh while the hub runs.

Enters: settings, the hub's authority. Leaves: an SSLContext for uvicorn. Caller: `hub.app`.

There is no Strict-Transport-Security: the port speaks nothing but TLS, so there is nothing to upgrade, and with a
private authority the header would only turn a changed certificate into a screen that nobody can open.
"""

import logging
import ssl
from pathlib import Path

from hub import addresses
from hub.errors import AuthorityError, HubError
from hub.identity.authority import Authority
from hub.settings import Settings

log = logging.getLogger(__name__)


def names_of(settings: Settings) -> list[str]:
    """Every name and address under which a browser may ask this hub."""
    own = addresses.server_names(settings, settings.host)
    hosts = [name for name in own if not name.startswith("localhost") and not _is_address(name)]
    local = [f"{name}.local" for name in hosts if "." not in name]
    return list(dict.fromkeys([*own, *local, "127.0.0.1"]))


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdecimal()


class WebTls:
    """One context for the life of the hub: new connections use the certificate that it was loaded with last."""

    def __init__(self, settings: Settings, authority: Authority) -> None:
        self._settings = settings
        self._authority = authority
        self._loaded = b""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])

    def load(self) -> bool:
        """Take the certificate as it is now; True when it is another one than before. HubError: it cannot be used."""
        chain, key = self._files()
        try:
            data = chain.read_bytes() + key.read_bytes()
            if data == self._loaded:
                return False
            self.context.load_cert_chain(chain, key)
        except (OSError, ssl.SSLError) as err:
            why = getattr(err, "reason", None) or getattr(err, "strerror", None) or err
            raise HubError(
                f"web: tls_cert {chain} and tls_key {key}: {why}; a PEM chain and its key needed"
            ) from None
        self._loaded = data
        return True

    def renew(self) -> None:
        """As `load`, while the hub runs: what cannot be used is said, and the one before goes on."""
        try:
            if self.load():
                log.info("web: new certificate")
        except (HubError, AuthorityError) as err:
            log.error("%s", err)

    def _files(self) -> tuple[Path, Path]:
        settings = self._settings
        if settings.tls_cert:
            return Path(settings.tls_cert), Path(settings.tls_key)
        return self._authority.server(names_of(settings), "web")
