"""The hub's rhythm, and the trouble of its parts."""

import asyncio

import pytest

from hub.errors import SettingsError, StoreError
from hub.rounds import Trouble, every


def test_trouble_stays_until_the_part_works_again() -> None:
    trouble = Trouble()
    for words in ("no room", "still no room"):
        with trouble.noting("space"):
            raise StoreError(words)
        assert trouble.words == {"space": words}
    with trouble.noting("notices"):
        raise OSError("read only")
    with trouble.noting("space"):
        pass
    assert trouble.words == {"notices": "read only"}


def test_what_is_not_the_stores_passes() -> None:
    trouble = Trouble()
    with pytest.raises(SettingsError), trouble.noting("space"):
        raise SettingsError("wrong")
    assert trouble.words == {}


def test_turns_come_until_stop() -> None:
    async def go() -> int:
        stop, turns = asyncio.Event(), 0
        async for _ in every(0.001, stop):
            turns += 1
            if turns == 3:
                stop.set()
        return turns

    assert asyncio.run(go()) == 3
