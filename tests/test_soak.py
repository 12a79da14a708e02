"""A bounded version of the soak: `python -m tests.soak` is the long one."""

from __future__ import annotations

import pytest
from soak import Soak, growth


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("default")
def test_a_pool_survives_kills_interrupts_exceptions_and_resizes() -> None:
    """Every result is right or the error that was injected, and nothing grows."""
    soak = Soak(seed=1)
    try:
        tally = soak.run(tasks=8_000, cells=60, every=5)
    finally:
        soak.close()
    assert not tally.wrong, "\n".join(tally.wrong[:5])
    assert all(tally.troubles[kind] for kind in ("kills", "interrupts", "resizes")), tally.troubles
    assert tally.ends["whole"] > 30
    assert not growth(tally.held)
