"""What a kernel and a host of its tasks say to each other, as objects that pickle. Knows no library and no process.

kernel → host   Request: do these iterations, and the job's names, as far as the host may not have them
host → kernel   Reply: what became of them
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import mpnb
from mpnb.buffers import Block, is_portable
from mpnb.events import BatchFinished, Event
from mpnb.frames import Frame, in_band

#: What both ends must have in common: code travels as this Python has it.
VERSION: Final = (*sys.version_info[:2], mpnb.__version__)


class Held:
    """A block's content in ordinary memory, where there is no block for it."""

    fd = -1

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self.nbytes = content.nbytes

    def view(self) -> memoryview:
        """Its bytes."""
        return self._content


class Content:
    """What a block holds; it pickles out of band, and is a block again where it lands."""

    def __init__(self, block: Any) -> None:
        self.block = block

    def __reduce_ex__(self, protocol: Any) -> tuple[Callable[..., Content], tuple[Any]]:
        view = self.block.view()
        return _landed, (pickle.PickleBuffer(view) if protocol >= 5 else bytes(view),)

    def __sizeof__(self) -> int:
        return int(self.block.nbytes)


def _landed(data: Any) -> Content:
    view = memoryview(data).cast("B").toreadonly()
    if not is_portable():
        try:
            return Content(Block.create([view]))
        except OSError:  # no memory for it, or no descriptor left
            pass
    return Content(Held(view))


def frame_of(head: bytes, contents: tuple[Content, ...]) -> Frame:
    """A frame, as it can be sent to a worker of this machine."""
    frame = Frame(head, tuple(content.block for content in contents))
    return in_band(frame) if any(isinstance(content.block, Held) for content in contents) else frame


@dataclass(frozen=True, slots=True)
class JobNote:
    """What a host has to know of a job. `owner` is the kernel's engine: other notebooks use the same hosts."""

    owner: str
    number: int
    digests: tuple[bytes, ...]
    nets: bool
    files: bool
    timeout_s: float | None
    retries: int
    each_s: float | None

    @property
    def key(self) -> tuple[str, int]:
        """By what it is known to a host."""
        return self.owner, self.number


@dataclass(frozen=True, slots=True)
class Request:
    """Do iterations `first` … `stop - 1`; the items in `head` begin with iteration `start`.

    Contents of blocks travel beside it, in this order: those of the items (`blocks` of them), then those of each part
    in `parts`, which are (digest, head, number of blocks).
    """

    number: int
    job: JobNote
    start: int
    first: int
    stop: int
    head: bytes
    blocks: int
    parts: tuple[tuple[bytes, bytes, int], ...]
    workers: int
    watched: bool  # the kernel asks after it while it runs
    version: tuple[Any, ...] = VERSION


#: What the worker told of some iterations, the head of the frame with their effects, the blocks', what ended the job.
Batch = tuple[BatchFinished, bytes, tuple[Content, ...], tuple[str, int, str] | None]


@dataclass(slots=True)
class Reply:
    """What became of a request.

    `kind` is ``done`` (`batches`, and `lost` iterations with the worker that ran each), ``partly`` (what there is so
    far), ``missing`` (parts that are not here: `missing`), ``returned`` (not begun, as was asked for), ``dropped`` (an
    earlier iteration ended the job), ``closed`` (the job is), or ``failed`` (`words` say why).
    """

    number: int
    kind: str = "done"
    batches: list[Batch] = field(default_factory=list)
    before: int = 0  # batches of which the kernel has said that it has them; they are left out
    lost: list[tuple[int, Exception]] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    missing: tuple[bytes, ...] = ()
    words: str = ""
    host: HostNote | None = None


@dataclass(frozen=True, slots=True)
class HostNote:
    """Who a host is: a process, its machine since that was started, its clock, and how its workers are set up."""

    name: str
    pid: int
    machine: str
    clock: float
    threads: int

    @property
    def key(self) -> tuple[str, int]:
        """By what it is told from others."""
        return self.machine, self.pid


def machine() -> str:
    """What names the machine, as long as it runs: processes with the same have one clock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import platform

        return platform.node()
