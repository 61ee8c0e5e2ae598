"""Fixtures of the protocol tests."""

import pytest

from protocols.keys import MacKey


@pytest.fixture
def mac_key() -> MacKey:
    return MacKey(bytes(range(32)), "live")
