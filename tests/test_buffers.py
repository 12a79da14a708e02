"""Blocks: filled once, mapped by several, never changed, nothing left behind."""

from __future__ import annotations

import gc
import os

import pytest

from mpnb.buffers import ALIGNMENT, Block, aligned, is_portable

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
