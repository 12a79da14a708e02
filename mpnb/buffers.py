"""Memory blocks that several processes map. Bytes in, a descriptor out; knows nothing of what the bytes mean.

A block is a nameless file in memory (Linux: `memfd_create`), filled once, sealed, and never changed again: one
descriptor is all there is to it, so nothing can stay behind and what a block holds is known by its serial number.
Where there is no such file, or with MPNB_TRANSPORT=portable in the environment, `is_portable()` is true and the codec
keeps everything in band: no block is ever made.
"""

from __future__ import annotations

import itertools
import mmap
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Final

ALIGNMENT: Final = 64  # a cache line, and what AVX-512 loads want
_WRITE_LIMIT: Final = 1 << 30  # Linux writes at most 2 GiB - 4096 bytes at once

_serials = itertools.count(1)
_lent: dict[int, Block] = {}  # by the address of what is mapped


def is_portable() -> bool:
    """Whether buffers travel in band, because blocks cannot be passed here or must not be."""
    return os.environ.get("MPNB_TRANSPORT") == "portable" or not hasattr(os, "memfd_create")


def aligned(nbytes: int) -> int:
    """Round a size up to where the next buffer may begin."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class Block:
    """A read-only piece of memory, owned by a descriptor here or mapped from one that came from elsewhere.

    Attributes
    ----------
    nbytes
        Its size.
    serial
        Its number in the process that made it (0 where it was received); never used twice: it stands for the content.
    """

    __slots__ = ("__weakref__", "_fd", "_map", "nbytes", "serial")

    def __init__(self, fd: int, nbytes: int, serial: int = 0) -> None:
        self._fd = fd
        self._map: mmap.mmap | None = None
        self.nbytes = nbytes
        self.serial = serial

    @classmethod
    def create(cls, pieces: Sequence[memoryview | bytes]) -> Block:
        """Make a block of the pieces, each one beginning at a multiple of 64 bytes."""
        import fcntl  # not on Windows, where no block is made

        block = cls(os.memfd_create("mpnb", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), 0, next(_serials))
        offset = 0
        for piece in pieces:
            view = memoryview(piece).cast("B")
            done = 0
            while done < view.nbytes:
                done += os.pwrite(block._fd, view[done : done + _WRITE_LIMIT], offset + done)
            offset = aligned(offset + view.nbytes)
        os.ftruncate(block._fd, offset)
        # Sealed: no holder can change or shrink it, so a mapping never raises SIGBUS and stays what it was.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(block._fd, fcntl.F_ADD_SEALS, seals)
        block.nbytes = offset
        return block

    @classmethod
    def from_fd(cls, fd: int, nbytes: int) -> Block:
        """Map a block that another process made, and close the descriptor it came by."""
        block = cls(fd, nbytes)
        try:
            block._map = _mapped(fd, nbytes)
        finally:
            block.close()
        return block

    @property
    def fd(self) -> int:
        """The descriptor to pass on; ValueError where the block was received, for it keeps none."""
        if self._fd < 0:
            msg = "a received block has no descriptor to pass on"
            raise ValueError(msg)
        return self._fd

    def view(self) -> memoryview:
        """Its bytes, read-only, valid as long as anything refers to them."""
        if self._map is None:
            self._map = _mapped(self.fd, self.nbytes)
        return memoryview(self._map)

    def lend(self, address_of: Callable[[memoryview], int]) -> memoryview:
        """Its bytes, read-only; as long as anything refers to them, `lent` finds the block by their address."""
        mapped = _mapped(self.fd, self.nbytes)
        view = memoryview(mapped)
        address = address_of(view)
        _lent[address] = self
        weakref.finalize(mapped, _lent.pop, address, None)
        return view

    def close(self) -> None:
        """Close the descriptor; what is mapped stays."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Block({self.nbytes} bytes, serial {self.serial})"


def lent(address: int, nbytes: int) -> tuple[Block, int] | None:
    """The block whose bytes were lent there, and where in it they lie: sealed, so they are what they were."""
    for start, block in _lent.items():
        if start <= address and address + nbytes <= start + block.nbytes:
            return block, address - start
    return None


def is_lending() -> bool:
    """Whether `lent` could find any."""
    return bool(_lent)


def _mapped(fd: int, nbytes: int) -> mmap.mmap:
    """Map read-only; from Python 3.13 on without keeping a second descriptor, of which there are few."""
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, nbytes, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, trackfd=False)
    return mmap.mmap(fd, nbytes, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
