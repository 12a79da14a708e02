"""`%%parallel` in IPython: reads the line, plans the cell, lets IPython run it, shows what became of it.

Two hooks instead of a magic that runs the cell, so that `await`, a final `;`, `Out` and errors that stop Run All are
as without it. An input transformer turns the `%%parallel` line into a string that stands alone, in the same line: a
statement without effect that the syntax tree still has. An AST transformer takes it out and rewrites the cell. So no
state is kept between the two, and `%%time` above `%%parallel` works as well.

Loading costs the cell that does it next to nothing: the rooms behind this one are imported, and the pool is started, by
a thread of its own.
"""

from __future__ import annotations

import argparse
import ast
import copy
import functools
import importlib
import shlex
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final, NoReturn

from IPython.core.error import UsageError

from mpnb.engine import notebook
from mpnb.errors import MpnbError

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from mpnb.engine import Engine
    from mpnb.session import Options, Run
    from mpnb.view import View

MARK: Final = "%%parallel"
#: Cell magics that run the cell as Python through IPython: %%parallel goes below them.
_TRANSPARENT: Final = frozenset({"%%time", "%%capture"})
#: What the names begin with that a rewritten cell uses, and that go when it is over.
_HIDDEN: Final = "_mpnb"


class _LineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%parallel: {message}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError(message or f"%%parallel: nothing was run (status {status})")


