"""Frames: what travels over a socket. A pickle and its big buffers in, bytes and blocks out, and back.

    4 bytes: length of the header │ header: pickle of (kind, details, places, size) │ the pickle │ loose buffers

Buffers lie in blocks; where the system gives none (no memory, no descriptor left), they follow the pickle, in band.
"""

from __future__ import annotations

import io
import mmap
import pickle
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from mpnb.buffers import Block, Stock, aligned, is_lending, is_portable, lent
from mpnb.cache import EncodeCache, address_of

OUT_OF_BAND: Final = 64 * 1024  # buffers from this size on leave the pickle
_OWN_BLOCK: Final = 1024 * 1024  # arrays of a bundle from this size on get a block of their own, so that it can be kept
_MOST_OWN_BLOCKS: Final = 32  # a block costs a descriptor, of which a process often has 1,024

_LOOSE: Final = -1  # stands for the number of a block: the buffer is in band

_PREFIX: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Frame:
    """What travels over a socket: bytes, and blocks whose descriptors are passed beside them."""

    head: bytes
    blocks: tuple[Block, ...] = ()

    @property
    def nbytes(self) -> int:
        """Size of all of it."""
        return len(self.head) + sum(block.nbytes for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a worker keeps by digest, because it may be needed again."""

    digest: bytes
    frame: Frame


def write_frame(
    kind: str,
    details: Any,
    body: bytes,
    buffers: Sequence[Any],
    cache: EncodeCache | None = None,
    stock: Stock | None = None,
) -> Frame:
    """Put a pickle and its out-of-band buffers into a frame: the buffers into as few blocks as is sensible.

    The blocks are kept in a cache, or come from a stock where whoever reads the frame copies every buffer.
    """
    make = cache.block if cache is not None else stock.block if stock is not None else Block.create
    groups: list[list[int]] = []
    rest: list[int] = []
    blocks: list[Block] = []
    loose: list[int] = []
    places: list[tuple[int, int, int]] = [(_LOOSE, 0, 0)] * len(buffers)
    for number, buffer in enumerate(buffers):
        if is_lending() and (found := lent(address_of(buffer), buffer.nbytes)) is not None:
            block, offset = found
            places[number] = len(blocks), offset, buffer.nbytes
            blocks.append(block)
        elif cache is not None and buffer.nbytes >= _OWN_BLOCK and len(groups) < _MOST_OWN_BLOCKS:
            groups.append([number])
        else:
            rest.append(number)
    if rest:
        groups.append(rest)
    for group in groups:
        pieces = [buffers[number] for number in group]
        try:
            blocks.append(make(pieces))
        except OSError:
            loose += group
            continue
        for number, place in zip(group, _side_by_side(len(blocks) - 1, pieces), strict=True):
            places[number] = place
    pieces = [buffers[number] for number in loose]
    for number, place in zip(loose, _side_by_side(_LOOSE, pieces), strict=True):
        places[number] = place
    size = -1  # of a pickle that is in a block
    if cache is not None and len(body) >= OUT_OF_BAND and not is_portable():
        with suppress(OSError):  # or it goes to each of them
            blocks.append(cache.body(body))  # a big pickle is written once for all workers as well
            size, body = len(body), b""
    return Frame(_head(kind, details, places, size, body, pieces), tuple(blocks))


def in_band(frame: Frame) -> Frame:
    """The same, with nothing beside it: for a process that can't be passed a descriptor."""
    kind, details, body, buffers = read_frame(frame)
    places = list(_side_by_side(_LOOSE, buffers))
    return Frame(_head(kind, details, places, -1, body.getvalue(), buffers))


def _head(
    kind: str, details: Any, places: list[tuple[int, int, int]], size: int, body: bytes, loose: Sequence[Any]
) -> bytes:
    tail = b"".join(bytes(piece).ljust(aligned(piece.nbytes), b"\0") for piece in loose)
    header = pickle.dumps((kind, details, places, size), 5)
    return b"".join((_PREFIX.pack(len(header)), header, body, tail))


def _side_by_side(block: int, pieces: Sequence[Any]) -> Iterator[tuple[int, int, int]]:
    """Where each of them lies: the block, the offset, the size."""
    offset = 0
    for piece in pieces:
        yield block, offset, piece.nbytes
        offset = aligned(offset + piece.nbytes)


def read_frame(frame: Frame) -> tuple[str, Any, io.BytesIO, list[memoryview]]:
    """Take a frame apart: kind, details, the pickle, its buffers (views of the mapped blocks)."""
    (length,) = _PREFIX.unpack_from(frame.head)
    start = _PREFIX.size + length
    kind, details, places, size = pickle.loads(frame.head[_PREFIX.size : start])
    views = [block.view() for block in frame.blocks]
    end = max((aligned(offset + nbytes) for block, offset, nbytes in places if block == _LOOSE), default=0)
    stop = len(frame.head) - end
    body: Any = memoryview(frame.head)[start:stop] if size < 0 else views[-1][:size]
    views.append(_aligned_copy(memoryview(frame.head)[stop:]))  # the last one, as _LOOSE has it
    return kind, details, io.BytesIO(body), [views[b][offset : offset + n] for b, offset, n in places]


def _aligned_copy(data: memoryview) -> memoryview:
    """The same bytes at the beginning of a page, as those of a block, read-only."""
    if not data:
        return data
    page = mmap.mmap(-1, len(data))
    page[:] = data
    return memoryview(page).toreadonly()
