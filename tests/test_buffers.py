"""Blocks: filled once, mapped by several, never changed, nothing left behind."""

from __future__ import annotations

import gc
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from mpnb import wire
from mpnb.buffers import ALIGNMENT, KEPT_FOR, Block, Readers, Stock, aligned, is_portable
from mpnb.cache import EncodeCache
from mpnb.frames import Frame, read_frame, write_frame

pytestmark = pytest.mark.skipif(is_portable(), reason="no memfd_create here: buffers travel in band")


def test_pieces_are_aligned() -> None:
    """Each piece begins at a multiple of 64 bytes, in order."""
    pieces = [b"a" * 10, memoryview(b"b" * 64), b"c" * 65]
    block = Block.create(pieces)
    view = block.view()
    assert bytes(view[:10]) == b"a" * 10
    assert bytes(view[64:128]) == b"b" * 64
    assert bytes(view[128:193]) == b"c" * 65
    assert block.nbytes == aligned(193) == 256
    assert block.nbytes % ALIGNMENT == 0


def test_a_received_block_keeps_no_descriptor() -> None:
    """`from_fd` maps and closes; what is mapped outlives the block."""
    block = Block.create([b"x" * 100])
    fd = os.dup(block.fd)
    received = Block.from_fd(fd, block.nbytes)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    with pytest.raises(ValueError, match="no descriptor"):
        _ = received.fd
    view = received.view()
    del received, block
    gc.collect()
    assert bytes(view[:100]) == b"x" * 100


def test_nobody_can_change_a_block() -> None:
    """Neither through its descriptor nor through the view."""
    block = Block.create([b"x" * 100])
    with pytest.raises(OSError, match="not permitted"):
        os.pwrite(block.fd, b"y", 0)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(block.fd, 0)
    assert block.view().readonly


def test_descriptors_are_given_back() -> None:
    """A block that nobody holds has no descriptor open."""
    before = len(os.listdir("/proc/self/fd"))
    blocks = [Block.create([b"x"]) for _ in range(50)]
    for block in blocks:
        block.view()
    assert len(os.listdir("/proc/self/fd")) > before
    del blocks, block
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_serials_are_never_used_twice() -> None:
    """A serial number stands for one content."""
    assert Block.create([b"x"]).serial != Block.create([b"x"]).serial


# ---------------------------------------------------------------- frames


