"""The house keeps its shape: imports go down only, and each foreign library has its door.

Files are read, never imported. Add a room here when it is built.
"""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "mpnb"

# Which rooms of mpnb each room may import. A folder is one room: what happens inside it is its own matter.
MAY_IMPORT = {
    "__init__": "any",  # the front door, and lazily
    # ground floor
    "errors": "",
    "events": "",
    "cores": "",
    "ordering": "",
    "closed": "",
    "mailbox": "",
    "collector": "",
    "blas": "",
    "serial": "",
    "streams": "",
    "exercise": "",
    "engine": "events streams",
    "sliced": "errors",
    # objects and bytes, at both ends of the wire
    "buffers": "errors",
    "surroundings": "errors ordering",
    "cache": "buffers",
    "frames": "buffers cache",
    "arrays": "buffers",
    "modules": "cache ordering",
    "libraries": "cache",
    "blame": "errors",
    "codec": "closed collector cache frames arrays modules blame streams",
    "budget": "errors",
    "jobs": "budget collector errors engine ordering buffers surroundings cache frames arrays modules libraries blame codec",
    "namespace": (
        "plain collector errors engine ordering streams blas buffers surroundings cache frames arrays modules libraries blame codec"
    ),
    "wire": "buffers frames",
    "interpreter": "__init__",  # only to learn where the package lies
    "plain": "",
    # inside a worker
    "tasks": "",
    "drafts": "engine surroundings",
    "worker": "errors blas buffers drafts engine surroundings frames namespace plain tasks weight wire",
    "template": "blas modules wire worker",
    # the kernel's side of the pool
    "scheduler": "events",
    "imports": "surroundings modules",
    "base": "wire interpreter",
    "templates": "base wire interpreter",
    "hands": "errors events buffers cores frames mailbox wire scheduler interpreter templates",
    "calls": "steady plain budget errors engine cache frames blame codec jobs parcels tasks",
    "running": "errors events engine frames jobs scheduler hands",
    "results": "errors engine jobs scheduler hands running calls",
    "steady": "",
    "loans": "errors engine tasks frames calls jobs hands running scheduler plain steady",
    "workforce": "budget errors blas engine cores cache frames jobs imports templates hands calls running results",
    "pool": "errors events engine tasks steady calls running results loans workforce",
    # other processes' care
    "adapters": (  # __init__: for its version
        "__init__ errors engine events blas cores arrays buffers cache frames tasks jobs scheduler hands running results workforce "
        "mailbox pool session"
    ),
    "executor": "errors mailbox tasks pool results",
    # processes beside the notebook, at both ends
    "parcels": "errors engine cache frames modules blame codec jobs namespace",
    "sharing": "errors blas cores buffers frames blame wire interpreter worker template parcels",
    # what understands a cell
    "plan": "collector errors engine ordering sliced streams",  # engine: what a task hands back, as an engine expects it
    # what is seen
    "record": "events",
    "simulation": "events scheduler",
    "forecast": "record simulation worth",
    "markup": "",
    "report": "markup record",
    "news": "record cores",
    "dashboard": "news report record cores",
    "laws": "record report",
    "scalability": "cores laws pool",
    "compare": "",
    # what ties them
    "worth": "events",
    "weight": "arrays",
    "bars": "",
    "applied": "",
    "outlook": "plan worth weight markup record",
    "filing": "engine",
    "trial": "engine plan compare",
    "session": "collector errors imports blas events surroundings drafts filing engine streams plan record forecast worth weight outlook trial bars applied",
    "view": "events dashboard session",
    "brief": "events serial plan record session worth applied",
    "watching": "plan session brief",
    "functions": "errors events engine serial plan record session brief view",
    "magic": "adapters errors events engine imports laws workforce plan record outlook report dashboard session brief watching view",
}

# Looks upward by name, at the moment of use. Each is one too many, so each has its reason.
LOOKS_UP = {
    ("record", "report"): "a user asks the record for a picture, and drawing it needs matplotlib",
    ("record", "laws"): "a user asks the record how a loop scales, and fitting that needs numpy",
    ("record", "forecast"): "a user asks the record what if, and that takes the scheduler",
}