def _workers(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 1024:
        msg = f"workers must be a whole number from 1 to 1024, was {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _engine_name(text: str) -> str:
    if text != "local":
        msg = f"there is no engine {text!r}: only 'local', the pool of this machine"
        raise argparse.ArgumentTypeError(msg)
    return text


@functools.cache
def _parser() -> _LineParser:
    parser = _LineParser(prog=MARK, add_help=False, allow_abbrev=False)
    add = parser.add_argument
    add(
        "-n", type=_workers, metavar="N", dest="workers", help="workers to use (default: the cores this kernel may use)"
    )
    add("--on", type=_engine_name, metavar="ENGINE", default="local", help="where to run: only 'local'")
    add("--no-probe", action="store_true", help="send every iteration to the pool at once; overrides no refusal")
    add("--explain", action="store_true", help="show the plan of the cell; runs nothing")
    add("--strict", action="store_true", help="make it a RefusedError when a loop can't be split")
    add("--quiet", action="store_true", help="show neither panel nor summary")
    return parser


@functools.lru_cache(maxsize=64)
def read_line(line: str) -> Options:
    """Read what stands behind `%%parallel`.

    Raises
    ------
    UsageError
        An option that does not exist, or a value that is not allowed.

    Examples
    --------
    >>> read_line("-n 2 --quiet").workers
    2
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(f"{MARK}: {error}") from None
    from mpnb.session import Options

    found = _parser().parse_args(words)
    return Options(
        workers=found.workers,
        probe=not found.no_probe,
        explain=found.explain,
        strict=found.strict,
        quiet=found.quiet,
    )


def _is_mark(line: str) -> bool:
    words = line.split(maxsplit=1)
    return bool(words) and words[0] == MARK


def take_line(lines: list[str]) -> list[str]:
    """The input transformer: the `%%parallel` line becomes a string, which the syntax tree keeps."""
    if not lines or not _is_mark(lines[0]):
        return lines
    read_line(lines[0].strip()[len(MARK) :])  # a wrong option ends it here, before anything runs
    body = lines[1:]
    if body and body[0].startswith("%%") and not _is_mark(body[0]):
        if body[0].split()[0] not in _TRANSPARENT:
            return body  # not Python: a %%bash cell is a %%bash cell
        return [body[0], lines[0], "\n", *body[1:]]  # the empty line stands for the other magic's, so that lines count
    return [repr(lines[0].strip()) + "\n", *body]


take_line.has_side_effects = True  # type: ignore[attr-defined]  # IPython: not for checking whether input is complete


def _marked(tree: ast.Module) -> Options | None:
    """The options of a marked cell, None for any other."""
    match tree.body:
        case [ast.Expr(ast.Constant(str(text))), *_] if _is_mark(text):
            return read_line(text[len(MARK) :])
        case _:
            return None


class CellTransformer(ast.NodeTransformer):
    """The AST transformer: rewrites a marked cell and starts its run."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.run: Run | None = None
        self.view: View | None = None

    def visit(self, node: Any) -> Any:
        """Rewrite a cell that carries the mark; give any other back as it is."""
        options = _marked(node) if isinstance(node, ast.Module) else None
        if options is None:
            return node
        del node.body[0]
        try:
            return self._rewritten(copy.deepcopy(node), options)
        except Exception as error:  # IPython would drop the transformer, and the cell with it
            warnings.warn(f"[mpnb] this cell runs serially, for planning it failed: {error!r}", RuntimeWarning, 2)
            self.run = self.view = None
            return node

    def _rewritten(self, node: ast.Module, options: Options) -> ast.Module:
        from mpnb import plan, session
        from mpnb.view import View

        self.finish("finished")  # a run left over from a cell that never ended
        cell = plan.read_cell(node)
        self.view = None if options.quiet or options.explain else View()
        listeners = [self.view.on_event] if self.view else []
        run = session.current().begin(cell, self.shell.user_ns, options, listeners)
        if self.view:
            self.view.attach(run)
        if options.explain:
            for line in run.explain() or ["nothing to split"]:
                print(f"[mpnb] {line}")  # noqa: T201 -- the answer to what was asked
            cell.tree.body = []
            return cell.tree
        self.run = run
        self.shell.user_ns[plan.RUN] = run
        if options.strict and any(site.refusal for site in cell.sites):
            place = next(site.line for site in cell.sites if site.refusal)
            raised = ast.parse(f"raise {plan.RUN}.refused()")
            cell.tree.body = ast.increment_lineno(raised, place - 1).body
        return cell.tree

    def after_cell(self, result: Any) -> None:
        """IPython's post_run_cell: the cell is over, however it ended."""
        notebook.cells += 1
        error = result.error_in_exec or result.error_before_exec
        stopped = isinstance(error, KeyboardInterrupt)
        self.finish("stopped" if stopped else "failed" if error is not None else "finished")

    def finish(self, status: str) -> None:
        """End the run that is under way, if one is, and show what became of it."""
        run, view = self.run, self.view
        self.run = self.view = None
        if run is None:
            return
        for name in [name for name in self.shell.user_ns if name.startswith(_HIDDEN)]:
            del self.shell.user_ns[name]
        run.end(status)
        if view is not None:
            view.close()


def load(shell: InteractiveShell, make_engine: Callable[[], Engine]) -> None:
    """Hook into a shell; the pool starts in the background."""
    if any(isinstance(transformer, CellTransformer) for transformer in shell.ast_transformers):
        return
    if notebook.engine is None:
        start = _Start(make_engine)
        notebook.engine = start.engine
        start.start()
    transformer = CellTransformer(shell)
    shell.input_transformers_cleanup.append(take_line)
    shell.ast_transformers.append(transformer)
    shell.events.register("post_run_cell", transformer.after_cell)

    def parallel(line: str, cell: str) -> None:
        shell.run_cell(f"{MARK} {line}\n{cell}")  # type: ignore[no-untyped-call]

    parallel.__doc__ = _help()
    shell.magics_manager.register_function(parallel, "cell", "parallel")


class _Start(threading.Thread):
    """Starts the pool, then imports what the first cell will need; a Future would do, but leave a logger behind."""

    def __init__(self, make_engine: Callable[[], Engine]) -> None:
        super().__init__(name="mpnb-start", daemon=True)
        self.make_engine = make_engine
        self.made: Engine | None = None
        self.error: Exception | None = None
        self.done = threading.Event()

    def run(self) -> None:
        """Do it; see the class."""
        try:
            self.made = self.make_engine()
        except Exception as error:  # the first cell raises it, and runs serially
            self.error = error
        self.done.set()
        for room in ("mpnb.jobs", "mpnb.session", "mpnb.view", "mpnb.dashboard"):
            importlib.import_module(room)

    def engine(self) -> Engine:
        """Wait for the engine; raises what its start raised."""
        self.done.wait()
        if self.made is None:
            raise self.error or MpnbError("the pool was not started")
        return self.made


def unload(shell: InteractiveShell) -> None:
    """Take the hooks out again."""
    for transformer in [t for t in shell.ast_transformers if isinstance(t, CellTransformer)]:
        shell.ast_transformers.remove(transformer)
        shell.events.unregister("post_run_cell", transformer.after_cell)
    if take_line in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(take_line)
    shell.magics_manager.magics["cell"].pop("parallel", None)


def _help() -> str:
    text = """Run the loops of this cell on every core, with the result that the cell gives without this line.

    Comprehensions, generator expressions inside list/sum/max/min/sorted/dict/set/tuple, map(f, xs) and for loops are
    split where that can be shown to be safe; the others stay serial, and one line says why.
    `mpnb.last_run().sites` tells of each.

    """
    return text + _parser().format_help().replace("usage: ", "").replace("\n", "\n    ")
