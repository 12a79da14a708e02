"""Starts a fresh interpreter that runs one function of mpnb on some descriptors, and inherits nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import mpnb

_CODE: Final = """\
import sys
home, room, *values = sys.argv[1:]
del sys.argv[1:]
if home not in sys.path: sys.path.append(home)
from importlib import import_module
room, _, name = room.partition(':')
getattr(import_module('mpnb.' + room), name or 'main')(*map(int, values))
"""


def start(room: str, *fds: int, values: tuple[int, ...] = (), own_session: bool = True) -> subprocess.Popen[bytes]:
    """Run `main` of mpnb's `room` (or another function, as `room:function`) on these descriptors, then these values."""
    home = str(Path(mpnb.__file__).resolve().parent.parent)
    return subprocess.Popen(
        [sys.executable, *_options(), "-c", _CODE, home, room, *map(str, (*fds, *values))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=True,
        pass_fds=fds,
        start_new_session=own_session,
    )


def _options() -> list[str]:
    """The options of this interpreter that change what code means; `-P` keeps the current folder off sys.path."""
    flags = sys.flags
    options = ["-P"]
    if flags.optimize:
        options.append("-" + "O" * flags.optimize)
    for on, letter in ((flags.isolated, "-I"), (flags.ignore_environment, "-E"), (flags.no_user_site, "-s")):
        if on:
            options.append(letter)
    if flags.dev_mode:
        options += ["-X", "dev"]
    if flags.utf8_mode:
        options += ["-X", "utf8"]
    return options
