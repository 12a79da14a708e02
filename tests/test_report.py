"""The report: what is said and drawn afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from mpnb import report
from mpnb.events import KernelRan, RunEnded, RunStarted, SiteEnded, SiteStarted
from mpnb.record import Record, Site

sys.path.insert(0, str(Path(__file__).parent / "browser"))
import synthetic_runs as runs

mpl.use("agg")

FOUR = r"\[mpnb\] features: 240 iterations in \d\.\d s on 4 workers · up to 3\.\d× faster · 0\.\d of 4 cores lost: .*"


def kernel_only(*sites: Site):
    return runs.record_of(
        [
            RunStarted(at=0.0, workers=2),
            SiteStarted(at=0.0, site=0, total=9),
            KernelRan(at=0.003, site=0, first=0, count=9, seconds=0.003),
            SiteEnded(at=0.003, site=0, iterations=9),
            RunEnded(at=0.003, status="finished"),
        ],
        *sites,
    )


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ({}, FOUR),
        (
            {"status": "stopped"},
            r"\[mpnb\] features: stopped after \d+ of 240 iterations in .* on 4 workers · up to .*",
        ),
        ({"status": "failed"}, r"\[mpnb\] features: failed after \d+ of 240 iterations in .* on 4 workers · up to .*"),
        ({"dies": 0.3}, r".* · 1 worker died and was replaced"),
        ({"straggler": 0.5}, r".* lost: \d\.\d uneven tasks.*"),
    ],
)
def test_a_line_says_what_became_of_a_loop(made, text):
    """The line has label, iterations, time, workers, the speedup that it may have at most, and where the rest went."""
    assert re.fullmatch(text, report.summary(runs.record_of(runs.events(**made))))


def test_speedup_and_losses_in_the_line_are_the_workers():
    """The speedup and the cores lost add up to the number of workers."""
    record = runs.record_of(runs.events(straggler=0.3))
    site = record.sites[0]

    assert site.speedup + sum(report.lost_cores(site).values()) == pytest.approx(4, abs=0.02)


def test_a_measured_speedup_has_no_almost_sign():
    """Only what is not measured carries a mark."""
    record = runs.record_of(runs.events())
    record.sites[0].speedup, record.sites[0].speedup_measured = 3.5, True

    assert " · 3.5× faster" in report.summary(record)
    assert not {"≈", "≤"} & set(report.static_html(record))


@pytest.mark.parametrize(
    ("speedup", "mark", "words"),
    [
        (3.71, "", "3.7× faster"),
        (1.05, "≈", "≈1.1× faster"),
        (1.04, "≈", "about as fast as serially"),
        (0.95, "", "about as fast as serially"),
        (0.5, "", "2.0× slower"),
        (0.0049, "≈", "more than 100× slower"),
        (0.0, "≈", "more than 100× slower"),
        (1.9, "≤", "up to 1.9× faster"),
        (1.04, "≤", "no faster than serially"),
        (0.3, "≤", "no faster than serially"),
    ],
)
def test_a_speedup_is_said_in_words(speedup, mark, words):
    """Faster or slower, by a factor above 1; what is next to nothing is no figure."""
    assert report.in_words(speedup, mark) == words


def test_a_cell_that_failed_has_not_run_its_serial_loops():
    """Where an error ended the cell, perhaps before the loop, the line does not say that the loop ran."""
    record = runs.record_of(
        runs.events(status="failed"), runs.site(), Site(line=9, code="carried", reason="it hangs on")
    )

    assert report.summary(record).splitlines()[1:] == ["[mpnb] line 9 stays serial: it hangs on [carried]"]


def test_colours_in_the_lanes_have_a_legend():
    """Every kind of piece that is drawn in the lanes stands in their legend, in the same colour."""
    record = runs.record_of(runs.events())
    for lane in record.lanes:
        for span in lane.spans:
            span.kind = "decode"
    html = report.static_html(record)

    assert 'stroke="#d99a1c"' in html
    assert "sending data</span>" in html.partition("</svg>")[0]


def test_names_in_html_are_set_as_code():
    """What stands in backquotes is code, and a serial cell has no mark of success for a split that was none."""
    html = report.static_html(kernel_only(Site(line=4, code="carried", reason="`a<b` is read")))

    assert re.search(r"<code[^>]*>a&lt;b</code> is read", html)
    assert ">○</span>" in html


def test_a_record_shows_itself():
    """In a notebook a record shows what stood under its cell; its sites say in a line what became of them."""
    record = runs.record_of(runs.events())

    assert repr(record) == report.summary(record)
    assert record._repr_html_() == report.static_html(record)
    assert re.fullmatch(
        r"\[<Site line \d+, for features: split over 4 workers, 240 iterations, .* s, speedup ≤3\.\d>\]",
        repr(record.sites),
    )
    assert repr(Site(line=3, label="x", code="carried", reason="why")) == "<Site line 3, for x: serial [carried]>"
    assert repr(Site(line=3, label="x")) == "<Site line 3, for x: not reached>"


def test_a_refused_loop_says_why():
    """A loop that was not split has its line and its reason."""
    site = Site(line=4, label="total", code="carried", reason="`total` is read before this iteration writes it")

    assert report.summary(kernel_only(site)) == f"[mpnb] line 4 ran serially: {site.reason} [carried]"


def test_a_tiny_loop_says_so():
    """A loop that was over before the pool paid says how long it took."""
    expected = "[mpnb] finished in the kernel in 3 ms: too small to split"

    assert report.summary(kernel_only(Site(line=2, label="x", parallel=True))) == expected
    assert expected[7:] in report.static_html(kernel_only(Site(line=2, label="x", parallel=True)))


def test_every_noteworthy_site_has_a_line():
    """Sites that were never reached have none; the others have one each, and all begin alike."""
    record = kernel_only(Site(line=2, parallel=True), Site(line=5, reason="it breaks"), Site(line=9, parallel=True))
    lines = report.summary(record).splitlines()

    assert len(lines) == 2
    assert all(line.startswith("[mpnb] ") for line in lines)
    assert report.summary(Record([Site(line=9, parallel=True)])).startswith("[mpnb] ")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"straggler": 0.6}, r"waited at the end: iteration 223 alone took 3\.0 s .*sorted"),
        ({"packing": 0.5}, r"packed results.*Return only what you need"),
        ({"status": "stopped", "tasks": 16, "chunk": 1, "probe": 0}, r"thrown away"),
    ],
)
def test_the_biggest_loss_has_a_sentence_and_a_remedy(made, words):
    """The cause that was built into a run is the one that is named, with what to do."""
    assert re.search(words, report.remedy(runs.record_of(runs.events(**made))))


class Tags(HTMLParser):
    """Checks that tags are balanced, and collects them."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), []

    def handle_starttag(self, tag, attrs):
        """See a tag open."""
        self.seen.add(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """See a tag that has no inside."""
        self.seen.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        """See a tag close."""
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"workers": 1, "tasks": 5},
        {"dies": 0.2},
        {"status": "failed"},
        {"workers": 64, "tasks": 6000, "chunk": 4},
        {"workers": 128, "tasks": 30000, "chunk": 1},
        {"workers": 128, "tasks": 3000, "seconds": 300, "chunk": 1},
    ],
    ids=str,
)
def test_html_is_small_and_needs_nothing(made):
    """The HTML is below 60 KB for any run, well formed, without script, style sheet, link or picture from elsewhere."""
    html = report.static_html(runs.record_of(runs.events(**made)))
    tags = Tags()
    tags.feed(html)

    assert tags.open == []
    assert len(html.encode()) < 60_000
    assert not tags.seen & {"script", "link", "style", "img", "iframe"}
    assert not any(name.startswith("on") or "://" in (value or "") for name, value in tags.attributes)
    assert "details" in tags.seen
    assert ("open", None) not in tags.attributes


