"""The names over which a site is looked at and run: the notebook's, and in a function its own before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mpnb.plan.values import MISSING


@dataclass(frozen=True, slots=True)
class Space:
    """What each name means where a site stands.

    `globals` are the notebook's names. `names` are a function's own, its locals and what it closes over, bound or not;
    `own` those of them that are bound, as they were when the site was looked at. `place` is what the qualified names of
    things begin with that are made there: `outer.<locals>.` in a function.
    """

    globals: dict[str, Any]
    names: frozenset[str] = frozenset()
    own: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""

    def get(self, name: str, default: Any = None) -> Any:
        """What a name leads to, builtins left out."""
        return (self.own if name in self.names else self.globals).get(name, default)

    def __getitem__(self, name: str) -> Any:
        return (self.own if name in self.names else self.globals)[name]

    def __contains__(self, name: str) -> bool:
        return name in (self.own if name in self.names else self.globals)

    @property
    def closure(self) -> dict[str, Any]:
        """A function's own names as something made inside it closes over them; MISSING for those not bound."""
        return {name: self.own.get(name, MISSING) for name in self.names}
