"""Write pictures of the panel to look at:  python -m tests.browser.screenshots OUTDIR [NAME …].

Each run is shown in a real JupyterLab, light and dark: once while it goes on, once when it is over. `readme` is the
picture of the README, `notebooks/pictures/panel.png`: the panel alone, small.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

import lab
from web_browser import open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUNS = {
    "four": "cores=4, workers=4, tasks=1240, seconds=7, chunk=6, probe=12, earlier=2",
    "two": "cores=2, workers=2, tasks=60, seconds=7",
    "many": "cores=64, workers=64, tasks=6000, seconds=7, chunk=4, probe=12, earlier=1",
    "crowd": "cores=128, workers=128, tasks=20000, seconds=7, chunk=6",
    "container": "cores=16, allowed=4, quota=3.5, workers=4, tasks=600, seconds=7",
    "died": "cores=8, workers=8, tasks=300, seconds=7, dies=0.3",
    "straggler": "cores=4, workers=4, tasks=240, seconds=6, straggler=0.5",
    "failed": "cores=4, workers=4, tasks=240, seconds=7, status='failed'",
    "stopped": "cores=4, workers=4, tasks=240, seconds=7, status='stopped'",
    "endless": "cores=4, workers=4, tasks=240, seconds=7, total_known=False",
    "narrow": "cores=4, workers=4, tasks=1240, seconds=7, chunk=6",
}
WIDTHS = {"narrow": 560}
MIDWAY_S = 4.2
CLOSER = "zoom"  # of `four`: a stretch of the lanes
README = "cores=8, workers=8, tasks=1600, seconds=7, chunk=6, probe=8, earlier=1, packing=0.05, dies=0.3"
README_COLOURS = 192


def photograph(server: lab.Server, browser: Browser, out: Path, name: str, theme: str) -> None:
    """Take the pictures of one run."""
    run = RUNS["four" if name == CLOSER else name]
    page = browser.new_page(viewport={"width": WIDTHS.get(name, 1280), "height": 620}, device_scale_factor=1.5)
    notebook = server.open(page, [f"synthetic_runs.show({run});"], dark=theme == "dark")
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas", timeout=30_000)
    page.wait_for_timeout(MIDWAY_S * 1000)
    if name == CLOSER:
        box = page.locator(".mpnb-lanes canvas").bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 90, y)
        page.mouse.down()
        page.mouse.move(box["x"] + 130, y, steps=3)
        page.mouse.up()
        page.mouse.move(box["x"] + 230, y)
    page.screenshot(path=out / f"{name}-{theme}-running.png")
    if name != CLOSER:
        notebook.wait_until_idle()
        page.wait_for_selector(".jp-OutputArea details")
        page.click(".jp-OutputArea details summary")
        page.screenshot(path=out / f"{name}-{theme}-over.png")
    page.close()
    print(name, theme, flush=True)


def picture_readme(server: lab.Server, browser: Browser, path: Path) -> None:
    """Take the README's picture: few colours, so that it is small."""
    from PIL import Image

    page = browser.new_page(viewport={"width": 1040, "height": 620}, device_scale_factor=1.5)
    notebook = server.open(page, [f"synthetic_runs.show({README});"])
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.run_all()
    page.wait_for_selector(".mpnb-panel canvas", timeout=30_000)
    page.wait_for_timeout(MIDWAY_S * 1000)
    page.locator(".mpnb-card").screenshot(path=path)
    page.close()
    Image.open(path).convert("RGB").quantize(README_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, path.stat().st_size, "bytes", flush=True)


def main(out: Path, names: list[str]) -> None:
    """Take the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, lab.server(Path(folder)) as server, open_browser() as browser:
        for name in names or [*RUNS, CLOSER]:
            if name == "readme":
                picture_readme(server, browser, lab.ROOT / "notebooks" / "pictures" / "panel.png")
                continue
            for theme in ("light", "dark"):
                photograph(server, browser, out, name, theme)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
