"""A closed file as plain data and back: it holds nothing of its process, only what it was opened by."""

from __future__ import annotations

import io
import os
from typing import Any


def opened_by(file: Any) -> tuple[Any, ...] | None:
    """What `closed_file` makes its like of; None for an open file, and for one that tells more than that."""
    if not file.closed or not isinstance(getattr(file, "name", None), str | bytes):
        return None
    mode = getattr(file, "mode", None)
    held = {name: value for name, value in vars(file).items() if name != "__IOBase_closed"}
    if isinstance(file, io.TextIOWrapper):
        # how the lines ended that were read from it; what open() never asks for
        if file.newlines is not None or file.write_through or held != {"mode": mode}:
            return None
        return file.name, mode, 1 if file.line_buffering else -1, file.encoding, file.errors
    is_raw = isinstance(file, io.FileIO)
    if held != ({"name": file.name} if is_raw else {}) or not isinstance(mode, str):
        return None
    return file.name, mode, 0 if is_raw else -1, None, None


def closed_file(name: str | bytes, mode: str, buffering: int, encoding: str | None, errors: str | None) -> Any:
    """Make a closed file of this name and mode; the file itself is not touched."""
    with open(
        name, mode, buffering, encoding, errors, opener=lambda *_: os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    ) as file:
        return file
