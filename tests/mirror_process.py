"""A worker process reduced to its mirror, for tests: parts and chunks in, effects out, over a socket pair.

Not a test itself. `Worker` is the kernel's end; run as a script this file is the other process.
"""

from __future__ import annotations

import array
import linecache
import os
import pickle
import socket
import struct
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parent.parent)


def send(sock: socket.socket, head: Any, frames: list[Any]) -> None:
    """Send plain data, and frames with the descriptors of their blocks."""
    fds = [block.fd for frame in frames for block in frame.blocks]
    plain = [(frame.head, [block.nbytes for block in frame.blocks]) for frame in frames]
    data = pickle.dumps((head, plain))
    sock.sendall(struct.pack("<QI", len(data), len(fds)))
    if fds:
        sock.sendmsg([b"f"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    sock.sendall(data)


def receive(sock: socket.socket) -> tuple[Any, list[Any]]:
    """Receive what `send` sent."""
    from mpnb.buffers import Block
    from mpnb.frames import Frame

    size, count = struct.unpack("<QI", _exactly(sock, 12))
    fds: list[int] = []
    if count:
        _, ancillary, _, _ = sock.recvmsg(1, socket.CMSG_SPACE(4 * count))
        for _, _, data in ancillary:
            fds += array.array("i", data)
    head, plain = pickle.loads(_exactly(sock, size))
    frames = []
    for body, sizes in plain:
        blocks = tuple(Block.from_fd(fds.pop(0), nbytes) for nbytes in sizes)
        frames.append(Frame(body, blocks))
    return head, frames


def _there(error: tuple[str, str, str]) -> Exception:
    """An error of the other process."""
    from mpnb.errors import CodecError

    return CodecError(error[1], error[2]) if error[0] == "CodecError" else RuntimeError(*error)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


class Notebook:
    """A namespace that is `__main__` while it is open, and cells run in it."""

    def __init__(self, monkeypatch: Any) -> None:
        self.module = types.ModuleType("__main__")
        self.names: dict[str, Any] = vars(self.module)
        monkeypatch.setitem(sys.modules, "__main__", self.module)
        self._cells = 0

    def cell(self, source: str) -> None:
        """Run a cell."""
        self._cells += 1
        name = f"<cell {self._cells}>"
        source = textwrap.dedent(source)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.names)

    def job(self, *body: str, targets: tuple[object, ...] = (), orders: bool = False) -> Any:
        """A job whose body is these lines; it sees `item` and `effects`."""
        from mpnb.engine import Job

        lines = [line for each in body for line in textwrap.dedent(each).strip("\n").splitlines()]
        own: dict[str, Any] = {}
        name = f"<body {id(body)}>"
        source = "def body(item, effects):\n" + "".join(f"    {line}\n" for line in lines)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.names, own)
        return Job(own["body"], targets=targets, orders=orders)


class Worker:
    """The process, seen from the kernel."""

    def __init__(self, **environ: str) -> None:
        self._sock, theirs = socket.socketpair()
        self._sock.settimeout(60)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": ROOT, **environ},
        )
        theirs.close()
        self._kept: set[bytes] = set()

    def run(self, encoder: Any, items: list[Any], *, parts: Any = None) -> tuple[str | None, list[Any]]:
        """Run a job's function on some items there: what `check` said, and the effects."""
        self.load(encoder.parts if parts is None else parts)
        frame, memo = encoder.encode_items(items)
        send(self._sock, ("run",), [frame])
        (words, error), frames = receive(self._sock)
        if error is not None:
            raise _there(error)
        return words, encoder.decode_effects(frames[0], memo) if frames else []

    def load(self, parts: Any) -> None:
        """Give it a job's parts; those that it has are named only."""
        new = [part for part in parts if part.digest not in self._kept]
        send(self._sock, ("load", [part.digest for part in parts], [p.digest for p in new]), [p.frame for p in new])
        error, _ = receive(self._sock)
        if error is not None:
            raise _there(error)
        self._kept.update(part.digest for part in parts)

    def ask(self, expression: str) -> Any:
        """Evaluate something there, outside the notebook's names."""
        send(self._sock, ("ask", expression), [])
        (value, error), _ = receive(self._sock)
        if error is not None:
            raise _there(error)
        return value

    def close(self) -> None:
        """End it."""
        self._sock.close()
        self._process.wait(30)


def _serve(sock: socket.socket) -> None:
    from mpnb.frames import Part
    from mpnb.namespace import Mirror

    mirror = Mirror()
    kept: dict[bytes, Any] = {}
    while True:
        try:
            head, frames = receive(sock)
        except EOFError:
            return
        try:
            if head[0] == "load":
                kept.update((digest, Part(digest, frame)) for digest, frame in zip(head[2], frames, strict=True))
                mirror.load([kept[digest] for digest in head[1]])
                send(sock, None, [])
            elif head[0] == "ask":
                send(sock, (eval(head[1], {"mirror": mirror, "sys": sys, "os": os}), None), [])
            else:
                batch = []
                words = None
                for item in mirror.decode_items(frames[0]):
                    effects: list[Any] = []
                    with mirror.watching():
                        try:
                            mirror.function(item, effects)
                        except BaseException as error:
                            effects = [("raised", type(error).__name__, str(error))]
                    batch.append(effects)
                words = mirror.check()
                send(sock, (words, None), [mirror.encode_effects(batch)] if words is None else [])
        except Exception as error:
            plain = (type(error).__name__, getattr(error, "path", ""), getattr(error, "why", str(error)))
            send(sock, plain if head[0] == "load" else (None, plain), [])


if __name__ == "__main__":
    sys.path.insert(0, ROOT)
    import mirror_process

    with socket.socket(fileno=int(sys.argv[1])) as ours:
        mirror_process._serve(ours)
