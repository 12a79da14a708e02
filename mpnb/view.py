"""What the user sees of a run: a panel once it turns out to be long, and the summary at its end. Events in.

A cell's run is shown by the magic, a function's by the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mpnb.events import Ticked

if TYPE_CHECKING:
    from mpnb.dashboard import Dashboard
    from mpnb.events import Event
    from mpnb.session import Run

#: Seconds after which a run in the pool shows its panel; shorter ones would only flicker.
_PANEL_AFTER_S: Final = 0.25
#: And after which the first one of all is made ready: that takes 50 ms and more.
_READY_AFTER_S: Final = 0.1


class View:
    """One run as it is shown.

    Parameters
    ----------
    always
        Show the summary whatever became of the run; otherwise only where something was split.
    """

    def __init__(self, *, always: bool = True) -> None:
        self.always = always
        self.run: Run | None = None
        self.dashboard: Dashboard | None = None
        self.first_tick: float | None = None

    def attach(self, run: Run) -> None:
        """The run that is shown; it has begun already."""
        self.run = run

    def on_event(self, event: Event) -> None:
        """Show the panel when the pool has been at work for a while, and what is new in it."""
        if not isinstance(event, Ticked) or self.run is None:
            return
        if self.first_tick is None:
            self.first_tick = event.at
        since_s = event.at - self.first_tick
        if since_s >= _PANEL_AFTER_S:
            dashboard = self._made(self.run)
            dashboard.show()
            dashboard.tick(event.at)
        elif since_s >= _READY_AFTER_S and self.dashboard is None:
            self._made(self.run).prepare()

    def close(self) -> None:
        """Show the summary; in the panel's place, where there is one."""
        if self.run is not None and (self.always or any(site.was_split for site in self.run.record.sites)):
            self._made(self.run).finish()

    def _made(self, run: Run) -> Dashboard:
        if self.dashboard is None:
            from mpnb.dashboard import Dashboard  # not before there is something to show

            self.dashboard = Dashboard(
                run.record, on_stop=run.stop, on_resize=run.resize, key="run", cell=run.source or _place(run)
            )
        return self.dashboard


def _place(run: Run) -> str:
    """Stands for the source where there is none: the names and loops of a function."""
    sites = [f"{site.line}:{site.column}:{site.label}" for site in run.record.sites]
    return " ".join([*sorted(run.names), *sites])


__all__ = ["View"]
