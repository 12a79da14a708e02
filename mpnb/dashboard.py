"""The live panel: a record as a few small messages, drawn in the browser; static HTML in its place at the end.

Python decides and sends what is new, at most five times a second, from the thread that calls `tick`; `dashboard.js`
draws. The browser sends requests only. Importing this room costs nothing: widgets are imported when one is shown.
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
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast, get_args
from uuid import uuid4

from mpnb import report
from mpnb.cores import Load, Sample
from mpnb.record import KINDS, Lane, Record, round_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

Mode = Literal["widget", "html", "text", "none"]
MODES: Final = get_args(Mode)
PACE_S: Final = 0.2  # between two messages to the widget: 0.4 % of a core
SLOW_PACE_S: Final = 1.0  # between two pictures sent whole
SPANS_PER_S: Final = 2000  # of snapshots, which grow with the run: about 60 kB/s


@functools.cache
def _has_widgets() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("anywidget", "ipywidgets"))


@dataclass(frozen=True, slots=True)
class Environment:
    """What the front end can do, as far as the kernel can know."""

    kernel: bool  # a Jupyter kernel, so there is a front end that shows HTML
    widgets: bool  # the widget libraries are installed
    terminal: bool  # standard error is a terminal

    @classmethod
    def here(cls) -> Environment:
        """Look around."""
        from IPython.core.getipython import get_ipython

        shell = get_ipython()  # type: ignore[no-untyped-call,unused-ignore]
        return cls(
            kernel=getattr(shell, "kernel", None) is not None,
            widgets=_has_widgets(),
            terminal=sys.stderr.isatty(),
        )


def choose(environment: Environment) -> Mode:
    """Choose how a run is shown. ``MPNB_PANEL=widget|html|text|none`` overrides.

    Examples
    --------
    >>> choose(Environment(kernel=True, widgets=True, terminal=False))
    'widget'
    >>> choose(Environment(kernel=False, widgets=True, terminal=True))
    'text'
    """
    wanted = os.environ.get("MPNB_PANEL", "")
    if wanted in MODES:
        return cast("Mode", wanted)
    if wanted:
        warnings.warn(f"MPNB_PANEL must be one of {', '.join(MODES)}, was {wanted!r}", stacklevel=2)
    if not environment.kernel:
        return "text"
    return "widget" if environment.widgets else "html"


class Sampler(Protocol):
    """Anything that says how busy the machine is."""

    def sample(self) -> Sample:
        """Give the load since the last call."""
        ...


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
        load: Sampler | None = None,
        mode: Mode | None = None,
    ) -> None:
        self._record = record
        self._on_stop = on_stop
        self._load = load
        self._mode = mode
        self._metadata = {"mpnb": {"key": key}}
        self._display_id = f"mpnb-{uuid4().hex}"
        self._shown = False
        self._finished = False
        self._widget: Any = None
        self._news: _News | None = None
        self._due = self._slow_due = 0.0
        self._line = 0  # length of the text line that stands in the terminal

    def prepare(self) -> None:
        """Begin to import what `show` will need, in a thread of its own: the first panel would hold everybody up."""
        if self._how() == "widget" and "anywidget" not in sys.modules:
            threading.Thread(target=_import_ahead, name="mpnb-panel", daemon=True).start()

    def show(self) -> None:
        """Show the panel, or what stands for it; more than once is the same as once."""
        if self._shown or self._finished:
            return
        self._shown = True
        match self._how():
            case "widget":
                self._news = _News(self._record, self._load or Load())
                self._widget = _panel_class()(snapshot=self._news.whole())
                self._widget.on_msg(self._on_message)
                _keep_messages_in_their_subshell(self._widget)
                bundle = self._widget._repr_mimebundle_()
                data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
                self._publish({**data, "text/plain": self._progress_line()}, metadata)
            case "html":
                self._publish(self._static())
            case _:
                pass  # a terminal gets its line with the first tick

    def tick(self, at: float) -> None:
        """Show what is new. Cheap to call often: it sends at a fixed pace. `at` is seconds of `time.perf_counter`."""
        if not self._shown or self._finished or at < self._due:
            return
        self._due = at + (PACE_S if self._widget is not None else SLOW_PACE_S)
        match self._how():
            case "widget":
                assert self._news is not None
                self._widget.send(self._news.since_last())
                if at >= self._slow_due:  # whole, for a page that is opened or reloaded in the midst of the run
                    self._widget.snapshot = self._news.whole()
                    self._slow_due = at + max(SLOW_PACE_S, self._news.spans / SPANS_PER_S)
            case "html":
                self._publish(self._static(), update=True)
            case "text" if sys.stderr.isatty():
                self._write_line(self._progress_line())
            case _:
                pass

    def finish(self) -> None:
        """Put the static summary in the panel's place; a saved notebook then shows what happened."""
        if self._finished:
            return
        self._finished = True
        mode = self._how()
        if self._line:
            self._write_line("")
        if mode == "none":
            return
        widget, self._widget = self._widget, None
        try:
            static = self._static() if mode != "text" else {"text/plain": report.summary(self._record)}
            self._publish(static, update=self._shown and mode != "text")
            if widget is not None:
                widget.snapshot = {"kind": "static", "html": static["text/html"]}
        finally:
            if widget is not None:
                _retire(widget)

    def _how(self) -> Mode:
        if self._mode is None:
            self._mode = choose(Environment.here())
        return self._mode

    def _on_message(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        # Perhaps in a subshell's thread, while the main thread waits for the pool.
        widget = self._widget
        if content.get("kind") == "stop" and widget is not None:
            self._on_stop()
            widget.send({"kind": "ack"})

    def _publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, *, update: bool = False) -> None:
        from IPython.display import publish_display_data

        publish_display_data(  # type: ignore[no-untyped-call,unused-ignore]
            data,
            {**(metadata or {}), **self._metadata},
            transient={"display_id": self._display_id},
            update=update,
        )

    def _static(self) -> dict[str, str]:
        return {"text/html": report.static_html(self._record), "text/plain": report.summary(self._record)}

    def _progress_line(self) -> str:
        record = self._record
        progress = record.progress
        total = "" if progress.total is None else f"/{progress.total:,}"
        parts = [f"{_label(record)}: {progress.done:,}{total}"]
        if progress.rate:
            parts.append(f"{progress.rate:,.3g}/s")
        if progress.eta_s is not None:
            parts.append(f"{round_seconds(progress.eta_s) if progress.eta_s >= 0.95 else 'under 1 s'} left")
        return report.PREFIX + " · ".join(parts)

    def _write_line(self, text: str) -> None:
        """Put a line in the place of the last one."""
        sys.stderr.write("\r" + text.ljust(self._line) + ("" if text else "\r"))
        sys.stderr.flush()
        self._line = len(text)


