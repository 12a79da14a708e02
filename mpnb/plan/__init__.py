"""What of a cell can run in parallel: `read_cell` reads its text, `inspect_loop` what it calls; neither runs it."""

from mpnb.plan.cell import CONSUMERS, read_cell
from mpnb.plan.loops import BREAK
from mpnb.plan.purity import SAFE_ITERABLES, Finding, inspect_loop, is_own
from mpnb.plan.rewrite import RUN
from mpnb.plan.types import REFUSALS, CellPlan, Effect, Loop, Refusal, SitePlan

__all__ = [
    "BREAK",
    "CONSUMERS",
    "REFUSALS",
    "RUN",
    "SAFE_ITERABLES",
    "CellPlan",
    "Effect",
    "Finding",
    "Loop",
    "Refusal",
    "SitePlan",
    "inspect_loop",
    "is_own",
    "read_cell",
]
