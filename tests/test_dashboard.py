"""The panel, without a browser: what is sent, when, and what stands there at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mpnb import dashboard
from mpnb.dashboard import Dashboard, Environment, choose
from mpnb.record import Record

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import synthetic_runs as runs


class Widget:
    """Stands for the widget: remembers what was sent."""

    comm = None

    def __init__(self, snapshot) -> None:
        self.snapshot, self.sent, self.closed, self.handler = snapshot, [], False, None

    def on_msg(self, handler):
        """Remember who listens."""
        self.handler = handler

    def send(self, content):
        """Remember what can be sent."""
        json.dumps(content)
        self.sent.append(content)

    def close(self):
        """Remember the end."""
        self.closed = True

    def _repr_mimebundle_(self):
        return {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Panel()"}, {"colab": 1}


@pytest.fixture
def shown(monkeypatch):
    """List of what was displayed, in order; widgets are `Widget`s."""
    shown = []
    monkeypatch.delenv("MPNB_PANEL", raising=False)
    monkeypatch.setattr(dashboard, "_panel_class", lambda: Widget)
    monkeypatch.setattr(
        Dashboard,
        "_publish",
        lambda _, data, metadata=None, *, update=False: shown.append((data, metadata, update)),
    )
    return shown


def panel(mode="widget", on_stop=lambda: None):
    record = Record([runs.site()])
    return record, Dashboard(record, on_stop=on_stop, key="k", load=runs.MadeUpLoad(4, 4), mode=mode)


def replayed(messages):
    """What the browser knows after these messages: spans per lane, and the curve."""
    lanes, curve = {}, []
    for message in messages:
        for lane, first, flat in message["lanes"]:
            have = lanes.setdefault(lane, [])
            assert first * 6 <= len(have)
            have[first * 6 :] = flat
        first, flat = message["curve"]
        assert first * 2 <= len(curve)
        curve[first * 2 :] = flat
    return lanes, curve


@pytest.mark.parametrize("made", [{}, {"workers": 16, "tasks": 6000, "chunk": 3}, {"dies": 0.3}], ids=str)
def test_what_is_sent_bit_by_bit_is_the_whole(shown, made):
    """Deltas, put together as the browser does, are what a snapshot of the end holds."""
    record, board = panel()
    events = runs.events(**made)
    record.add(events[0])
    board.show()
    for event in events[1:-1]:
        record.add(event)
        board.tick(event.at)
    board.tick(events[-1].at + 1)
    widget = board._widget
    whole = board._news.whole()
    lanes, curve = replayed(widget.sent)

    assert (lanes, curve) == replayed([whole])
    assert [message["number"] for message in widget.sent] == list(range(1, len(widget.sent) + 1))


def test_ticks_are_sent_at_a_fixed_pace(shown):
    """However often it is called, at most ten messages a second are sent, and at least four."""
    record, board = panel()
    record.add(runs.events()[0])
    board.show()
    for n in range(5000):
        board.tick(1000 + n / 1000)

    assert 4 * 5 <= len(board._widget.sent) <= 10 * 5


def test_messages_stay_small(shown):
    """With 64 lanes, an ordinary message has a few kB, and snapshots less than 100 kB a second."""
    record, board = panel()
    events = runs.events(workers=64, tasks=6000, chunk=4, seconds=10)
    snapshots = []
    record.add(events[0])
    board.show()
    for event in events[1:]:
        record.add(event)
        board.tick(event.at)
        if not snapshots or snapshots[-1] is not board._widget.snapshot:
            snapshots.append(board._widget.snapshot)
    sizes = sorted(len(json.dumps(message)) for message in board._widget.sent)

    assert sizes[len(sizes) // 2] < 12_000
    assert sum(len(json.dumps(snapshot)) for snapshot in snapshots) / 10 < 100_000


def test_stop_calls_back_and_is_acknowledged(shown):
    """A stop request calls `on_stop` at once, in the thread that it comes in, and is acknowledged."""
    calls = []
    _record, board = panel(on_stop=lambda: calls.append("stop"))
    board.show()
    widget = board._widget
    widget.handler(widget, {"kind": "stop"}, [])
    widget.handler(widget, {"kind": "hello"}, [])

    assert calls == ["stop"]
    assert widget.sent == [{"kind": "ack"}]


def test_messages_of_the_widget_stay_in_their_subshell():
    """Where ipykernel reroutes a widget's messages to the busy main shell, the front end's choice is kept."""

    class Comm:
        def _reply_subshell_for(self, _data, _default):
            return None

    widget = Widget({})
    widget.comm = Comm()
    dashboard._keep_messages_in_their_subshell(widget)

    assert widget.comm._reply_subshell_for({}, "the front end's") == "the front end's"


def test_the_end_takes_the_place_of_the_panel(shown):
    """At the end the same display becomes static HTML and text, and the widget holds it, too; twice is once."""
    record, board = panel()
    board.show()
    widget = board._widget
    for event in runs.events():
        record.add(event)
    board.finish()
    board.finish()
    board.tick(1e9)
    (first, metadata, _), (last, _, update) = shown

    assert "application/vnd.jupyter.widget-view+json" in first
    assert metadata == {"colab": 1}
    assert update
    assert set(last) == {"text/html", "text/plain"}
    assert last["text/html"].startswith("<div")
    assert all(data["text/plain"].startswith("[mpnb] ") for data, *_ in shown)
    assert widget.snapshot == {"kind": "static", "html": last["text/html"]}


def test_one_widget_is_kept_for_pages_that_were_reloaded(shown):
    """The widget of a run that is over lives until the next run is over, and no longer."""
    widgets = []
    for _ in range(3):
        _record, board = panel()
        board.show()
        widgets.append(board._widget)
        board.finish()

    assert [widget.closed for widget in widgets] == [True, True, False]


def test_the_widget_is_retired_even_if_the_end_can_not_be_shown(shown, monkeypatch):
    """What goes wrong in showing the end is heard of, and leaves no comm open."""
    _record, board = panel()
    board.show()
    widget = board._widget
    monkeypatch.setattr(dashboard.report, "static_html", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        board.finish()
    assert dashboard._retired == [widget]


def test_a_run_too_short_for_a_panel_has_its_summary(shown):
    """A panel that was never shown publishes the static view as a new display."""
    record, board = panel()
    for event in runs.events():
        record.add(event)
    board.tick(5.0)
    board.finish()

    [(data, _, update)] = shown
    assert not update
    assert set(data) == {"text/html", "text/plain"}


def test_html_is_updated_once_a_second(shown):
    """Without widgets the picture itself is sent again, slowly."""
    record, board = panel(mode="html")
    events = runs.events()
    record.add(events[0])
    board.show()
    for event in events[1:]:
        record.add(event)
        board.tick(event.at)
    board.finish()

    assert 4 <= len(shown) <= 9
    assert [update for *_, update in shown] == [False] + [True] * (len(shown) - 1)


def test_text_is_one_line_in_a_terminal(shown, capsys, monkeypatch):
    """In a terminal one line is written over and over, taken away at the end, and then comes the summary."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    record, board = panel(mode="text")
    events = runs.events()
    board.show()
    for event in events:
        record.add(event)
        board.tick(event.at)
    board.finish()
    written = capsys.readouterr().err

    assert "\n" not in written
    assert written.endswith(" \r")
    assert all(part.startswith("[mpnb] ") or not part.strip() for part in written.split("\r"))
    assert "under 1 s left" in written  # no milliseconds, which nobody can read as they pass
    assert "ms left" not in written
    assert [set(data) for data, *_ in shown] == [{"text/plain"}]


