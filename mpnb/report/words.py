"""What became of a run, in words. A record in, lines of text out."""

from __future__ import annotations

from typing import Final

from mpnb.record import (
    ALONE,
    PACKING,
    PLANNING,
    REPEATED,
    SLOWER,
    START,
    TRANSFER,
    UNEVEN,
    USEFUL,
    WAITING,
    Record,
    Site,
    round_seconds,
)

PREFIX: Final = "[mpnb] "
IN_SHORT: Final = {
    USEFUL: "useful work",
    SLOWER: "slower than alone",
    PLANNING: "planning",
    ALONE: "kernel alone",
    START: "starting",
    PACKING: "sending data",
    TRANSFER: "on the way",
    WAITING: "waiting for work",
    UNEVEN: "uneven tasks",
    REPEATED: "failed or thrown away",
}


def summary(record: Record) -> str:
    """Say what became of each site, a line each."""
    return "\n".join(PREFIX + line for line in summary_lines(record))


def summary_lines(record: Record) -> list[str]:
    """List a line for each site that was reached; those that were too small to split share one."""
    reached = [site for site in record.sites if site.started is not None or site.reason]
    small = [site for site in reached if site.code == "small"]
    lines = [summary_line(record, site) for site in reached if len(small) < 2 or site.code != "small"]
    if len(small) > 1:
        spent = round_seconds(sum(site.wall_s or 0.0 for site in small))
        lines.append(f"{len(small)} sites finished in the kernel in {spent}: too small to split")
    if not lines:
        lines.append(record.note or f"{record.status} in {round_seconds(record.wall_s)}: nothing here to split")
    return lines


def summary_line(record: Record, site: Site) -> str:
    """Say in one line what became of a site, and which random numbers it drew."""
    line = _fate(record, site)
    return line if site.seed is None else f"{line} · random numbers from the streams of seed {site.seed}"


def _fate(record: Record, site: Site) -> str:
    if site.compared:
        speed = "" if site.speedup is None else f" · {in_words(site.speedup, site.speedup_mark)}"
        return f"line {site.line}: {site.compared}{speed}"
    if not site.was_split or (site.reason and not site.parallel):
        if site.code == "small":
            return f"{site.label or f'line {site.line}'}: {site.reason}" if len(record.sites) > 1 else site.reason
        if site.reason:
            code = f" [{site.code}]" if site.code else ""
            how = "ran serially" if record.status == "finished" else "stays serial"  # it may not have been reached
            return f"line {site.line} {how}: {site.reason}{code}"
        return f"line {site.line}: {_count(site)} in the kernel in {round_seconds(_wall(record, site))}"
    line = f"{site.label or f'line {site.line}'}: {_outcome(record, site)}{_count(site, cut=_was_cut(record, site))}"
    line += f" in {round_seconds(_wall(record, site))} on {plural(site.workers, 'worker')}"
    if site.speedup is not None:
        line += f" · {in_words(site.speedup, site.speedup_mark)}"
        lost = lost_cores(site)
        shown = sorted(((value, name) for name, value in lost.items() if value >= 0.05), reverse=True)[:3]
        if shown and site.speedup >= 1:
            lost_in_all = sum(value for value in lost.values() if value > 0)
            line += f" · {lost_in_all:.1f} of {plural(site.workers, 'core')} lost: "
            line += ", ".join(f"{value:.1f} {IN_SHORT[name]}" for value, name in shown)
    if site.threads is not None:
        kernel, worker = site.threads
        line += f" · linear algebra on {plural(worker, 'thread')}, not {kernel}: last bits may differ (see --exact)"
    if site.reason:
        line += f" · {site.reason}"
    if site.died:
        line += f" · {plural(site.died, 'worker')} died and {'was' if site.died == 1 else 'were'} replaced"
    return line


def lost_cores(site: Site) -> dict[str, float]:
    """Say how many of the cores were lost on average, by reason; speedup and losses together are the workers."""
    if not site.wall_s:
        return {}
    return {name: seconds / site.wall_s for name, seconds in site.lost.items() if name != USEFUL}


def _wall(record: Record, site: Site) -> float:
    return record.wall_s if site.wall_s is None else site.wall_s


def _was_cut(record: Record, site: Site) -> bool:
    """Whether the run ended in the midst of this site."""
    if record.status in {"finished", "running"} or record.current is None or record.sites[record.current] is not site:
        return False
    return site.total is not None and (site.iterations or 0) < site.total


def _outcome(record: Record, site: Site) -> str:
    return f"{record.status} after " if _was_cut(record, site) else ""


def _count(site: Site, *, cut: bool = False) -> str:
    done = site.iterations or 0
    return f"{done:,} of {site.total:,} iterations" if cut else plural(done, "iteration")


def plural(number: int, noun: str) -> str:
    """Give a number with its noun."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def in_words(speedup: float, mark: str = "") -> str:
    """Say how much faster or slower than the serial cell; `mark` is the record's.

    Examples
    --------
    >>> in_words(3.71), in_words(0.4, "≈"), in_words(0.98, "≈"), in_words(1.92, "≤"), in_words(0.9, "≤")
    ('3.7× faster', '≈2.5× slower', 'about as fast as serially', 'up to 1.9× faster', 'no faster than serially')
    """
    about = "" if mark == "≤" else mark
    if mark == "≤" and speedup < 1.05:
        return "no faster than serially"
    if 0.95 <= speedup < 1.05:
        return "about as fast as serially"
    if speedup > 1:
        return f"{'up to ' if mark == '≤' else ''}{times(speedup, about)} faster"
    if speedup < 0.01:  # an estimate from iterations that were next to nothing
        return "more than 100× slower"
    return f"{times(1 / speedup, about)} slower"


def times(speedup: float, about: str) -> str:
    """Give a speedup as a factor."""
    return f"{about}{speedup:.{1 if speedup < 99.95 else 0}f}×"


def size(number: float) -> str:
    """Give a number of bytes as a person says it."""
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def reached(record: Record) -> list[Site]:
    """List the sites that the run came to, or that say why not."""
    return [site for site in record.sites if site.started is not None or site.reason]
