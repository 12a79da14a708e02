"""`%%parallel` in IPython: reads the line, plans the cell, lets IPython run it, shows what became of it.

Two hooks instead of a magic that runs the cell, so that `await`, a final `;`, `Out` and errors that stop Run All are
as without it. An input transformer turns the `%%parallel` line into a string that stands alone, in the same line: a
statement without effect that the syntax tree still has. An AST transformer takes it out and rewrites the cell. So no
state is kept between the two, and `%%time` above `%%parallel` works as well.

After `%parallel on` the AST transformer takes every cell for a marked one. Code that a cell hands to IPython in its
turn (`%timeit`, `%run`) stays as it is; the body of `%%time` and `%%capture` is the cell itself.

Loading costs the cell that does it next to nothing: the rooms behind this one are imported, and the pool is started, by
a thread of its own.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import functools
import importlib
import itertools
import re
import shlex
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand
from IPython.display import publish_display_data

from mpnb import adapters, imports
from mpnb.engine import notebook
from mpnb.errors import MpnbError

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from mpnb.brief import Brief
    from mpnb.engine import Engine
    from mpnb.laws import Scaling
    from mpnb.outlook import Outlook
    from mpnb.plan import CellPlan, WatchedCell
    from mpnb.session import Options, Run
    from mpnb.view import View

MARK: Final = "%%parallel"
#: Options at the beginning of a line that may go on with an expression; those named here take a value.
_LEADING_OPTIONS: Final = re.compile(
    r"\s*((?:(?:-n\s*\S+|--(?:on|seed|chunk|trust)[\s=]\s*\S+|--[a-z][a-z-]*)(?:\s+|$))*)(.*)", re.DOTALL
)
#: What a refusal's line ends in, in brackets or without, or nothing.
_CODE: Final = re.compile(r"\s*(?:\[?([a-z]+(?:-[a-z]+)*)\]?)?\s*")
#: Cell magics that run the cell as Python through IPython: %%parallel goes below them.
_TRANSPARENT: Final = frozenset({"%%time", "%%capture"})
#: What the names begin with that a rewritten cell uses, and that go when it is over.
_HIDDEN: Final = "_mpnb"
#: What a rewritten cell calls its run: plan.RUN, which is not imported for a cell that is not rewritten.
_RUN: Final = "_mpnb"
#: Where the value of `%parallel EXPRESSION` lies for a moment.
_VALUE: Final = "_mpnb_result"


class _LineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message.replace("unrecognized arguments:", "there is no option").replace("argument ", "")
        raise UsageError(f"%%parallel: {message} (%%parallel? lists the options)")

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


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({_workers(each) for each in text.split(",")}))
    except argparse.ArgumentTypeError:
        msg = f"scaling takes numbers of workers from 1 to 1024, as in 1,2,4, was {text!r}"
        raise argparse.ArgumentTypeError(msg) from None


def _seed(text: str) -> int:
    if not text.isdecimal():
        msg = f"seed must be a whole number, 0 or more, was {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _chunk(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        msg = f"chunk must be a whole number, 1 or more, was {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _trusted(text: str) -> str:
    if not all(part.isidentifier() for part in text.split(".")):
        msg = f"trust takes the name of a function, as in fib or Model.score, was {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return text


def _engine_name(text: str) -> str:
    if not adapters.is_name(text):
        msg = f"there is no engine {text!r}: local, dask, or a dask scheduler's address as tcp://HOST:PORT"
        raise argparse.ArgumentTypeError(msg)
    return text


def _find_engine(options: Options) -> None:
    """Have the engine ready that a line names; where it can't be had, nothing of the cell runs."""
    try:
        adapters.find(options.on)
    except MpnbError as error:
        raise UsageError(f"{MARK} --on {options.on}: {error}") from None


