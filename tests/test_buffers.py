"""Blocks: filled once, mapped by several, never changed, nothing left behind."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator

import pytest

from mpnb.buffers import ALIGNMENT, Block, aligned, is_portable
from mpnb.cache import EncodeCache
from mpnb.frames import read_frame, write_frame

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
