"""Memory blocks that several processes map. Bytes in, a descriptor out; knows nothing of what the bytes mean.

A block is a nameless file in memory (Linux: `memfd_create`), filled once, sealed, and never changed again: one
descriptor is all there is to it, so nothing can stay behind and what a block holds is known by its serial number.
Where there is no such file, or with MPNB_TRANSPORT=portable in the environment, `is_portable()` is true and the codec
keeps everything in band: no block is ever made.

What the other side copies at once, as arguments and results, goes in blocks of a `Stock`, which are filled again when
nobody has them mapped any more: memory that is touched for the first time costs several times as much as a copy.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import mmap
import os
import sys
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
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
    kept
        What it is a use of, where it is of a stock.
    """

    __slots__ = ("__weakref__", "_fd", "_give_back", "_map", "kept", "nbytes", "serial")

    def __init__(self, fd: int, nbytes: int, serial: int = 0) -> None:
        self._fd = fd
        self._map: mmap.mmap | ctypes.Array[ctypes.c_char] | None = None
        self._give_back: Callable[[], object] | None = None
        self.nbytes = nbytes
        self.serial = serial
        self.kept: Kept | None = None

    @classmethod
    def create(cls, pieces: Sequence[memoryview | bytes]) -> Block:
        """Make a block of the pieces, each one beginning at a multiple of 64 bytes."""
        block = cls(_memory(), 0, next(_serials))
        os.ftruncate(block._fd, offset := _write(block._fd, pieces))
        # No holder can change or shrink it, so a mapping never raises SIGBUS and stays what it was.
        _seal(block._fd, "SHRINK", "GROW", "WRITE", "SEAL")
        block.nbytes = offset
        return block

    @classmethod
    def of_stock(cls, kept: Kept, nbytes: int, give_back: Callable[[], object]) -> Block:
        """A block that is not closed but given back when it is dropped here."""
        block = cls(kept.fd, nbytes, next(_serials))
        block.kept, block._give_back = kept, give_back
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

    @classmethod
    def from_map(
        cls, mapped: mmap.mmap | ctypes.Array[ctypes.c_char], nbytes: int, give_back: Callable[[], object] | None
    ) -> Block:
        """A block of another process's stock, in memory that stays mapped here."""
        block = cls(-1, nbytes)
        block._map, block._give_back = mapped, give_back
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
        return memoryview(self._map).cast("B").toreadonly()

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
        if self._give_back is not None:
            self._give_back()
            self._give_back = None
        elif fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Block({self.nbytes} bytes, serial {self.serial})"


class Stock:
    """Blocks that are filled again and again, and stay mapped on both sides; fresh memory is several times as slow.

    Only for what its reader copies at once. A block is given back when it is dropped here, and filled again once its
    reader, too, has dropped it: where there is a `word`, memory that both processes map, the reader says so by clearing
    the block's flag in it. Without one, nobody drops a block here before its reader has read it.

    Parameters
    ----------
    most_nbytes
        How much memory may be kept.
    word
        Flags, from place `FIRST_FLAG` on.
    """

    def __init__(self, most_nbytes: int, word: memoryview | None = None) -> None:
        self._most_nbytes = most_nbytes
        self._word = word
        self._kept: dict[int, Kept] = {}  # by flag
        self._back: deque[Kept] = deque()  # what was dropped, by whatever thread
        self._jobs = 0
        self._owner = os.getpid()

    def begin(self) -> None:
        """Begin a job: what the last few did not use is let go."""
        self._jobs += 1
        for kept in self._free():
            if self._jobs - kept.used > KEPT_FOR:
                self._drop(kept)

    def block(self, pieces: Sequence[memoryview | bytes]) -> Block:
        """A block with this content: of the stock where one is free, or may be added; else one that is used once."""
        nbytes = sum(aligned(memoryview(piece).nbytes) for piece in pieces)
        if os.getpid() != self._owner:  # forked: what lies in the blocks is the parent's
            return Block.create(pieces)
        free = self._free()
        kept = min((each for each in free if each.nbytes >= nbytes), key=lambda each: each.nbytes, default=None)
        if kept is None:
            kept = self._add(_rounded(nbytes), free)
            if kept is None:
                return Block.create(pieces)
            _write(kept.fd, pieces)
        else:
            kept.fill(pieces)
        kept.used, kept.is_out = self._jobs, True
        return Block.of_stock(kept, nbytes, partial(self._back.append, kept))

    def _free(self) -> list[Kept]:
        while self._back:
            self._back.popleft().is_out = False
        word = self._word
        return [kept for kept in self._kept.values() if not (kept.is_out or (word is not None and word[kept.flag]))]

    def _add(self, nbytes: int, free: list[Kept]) -> Kept | None:
        """One more, in the place of free ones, which are too small, where that makes room."""
        while free and not self._has_room(nbytes):
            self._drop(free.pop())
        if not self._has_room(nbytes):
            return None
        flag = min(set(_FLAGS).difference(self._kept))
        kept = self._kept[flag] = Kept(flag, _memory(), nbytes, self._word)
        return kept

    def _drop(self, kept: Kept) -> None:
        del self._kept[kept.flag]
        kept.is_gone = True

    def _has_room(self, nbytes: int) -> bool:
        total = sum(kept.nbytes for kept in self._kept.values())
        return len(self._kept) < len(_FLAGS) and total + nbytes <= self._most_nbytes


