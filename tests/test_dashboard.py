"""The panel, without a browser: what is sent, when, and what stands there at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import mpnb
from mpnb import dashboard
from mpnb.dashboard import Dashboard, Environment, Screen, StandingPanel, choose
from mpnb.events import JobResized
from mpnb.news import News
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
    """List of what was displayed, in order; widgets are `Widget`s. Nothing is left of earlier runs."""
    shown = []
    monkeypatch.setattr(dashboard, "_past", {})
    monkeypatch.setattr(dashboard, "_standing", [])
    monkeypatch.setattr(dashboard, "_taste", dashboard._Taste())
    monkeypatch.delenv("MPNB_PANEL", raising=False)
    monkeypatch.setattr(dashboard, "_panel_class", lambda: Widget)
    monkeypatch.setattr(
        Screen,
        "publish",
        lambda _, data, metadata=None, *, update=False: shown.append((data, metadata, update)),
    )
    return shown


def panel(mode="widget", on_stop=lambda: None, on_resize=None, cell=""):
    record = Record([runs.site()])
    load = runs.MadeUpLoad(4, 4)
    return record, Dashboard(record, on_stop=on_stop, on_resize=on_resize, cell=cell, key="k", load=load, mode=mode)


def widget_of(board):
    """The widget of a panel that is shown."""
    return board._screen.widget


def play(record, board, made):
    """Show a run from its beginning to its end."""
    record.add(made[0])
    board.show()
    for event in made[1:]:
        record.add(event)
        board.tick(event.at)


def replayed(messages):
    """What the browser knows after these messages: spans per lane, and the curve."""
    lanes, curve = {}, []
    for message in messages:
        for lane, first, flat in message["lanes"]:
            have = lanes.setdefault(lane, [])
            assert first * 7 <= len(have)
            have[first * 7 :] = flat
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
    widget = widget_of(board)
    whole = board._screen._news.whole()
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

    assert 4 * 5 <= len(widget_of(board).sent) <= 10 * 5


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
        if not snapshots or snapshots[-1] is not widget_of(board).snapshot:
            snapshots.append(widget_of(board).snapshot)
    sizes = sorted(len(json.dumps(message)) for message in widget_of(board).sent)

    assert sizes[len(sizes) // 2] < 12_000
    assert sum(len(json.dumps(snapshot)) for snapshot in snapshots) / 10 < 100_000


def test_stop_calls_back_and_is_acknowledged(shown):
    """A stop request calls `on_stop` at once, in the thread that it comes in, and is acknowledged."""
    calls = []
    _record, board = panel(on_stop=lambda: calls.append("stop"))
    board.show()
    widget = widget_of(board)
    widget.handler(widget, {"kind": "stop"}, [])
    widget.handler(widget, {"kind": "hello"}, [])

    assert calls == ["stop"]
    assert widget.sent == [{"kind": "ack", "of": "stop"}]


def test_a_request_for_workers_is_passed_on_within_bounds(shown):
    """− and + ask for a number of workers, which is kept sensible; what is no request is not answered."""
    asked = []
    _record, board = panel(on_resize=asked.append)
    board.show()
    widget = widget_of(board)
    for workers in (3, 0, 10_000):
        widget.handler(widget, {"kind": "resize", "workers": workers}, [])
    widget.handler(widget, {"kind": "hello"}, [])

    assert asked == [3, 1, dashboard.MOST_WORKERS]
    assert widget.sent == [{"kind": "ack", "of": "resize"}] * 3


def test_a_pinned_panel_leaves_its_pictures_open(shown):
    """Pinned in one run, the pictures of that and of the next one stay open, until it is taken back."""
    unfolded = []
    for on in (True, None, False):
        record, board = panel()
        board.show()
        assert widget_of(board).snapshot["pinned"] == (unfolded[-1:] == [True])
        if on is not None:
            widget_of(board).handler(None, {"kind": "pin", "on": on}, [])
        for event in runs.events():
            record.add(event)
        board.finish()
        unfolded.append("<details open>" in shown[-1][0]["text/html"])

    assert unfolded == [True, True, False]


def test_the_lanes_are_those_of_workers_that_are_or_were_at_work(shown):
    """A worker more has a lane at once; the lane of one that went stays, and says when it went."""
    record, board = panel()
    made = runs.events(workers=2, seconds=5)
    record.add(made[0])
    board.show()
    seen = []
    for event in made[1:]:
        record.add(event)
        if event.at > 1002 and not seen:
            record.add(JobResized(at=event.at, workers=4))
            seen.append(board._screen._news.since_last())
            record.add(JobResized(at=event.at + 0.001, workers=1))
        elif event.at > 1003 and len(seen) == 1:
            seen.append(board._screen._news.since_last())

    assert [message["workers"] for message in seen] == [4, 1]
    assert [message["rows"] for message in seen] == [[0, 1, 2, 3], [0, 1]]


def test_what_is_told_beside_the_lanes(shown):
    """Bytes to and fro, iterations that wait, the processes' memory, and what the estimate stands on."""
    record = Record([runs.site()])
    news = News(record, runs.MadeUpLoad(8, 2, allowed=2, quota=1.5))
    for event in runs.events(workers=2, tasks=40, chunk=2):
        record.add(event)
    message = news.since_last()
    first, *_ = message["lanes"][0][2:]

    assert message["sent"] == 48_000 + 900 * 37
    assert message["home"] == 2400 * 37
    assert message["queued"] == 0
    assert (message["allowed"], message["quota"]) == ([0, 1], 1.5)
    assert len(message["held"]) == 2
    assert message["own"][1] > 0
    assert message["serial_from"] == 0
    assert first[2] % 16 >= 8  # a chunk begins
    assert sum(first[2 + 7 * n] % 8 == 0 and first[6 + 7 * n] == 3300 for n in range(len(first) // 7)) > 15


def test_each_loop_of_a_cell_has_a_colour_of_its_own(shown):
    """The blocks of a lane say which loop they are of; so do the loops' names."""
    record = Record([runs.site(label="a"), runs.site(label="b")])
    for site in (0, 1):
        for event in runs.events(workers=1, tasks=20, at=1000.0 + 10 * site)[site:-1]:
            record.add(replace(event, site=site) if hasattr(event, "site") else event)
    message = News(record, runs.MadeUpLoad(1, 1)).whole()
    spans = message["lanes"][0][2]
    tasks = [(spans[n] < 100_000, spans[n + 2] // 16) for n in range(0, len(spans), 7) if spans[n + 2] % 8 == 0]

    assert message["sites"] == ["a", "b"]
    assert set(tasks) == {(True, 0), (False, 1)}


def test_the_next_run_of_a_cell_has_the_earlier_ones_beside_it(shown):
    """Curves of the last runs that came to their end are kept by the cell's source; those of others are not shown."""
    for n, status in enumerate(["finished", "failed", *["finished"] * 4]):
        record, board = panel(cell="a")
        board.show()
        assert len(widget_of(board).snapshot["past"]) == [0, 1, 1, 2, 3, 3][n]
        for event in runs.events(status=status):
            record.add(event)
        board.finish()
    _record, other = panel(cell="b")
    other.show()
    workers, curve = dashboard._past["a"][-1]

    assert widget_of(other).snapshot["past"] == []
    assert workers == 4
    assert 20 <= len(curve) <= 2 * dashboard.PAST_POINTS + 2


def test_the_standing_panel_follows_every_run(shown):
    """`mpnb.dashboard()` is one panel: it stays when a run is over, shows the next one, and its requests reach that."""
    standing = mpnb.dashboard()
    standing._mode, standing._load = "widget", runs.MadeUpLoad(4, 4)
    standing._ipython_display_()
    widget = standing._screen.widget
    assert mpnb.dashboard() is standing
    assert widget.snapshot["status"] == "idle"
    assert widget.snapshot["stays"]
    widget.handler(None, {"kind": "stop"}, [])
    assert widget.sent == []

    stopped = []
    for n in range(2):
        record, board = panel(on_stop=lambda n=n: stopped.append(n))
        play(record, board, runs.events())
        widget.handler(None, {"kind": "stop"}, [])
        board.finish()
    record, board = panel()
    play(record, board, runs.events(workers=3))
    board.finish()
    wholes = [message for message in widget.sent if message["kind"] == "whole"]
    ticks = [message for message in widget.sent if message["kind"] == "tick"]

    assert stopped == [0, 1]
    assert len({message["run"] for message in wholes}) == len(wholes) == 3
    assert [message["status"] for message in ticks].count("finished") == 3
    assert widget.snapshot["status"] == "finished"
    assert widget.sent[-1]["workers"] == 3
    assert not widget.closed


def test_the_standing_panel_shows_what_was_too_short_for_a_panel(shown):
    """A run that was split and over at once is seen in the standing panel; one that was not split is not."""
    standing = mpnb.dashboard()
    standing._mode, standing._load = "widget", runs.MadeUpLoad(4, 4)
    standing._ipython_display_()
    for made in (runs.events(), runs.events()[:2]):
        record, board = panel()
        for event in made:
            record.add(event)
        board.finish()
    whole, tick = standing._screen.widget.sent

    assert (whole["kind"], tick["kind"], tick["status"]) == ("whole", "tick", "finished")


@pytest.mark.parametrize("mode", ["html", "text", "none"])
def test_the_standing_panel_without_widgets(shown, mode, capsys):
    """Without widgets it is a display that is updated once a second, or nothing."""
    standing = StandingPanel(mode=mode)
    dashboard._standing.append(standing)
    standing._ipython_display_()
    record, board = panel(mode="none")
    play(record, board, runs.events())
    board.finish()

    assert [update for *_, update in shown] == {"html": [False] + [True] * (len(shown) - 1)}.get(mode, [])
    assert len(shown) >= 5 or mode != "html"
    assert ("no room for a panel" in capsys.readouterr().out) == (mode != "html")


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
    widget = widget_of(board)
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
        widgets.append(widget_of(board))
        board.finish()

    assert [widget.closed for widget in widgets] == [True, True, False]


def test_the_widget_is_retired_even_if_the_end_can_not_be_shown(shown, monkeypatch):
    """What goes wrong in showing the end is heard of, and leaves no comm open."""
    _record, board = panel()
    board.show()
    widget = widget_of(board)
    monkeypatch.setattr(dashboard.report, "static_html", lambda *_, **__: 1 / 0)

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


def test_ipywidgets_alone_show_a_picture_once_a_second(shown):
    """Without anywidget the picture is an HTML widget, which is swapped at the end as the panel is."""
    record, board = panel(mode="ipywidgets")
    values = []
    made = runs.events()
    record.add(made[0])
    board.show()
    for event in made[1:]:
        record.add(event)
        board.tick(event.at)
        if widget_of(board).value not in values:
            values.append(widget_of(board).value)
    board.finish()

    assert 4 <= len(values) <= 9
    assert "<details open>" in values[-1]
    assert [set(data) for data, *_ in shown][-1] == {"text/html", "text/plain"}
    assert [update for *_, update in shown] == [False, True]


def test_text_in_a_notebook_is_a_line_that_changes(shown, monkeypatch):
    """Forced in a notebook, the line is a display that is updated, and the summary takes its place."""
    monkeypatch.setattr(Environment, "here", classmethod(lambda _: Environment(True, True, True)))
    record, board = panel(mode="text")
    play(record, board, runs.events())
    board.finish()
    lines = [data["text/plain"] for data, *_ in shown]

    assert [update for *_, update in shown] == [False] + [True] * (len(shown) - 1)
    assert 5 <= len(lines) <= 9
    assert any("█" in line and "░" in line and "faster" in line for line in lines)
    assert lines[-1].startswith("[mpnb] features: 240 iterations")


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
    ("kernel", "widgets", "anywidget", "wanted", "mode"),
    [
        (True, True, True, "", "widget"),
        (True, True, False, "", "ipywidgets"),
        (True, False, False, "", "html"),
        (False, True, True, "", "text"),
        (True, True, True, "html", "html"),
        (True, True, True, "ipywidgets", "ipywidgets"),
        (True, True, True, "text", "text"),
        (False, False, False, "widget", "widget"),
        (True, True, True, "none", "none"),
    ],
)
def test_the_view_is_chosen_by_what_is_there(monkeypatch, kernel, widgets, anywidget, wanted, mode):
    """The best that is installed in a kernel, text elsewhere; MPNB_PANEL has the last word."""
    monkeypatch.setenv("MPNB_PANEL", wanted)

    assert choose(Environment(kernel, widgets, anywidget)) == mode


def test_a_setting_that_is_none_is_said(monkeypatch):
    """A wrong MPNB_PANEL is a warning that names what is allowed, and the choice is made as without it."""
    monkeypatch.setenv("MPNB_PANEL", "holographic")

    with pytest.warns(UserWarning, match="widget, ipywidgets, html, text, none, was 'holographic'"):
        assert choose(Environment(kernel=True, widgets=True, anywidget=True)) == "widget"


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


def test_every_way_to_show_a_run_ends_in_the_static_figure(kernel):
    """In a real kernel, forced by MPNB_PANEL: shown once, changed while the run goes on, and the same display at the end."""
    kernel.check(f"import sys, os; sys.path[:0] = [{str(Path(__file__).parent / 'browser')!r}]; import synthetic_runs")
    for mode in ("widget", "ipywidgets", "html", "text"):
        run = f"os.environ['MPNB_PANEL'] = {mode!r}; synthetic_runs.show(seconds=2.2);"
        displays = kernel.check(run).displays
        first, *between, last = displays
        ids = {each["transient"]["display_id"] for each in displays}

        assert len(ids) == 1, mode
        assert [each["update"] for each in displays] == [False] + [True] * (len(displays) - 1), mode
        assert ("application/vnd.jupyter.widget-view+json" in first["data"]) == (mode in {"widget", "ipywidgets"})
        assert len(between) >= 2 or mode in {"widget", "ipywidgets"}, mode
        assert last["data"]["text/plain"].startswith("[mpnb] features: 240 iterations"), mode
        assert ("<svg" in last["data"].get("text/html", "")) == (mode != "text")


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
