"""Write pictures of the panel to look at:  python -m tests.browser.screenshots OUTDIR [NAME …].

Each run is shown in a real JupyterLab, light and dark: once while it goes on, once when it is over.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

import lab
from web_browser import open_browser

RUNS = {
    "four": "cores=4, workers=4, tasks=1240, seconds=7, chunk=6",
    "two": "cores=2, workers=2, tasks=60, seconds=7",
    "many": "cores=64, workers=64, tasks=6000, seconds=7, chunk=4",
    "crowd": "cores=128, workers=128, tasks=20000, seconds=7, chunk=6",
    "died": "cores=8, workers=8, tasks=300, seconds=7, dies=0.3",
    "straggler": "cores=4, workers=4, tasks=240, seconds=6, straggler=0.5",
    "failed": "cores=4, workers=4, tasks=240, seconds=7, status='failed'",
    "endless": "cores=4, workers=4, tasks=240, seconds=7, total_known=False",
}
MIDWAY_S = 4.6


def main(out: Path, names: list[str]) -> None:
    """Take the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, lab.server(Path(folder)) as server, open_browser() as browser:
        for name in names or [*RUNS, "narrow"]:
            size = {"width": 720 if name == "narrow" else 1280, "height": 760}
            for theme in ("light", "dark"):
                page = browser.new_page(viewport=size, device_scale_factor=1.5)
                notebook = server.open(
                    page, [f"synthetic_runs.show({RUNS.get(name, RUNS['four'])});"], dark=theme == "dark"
                )
                page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
                notebook.run_all()
                page.wait_for_selector(".mpnb-panel canvas", timeout=30_000)
                page.wait_for_timeout(MIDWAY_S * 1000)
                page.screenshot(path=out / f"{name}-{theme}-running.png")
                notebook.wait_until_idle()
                page.wait_for_selector(".jp-OutputArea details")
                page.screenshot(path=out / f"{name}-{theme}-folded.png")
                page.click(".jp-OutputArea details summary")
                page.screenshot(path=out / f"{name}-{theme}-finished.png")
                page.close()
                print(name, theme, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