@functools.cache
def _parser() -> _LineParser:
    parser = _LineParser(prog=MARK, add_help=False, allow_abbrev=False)
    add = parser.add_argument
    add(
        "-n", type=_workers, metavar="N", dest="workers", help="workers to use (default: the cores this kernel may use)"
    )
    add(
        "--on",
        type=_engine_name,
        metavar="ENGINE",
        help="where to run: local (the pool of this machine), dask (the dask client connected in the notebook), or a "
        "dask scheduler's address as tcp://HOST:PORT (default: what mpnb.use was given, else local)",
    )
    add("--no-probe", action="store_true", help="send every iteration to the pool at once; overrides no refusal")
    add(
        "--explain",
        action="store_true",
        help="show a table of what the cell would do: each loop's verdict, "
        "the class and size of its names, and the time to expect, from an earlier run of the cell; runs nothing",
    )
    add(
        "--compare",
        action="store_true",
        help="run the loops in the pool without effect, then the cell serially, and say whether both gave the same, "
        "and how long each took",
    )
    add(
        "--scaling",
        type=_counts,
        metavar="N,N,…",
        default=(),
        help="as --compare, on each of these numbers of workers: shows what each took as a table and a picture, with "
        "Amdahl's law and the Universal Scalability Law fitted to it",
    )
    add("--strict", action="store_true", help="raise RefusedError where a loop can't be split")
    add(
        "--seed",
        type=_seed,
        metavar="N",
        help="give every iteration its own stream of random numbers, made from N: the same for any number of workers, "
        "though not those of the cell without the magic; afterwards the notebook's generators are as before the loop. "
        "Loops that stay serial by their own text draw as without it",
    )
    add(
        "--exact",
        action="store_true",
        help="give linear algebra (BLAS, OpenMP) as many threads in a worker as it has in the notebook, for results "
        "that are equal to the last bit; more threads than cores are slower",
    )
    add("--chunk", type=_chunk, metavar="N", help="send N iterations at a time (default: as fits their length)")
    add(
        "--trust",
        type=_trusted,
        action="append",
        default=[],
        metavar="NAME",
        help="vouch for a function of yours: it is not looked into, and what it keeps (a cache, a counter) is yours to "
        "answer for; may be given more than once",
    )
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
        compare=found.compare or bool(found.scaling),
        scaling=found.scaling,
        strict=found.strict,
        quiet=found.quiet,
        seed=found.seed,
        chunk=found.chunk,
        exact=found.exact,
        on=found.on,
        trust=frozenset(found.trust),
    )


def split_line(line: str) -> tuple[str, str]:
    """Split what stands behind `%parallel` into options and expression.

    Examples
    --------
    >>> split_line("-n 2 --quiet [x for x in xs]")
    ('-n 2 --quiet ', '[x for x in xs]')
    >>> split_line("-x + 1")
    ('', '-x + 1')
    """
    found = _LEADING_OPTIONS.fullmatch(line)
    assert found is not None  # the last part takes whatever there is
    return found[1], found[2].rstrip()


def _is_mark(line: str) -> bool:
    words = line.split(maxsplit=1)
    return bool(words) and words[0] == MARK


def take_line(lines: list[str]) -> list[str]:
    """The input transformer: the `%%parallel` line becomes a string, which the syntax tree keeps."""
    if not lines or not _is_mark(lines[0]):
        return lines
    _find_engine(read_line(lines[0].strip()[len(MARK) :]))  # what is wrong ends it here, before anything runs
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


@dataclasses.dataclass(slots=True, eq=False)
class _Cell:
    """A cell under way: IPython's own record of it, how many trees are still to come for it, and its run."""

    info: Any = None
    trees: int = 0
    at_once: bool = False  # `%%time` compiles all of its body before any of it runs
    run: Run | Brief | None = None
    view: View | None = None
    text: str = ""  # of an expression, which IPython does not announce

    @property
    def source(self) -> str:
        """The cell as it was written, but for magics on top."""
        lines = (self.text or getattr(self.info, "raw_cell", None) or "").splitlines()
        return "\n".join(itertools.dropwhile(lambda line: line.startswith("%%"), lines))

    def takes(self, tree: ast.Module) -> bool:
        """Tell whether this is the cell's own code: its first tree, or the one that `%%time` makes of its body."""
        if not self.trees:
            return False
        match tree.body:
            case [ast.Expr(ast.Call(ast.Attribute(attr="run_cell_magic"), [ast.Constant("time"), *_]))]:
                self.at_once = True
                return False
        self.trees -= 1
        return True


