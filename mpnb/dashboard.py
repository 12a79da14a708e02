"""The live panel: a record as a few small messages, drawn in the browser; static HTML in its place at the end.

    Dashboard       one run, under its cell, until the summary takes its place
    StandingPanel   `mpnb.dashboard()`: stays where it was shown, and follows every run
     └─ Screen      where a run is drawn: a widget, or HTML that is sent again now and then

Python decides and sends what is new, at most five times a second, from the thread that calls `tick`, which is the one
that waits for the workers: some front ends (Colab) hear no other. `dashboard.js` draws. The browser sends requests
only. Importing this room costs nothing: widgets are imported when one is shown.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args
from uuid import uuid4

from mpnb import report
from mpnb.cores import Load
from mpnb.news import News, Past, Sampler, flat_curve, label
from mpnb.record import Record, round_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

Mode = Literal["widget", "ipywidgets", "html", "text", "none"]
MODES: Final = get_args(Mode)
PACE_S: Final = 0.2  # between two messages to the widget: 0.4 % of a core
SLOW_PACE_S: Final = 1.0  # between two pictures sent whole
SPANS_PER_S: Final = 2000  # of snapshots, which grow with the run: about 60 kB/s
MOST_WORKERS: Final = 128  # that can be asked for by clicking
PAST_RUNS: Final = 3  # of a cell whose curves are kept
PAST_CELLS: Final = 50
PAST_POINTS: Final = 60  # of such a curve
BAR: Final = 20  # characters of the bar in a line of text


@functools.cache
def _has(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


@dataclass(frozen=True, slots=True)
class Environment:
    """What the front end can do, as far as the kernel can know."""

    kernel: bool  # a Jupyter kernel, so there is a front end that shows HTML
    widgets: bool  # ipywidgets is installed
    anywidget: bool  # and so is anywidget

    @classmethod
    def here(cls) -> Environment:
        """Look around."""
        from IPython.core.getipython import get_ipython

        shell = get_ipython()  # type: ignore[no-untyped-call,unused-ignore]
        kernel = getattr(shell, "kernel", None) is not None
        return cls(kernel, _has("ipywidgets"), _has("ipywidgets") and _has("anywidget"))


def choose(environment: Environment) -> Mode:
    """Choose how a run is shown. ``MPNB_PANEL=widget|ipywidgets|html|text|none`` overrides.

    ``widget`` is the live panel, ``ipywidgets`` and ``html`` a picture that is sent once a second, as a widget and as a
    display that is updated, and ``text`` a line.

    Examples
    --------
    >>> choose(Environment(kernel=True, widgets=True, anywidget=True))
    'widget'
    >>> choose(Environment(kernel=False, widgets=True, anywidget=True))
    'text'
    """
    wanted = os.environ.get("MPNB_PANEL", "")
    if wanted in MODES:
        return cast("Mode", wanted)
    if wanted:
        warnings.warn(f"MPNB_PANEL must be one of {', '.join(MODES)}, was {wanted!r}", stacklevel=2)
    if not environment.kernel:
        return "text"
    if environment.anywidget:
        return "widget"
    return "ipywidgets" if environment.widgets else "html"


class Screen:
    """Where a run is drawn; it is told when, and draws no more often than its pace.

    Parameters
    ----------
    mode
        How.
    metadata
        Of its display.
    hears
        Called with what the browser asks for, in whatever thread that comes.
    """

    def __init__(self, mode: Mode, metadata: dict[str, Any], hears: Callable[[dict[str, Any]], None]) -> None:
        self.mode = mode
        self.widget: Any = None
        self._metadata = metadata
        self._hears = hears
        self._display_id = f"mpnb-{uuid4().hex}"
        self._record = Record()
        self._news: News | None = None
        self._due = self._slow_due = 0.0
        self._line = 0  # length of the text line that stands in the terminal

    def follow(self, record: Record, news: News | None) -> None:
        """Draw this run from now on; the news is for a widget."""
        self._record, self._news = record, news
        self._due = self._slow_due = 0.0
        if self.widget is not None and self.mode == "widget" and news is not None:
            self.widget.snapshot = whole = news.whole()
            self.widget.send(whole)

    def open(self) -> None:
        """Show it, here and now; more than once is as many views of the same."""
        match self.mode:
            case "widget" | "ipywidgets":
                if self.widget is None:
                    self.widget = self._made()
                bundle = self.widget._repr_mimebundle_()
                data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
                self.publish({**data, "text/plain": progress_line(self._record)}, metadata)
            case "html":
                self.publish(_static(self._record))
            case "text" if not sys.stderr.isatty() and Environment.here().kernel:
                self.publish({"text/plain": progress_line(self._record)})
            case _:
                pass  # a terminal gets its line with the first tick

    def _made(self) -> Any:
        if self.mode == "ipywidgets":
            import ipywidgets

            return ipywidgets.HTML(_static(self._record)["text/html"])
        assert self._news is not None
        widget = _panel_class()(snapshot=self._news.whole())
        widget.on_msg(lambda _widget, content, _buffers: self._hears(content))
        _keep_messages_in_their_subshell(widget)
        return widget

    def tick(self, at: float) -> None:
        """Draw what is new, if it is time for that."""
        if at < self._due:
            return
        self._due = at + (PACE_S if self.mode == "widget" else SLOW_PACE_S)
        match self.mode:
            case "widget":
                assert self._news is not None
                self.widget.send(self._news.since_last())
                if at >= self._slow_due:  # whole, for a page that is opened or reloaded in the midst of the run
                    self.widget.snapshot = self._news.whole()
                    self._slow_due = at + max(SLOW_PACE_S, self._news.spans / SPANS_PER_S)
            case "ipywidgets":
                self.widget.value = _static(self._record)["text/html"]
            case "html":
                self.publish(_static(self._record), update=True)
            case "text" if sys.stderr.isatty():
                self._write_line(progress_line(self._record))
            case "text" if Environment.here().kernel:
                self.publish({"text/plain": progress_line(self._record)}, update=True)
            case _:
                pass

    def last(self) -> None:
        """Draw how the run ended, and stay."""
        self._due = self._slow_due = 0.0
        self.tick(0.0)

    def clear(self) -> None:
        """Take the line in the terminal away."""
        if self._line:
            self._write_line("")

    def send(self, content: dict[str, Any]) -> None:
        """Tell the browser something; nothing where there is no panel."""
        if self.widget is not None and self.mode == "widget":
            self.widget.send(content)

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, *, update: bool = False) -> None:
        """Show this where the screen is, or is to be."""
        from IPython.display import publish_display_data

        publish_display_data(  # type: ignore[no-untyped-call,unused-ignore]
            data,
            {**(metadata or {}), **self._metadata},
            transient={"display_id": self._display_id},
            update=update,
        )

    def _write_line(self, text: str) -> None:
        """Put a line in the place of the last one."""
        sys.stderr.write("\r" + text.ljust(self._line) + ("" if text else "\r"))
        sys.stderr.flush()
        self._line = len(text)


class Dashboard:
    """Shows one run, from a record.

    Parameters
    ----------
    record
        What happened, growing while the run goes on.
    on_stop
        Called when the user clicks Stop, in whatever thread the message comes: it should only set a flag.
    key
        Names what is shown: the same for each run of the same cell.
    on_resize
        As `on_stop`, with the number of workers that is wished for; None where that can't be changed.
    cell
        The cell's source, by which its earlier runs are known.
    load
        Where the load of the cores comes from; None is this machine.
    mode
        How to show it; None chooses by what the front end can do.
    """

    def __init__(
        self,
        record: Record,
        *,
        on_stop: Callable[[], None],
        key: str,
        on_resize: Callable[[int], None] | None = None,
        cell: str = "",
        load: Sampler | None = None,
        mode: Mode | None = None,
    ) -> None:
        self.record = record
        self.load = load
        self._on_stop = on_stop
        self._on_resize = on_resize
        self._cell = cell
        self._mode = mode
        self._metadata = {"mpnb": {"key": key}}
        self._shown = False
        self._finished = False
        self._screen: Screen | None = None

    @property
    def past(self) -> Past:
        """Curves of earlier runs of the same cell."""
        return _past.get(self._cell, []) if self._cell else []

    def prepare(self) -> None:
        """Begin to import what `show` will need, in a thread of its own: the first panel would hold everybody up."""
        if self._how() == "widget" and "anywidget" not in sys.modules:
            threading.Thread(target=_import_ahead, name="mpnb-panel", daemon=True).start()

    def show(self) -> None:
        """Show the panel, or what stands for it; more than once is the same as once."""
        if self._shown or self._finished:
            return
        self._shown = True
        screen = self._made()
        news = None
        if screen.mode == "widget":
            news = News(self.record, self.load or Load(), self.past, pinned=_taste.pinned)
        screen.follow(self.record, news)
        screen.open()
        for standing in _standing:
            standing.follow(self)

    def tick(self, at: float) -> None:
        """Show what is new. Cheap to call often: it sends at a fixed pace. `at` is seconds of `time.perf_counter`."""
        if not self._shown or self._finished:
            return
        self._made().tick(at)
        for standing in _standing:
            standing.tick(at)

    def finish(self) -> None:
        """Put the static summary in the panel's place; a saved notebook then shows what happened."""
        if self._finished:
            return
        self._finished = True
        if self._cell:
            _remember(self._cell, self.record)
        self._summarise(self._made())
        for standing in _standing:
            standing.end(self)

    def _summarise(self, screen: Screen) -> None:
        screen.clear()
        if screen.mode == "none":
            return
        try:
            if screen.mode == "text":
                in_place = self._shown and not sys.stderr.isatty() and Environment.here().kernel
                screen.publish({"text/plain": report.summary(self.record)}, update=in_place)
            else:
                static = _static(self.record)
                screen.publish(static, update=self._shown)
                if screen.mode == "widget" and screen.widget is not None:
                    screen.widget.snapshot = {"kind": "static", "html": static["text/html"]}
        finally:
            if screen.widget is not None:
                _retire(screen.widget)

    def _how(self) -> Mode:
        if self._mode is None:
            self._mode = choose(Environment.here())
        return self._mode

    def _made(self) -> Screen:
        if self._screen is None:
            self._screen = Screen(self._how(), self._metadata, lambda content: self.hear(content, self._screen))
        return self._screen

    def hear(self, content: dict[str, Any], screen: Screen | None) -> None:
        """Do what the browser asks for. Perhaps in a subshell's thread, while the main thread waits for the pool."""
        kind = content.get("kind")
        if kind == "pin":
            _taste.pinned = bool(content.get("on"))
        if self._finished or screen is None:
            return
        if kind == "stop":
            self._on_stop()
        elif kind == "resize" and self._on_resize is not None:
            self._on_resize(min(MOST_WORKERS, max(1, int(content.get("workers", 1)))))
        else:
            return
        screen.send({"kind": "ack", "of": kind})