# Which rooms may import each foreign library. What is not in this table is the standard library, or a mistake.
# Imports for types alone open no door.
DOORS = {
    "IPython": "magic dashboard",
    "ipykernel": "magic dashboard",
    "traitlets": "dashboard",
    "ipywidgets": "dashboard",
    "anywidget": "dashboard",
    "matplotlib": "report surroundings",  # surroundings: rcParams travel with a job
    "dill": "codec",
    "multiprocess": "sharing",
    "cloudpickle": "codec",
    "psutil": "cores",
    "threadpoolctl": "blas",
    "distributed": "adapters",
    "joblib": "adapters",
    "numpy": "cache laws surroundings streams",
    "pandas": "surroundings",
    "mpmath": "surroundings",
    "sklearn": "surroundings",
    "torch": "surroundings",
}

TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "mpnb",
    "notebooks",
    "tests",
    "binder",
    ".ci",
    ".gitignore",
}

FILES = sorted(HOUSE.rglob("*.py"))


def room_of(path: Path) -> str:
    """Name of the room that a file belongs to: its own stem, or that of the folder it lies in."""
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports_of(path: Path, *, for_types: bool = True) -> set[tuple[str, ...]]:
    """List what a file imports, anywhere in it, as dotted names split at the dots."""
    tree = ast.parse(path.read_bytes())
    types_alone = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in types_alone and not for_types:
            continue
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                # The last part may be a room (from mpnb import events) or a name in it (from mpnb.events import Event).
                package = ["mpnb", *path.relative_to(HOUSE).parts[:-1]]
                start = package[: len(package) - level + 1] if level else []
                found |= {".".join([*start, *filter(None, [module]), alias.name]) for alias in names}
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if ast.unparse(function).split(".")[-1] == "import_module":
                    found.add(name)
    return {tuple(name.split(".")) for name in found}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_imports_go_down_only(path):
    """A room imports only the rooms that the table allows it."""
    room = room_of(path)
    assert room in MAY_IMPORT, f"{room} is a new room: say in MAY_IMPORT what it may import"
    if MAY_IMPORT[room] == "any":
        return
    inside = [parts[1:] for parts in imports_of(path) if parts[0] == "mpnb"]
    # mpnb itself counts as its front door, which imports everything: nobody below may go through it.
    imported = {parts[0] if parts and parts[0] in MAY_IMPORT else "__init__" for parts in inside}

    allowed = {room, *MAY_IMPORT[room].split(), *(up for here, up in LOOKS_UP if here == room)}

    assert imported - allowed == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_each_foreign_library_has_its_door(path):
    """A foreign library is imported only in the rooms that the table names."""
    foreign = {parts[0] for parts in imports_of(path, for_types=False)} - sys.stdlib_module_names - {"mpnb"}

    assert {name for name in foreign if room_of(path) not in DOORS.get(name, "").split()} == set()


def test_the_table_goes_down_only():
    """The table of imports itself has no cycle."""
    floors: dict[str, int] = {}

    def floor(room: str, above: tuple[str, ...] = ()) -> int:
        assert room not in above, f"a cycle: {' → '.join((*above, room))}"
        if room not in floors:
            below = [] if MAY_IMPORT[room] == "any" else MAY_IMPORT[room].split()
            below = [name for name in below if name != "__init__"]  # whose own imports are lazy
            floors[room] = 1 + max((floor(name, (*above, room)) for name in below), default=0)
        return floors[room]

    for room in MAY_IMPORT:
        floor(room)


def test_imports_inside_plan_go_one_way():
    """No room of the plan imports one that imports it, at however many removes."""
    rooms = {path.stem: path for path in FILES if path.parent == HOUSE / "plan" and path.stem != "__init__"}
    below = {
        name: {parts[2] for parts in imports_of(path) if parts[:2] == ("mpnb", "plan") and len(parts) > 2}
        for name, path in rooms.items()
    }
    assert set().union(*below.values()) <= rooms.keys(), "a room imports its own front door"

    graphlib.TopologicalSorter(below).prepare()  # CycleError, which names the rooms


def test_top_level_holds_only_what_it_should():
    """Nothing lies at the top level but what the house plan names."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")

    assert {line.split("/")[0] for line in listed.stdout.splitlines()} - TOP_LEVEL == set()


def test_every_room_of_the_table_exists():
    """The table has no entry for a room that is not there."""
    rooms = {room_of(path) for path in FILES}
    missing = set(MAY_IMPORT) - rooms
    if missing:
        pytest.skip(f"not built yet: {' '.join(sorted(missing))}")
