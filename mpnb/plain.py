"""Plain values as bytes: numbers, text, and the built-in containers of such. Stands at both ends of a pool's wire.

What a copy of them is needs no knowledge of the notebook, so the C pickler may write them all by itself, which takes a
microsecond. Anything else is a matter of `codec`.
"""

from __future__ import annotations

import io
import pickle
import socket
import struct
from typing import Any, Final

_ATOMS: Final = frozenset({int, float, bool, str, bytes, type(None)})
_LENGTH: Final = struct.Struct("<Q")
_READ_NBYTES: Final = 1 << 16

loads = pickle.loads


class _NotPlain(Exception):
    """Something was met that is no plain value."""


class _Pickler(pickle.Pickler):
    def reducer_override(self, _thing: Any) -> Any:
        raise _NotPlain


def dumps(value: Any) -> bytes | None:
    """The bytes of a plain value; None for any other."""
    if type(value) in _ATOMS:
        return pickle.dumps(value, 5)
    file = io.BytesIO()
    try:
        _Pickler(file, 5).dump(value)
    except (_NotPlain, RecursionError, MemoryError):
        return None
    return file.getvalue()


def send(sock: socket.socket, data: bytes) -> None:
    """Send one message on a blocking socket."""
    sock.sendall(_LENGTH.pack(len(data)) + data)


def receive(sock: socket.socket) -> bytes | None:
    """Wait for one message; None at the end of the stream. The other side says nothing more until it is answered."""
    data = sock.recv(_READ_NBYTES)
    while len(data) < _LENGTH.size or len(data) < _LENGTH.size + _LENGTH.unpack_from(data)[0]:
        more = sock.recv(_READ_NBYTES) if data else b""
        if not more:
            return None
        data += more
    return data[_LENGTH.size :]
