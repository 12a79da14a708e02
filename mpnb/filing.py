"""Puts in place what iterations did to files in workers, in order; and tells where that is too late.

Effects in, files out. `Ledger` says whether an iteration has looked at something that one before it writes: a worker
saw it as it was before, so the iteration has to be done again. Decides nothing else.
"""

from __future__ import annotations

import os
from typing import Any

from mpnb.engine import FILED, SEEN, Effects


def put(entry: tuple[Any, ...]) -> None:
    """Do to the files what one effect says."""
    __tracebackhide__ = True
    match entry:
        case (_, "file", path, exclusive, content, _):
            with open(path, "xb" if exclusive else "wb") as file:
                file.write(content)
        case (_, "folder", path, mode, ensure, _):
            try:
                os.mkdir(path, mode)
            except FileExistsError:
                if not (ensure and os.path.isdir(path)):
                    raise
        case (_, "mode", path, mode, _):
            os.chmod(path, mode)


class Ledger:
    """What the iterations before have written, by the keys of `drafts`."""

    def __init__(self) -> None:
        self.written: dict[str, tuple[int, str]] = {}

    def clash(self, index: int, effects: Effects) -> str:
        """Say what an iteration has looked at that another one before it writes, or nothing; then note its own."""
        for entry in effects:
            if entry[0] == SEEN:
                for key in entry[1]:
                    if key in self.written:
                        writer, path = self.written[key]
                        return f"it looks at {path!r}, or where that lies, which iteration {writer + 1} writes"
        for entry in effects:
            if entry[0] == FILED:
                for key in entry[-1]:
                    self.written.setdefault(key, (index, os.fsdecode(entry[2])))
        return ""