FIRST_FLAG: Final = 3  # the places before it in the word are a worker's own
KEPT_FOR: Final = 4  # jobs for which a block that none of them uses is kept
_FLAGS: Final = range(FIRST_FLAG, FIRST_FLAG + 24)  # each block costs a descriptor or two, of which there are few
_SLICE: Final = 4 << 20  # bytes that are copied before another thread may run


class Kept:
    """A block of a stock, in the process that fills it; open as long as the stock or a frame has it.

    Attributes
    ----------
    key
        Its number; never used twice.
    flag
        Its place in the word.
    is_out
        A frame here has it.
    is_gone
        The stock has let go of it, so its readers may, too.
    """

    def __init__(self, flag: int, fd: int, nbytes: int, word: memoryview | None) -> None:
        self.key = next(_serials)
        self.flag = flag
        self.fd = fd
        self.nbytes = nbytes
        self._word = word
        self.used = 0  # by which job
        self.is_out = self.is_gone = False
        self._map: memoryview | None = None
        os.ftruncate(self.fd, nbytes)
        _seal(self.fd, "SHRINK", "GROW")

    def send(self) -> None:
        """It is about to be sent: its reader will say when it has read it."""
        if self._word is not None:
            self._word[self.flag] = 1

    def fill(self, pieces: Sequence[memoryview | bytes]) -> None:
        """Copy the pieces into memory that has been touched before, by a map that stays."""
        if self._map is None:
            os.posix_fallocate(self.fd, 0, self.nbytes)  # here it fails as a call; in the map it would be a SIGBUS
            self._map = memoryview(mmap.mmap(self.fd, self.nbytes))
        place = 0
        for piece in pieces:
            view = memoryview(piece).cast("B")
            for start in range(0, view.nbytes, _SLICE):
                part = view[start : start + _SLICE]
                self._map[place + start : place + start + part.nbytes] = part
            place = aligned(place + view.nbytes)

    def __del__(self) -> None:
        os.close(self.fd)


class Readers:
    """What one reader has mapped of this process's stocks: those blocks need no descriptor to be sent again."""

    def __init__(self) -> None:
        self._known: dict[int, weakref.ref[Kept]] = {}

    def take_gone(self) -> tuple[int, ...]:
        """Keys of the blocks that the reader may let go of, once each."""
        if not self._known:
            return ()
        found = {key: reference() for key, reference in self._known.items()}
        gone = tuple(key for key, kept in found.items() if kept is None or kept.is_gone)
        for key in gone:
            del self._known[key]
        return gone

    def is_new(self, kept: Kept) -> bool:
        """Whether the reader gets it for the first time; from then on it has it."""
        if kept.key in self._known:
            return False
        self._known[kept.key] = weakref.ref(kept)
        return True


class Stocked:
    """What this process has mapped of another's stock.

    Parameters
    ----------
    word
        Where the flags of its blocks are; None where nobody looks at them.
    """

    def __init__(self, word: memoryview | None) -> None:
        self._word = word
        self._maps: dict[int, mmap.mmap | ctypes.Array[ctypes.c_char]] = {}
        self._owner = os.getpid()

    def block(self, key: int, flag: int, nbytes: int, fd: int, size: int) -> Block:
        """A use of a block: of one that is known by its key where `fd` is negative, else of one that has `size`."""
        if fd >= 0:
            try:
                self._maps[key] = _mapped_alone(fd, size)
            finally:
                os.close(fd)
        return Block.from_map(self._maps[key], nbytes, None if self._word is None else partial(self._read, flag))

    def _read(self, flag: int) -> None:
        if os.getpid() == self._owner and self._word is not None:  # a forked process has read nothing
            self._word[flag] = 0

    def let_go(self, keys: Sequence[int]) -> None:
        """Forget blocks that will not come again."""
        for key in keys:
            self._maps.pop(key, None)


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


def _mapped_alone(fd: int, nbytes: int) -> mmap.mmap | ctypes.Array[ctypes.c_char]:
    """As `_mapped`, without a second descriptor on every Python: a pool of many workers has many of these."""
    if sys.version_info >= (3, 13):
        return _mapped(fd, nbytes)
    map_, unmap = _system_calls()
    address = map_(None, nbytes, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if address in {None, ctypes.c_void_p(-1).value}:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    memory = (ctypes.c_char * nbytes).from_address(address)
    weakref.finalize(memory, unmap, address, nbytes).atexit = False
    return memory


@functools.cache
def _system_calls() -> tuple[Callable[..., int | None], Callable[..., int]]:
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return library.mmap, library.munmap


def _memory() -> int:
    return os.memfd_create("mpnb", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def _seal(fd: int, *against: str) -> None:
    import fcntl  # not on Windows, where no block is made

    seals = sum(getattr(fcntl, f"F_SEAL_{what}") for what in against)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)


def _write(fd: int, pieces: Sequence[memoryview | bytes]) -> int:
    """Write the pieces, each one beginning at a multiple of 64 bytes; where the next one would begin."""
    offset = 0
    for piece in pieces:
        view = memoryview(piece).cast("B")
        done = 0
        while done < view.nbytes:
            done += os.pwrite(fd, view[done : done + _WRITE_LIMIT], offset + done)
        offset = aligned(offset + view.nbytes)
    return offset


def _rounded(nbytes: int) -> int:
    """Up to an eighth more, so that what is a little larger next time fits, too."""
    step = max(1 << 16, 1 << max(0, nbytes.bit_length() - 4))
    return -(-nbytes // step) * step
