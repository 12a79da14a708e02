"""A site of a plan in words: whether it can be split, and the class of each of its names. Runs nothing."""

from __future__ import annotations

from mpnb.plan.purity import inspect_loop
from mpnb.plan.space import Space
from mpnb.plan.types import SitePlan


def explained(
    plan: SitePlan, space: Space, *, seeded: bool = False, trusted: frozenset[str] = frozenset()
) -> list[str]:
    """What `--explain` says of one site."""
    head = f"line {plan.line}, {plan.kind} `{plan.label}`"
    refusal = plan.refusal
    if plan.loop is not None:
        refusal = inspect_loop(plan.loop, space, (), seeded=seeded, trusted=trusted).refusal
    if refusal is not None or plan.loop is None:
        assert refusal is not None
        return [f"{head}: stays serial: {refusal.reason} [{refusal.code}]"]
    lines = [f"{head}: can be split"]
    classes = {
        "loop variable": plan.loop.targets,
        "temporary": plan.loop.temporaries,
        "changed, replayed in order": plan.loop.accumulators,
        "read": {n for n in plan.loop.reads if n in space},
    }
    for name, members in classes.items():
        if members:
            lines.append(f"    {name}: {', '.join(sorted(members))}")
    return lines
