"""Messages over a socket pair: a note, frames of bytes, and file descriptors. Knows no process and no job.

    8 bytes: length of the plan │ 4 bytes: descriptors │ plan: pickle of (note, [(head, [block …]) …], gone) │ heads

Of a head the plan says the size, of a block its size, and how it is found where it is of a stock (`mpnb.buffers`).
Descriptors go as SCM_RIGHTS with the first bytes, at most `MAX_FDS` with each (the system's limit is 253).
"""

from __future__ import annotations

import array
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mpnb.buffers import Block, Readers, Stocked
from mpnb.frames import Frame

MAX_FDS: Final = 200
READ_NBYTES: Final = 1 << 16
_PREFIX: Final = struct.Struct("<QI")
_FD_SIZE: Final = array.array("i").itemsize
_CLOEXEC: Final[int] = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

Note = tuple[Any, ...]
Place = tuple[int, tuple[int, int, int] | None]  # of a block: size; of one of a stock, key, flag, and size where new
Plan = tuple[Note, list[tuple[int, list[Place]]], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said to the other: a note (its first member is a word), frames, and bare descriptors."""

    note: Note
    frames: tuple[Frame, ...] = ()
    fds: tuple[int, ...] = ()


@dataclass(slots=True)
class Outgoing:
    """A message on its way; it holds its frames, so that their descriptors stay open until they are sent."""

    message: Message
    readers: Readers | None = None  # of the other side
    segments: deque[tuple[memoryview, tuple[int, ...]]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        fds = list(self.message.fds)
        shapes = [
            (len(frame.head), [self._place(block, fds) for block in frame.blocks]) for frame in self.message.frames
        ]
        gone = () if self.readers is None else self.readers.take_gone()
        plan = pickle.dumps((self.message.note, shapes, gone), protocol=5)
        start = memoryview(_PREFIX.pack(len(plan), len(fds)) + plan)
        # Every group of descriptors needs a byte to travel with; the plan has more than one for each.
        while len(fds) > MAX_FDS:
            self.segments.append((start[:1], tuple(fds[:MAX_FDS])))
            start, fds = start[1:], fds[MAX_FDS:]
        self.segments.append((start, tuple(fds)))
        self.segments.extend((memoryview(frame.head), ()) for frame in self.message.frames if frame.head)

    def _place(self, block: Block, fds: list[int]) -> Place:
        """How the other side finds a block; its descriptor is added to `fds` where it is needed."""
        kept = block.kept
        if kept is not None:
            kept.send()
        if kept is None or self.readers is None:
            fds.append(block.fd)
            return block.nbytes, None
        is_new = self.readers.is_new(kept)
        if is_new:
            fds.append(block.fd)
        return block.nbytes, (kept.key, kept.flag, kept.nbytes if is_new else 0)

    def push(self, sock: socket.socket, flags: int = 0) -> None:
        """Send all; with MSG_DONTWAIT in `flags`, as much as the socket takes before it raises BlockingIOError."""
        while self.segments:
            data, fds = self.segments[0]
            if fds:
                sent = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))], flags)
            else:
                sent = sock.send(data, flags)
            if sent == len(data):
                self.segments.popleft()
            else:
                self.segments[0] = (data[sent:], ())


class Incoming:
    """Bytes and descriptors in, whole messages out.

    Parameters
    ----------
    word
        Where the flags of the blocks are that come from the other side's stock.
    """

    def __init__(self, word: memoryview | None = None) -> None:
        self._stocked = Stocked(word)
        self._data: deque[memoryview] = deque()
        self._have = 0
        self._need = _PREFIX.size
        self._fds: deque[int] = deque()
        self._nfds = 0
        self._plan: Plan | None = None
        self._in_plan = False

    def pull(self, sock: socket.socket) -> list[Message] | None:
        """Receive once, which may wait. None at the end of the stream."""
        size = max(READ_NBYTES, min(self._need - self._have, 1 << 24))
        data, notes, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(256 * _FD_SIZE), _CLOEXEC)
        for level, kind, payload in notes:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i", payload[: len(payload) // _FD_SIZE * _FD_SIZE])
                if not _CLOEXEC:
                    for fd in fds:
                        os.set_inheritable(fd, False)
                self._fds.extend(fds)
        return self._feed(data) if data else None

    def close(self) -> None:
        """Close descriptors of a message that will never be whole."""
        while self._fds:
            os.close(self._fds.popleft())

    def _feed(self, data: bytes) -> list[Message]:
        self._data.append(memoryview(data))
        self._have += len(data)
        messages: list[Message] = []
        while self._have >= self._need:
            if self._plan is not None:
                messages.append(self._message(self._plan))
            elif self._in_plan:
                self._plan = pickle.loads(self._take(self._need))
                self._need = sum(nbytes for nbytes, _ in self._plan[1])
            else:
                self._need, self._nfds = _PREFIX.unpack(self._take(_PREFIX.size))
                self._in_plan = True
        return messages

    def _message(self, plan: Plan) -> Message:
        note, shapes, gone = plan
        named = sum(stocked is None or stocked[2] > 0 for _, places in shapes for _, stocked in places)
        fds = tuple(self._fds.popleft() for _ in range(self._nfds - named))
        frames = tuple(Frame(self._take(nbytes), tuple(map(self._block, places))) for nbytes, places in shapes)
        self._stocked.let_go(gone)
        self._plan, self._in_plan, self._need = None, False, _PREFIX.size
        return Message(note, frames, fds)

    def _block(self, place: Place) -> Block:
        nbytes, stocked = place
        if stocked is None:
            return Block.from_fd(self._fds.popleft(), nbytes)
        key, flag, size = stocked
        return self._stocked.block(key, flag, nbytes, self._fds.popleft() if size else -1, size)

    def _take(self, nbytes: int) -> bytes:
        self._have -= nbytes
        parts: list[memoryview] = []
        while nbytes:
            data = self._data.popleft()
            if len(data) > nbytes:
                self._data.appendleft(data[nbytes:])
                data = data[:nbytes]
            nbytes -= len(data)
            parts.append(data)
        return b"".join(parts)


def send(
    sock: socket.socket,
    note: Note,
    frames: Sequence[Frame] = (),
    fds: Sequence[int] = (),
    readers: Readers | None = None,
) -> int:
    """Send one message on a blocking socket; returns its bytes without those of its blocks."""
    outgoing = Outgoing(Message(note, tuple(frames), tuple(fds)), readers)
    outgoing.push(sock)
    return sum(len(frame.head) for frame in frames)
