"""Memory that processes share, and the locks that live in it. Nameless, so nothing of it can stay behind.

multiprocess's semaphores have names in the system and a process that sees to their removal; its shared values lie in
files that were removed a moment after they were made. Here both lie in `memfd` memory, and an own piece of it each
where that is large. Where there is no such memory (`MPNB_TRANSPORT=portable` selects that), multiprocess's are used.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from multiprocess import context, heap, reduction, sharedctypes, synchronize, util

from mpnb.buffers import is_portable

_SEMAPHORE_NBYTES: Final = 64  # sem_t has 32 where this runs
_OWN_ARENA: Final = 1 << 16  # from this size on, memory is an object's own


def _is_nameless() -> bool:
    """Whether semaphores can be made in memory of one's own: with glibc, and where nobody forbids it."""
    if is_portable() or not sys.platform.startswith("linux"):
        return False
    return bool(os.confstr_names.get("CS_GNU_LIBC_VERSION")) and bool(os.confstr("CS_GNU_LIBC_VERSION"))


def assert_starting(thing: Any) -> None:
    """See to it that a process gets what is shared when it starts, or by a queue: the tasks of a pool don't."""
    if context.get_spawning_popen() is None:
        name = type(thing).__name__
        raise RuntimeError(f"a {name} is shared with processes, not with tasks of a pool: Process(target=…, args=(…,))")


class Arena(heap.Arena):
    """A piece of memory that belongs to a descriptor."""

    def __init__(self, size: int, fd: int = -1) -> None:
        if fd < 0:
            fd = os.memfd_create("mpnb-shared", os.MFD_CLOEXEC)
            os.ftruncate(fd, size)
        super().__init__(size, fd)
        weakref.finalize(self, os.close, fd).atexit = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_arena, (self.size, reduction.DupFd(self.fd))


def _rebuild_arena(size: int, dup: Any) -> Arena:
    return Arena(size, dup.detach())


class _Heap(heap.Heap):
    """Small pieces, several to an arena."""

    def _new_arena(self, size: int) -> tuple[Any, int, int]:
        if is_portable():
            found: tuple[Any, int, int] = super()._new_arena(size)
            return found
        length = self._roundup(max(self._size, size), mmap.PAGESIZE)
        arena = Arena(length)
        self._arenas.append(arena)
        return arena, 0, length


_heap: Final = _Heap(1 << 14)


class Memory(heap.BufferWrapper):
    """Some bytes of shared memory.

    The process that made it gives it back when it lets go of it; until then, who is told of it keeps it (see
    `messages`), so that what another process still uses is not used for something else.
    """

    def __init__(self, nbytes: int) -> None:
        if nbytes >= _OWN_ARENA and not is_portable():
            size = -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
            self._state = (Arena(size), 0, size), nbytes
            return
        block = _heap.malloc(nbytes)
        self._state = block, nbytes
        util.Finalize(self, _heap.free, args=(block,))

    def __getstate__(self) -> dict[str, Any]:
        assert_starting(self)
        if self._state[1] < _OWN_ARENA or is_portable():
            context.get_spawning_popen().keep(self)
        return dict(vars(self))

    def address(self) -> int:
        """Where it lies in this process."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self.create_memoryview()))


# --- locks -----------------------------------------------------------------------------------------------------------


class _Nameless(synchronize.SemLock):
    """A semaphore in shared memory."""

    def _create(self, kind: int, value: int, maxvalue: int, ctx: Any) -> None:
        if not _is_nameless():
            synchronize.SemLock.__init__(self, kind, value, maxvalue, ctx=ctx)
            return
        self._memory: Memory | None = Memory(_SEMAPHORE_NBYTES)
        init = ctypes.CDLL(None, use_errno=True).sem_init
        init.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint)
        if init(self._memory.address(), 1, value):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._open(kind, maxvalue)

    def _open(self, kind: int, maxvalue: int) -> None:
        assert self._memory is not None
        rebuild = synchronize._multiprocessing.SemLock._rebuild  # how multiprocess itself opens one
        self._is_fork_ctx = False
        self._semlock = rebuild(self._memory.address(), kind, maxvalue, None)
        self._make_methods()
        util.register_after_fork(self, _after_fork)

    def __getstate__(self) -> Any:
        if getattr(self, "_memory", None) is None:
            return synchronize.SemLock.__getstate__(self)
        assert_starting(self)
        return self._memory, self._semlock.kind, self._semlock.maxvalue

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state[0], Memory):
            self._memory = None
            synchronize.SemLock.__setstate__(self, state)
            return
        self._memory, kind, maxvalue = state
        self._open(kind, maxvalue)


def _after_fork(lock: Any) -> None:
    lock._semlock._after_fork()  # as multiprocess does it


class Lock(_Nameless, synchronize.Lock):
    """`multiprocessing.Lock`."""

    def __init__(self, *, ctx: Any) -> None:
        self._create(synchronize.SEMAPHORE, 1, 1, ctx)


class RLock(_Nameless, synchronize.RLock):
    """`multiprocessing.RLock`."""

    def __init__(self, *, ctx: Any) -> None:
        self._create(synchronize.RECURSIVE_MUTEX, 1, 1, ctx)


class Semaphore(_Nameless, synchronize.Semaphore):
    """`multiprocessing.Semaphore`."""

    def __init__(self, value: int = 1, *, ctx: Any) -> None:
        self._create(synchronize.SEMAPHORE, value, synchronize.SEM_VALUE_MAX, ctx)


class BoundedSemaphore(_Nameless, synchronize.BoundedSemaphore):
    """`multiprocessing.BoundedSemaphore`."""

    def __init__(self, value: int = 1, *, ctx: Any) -> None:
        self._create(synchronize.SEMAPHORE, value, value, ctx)


# --- values ----------------------------------------------------------------------------------------------------------


def _new(kind: Any) -> Any:
    return sharedctypes.rebuild_ctype(kind, Memory(ctypes.sizeof(kind)), None)


def _type(code_or_type: Any) -> Any:
    return sharedctypes.typecode_to_type.get(code_or_type, code_or_type)


def raw_value(code_or_type: Any, *args: Any) -> Any:
    """Make what `multiprocessing.RawValue` makes."""
    value = _new(_type(code_or_type))
    ctypes.memset(ctypes.addressof(value), 0, ctypes.sizeof(value))
    value.__init__(*args)
    return value


def raw_array(code_or_type: Any, size_or_initializer: int | Sequence[Any]) -> Any:
    """Make what `multiprocessing.RawArray` makes."""
    kind = _type(code_or_type)
    if isinstance(size_or_initializer, int):
        array = _new(kind * size_or_initializer)
        ctypes.memset(ctypes.addressof(array), 0, ctypes.sizeof(array))
    else:
        array = _new(kind * len(size_or_initializer))
        array.__init__(*size_or_initializer)
    return array


def synchronized(value: Any, lock: Any, new_lock: Callable[[], Any], ctx: Any) -> Any:
    """Put a lock around a value, unless it is to have none."""
    if lock is False:
        return value
    if lock is True or lock is None:
        lock = new_lock()
    if not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return sharedctypes.synchronized(value, lock, ctx=ctx)