class CellTransformer(ast.NodeTransformer):
    """The AST transformer: rewrites a marked cell and starts its run.

    Attributes
    ----------
    always
        The options for cells without a mark, None where they stay as they are: `%parallel on` and `off`.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.always: Options | None = None
        self.on_line = ""
        # The last one is under way; what a cell runs through IPython in its turn comes behind it. The first one stands
        # for cells that IPython does not announce.
        self.cells: list[_Cell] = [_Cell()]
        self.uses = imports.Uses(shell.user_ns, shell.user_ns_hidden)
        self.begun = imports.Surroundings.now()

    def visit(self, node: Any) -> Any:
        """Rewrite a cell that carries the mark, or any cell after `%parallel on`; give any other back as it is."""
        if not isinstance(node, ast.Module):
            return node
        own = self.cells[-1].takes(node)
        options = _marked(node)
        if options is not None:
            del node.body[0]
            return self._rewritten(node, options, marked=True)
        if self.always is not None and own and self._is_always_here():
            return self._rewritten(node, self.always, marked=False)
        return node

    def _rewritten(self, node: ast.Module, options: Options, *, marked: bool) -> ast.Module:
        """Rewrite a cell; where planning fails it stays as it is, and a warning says so."""
        try:
            return self._begun(node, options, marked=marked)
        except Exception as error:  # IPython would drop the transformer, and the cell with it
            outcome = "can't be explained" if options.explain else "runs serially"
            warnings.warn(f"[mpnb] this cell {outcome}, for planning it failed: {error!r}", RuntimeWarning, 2)
            self.cells[-1].run = self.cells[-1].view = None
            if options.explain:  # which runs nothing, whatever happens
                node.body = []
            return node

    def _is_always_here(self) -> bool:
        """Tell whether unmarked cells are split: not inside a cell that is being split, and not in a subshell."""
        main = threading.current_thread() is threading.main_thread()
        return main and not any(cell.run for cell in self.cells[:-1])

    def _begun(self, node: ast.Module, options: Options, *, marked: bool) -> ast.Module:
        """Plan a cell and start its run; of one without a mark, only where something can be split."""
        from mpnb import plan

        self.finish("finished")  # a run left over from a cell that never ended
        here = self.cells[-1]
        brief = not (marked or options.strict or not options.probe or options.seed is not None)
        watched = self._watched(node) if brief else None
        if not (watched.places if watched else marked or plan.may_have_sites(node)):
            return node
        cell = None if watched else plan.read_cell(node)
        if cell and not marked and not options.strict and not any(site.loop for site in cell.sites):
            return node
        from mpnb import session  # not above: this waits for its import, which may still be under way
        from mpnb.view import View

        now = session.current()
        if options.on is not None:
            options = dataclasses.replace(options, engine=adapters.find(options.on) or now.local)
        before = now.last if marked else None

        def begin(cell: CellPlan, *, within: bool = False) -> Run:
            here.view = None if options.quiet or options.explain else View(always=marked)
            listeners = [here.view.on_event] if here.view else []
            names = self.shell.user_ns
            # an unmarked cell that asks for last_run() gets what it gets without `on`
            run = now.begin(cell, names, options, listeners, source=here.source, within=within, apart=not marked)
            if here.view:
                here.view.attach(run)
            return run

        run: Run | Brief
        if cell is None:
            from mpnb.watching import Watching

            assert watched is not None
            run = Watching(now, options, watched, self._evaluated, functools.partial(begin, within=True))
            now.running.append(run)
            tree = watched.tree
        elif brief:
            from mpnb.brief import Brief

            run = Brief(now, cell, frozenset(), options, lambda: begin(cell, within=True))
            now.running.append(run)
            tree = cell.tree
        else:
            run = begin(cell)
            tree = cell.tree
        if options.explain:
            assert isinstance(run, session.Run)
            _show_outlook(run.explain(node))
            run.end("finished")
            now.last = before  # nothing was run
            tree.body = []
            return tree
        here.run = run
        self.shell.user_ns[plan.RUN] = run
        if cell and options.strict and any(site.refusal for site in cell.sites):
            place = next(site.line for site in cell.sites if site.refusal)
            raised = ast.parse(f"raise {plan.RUN}.refused()")
            tree.body = ast.increment_lineno(raised, place - 1).body
        return tree

    def _watched(self, node: ast.Module) -> WatchedCell | None:
        """The cell with its loops watched; None where it has to be planned first."""
        from mpnb import plan

        here = self.cells[-1]
        text = getattr(here.info, "raw_cell", None)
        if not text or here.at_once or len(self.shell.ast_transformers) > 1:  # the tree may not be what the text says
            return None
        return plan.watch_cell(node, text)

    def _evaluated(self, expression: ast.expr, filename: str) -> Any:
        """The value of an expression that stands in a cell of that name."""
        __tracebackhide__ = True
        whole: Any = ast.Expression(expression)  # as below
        return eval(self.shell.compile(whole, filename, "eval"), self.shell.user_ns)  # noqa: S307 -- the user's own code

    def before_cell(self, info: Any) -> None:
        """IPython's pre_run_cell: a cell begins, perhaps inside another one (`%%capture`, `%run`)."""
        if threading.current_thread() is threading.main_thread():
            self.cells.append(_Cell(info, trees=1))
            transformers = self.shell.ast_transformers
            if transformers and transformers[-1] is not self:  # what others make of a cell comes before its plan
                transformers.sort(key=lambda each: each is self)

    def after_cell(self, result: Any) -> None:
        """IPython's post_run_cell: the cell is over, however it ended."""
        notebook.cells += 1
        if result is None:  # an interrupt while it awaited
            status = "stopped"
        elif not (result.info.raw_cell or "").strip():  # an empty one, which was not announced
            return
        else:
            error = result.error_in_exec or result.error_before_exec
            stopped = isinstance(error, KeyboardInterrupt)
            status = "stopped" if stopped else "failed" if error is not None else "finished"
        self.finish(status)
        if threading.current_thread() is not threading.main_thread():
            return
        if len(self.cells) > 1:
            self.cells.pop()
        if len(self.cells) == 1 and self.uses.look():
            threading.Thread(target=self._import_ahead, name="mpnb-imports", daemon=True).start()

    def _import_ahead(self) -> None:
        """Have the pool import ahead what the notebook uses of libraries, where workers would lose time over it."""
        from mpnb.workforce import Workforce

        names = imports.wanted(tuple(self.uses.modules), self.begun)
        if not names or notebook.engine is None:
            return
        try:
            engine = notebook.engine()
        except Exception:  # the first cell that needs the pool raises it
            return
        if isinstance(engine, Workforce):
            engine.preload_heavy(names)

    def finish(self, status: str) -> None:
        """End the run that is under way, if one is, and show what became of it."""
        here = self.cells[-1]
        run, view = here.run, here.view
        here.run = here.view = None
        if run is None:
            return
        outer = next((cell.run for cell in reversed(self.cells) if cell.run), None)
        if outer is not None:
            self.shell.user_ns[_RUN] = outer
        elif not run.planned:
            self.shell.user_ns.pop(_RUN, None)
        else:
            for name in [name for name in self.shell.user_ns if name.startswith(_HIDDEN)]:
                del self.shell.user_ns[name]
        run.end(status)
        if view is not None:
            view.close()
            if view.run is not None and any(site.pooled for site in view.run.record.sites):
                _show_scalings(view.run.record.scalings)

    # -- %parallel ---------------------------------------------------------------------------------------------------

    def command(self, line: str) -> Any:
        """Do what `%parallel` was given: `on`, `off`, `why`, an expression, or nothing."""
        word, _, rest = line.strip().partition(" ")
        match word:
            case "":
                print(f"[mpnb] {self._state()}")  # noqa: T201 -- the answer to what was asked
                return None
            case "on":
                options = read_line(rest.strip())
                if options.explain or options.compare:
                    raise UsageError("%parallel on: --explain, --compare and --scaling are for one cell")
                _find_engine(options)
                self.always, self.on_line = options, rest.strip()
                return None
            case "why" if (asked := _CODE.fullmatch(rest)) and (asked[1] or word not in self.shell.user_ns):
                from mpnb.plan.refusals import explain_code, list_codes

                code = asked[1]
                print(explain_code(code) if code else list_codes())  # noqa: T201 -- the answer to what was asked
                return None
            case "off" if not rest.strip():
                self.always = None
                return None
            case _:
                return self._evaluate(*split_line(line))

    def _state(self) -> str:
        if self.always is None:
            return "%parallel is off: cells with %%parallel on top are split, and no others"
        return f"%parallel is on{f' ({self.on_line})' if self.on_line else ''}: every cell is split where that pays"

    def _evaluate(self, option_text: str, text: str) -> Any:
        """Give the value of an expression, run as a marked cell of its own."""
        options = read_line(option_text.strip())
        _find_engine(options)
        filename = self.shell.compile.cache(text, self.shell.execution_count)
        tree = ast.parse(text, filename)
        if not (len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr)):
            raise UsageError("%parallel takes one expression, or on, or off; for statements, %%parallel stands on top")
        self.cells.append(_Cell(text=text))
        status = "failed"
        try:
            tree = self._rewritten(tree, options, marked=True)
            match tree.body:
                case [*_, ast.Expr(value) as last]:
                    tree.body[-1] = ast.copy_location(ast.Assign([ast.Name(_VALUE, ast.Store())], value), last)
            ast.fix_missing_locations(tree)
            code: Any = tree  # IPython's compiler takes trees, too, and knows the notebook's __future__
            exec(self.shell.compile(code, filename, "exec"), self.shell.user_ns)
            status = "finished"
            return self.shell.user_ns.pop(_VALUE, None)
        except KeyboardInterrupt:
            status = "stopped"
            raise
        finally:
            self.finish(status)
            self.cells.pop()


