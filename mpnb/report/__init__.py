"""The view afterwards: a record in, words, static HTML and matplotlib axes out. Never changes the record.

words     what became of the run, a line a site
findings  where the speedup went: each loss with its cause, in a sentence, and a remedy
page      the static HTML that is saved with the notebook
plots     matplotlib axes
look      colours and pieces that both have
"""

from mpnb.report.findings import Finding, findings, remedy
from mpnb.report.page import static_html
from mpnb.report.plots import SCALING_INCHES, losses, scaling, speedup, timeline, to_png
from mpnb.report.words import PREFIX, in_words, lost_cores, summary, summary_line, summary_lines

__all__ = [
    "PREFIX",
    "SCALING_INCHES",
    "Finding",
    "findings",
    "in_words",
    "losses",
    "lost_cores",
    "remedy",
    "scaling",
    "speedup",
    "static_html",
    "summary",
    "summary_line",
    "summary_lines",
    "timeline",
    "to_png",
]