def test_none_shows_nothing(shown, capsys):
    """MPNB_PANEL=none shows nothing at all."""
    record, board = panel(mode="none")
    board.show()
    for event in runs.events():
        record.add(event)
        board.tick(event.at)
    board.finish()

    assert shown == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("kernel", "widgets", "wanted", "mode"),
    [
        (True, True, "", "widget"),
        (True, False, "", "html"),
        (False, True, "", "text"),
        (True, True, "html", "html"),
        (False, False, "widget", "widget"),
        (True, True, "none", "none"),
    ],
)
def test_the_view_is_chosen_by_what_is_there(monkeypatch, kernel, widgets, wanted, mode):
    """A widget in a kernel, HTML where widgets are not installed, text elsewhere; MPNB_PANEL has the last word."""
    monkeypatch.setenv("MPNB_PANEL", wanted)

    assert choose(Environment(kernel=kernel, widgets=widgets, terminal=False)) == mode


def test_a_setting_that_is_none_is_said(monkeypatch):
    """A wrong MPNB_PANEL is a warning that names what is allowed, and the choice is made as without it."""
    monkeypatch.setenv("MPNB_PANEL", "holographic")

    with pytest.warns(UserWarning, match="widget, html, text, none, was 'holographic'"):
        assert choose(Environment(kernel=True, widgets=True, terminal=False)) == "widget"


def test_importing_the_dashboard_is_cheap():
    """Widgets, matplotlib, psutil and IPython are imported when a panel is shown, not before."""
    heavy = "{'anywidget', 'ipywidgets', 'matplotlib', 'psutil', 'IPython', 'numpy'}"
    code = f"import sys, mpnb.dashboard; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "set()\n"


@pytest.mark.parametrize(("mode", "imports"), [("widget", True), ("html", False), ("text", False), ("none", False)])
def test_the_first_panel_is_made_ready_beside_the_run(mode, imports):
    """Widgets are imported in a thread of its own, before the panel is shown, and only where it will be one."""
    code = (
        "import sys, threading, mpnb.dashboard as d\n"
        "from mpnb.record import Record\n"
        f"board = d.Dashboard(Record([]), on_stop=lambda: None, key='k', mode={mode!r})\n"
        "board.prepare()\n"
        "others = [t for t in threading.enumerate() if t is not threading.main_thread()]\n"
        "for thread in others: thread.join(30)\n"
        "print(len(others), d._panel_class.cache_info().currsize, 'psutil' in sys.modules)\n"
        "board.prepare(); print(threading.active_count())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.split() == [str(int(imports)), str(int(imports)), str(imports), "1"]


def test_a_terminal_gets_text_through_ipython(monkeypatch):
    """In plain IPython the run is shown as text, through IPython's own display."""
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance()\n"
        "import synthetic_runs as r\n"
        "from mpnb.dashboard import Dashboard\n"
        "record = r.record_of(r.events())\n"
        "board = Dashboard(record, on_stop=lambda: None, key='k')\n"
        "board.show(); board.tick(1e9); board.finish()\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent / 'browser'}:{Path(__file__).parents[1]}")
    monkeypatch.delenv("MPNB_PANEL", raising=False)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.startswith("[mpnb] features: 240 iterations")
    assert done.stderr == ""
