"""What one thread leaves for another: nothing is lost, the order stays, and a wait ends when it should."""

from __future__ import annotations

import signal
import threading
import time
from queue import Empty

import pytest

from mpnb.mailbox import Mailbox


def test_it_gives_in_order_what_was_put():
    """First in, first out; then it is empty."""
    box = Mailbox()
    for number in range(5):
        box.put(number)
    assert not box.empty()
    assert [box.get() for _ in range(3)] + [box.get_nowait(), box.get(timeout=0)] == [0, 1, 2, 3, 4]
    assert box.empty()
    with pytest.raises(Empty):
        box.get_nowait()


@pytest.mark.parametrize("timeout", [0, 0.02])
def test_a_wait_ends_in_time_also_when_it_was_rung_for_what_has_been_taken(timeout):
    """The bell may ring for something that was taken without a wait."""
    box = Mailbox()
    box.put("taken")
    box.get()
    began = time.monotonic()
    with pytest.raises(Empty):
        box.get(timeout=timeout)
    assert time.monotonic() - began >= timeout


def test_many_threads_may_put():
    """Each one's things come in its own order, and all of them."""
    box = Mailbox()
    threads = [
        threading.Thread(target=lambda who=who: [box.put((who, number)) for number in range(5000)]) for who in range(4)
    ]
    for each in threads:
        each.start()
    got = [box.get(timeout=30) for _ in range(20_000)]
    for each in threads:
        each.join()
    assert box.empty()
    assert all([number for who, number in got if who == one] == list(range(5000)) for one in range(4))


def test_a_signal_just_before_its_end_does_not_make_a_wait_endless():
    """A handler that runs until after the end: `queue.SimpleQueue` waits for ever then, up to Python 3.12."""
    box = Mailbox()
    rescue = threading.Timer(10, box.put, ["rescued"])
    before = signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.1))
    rescue.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Empty):
            box.get(timeout=0.05)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        rescue.cancel()