@pytest.fixture
def full() -> Iterator[None]:
    """No block can be larger than a megabyte: writing more fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("sizes", "blocks"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([100, 64, 7], 1, id="all in one block"),
        pytest.param([2 << 20, 3 << 20], 0, id="none gets a block"),
        pytest.param([2 << 20, 100, 0, 70, 3 << 20], 1, id="the small ones get one"),
    ],
)
@pytest.mark.parametrize("body", [b"a pickle", b"p" * (2 << 20)], ids=["short", "long"])
def test_what_gets_no_block_goes_in_band(sizes: list[int], blocks: int, body: bytes) -> None:
    """Nothing is lost where the system has no memory for a block: the bytes are the same, and aligned."""
    pieces = [memoryview(bytes([number + 1]) * size) for number, size in enumerate(sizes)]
    frame = write_frame("kind", {"details": 1}, body, pieces, EncodeCache())
    assert len(frame.blocks) == blocks

    kind, details, pickled, views = read_frame(frame)
    assert (kind, details, pickled.read()) == ("kind", {"details": 1}, body)
    assert views == pieces
    for view in views:
        assert view.readonly


# ---------------------------------------------------------------- blocks that are used again

KB = 1 << 10


class Side:
    """A stock, and a reader at the other end of a socket pair."""

    def __init__(self, most_nbytes: int = 1 << 20) -> None:
        self.word = memoryview(bytearray(4096)).cast("q")
        self.stock = Stock(most_nbytes, self.word)
        self.readers = Readers()
        self.incoming = wire.Incoming(self.word)
        self.ours, self.theirs = socket.socketpair()

    def send(self, content: bytes) -> tuple[Block, int]:
        """Send a block with this content: what has come of it, and how many descriptors that took."""
        block = self.stock.block([content])
        outgoing = wire.Outgoing(wire.Message(("batch",), (Frame(b"", (block,)),)), self.readers)
        fds = sum(len(fds) for _, fds in outgoing.segments)
        outgoing.push(self.ours)
        messages: list[wire.Message] = []
        while not messages:
            messages += self.incoming.pull(self.theirs) or []
        received = messages[0].frames[0].blocks[0]
        assert bytes(received.view()[: len(content)]) == content
        return received, fds

    def close(self) -> None:
        """End it."""
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def side() -> Iterator[Side]:
    """A stock of a megabyte, and its reader."""
    made = Side()
    yield made
    made.close()


def test_a_block_is_filled_again_when_nobody_has_it(side: Side) -> None:
    """And travels without a descriptor then: both sides have it mapped."""
    first, fds = side.send(b"a" * 100 * KB)
    assert fds == 1
    del first
    for content in (b"b" * 100 * KB, b"c" * 70 * KB, b"d" * 104 * KB):  # it holds an eighth more
        received, fds = side.send(content)
        assert fds == 0
        del received
    assert side.send(b"e" * 200 * KB)[1] == 1


@pytest.mark.parametrize("held", ["by its reader", "here"])
def test_what_somebody_has_is_not_filled(side: Side, held: str) -> None:
    """Until both have dropped it, another block is taken."""
    kept: list[object]
    if held == "by its reader":
        received, _ = side.send(b"a" * 100 * KB)
        kept, views = [received], [received.view()]
    else:
        block = side.stock.block([b"a" * 100 * KB])
        kept, views = [block], [block.view()]
    others = [side.send(bytes([number]) * 100 * KB) for number in range(3)]
    assert [fds for _, fds in others] == [1, 1, 1]
    assert bytes(views[0][: 100 * KB]) == b"a" * 100 * KB
    views.clear()
    kept.clear()
    received = block = None
    assert side.send(b"f" * 100 * KB)[1] == (0 if held == "by its reader" else 1)


def test_what_was_never_sent_is_filled_again(side: Side) -> None:
    """Nobody will say that he has read it."""
    for number in range(60):
        block = side.stock.block([bytes([number]) * 100 * KB])
        assert block.kept is not None
    del block
    assert sum(side.word) == 0
    assert len(side.stock._kept) <= 2


def test_a_stock_keeps_no_more_than_it_may(side: Side) -> None:
    """What finds no place in it goes in blocks that are used once, and so does what is too large."""
    held = [side.send(bytes([number]) * 300 * KB)[0] for number in range(5)]
    assert sum(1 for block in held if block._give_back is not None) == 3
    large, fds = side.send(b"x" * 2000 * KB)
    assert fds == 1
    for number, block in enumerate(held):
        assert bytes(block.view()[: 300 * KB]) == bytes([number]) * 300 * KB
    assert bytes(large.view()[:5]) == b"x" * 5


def test_small_blocks_make_room_for_large_ones(side: Side) -> None:
    """What is free, and too small for what is wanted, gives way; its reader lets go of it."""
    for number in range(3):
        side.send(bytes([number]) * (64 + 100 * number) * KB)
    before = len(os.listdir("/proc/self/fd"))
    received, fds = side.send(b"x" * 1000 * KB)
    assert fds == 1
    assert received._give_back is not None
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_is_not_used_is_let_go(side: Side) -> None:
    """After some jobs, here and by its reader: no memory and no descriptor stays."""
    before = len(os.listdir("/proc/self/fd"))
    side.send(b"a" * 100 * KB)
    side.send(b"b" * 100 * KB)
    assert len(os.listdir("/proc/self/fd")) > before
    for _ in range(KEPT_FOR + 1):
        side.stock.begin()
    wire.send(side.ours, ("job",), readers=side.readers)
    side.incoming.pull(side.theirs)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_forked_process_fills_nothing_of_its_parents(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does what it drops say that the parent has read it."""
    received, _ = side.send(b"a" * 100 * KB)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert side.stock.block([b"b" * 100 * KB]).kept is None
    del received
    monkeypatch.undo()
    assert side.send(b"c" * 100 * KB)[1] == 1