def _show_scalings(scalings: list[Scaling]) -> None:
    """Show what was measured on several numbers of workers: a table, and a picture, which stands in its place."""
    for each in scalings:
        print("\n".join(f"[mpnb] {line}" for line in repr(each).splitlines()))  # noqa: T201 -- what was asked for
        publish_display_data(  # type: ignore[no-untyped-call,unused-ignore]
            {"text/plain": f"[mpnb] {each.verdict}", "image/png": each.to_png()}, {"mpnb": {"key": "scaling"}}
        )


def _show_outlook(outlook: Outlook) -> None:
    """Show what a cell would do, as a table."""
    lines = outlook.to_text().splitlines()
    text = "\n".join(line if line.startswith(" ") else f"[mpnb] {line}" for line in lines)
    publish_display_data(  # type: ignore[no-untyped-call,unused-ignore]
        {"text/plain": text, "text/html": outlook.to_html()}, {"mpnb": {"key": "explain"}}
    )


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
    shell.events.register("pre_run_cell", transformer.before_cell)
    shell.events.register("post_run_cell", transformer.after_cell)

    def parallel(line: str, cell: str) -> None:
        shell.run_cell(f"{MARK} {line}\n{cell}")  # type: ignore[no-untyped-call]

    parallel.__doc__ = _help()
    shell.magics_manager.register_function(parallel, "cell", "parallel")

    @no_var_expand  # the braces are the expression's own
    def command(line: str) -> Any:
        return transformer.command(line)

    command.__doc__ = _COMMAND_HELP
    shell.magics_manager.register_function(command, "line", "parallel")


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
        for room in ("mpnb.jobs", "mpnb.session", "mpnb.view", "mpnb.dashboard", "mpnb.watching"):
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
        shell.events.unregister("pre_run_cell", transformer.before_cell)
        shell.events.unregister("post_run_cell", transformer.after_cell)
    if take_line in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(take_line)
    for kind in ("cell", "line"):
        shell.magics_manager.magics[kind].pop("parallel", None)