def _label(record: Record) -> str:
    if record.current is None:
        return "starting"
    site = record.sites[record.current]
    return site.label or f"line {site.line}"


# ----------------------------------------------------------------------------------------------------------- messages


class _News:
    """What has changed since the last message. Times are in tenths of milliseconds, so that they are short in JSON."""

    def __init__(self, record: Record, load: Sampler) -> None:
        self._record = record
        self._load = load
        self._number = 0
        self._lanes: list[tuple[int, int, float]] = []  # per lane: version, spans sent, end of the last
        self._points = 0
        self._cores: list[int] = []
        self._memory: list[float] = []
        self.spans = 0

    def since_last(self) -> dict[str, Any]:
        """Make the next message; it says from which span and point on it replaces what was sent before."""
        record = self._record
        self._sample()
        self._number += 1
        self._lanes += [(-1, 0, 0.0)] * (len(record.lanes) - len(self._lanes))
        changed = []
        for n, lane in enumerate(record.lanes):
            version, sent, end = self._lanes[n]
            here = (lane.version, len(lane.spans), lane.spans[-1].end if lane.spans else 0.0)
            if here != (version, sent, end):
                first = max(0, sent - 1) if version == lane.version else 0  # the last one may have grown
                changed.append([n, first, _flat(lane, first)])
                self._lanes[n] = here
        first = 0 if len(record.curve) < self._points else max(0, self._points - 1)
        self._points = len(record.curve)
        return {**self._now("tick"), "lanes": changed, "curve": [first, self._curve(first)]}

    def whole(self) -> dict[str, Any]:
        """Make a message that stands for all before it."""
        if not self._cores:
            self._sample()
        record = self._record
        self.spans = sum(len(lane.spans) for lane in record.lanes)
        lanes = [[n, 0, _flat(lane, 0)] for n, lane in enumerate(record.lanes)]
        return {**self._now("whole"), "lanes": lanes, "curve": [0, self._curve(0)]}

    def _now(self, kind: str) -> dict[str, Any]:
        record, progress = self._record, self._record.progress
        return {
            "kind": kind,
            "number": self._number,
            "kinds": KINDS,
            "label": _label(record),
            "status": record.status,
            "now": _short(record.now),
            "workers": max(1, record.workers, len(record.lanes)),
            "done": progress.done,
            "total": progress.total,
            "rate": progress.rate,
            "eta": progress.eta_s,
            "speedup": record.speedup,
            "ideal": record.ideal,
            "measured": record.speedup_measured,
            "cores": self._cores,
            "memory": self._memory,
            "running": [-1 if since is None else _short(since) for since in record.running_since],
            "kernel": _flat(record.kernel, max(0, len(record.kernel.spans) - 40)),
        }

    def _sample(self) -> None:
        sample = self._load.sample()
        self._cores = [round(100 * share) for core in sample.cores for share in core]
        self._memory = [round(sample.memory_used / 1e9, 1), round(sample.memory_total / 1e9, 1)]

    def _curve(self, first: int) -> list[float]:
        return [number for t, value in self._record.curve[first:] for number in (_short(t), round(value, 3))]


def _short(seconds: float) -> int:
    return round(seconds * 1e4)


def _flat(lane: Lane, first: int) -> list[int]:
    """Six numbers a span: start, length, kind, first iteration, how many, and the busy share in percent."""
    out: list[int] = []
    for span in lane.spans[first:]:
        start, length = _short(span.start), _short(span.end - span.start)
        busy = 100 if span.kind != KINDS[0] or not length else min(100, round(1e6 * span.busy / length))
        out += (start, length, KINDS.index(span.kind), span.first, span.count, busy)
    return out


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