class StandingPanel:
    """A panel that stays where it was shown, and follows every run: `mpnb.dashboard()`.

    In JupyterLab, right-click on it and choose "Create New View for Cell Output" to have it beside the notebook.
    """

    def __init__(self, *, load: Sampler | None = None, mode: Mode | None = None) -> None:
        self._mode = mode
        self._load = load
        self._run: Dashboard | None = None
        self._screen: Screen | None = None

    def _made(self) -> Screen:
        if self._screen is None:
            mode = self._mode or choose(Environment.here())
            if mode == "text" and not Environment.here().kernel:
                mode = "none"  # in a terminal each run has its own line
            self._screen = Screen(mode, {"mpnb": {"key": "dashboard"}}, self._hear)
            record = Record() if self._run is None else self._run.record
            self._follow(record, [])
        return self._screen

    def _follow(self, record: Record, past: Past) -> None:
        screen = self._screen
        assert screen is not None
        load = self._load or (self._run.load if self._run is not None else None)
        news = News(record, load or Load(), past, stays=True) if screen.mode == "widget" else None
        screen.follow(record, news)

    def follow(self, run: Dashboard) -> None:
        """Draw this run from now on."""
        self._run = run
        if self._screen is not None:
            self._follow(run.record, run.past)

    def tick(self, at: float) -> None:
        """Draw what is new."""
        if self._screen is not None:
            self._screen.tick(at)

    def end(self, run: Dashboard) -> None:
        """The run is over; what it came to stays to be seen."""
        if self._run is not run:  # too short to have been shown
            if not any(site.was_split for site in run.record.sites):
                return
            self.follow(run)
        if self._screen is not None:
            self._screen.last()
            self._screen.clear()

    def _hear(self, content: dict[str, Any]) -> None:
        if self._run is not None:
            self._run.hear(content, self._screen)

    def _ipython_display_(self) -> None:
        screen = self._made()
        if screen.mode == "none":
            print(f"{report.PREFIX}there is no room for a panel here")  # noqa: T201 - the answer to what was typed
        screen.open()

    def __repr__(self) -> str:
        return "<the panel that follows every run>"


