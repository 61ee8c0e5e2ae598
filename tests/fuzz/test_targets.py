"""Every decoder under Hypothesis: whatever comes, it does not raise and does not grow; and none is left out."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TARGETS: dict[str, Callable[[bytes], None]] = runpy.run_path(str(Path(__file__).with_name("targets.py")))[
    "TARGETS"
]


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_comes_breaks_a_decoder(name: str) -> None:
    @settings(max_examples=150)
    @given(st.binary(max_size=2_000))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()
