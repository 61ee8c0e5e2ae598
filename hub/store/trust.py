"""Trust in the registry: commanders' keys and their lists, all-clears of two people, security notices.

Enters and leaves: plain rows; public keys and signatures only.
"""

from hub.store.registry_file import RegistryFile


class Trust:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file
