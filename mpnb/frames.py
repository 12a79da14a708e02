"""Frames: what travels over a socket. A pickle and its big buffers in, bytes and blocks out, and back."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mpnb.buffers import Block, aligned, is_portable
from mpnb.cache import EncodeCache

OUT_OF_BAND: Final = 64 * 1024  # buffers from this size on leave the pickle
_OWN_BLOCK: Final = 1024 * 1024  # arrays of a bundle from this size on get a block of their own, so that it can be kept
_MOST_OWN_BLOCKS: Final = 32  # a block costs a descriptor, of which a process often has 1,024

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
    kind: str, details: Any, body: bytes, buffers: Sequence[Any], cache: EncodeCache | None = None
) -> Frame:
    """Put a pickle and its out-of-band buffers into a frame: the buffers into as few blocks as is sensible."""
    groups: list[list[int]] = []
    rest: list[int] = []
    for number, buffer in enumerate(buffers):
        if cache is not None and buffer.nbytes >= _OWN_BLOCK and len(groups) < _MOST_OWN_BLOCKS:
            groups.append([number])
        else:
            rest.append(number)
    if rest:
        groups.append(rest)
    blocks: list[Block] = []
    places: list[tuple[int, int, int]] = [(0, 0, 0)] * len(buffers)
    for group in groups:
        pieces = [buffers[number] for number in group]
        blocks.append(Block.create(pieces) if cache is None else cache.block(pieces))
        offset = 0
        for number, piece in zip(group, pieces, strict=True):
            places[number] = (len(blocks) - 1, offset, piece.nbytes)
            offset = aligned(offset + piece.nbytes)
    if cache is not None and len(body) >= OUT_OF_BAND and not is_portable():
        blocks.append(cache.body(body))  # a big pickle is written once for all workers as well
        header = pickle.dumps((kind, details, places, len(body)), 5)
        return Frame(_PREFIX.pack(len(header)) + header, tuple(blocks))
    header = pickle.dumps((kind, details, places, -1), 5)
    return Frame(_PREFIX.pack(len(header)) + header + body, tuple(blocks))


def read_frame(frame: Frame) -> tuple[str, Any, io.BytesIO, list[memoryview]]:
    """Take a frame apart: kind, details, the pickle, its buffers (views of the mapped blocks)."""
    (length,) = _PREFIX.unpack_from(frame.head)
    start = _PREFIX.size + length
    kind, details, places, size = pickle.loads(frame.head[_PREFIX.size : start])
    views = [block.view() for block in frame.blocks]
    body: Any = memoryview(frame.head)[start:] if size < 0 else views[-1][:size]
    return kind, details, io.BytesIO(body), [views[b][offset : offset + n] for b, offset, n in places]


def kind_of(part: Part) -> str:
    """Which kind a part is, without decoding it."""
    return str(read_frame(part.frame)[0])
