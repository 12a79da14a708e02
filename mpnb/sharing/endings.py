"""What a process's two streams and its exit code are: the ends that its parent sees."""

from __future__ import annotations

import io
import os
import sys
from typing import Final

STDOUT_FD: Final = 1
STDERR_FD: Final = 2
FAILED: Final = 1  # exit code of a process that an exception ended, as multiprocessing has it


class _Stream(io.TextIOWrapper):
    """Stands in for `sys.stdout` and `sys.stderr`: nothing stays behind in a buffer, whatever ends the process."""

    def write(self, text: str) -> int:
        count = super().write(text)
        self.flush()
        return count


def _stream(fd: int) -> _Stream:
    return _Stream(open(fd, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", newline="\n")


def wear(out_fd: int, err_fd: int) -> None:
    """Make these the process's stdout and stderr, for Python and for everybody else."""
    for fd, number in ((out_fd, STDOUT_FD), (err_fd, STDERR_FD)):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdout = sys.__stdout__ = _stream(STDOUT_FD)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(STDERR_FD)  # type: ignore[misc]
