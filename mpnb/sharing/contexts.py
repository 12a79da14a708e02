"""What `multiprocessing` has under these names, for each start method, and for functions of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from multiprocess import context, synchronize

from mpnb.sharing import memory, messages, processes
from mpnb.sharing.managers import SyncManager


class Context(context.BaseContext):
    """`multiprocessing`'s names under one start method.

    Parameters
    ----------
    method
        ``forkserver`` (forked from a template process, which is the default), ``spawn`` or ``fork``.
    process
        Its class `Process`.
    """

    def __init__(self, method: str, process: type[processes.NotebookProcess]) -> None:
        self._name = method
        self.Process = process

    def get_context(self, method: str | None = None) -> Any:
        """Give the context of a start method, or this one."""
        return self if method is None else get_context(method)

    def Lock(self) -> memory.Lock:
        """Make a lock: one process (or thread) holds it at a time."""
        return memory.Lock(ctx=self)

    def RLock(self) -> memory.RLock:
        """Make a lock that its holder may take again."""
        return memory.RLock(ctx=self)

    def Semaphore(self, value: int = 1) -> memory.Semaphore:
        """Make a semaphore."""
        return memory.Semaphore(value, ctx=self)

    def BoundedSemaphore(self, value: int = 1) -> memory.BoundedSemaphore:
        """Make a semaphore that can't be released more often than it was acquired."""
        return memory.BoundedSemaphore(value, ctx=self)

    def Condition(self, lock: Any = None) -> synchronize.Condition:
        """Make a condition variable."""
        return synchronize.Condition(lock, ctx=self)

    def Event(self) -> synchronize.Event:
        """Make an event: processes wait until one sets it."""
        return synchronize.Event(ctx=self)

    def Barrier(
        self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
    ) -> synchronize.Barrier:
        """Make a barrier: nobody passes it until so many processes wait there."""
        return synchronize.Barrier(parties, action, timeout, ctx=self)

    def Queue(self, maxsize: int = 0) -> messages.Queue:
        """Make a queue; with `maxsize`, `put` waits while so many objects are in it."""
        return messages.Queue(maxsize, ctx=self)

    def JoinableQueue(self, maxsize: int = 0) -> messages.JoinableQueue:
        """Make a queue that knows, by `task_done`, when all that was put in has been seen to."""
        return messages.JoinableQueue(maxsize, ctx=self)

    def SimpleQueue(self) -> messages.SimpleQueue:
        """Make a queue without a bound or a thread: `put` waits while the pipe is full."""
        return messages.SimpleQueue(ctx=self)

    def Pipe(self, duplex: bool = True) -> tuple[messages.Connection, messages.Connection]:
        """Make the two ends of a pipe; where it is not duplex, the first receives and the second sends."""
        return messages.pipe(duplex)

    def RawValue(self, typecode_or_type: Any, *args: Any) -> Any:
        """Make a ctypes object in shared memory, without a lock."""
        return memory.raw_value(typecode_or_type, *args)

    def RawArray(self, typecode_or_type: Any, size_or_initializer: int | Sequence[Any]) -> Any:
        """Make a ctypes array in shared memory, without a lock."""
        return memory.raw_array(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type: Any, *args: Any, lock: Any = True) -> Any:
        """Make a number (or a ctypes object) that processes share, with a lock.

        Examples
        --------
        >>> count = Value("i", 3)
        >>> with count.get_lock():
        ...     count.value += 1
        >>> count.value
        4
        """
        return memory.synchronized(self.RawValue(typecode_or_type, *args), lock, self.RLock, self)

    def Array(self, typecode_or_type: Any, size_or_initializer: int | Sequence[Any], *, lock: Any = True) -> Any:
        """Make an array that processes share, with a lock.

        Examples
        --------
        >>> numbers = Array("d", [0.5, 1.5])
        >>> numbers[1] += 1
        >>> numbers[:]
        [0.5, 2.5]
        """
        return memory.synchronized(self.RawArray(typecode_or_type, size_or_initializer), lock, self.RLock, self)

    def Manager(self) -> SyncManager:
        """Start a process that holds lists, dicts and more for all others; it ends with this one.

        Examples
        --------
        >>> with Manager() as manager:
        ...     ages = manager.dict(ann=31)
        ...     ages["bob"] = 28
        ...     dict(ages)
        {'ann': 31, 'bob': 28}
        """
        manager = SyncManager(ctx=self)
        manager.start()
        return manager


class Process(processes.TemplateProcess):
    """A function that runs in a process of its own, beside the notebook.

    What it prints appears in the cell that started it. It is forked from a template process, gets the functions,
    classes and values of the notebook that it uses as they are when it starts, and ends with the notebook. An interrupt
    of the notebook interrupts it, too.

    Parameters
    ----------
    group
        None.
    target, args, kwargs
        What it calls; a subclass may define `run` instead.
    name
        What it is called in messages.
    daemon
        Whether it is ended when the program ends; in a notebook all are.

    Examples
    --------
    >>> def double(numbers, answers):
    ...     answers.put([2 * number for number in numbers])
    >>> answers = Queue()
    >>> process = Process(target=double, args=([1, 2, 3], answers))
    >>> process.start()
    >>> answers.get()
    [2, 4, 6]
    >>> process.join()
    >>> process.exitcode
    0
    """


_default: Final = Context("forkserver", Process)
_contexts: Final = {
    "forkserver": _default,
    "spawn": Context("spawn", processes.SpawnProcess),
    "fork": Context("fork", processes.ForkProcess),
}


def get_context(method: str | None = None) -> Context:
    """Give `multiprocessing`'s names under a start method.

    Parameters
    ----------
    method
        ``forkserver``, the default: forked from a template process, which starts in milliseconds and has none of the
        notebook's threads. ``spawn``: a fresh interpreter. ``fork``: a copy of the notebook's process, which may hang
        where a library has used threads.

    Examples
    --------
    >>> get_context("spawn").get_start_method()
    'spawn'
    """
    if method is None:
        return _default
    if method not in _contexts:
        raise ValueError(f"cannot find context for {method!r}: there are {', '.join(_contexts)}")
    return _contexts[method]


Lock = _default.Lock
RLock = _default.RLock
Semaphore = _default.Semaphore
BoundedSemaphore = _default.BoundedSemaphore
Condition = _default.Condition
Event = _default.Event
Barrier = _default.Barrier
Queue = _default.Queue
JoinableQueue = _default.JoinableQueue
SimpleQueue = _default.SimpleQueue
Pipe = _default.Pipe
RawValue = _default.RawValue
RawArray = _default.RawArray
Value = _default.Value
Array = _default.Array
Manager = _default.Manager
