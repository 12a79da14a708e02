"""What of a cell can run in parallel: `read_cell` reads its text, `check_loop` what it reaches; neither runs it."""

from mpnb.plan.cell import CONSUMERS, may_have_sites, read_cell
from mpnb.plan.draws import Draws, find_draws
from mpnb.plan.iterables import Leaf, is_bar, is_safe, length
from mpnb.plan.linear import reaches_linear_algebra
from mpnb.plan.loops import BREAK, RETURN
from mpnb.plan.objects import changed_objects, check_consumers, check_loop
from mpnb.plan.purity import Finding, inspect_loop
from mpnb.plan.rewrite import RUN, rest_of
from mpnb.plan.space import Space
from mpnb.plan.task import make_task
from mpnb.plan.types import REFUSALS, CellPlan, Effect, Loop, Refusal, SitePlan
from mpnb.plan.watched import Place, WatchedCell, left_of, watch_cell

__all__ = [
    "BREAK",
    "CONSUMERS",
    "REFUSALS",
    "RETURN",
    "RUN",
    "CellPlan",
    "Draws",
    "Effect",
    "Finding",
    "Leaf",
    "Loop",
    "Place",
    "Refusal",
    "SitePlan",
    "Space",
    "WatchedCell",
    "changed_objects",
    "check_consumers",
    "check_loop",
    "find_draws",
    "inspect_loop",
    "is_bar",
    "is_safe",
    "left_of",
    "length",
    "make_task",
    "may_have_sites",
    "reaches_linear_algebra",
    "read_cell",
    "rest_of",
    "watch_cell",
]
