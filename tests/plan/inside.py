"""Inside a kernel under test: a namespace, a folder and a process state for each run of a cell, and a picture of its end.

`stage` is made once per kernel. `stage.begin()` takes back whatever the run before has left; `stage.picture()` tells as
JSON what a cell has left: every name with all that hangs on it, what is shared with what, files, and the state of the
process.
"""

from __future__ import annotations

import contextlib
import json
import locale
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from differ import ADDRESS, _paint_world, _Painter, _world
from IPython.core.getipython import get_ipython

#: Names that IPython keeps for itself; `_`, `Out` and the like are looked at by the rows that are about them.
_OWN = {"In", "Out", "exit", "quit", "open", "get_ipython"}


class Stage:
    """Where the runs of one kernel take place, one after the other."""

    def __init__(self) -> None:
        self.shell: Any = get_ipython()
        self.folder = Path(tempfile.mkdtemp(prefix="stage"))
        self.open = contextlib.ExitStack()
        self.modules = set(sys.modules)
        root = logging.root
        self.logging = root.level, list(root.handlers)
        self.locale = locale.setlocale(locale.LC_ALL)

    def begin(self) -> None:
        """Take back what the last run has left; the next one begins in an empty namespace and an empty folder."""
        self.end()
        namespace = self.shell.user_ns
        for name in [n for n in namespace if n not in _OWN and not n.startswith("_")]:
            del namespace[name]
        namespace.pop("__warningregistry__", None)
        namespace["_exit_code"] = 0
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        (self.folder / "run").mkdir()
        self.open.enter_context(_world(self.folder / "run"))

    def end(self) -> None:
        """Take the process state back."""
        self.open.close()
        time.tzset()
        root = logging.root
        root.setLevel(self.logging[0])
        root.handlers[:] = self.logging[1]
        locale.setlocale(locale.LC_ALL, self.locale)
        pandas: Any = sys.modules.get("pandas")
        if pandas is not None:
            pandas.reset_option("^display|^compute")

    def picture(self) -> str:
        """Tell what there is now."""
        painter = _Painter()
        _without_our_notes(self.shell.user_ns.values())
        namespace = self.shell.user_ns
        names = {
            name: ADDRESS.sub("0x", painter.paint(value))
            for name, value in sorted(namespace.items())
            if name not in _OWN and not name.startswith("_")
        }
        world = _paint_world(self.folder / "run")
        world["numpy"] = ADDRESS.sub("0x", world["numpy"])
        world["time zone"] = str(time.tzname)
        world["locale"] = locale.setlocale(locale.LC_ALL)
        world["path"] = str([entry for entry in sys.path if str(self.folder) not in entry])
        world["logging"] = f"{logging.root.level} {len(logging.root.handlers)}"
        world["modules"] = str(
            sorted(n for n in set(sys.modules) - self.modules if _is_of(sys.modules[n], self.folder))
        )
        return json.dumps({"names": names, "world": world})

    def close(self) -> None:
        """Remove the folder."""
        self.end()
        os.chdir("/")
        shutil.rmtree(self.folder, ignore_errors=True)


def _without_our_notes(values: Any) -> None:
    """Take out the note that says which iteration an exception is from."""
    for value in list(values):
        if isinstance(value, BaseException) and hasattr(value, "__notes__"):
            value.__notes__ = [note for note in value.__notes__ if not note.startswith("in iteration")]


def _is_of(module: Any, folder: Path) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


stage = Stage()