def _help() -> str:
    text = """Run the loops of this cell on every core, with the result that the cell gives without this line.

        %%parallel
        features = []
        for path in paths:
            features.append(describe(load(path)))

    For loops, comprehensions, map(f, xs), generator expressions given to list, sum, max and the like, and pandas'
    s.apply(f), s.map(f) and df.apply(f, axis=1) are split where that can be shown to be safe; the others stay serial,
    and one line says why: where, what, and what to write instead. It ends in a code, as [carried]: `%parallel why
    carried` explains that, with a cell before and after. `mpnb.last_run()` shows what became of the cell, and its
    `.sites` what became of each loop. While it runs there is a panel under the cell; `mpnb.dashboard()` shows one that
    stays and follows every run. The environment variable MPNB_PANEL (widget, ipywidgets, html, text or none) says how.

    """
    return text + _parser().format_help().replace("usage: ", "").replace("\n", "\n    ")


_COMMAND_HELP: Final = """Split every cell that follows, or one expression.

    %parallel on [options]    every following cell is treated as if %%parallel stood on it; where nothing pays,
                              nothing is shown and the cell runs as it does without
    %parallel off             only cells with %%parallel on top are split
    %parallel                 which of the two it is
    %parallel why CODE        a refusal explained, by the code at the end of its line: %parallel why carried;
                              without a code, all that there are
    %parallel [options] EXPRESSION
                              the value of one expression: %parallel [load(path) for path in paths]

The options are those of %%parallel, see %%parallel?. A cell with a %%parallel line of its own obeys that line.
"""