def test_html_shows_text_as_text():
    """A label that looks like HTML stays text."""
    record = runs.record_of(runs.events(), runs.site(label="<script>x</script>"))

    assert "<script>" not in report.static_html(record)


@pytest.mark.parametrize(("status", "mark"), [("finished", "✓"), ("failed", "✗"), ("stopped", "■")])
def test_html_begins_with_how_it_ended(status, mark):
    """One folded line begins with a mark for finished, failed or stopped."""
    html = report.static_html(runs.record_of(runs.events(status=status)))

    assert f">{mark}</span>" in html.partition("</summary>")[0]


def test_the_shares_drawn_add_up():
    """The pieces of the bar add up to 100 %."""
    html = report.static_html(runs.record_of(runs.events(straggler=0.3, dies=0.2)))
    bar = html[html.index("where the cores") :]
    shares = [float(share) for share in re.findall(r"width:([\d.]+)%;background", bar)]

    assert sum(shares) == pytest.approx(100, abs=0.3)


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("name", ["timeline", "losses_plot", "speedup_plot"])
def test_plots_draw_into_the_axes_they_are_given(name, saved):
    """A plot takes axes and returns them, with a question as its title; a saved record is drawn as well."""
    record = runs.record_of(runs.events(dies=0.3))
    record = Record.from_json(record.to_json()) if saved else record
    ax = Figure().subplots()

    assert getattr(record, name)(ax) is ax
    assert ax.get_title().endswith("?")


def test_plots_make_axes_where_there_are_none():
    """Without axes, a plot makes a figure of its own."""
    from matplotlib import pyplot as plt

    ax = runs.record_of(runs.events()).timeline()
    plt.close(ax.figure)

    assert [text.get_text() for text in ax.get_yticklabels()][:2] == ["kernel", "worker 0"]


def test_drawing_libraries_are_imported_only_to_draw():
    """Importing the report costs no matplotlib."""
    code = "import sys, mpnb.report; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "False\n"