class _Taste:
    """What the user likes, as long as the kernel lives. Pinned: the pictures stay open when a run is over."""

    pinned: bool = False


_taste: Final = _Taste()
_past: dict[str, Past] = {}
_standing: list[StandingPanel] = []


def standing_panel() -> StandingPanel:
    """A panel that follows every run, where this is shown; in JupyterLab it can be put beside the notebook.

    There is one in a notebook: shown again, it is another view of the same.

    Examples
    --------
    >>> import mpnb
    >>> mpnb.dashboard()
    <the panel that follows every run>
    """
    if not _standing:
        _standing.append(StandingPanel())
    return _standing[0]


def _remember(cell: str, record: Record) -> None:
    """Keep the curve of a run that came to its end, to be seen beside that of the next."""
    if record.status != "finished" or len(record.curve) < 2:
        return
    thin = max(1, -(-len(record.curve) // PAST_POINTS))
    points = [*record.curve[:-1:thin], record.curve[-1]]
    runs = [*_past.pop(cell, []), (record.ideal, flat_curve(points))]
    _past[cell] = runs[-PAST_RUNS:]
    if len(_past) > PAST_CELLS:
        del _past[next(iter(_past))]


def _static(record: Record) -> dict[str, str]:
    html = report.static_html(record, unfolded=_taste.pinned or record.status == "running")
    return {"text/html": html, "text/plain": report.summary(record)}


def progress_line(record: Record) -> str:
    """Say in a line how far a run is."""
    progress = record.progress
    if progress.total:
        filled = min(BAR, BAR * progress.done // progress.total)
        share = f"{progress.done / progress.total:4.0%} {'█' * filled}{'░' * (BAR - filled)} "
        parts = [f"{label(record)} {share}{progress.done:,}/{progress.total:,}"]
    else:
        parts = [f"{label(record)}: {progress.done:,}"]
    if progress.rate:
        parts.append(f"{progress.rate:,.3g}/s")
    if progress.eta_s is not None:
        parts.append(f"{round_seconds(progress.eta_s) if progress.eta_s >= 0.95 else 'under 1 s'} left")
    if record.speedup is not None and record.speedup >= 1.05:
        parts.append(report.in_words(record.speedup, record.speedup_mark))
    return report.PREFIX + " · ".join(parts)


# ------------------------------------------------------------------------------------------------------------- widget


@functools.cache
def _panel_class() -> Any:
    """Make the widget's class; here, because importing the widget libraries takes 50 ms."""
    import anywidget
    import traitlets

    class Panel(anywidget.AnyWidget):
        _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
        _css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
        snapshot = traitlets.Dict().tag(sync=True)

    return Panel


def _import_ahead() -> None:
    with contextlib.suppress(Exception):  # `show` meets it again, and says so
        _panel_class()
        Load().sample()


_retired: list[Any] = []


def _retire(widget: Any) -> None:
    """Close the widget once the next one retires.

    A page that was reloaded in the midst of the run missed that the display was swapped; it finds the panel's model
    when the cell has ended, and the static view in it.
    """
    _retired.append(widget)
    for old in _retired[:-1]:
        old.close()
    del _retired[:-1]


def _keep_messages_in_their_subshell(widget: Any) -> None:
    """Let Stop come in while the cell runs.

    ipykernel 7.4 sends a widget's messages to the shell that last published on its comm, which is the main one, and
    that is busy with the cell. The front end's own choice, a subshell, is the right one.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001 - ipykernel has no other door


class _Room(ModuleType):
    """The room itself, which can be called: `mpnb.dashboard()`."""

    def __call__(self) -> StandingPanel:
        """A panel that follows every run, where this is shown; in JupyterLab it can be put beside the notebook."""
        return standing_panel()


sys.modules[__name__].__class__ = _Room
