"""Where the speedup went: for each loss, its greatest cause in one sentence, and one remedy. A record in, words out.

Nothing is said that the clocks do not bear out: a sentence speaks of the cause that the record found, with its figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mpnb.record import CAUSES, USEFUL, Record, Site, books, round_seconds
from mpnb.report.words import plural, size

WORTH_SAYING: Final = 0.05  # of the whole: below it, a loss has no sentence under the cell
SHORT_S: Final = 0.001  # iterations shorter than this are called short where workers wait for them
TINY_S: Final = 0.0001  # and shorter than this wherever they cost more than they do, though hardly anything is sent
SMALL: Final = 500  # bytes of an iteration that are hardly anything


@dataclass(frozen=True, slots=True)
class Finding:
    """A loss, and what can be done about it.

    Parameters
    ----------
    loss, cause
        Its name, and that of the greatest of its causes.
    core_s, share
        Core seconds that went there, and as a share of workers × wall.
    cause_s
        Those of the cause alone.
    line
        Of the site that it mostly comes from.
    sentence, remedy
        What happened, and what to do.
    """

    loss: str
    cause: str
    core_s: float
    share: float
    cause_s: float
    line: int
    sentence: str
    remedy: str

    def __str__(self) -> str:
        """Both, as they stand under the cell."""
        return f"{self.sentence} {self.remedy}".strip()


def findings(record: Record) -> list[Finding]:
    """List the losses of a run, the greatest first; with the useful work they add up to workers × wall.

    Parameters
    ----------
    record
        What happened.
    """
    whole, causes = record.core_s, record.causes
    sites = [site for site in record.so_far() if site.was_split]
    found = []
    for loss, seconds in record.losses.items():
        if loss == USEFUL or seconds <= 0 or whole <= 0:
            continue
        cause = max((each for each in causes if CAUSES.get(each, each) == loss), key=causes.__getitem__)
        site = max(sites, key=lambda site: site.causes.get(cause, 0.0))
        sentence, advice = _words(cause, site, _cores(site, loss))
        found.append(Finding(loss, cause, seconds, seconds / whole, causes[cause], site.line, sentence, advice))
    return sorted(found, key=lambda each: -each.core_s)


def remedy(record: Record) -> str:
    """Name the biggest loss in a sentence, and say what can be done; empty where hardly anything was lost."""
    found = findings(record)
    return str(found[0]) if found and found[0].share >= WORTH_SAYING else ""


def _cores(site: Site, loss: str) -> str:
    """How many of the cores a loss is, on the average."""
    return f"{site.lost[loss] / site.core_s * site.workers:.1f} of your {plural(site.workers, 'core')}"


# What is said of each cause, and what is to be done; the words in braces are those of `_figures`.
_SHORT: Final = "short iterations"  # a cause's name where it has words of its own
_TINY: Final = "tiny iterations"
_ONE_LONG: Final = "one long iteration"
_CAME_BACK: Final = "came back"
_WORDS: Final = {
    books.CONTENTION: (
        "Each iteration took {slower:.1f}× as long as alone ({cores}): cores share memory, caches, power or a lock.",
        "Fewer workers may be as fast (-n): hold locks for less, work on smaller blocks of memory.",
    ),
    books.DECIDING: (
        "{cores} had nothing to do for the {deciding} in which mpnb looked at the loop and at what it reads.",
        "Longer loops make up for it; so do fewer and plainer objects.",
    ),
    books.KERNEL_ONLY: (
        "{cores} had nothing to do while the kernel ran {kernel} itself, to see whether the pool pays.",
        "Longer loops make up for it; --no-probe sends every iteration to the pool at once.",
    ),
    _CAME_BACK: (
        "{cores} had nothing to do while the kernel ran {kernel} itself: {reason}.",
        "What kept them from the pool is said there.",
    ),
    books.STARTING: (
        "{cores} waited while workers started.",
        "That is paid once: load mpnb some cells before the first loop, or run the cell again.",
    ),
    books.WARMING: (
        "{cores} went into each worker's first iteration, {warming} more than into others: imports, or other set-up.",
        "Import it in a cell of its own before (workers then start with it), or set it up before the loop.",
    ),
    books.NAMES: (
        "{cores} waited while the kernel packed what the loop reads{names}.",
        "Keep big data in arrays, which are held once for all workers, or load it inside the iteration, from a path.",
    ),
    books.ITEMS: (
        "{cores} waited while the kernel packed the next items{travelled}.",
        "Send paths or indices, and load what belongs to them inside the iteration.",
    ),
    books.UNPACKING: (
        "{cores} unpacked data that was sent to them{travelled}.",
        "Send paths or indices and load inside the iteration, or keep the data in arrays, which are not unpacked.",
    ),
    books.RESULTS: (
        "{cores} packed results{travelled}.",
        "Return only what you need: numbers or arrays rather than many objects.",
    ),
    books.CHECKS: (
        "{cores} compared what the loop reads with what it was, so that no change is lost.",
        "Let it read fewer or smaller lists and dicts; arrays need no comparing.",
    ),
    books.SENDING: (
        "{cores} had nothing to do while data was on the way to them{travelled}.",
        "Send paths or indices and load inside the iteration, and do more in each of them.",
    ),
    books.HOME: (
        "{cores} had nothing left to do while results came home and took effect in the notebook{travelled}.",
        "Return only what you need: numbers or arrays rather than many objects.",
    ),
    books.QUEUE: (
        "{cores} waited for their next iterations: the kernel had none ready for them.",
        "Make items quick to get (a list rather than a slow generator), and results small.",
    ),
    _SHORT: (
        "{cores} waited for their next iterations, which are very short: {each}.",
        "Do more in each of them: loop over blocks of items.",
    ),
    _TINY: (
        "{cores} sent, checked and took in iterations, which are very short: {each}.",
        "Do more in each of them: loop over blocks of items.",
    ),
    books.TAIL: (
        "{cores} waited at the end for the others' last iterations.",
        "More and smaller iterations even out better.",
    ),
    _ONE_LONG: (
        "{cores} waited at the end: iteration {number:,} alone took {longest} of {job}.",
        "Start long ones first (sorted(…, key=…, reverse=True), --no-probe so that a worker runs it), or split it.",
    ),
    books.IDLE: (
        "{cores} never got an iteration: there were only {iterations}, and they went to the others.",
        "Make more and smaller iterations, or smaller chunks (--chunk 1).",
    ),
    books.DEATHS: (
        "{cores} were lost to {died} that ended in the midst of an iteration, and until others took their place.",
        "The error or the kernel's log says why: a crash, memory, a time limit. Fewer workers (-n) need less memory.",
    ),
    books.CALLED_OFF: (
        "{cores} worked on what was thrown away: iterations that were under way when the loop ended.",
        "Shorter iterations lose less.",
    ),
    books.NO_EFFECT: (
        "{cores} worked on what was thrown away: iterations that came after the end, or that the kernel ran again.",
        "Smaller chunks run less far ahead (--chunk 1).",
    ),
}


_AROUND: Final = (books.RESULTS, books.CHECKS, books.ITEMS, books.UNPACKING, books.SENDING, books.HOME)


def _words(cause: str, site: Site, cores: str) -> tuple[str, str]:
    """Sentence and remedy."""
    figures = _figures(site, cores)
    if cause == books.QUEUE and 0 < _mean(site) < SHORT_S:
        cause = _SHORT
    elif cause in _AROUND and 0 < _mean(site) < TINY_S and site.nbytes < SMALL * (site.iterations or 0):
        cause = _TINY
    elif cause == books.TAIL and site.longest and site.longest_was_last:
        cause = _ONE_LONG
    elif cause == books.KERNEL_ONLY and site.reason:
        cause = _CAME_BACK
    if cause not in _WORDS:  # of a record that an older version wrote, which had losses and no causes
        return f"{cores} were lost: {cause}.", ""
    sentence, advice = _WORDS[cause]
    return sentence.format_map(figures), advice


def _figures(site: Site, cores: str) -> dict[str, object]:
    number, longest = site.longest or (0, 0.0)
    workers = max(1, site.workers)
    count = 0 if site.times is None else sum(site.times.counts)
    return {
        "cores": cores,
        "slower": 1 / site.yardstick,
        "deciding": round_seconds(site.causes.get(books.DECIDING, 0.0) / workers),
        "kernel": f"{plural(site.kernel_iterations, 'iteration')} ({round_seconds(site.kernel_s)})",
        "reason": site.reason,
        "warming": round_seconds(site.causes.get(books.WARMING, 0.0) / workers),
        "names": f" ({size(site.names_nbytes)})" if site.names_nbytes > 1 << 20 else "",
        "travelled": f" ({size(site.nbytes)} went to and fro)" if site.nbytes > 1 << 20 else "",
        "each": f"{_mean(site) * 1e6:.0f} µs each",
        "number": number,
        "longest": round_seconds(longest),
        "job": round_seconds(site.job_s),
        "iterations": plural(count, "iteration"),
        "died": plural(site.died, "worker"),
    }


def _mean(site: Site) -> float:
    """Seconds of an iteration in the pool."""
    count = 0 if site.times is None else sum(site.times.counts)
    return sum(site.times.seconds) / count if site.times is not None and count else 0.0
