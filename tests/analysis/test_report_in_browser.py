"""The report as a reader sees it, in headless Chromium."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.analysis.made import COMMITTED
from tests.slowly import slow_after

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


# In the page: what a browser makes of it. Texts and images count as cut off where they
# reach past the window outside a box that scrolls.
PROBE = """
<iframe id="frame" style="width:WIDTHpx;height:900px;border:0" srcdoc="PAGE"></iframe>
<script>
addEventListener("load", () => {
  const page = document.getElementById("frame").contentDocument;
  const view = page.documentElement;
  const cut = [...page.querySelectorAll("h1,h2,h3,p,li,dt,dd,pre,figure,img,.scroll")]
    .filter(e => { const r = e.getBoundingClientRect();
      return r.right > view.clientWidth + 0.5 || r.left < 0 || r.width === 0; })
    .map(e => e.tagName);
  const wide = [...page.querySelectorAll("table")].filter(e =>
      e.scrollWidth > e.parentElement.clientWidth
      && getComputedStyle(e.parentElement).overflowX !== "auto").length;
  const images = [...page.images];
  document.body.dataset.seen = JSON.stringify({
    images: images.length,
    loaded: images.filter(i => i.complete && i.naturalWidth > 0).length,
    width: view.scrollWidth, view: view.clientWidth, cut, wide,
    tables: page.querySelectorAll("table").length,
    background: getComputedStyle(page.body).backgroundColor,
  });
});
</script>
"""


def look_at(page: str, width: int, folder: Path, dark: bool = False) -> dict:
    """Opens a page in headless Chromium in a window so wide; returns what it saw."""
    probe = PROBE.replace("WIDTH", str(width)).replace("PAGE", html.escape(page))
    (folder / "probe.html").write_text(f"<!doctype html><body>{probe}</body>")
    dom = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=10000", "--window-size=1400,1000", "--dump-dom",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"file://{folder / 'probe.html'}",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    return json.loads(html.unescape(re.search(r'data-seen="([^"]*)"', dom).group(1)))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", slow_after(1, [390, 1280]))
@pytest.mark.parametrize("which", ["made", "committed"])
def test_a_browser_loads_every_image_and_cuts_nothing_off(
    which, width, sweep_folder, tmp_path
):
    page = sweep_folder if which == "made" else COMMITTED
    seen = look_at((page / "report.html").read_text(encoding="utf-8"), width, tmp_path)
    assert seen["images"] == seen["loaded"] == 17
    assert seen["tables"] == 8
    assert seen["width"] <= seen["view"] == width
    assert seen["cut"] == [] and seen["wide"] == 0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(
    ("dark", "colour"), slow_after(1, [(1, "22, 24, 27"), (0, "255, 255, 255")])
)
def test_the_page_is_light_or_dark_as_the_reader_prefers(
    dark, colour, sweep_folder, tmp_path
):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    seen = look_at(page, 1280, tmp_path, dark=bool(dark))
    assert seen["background"] == f"rgb({colour})"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_browser_test_sees_what_is_cut_off(sweep_folder, tmp_path):
    page = (sweep_folder / "report.html").read_text(encoding="utf-8")
    page = page.replace("<h2>", '<p style="width:900px">wide</p><h2>', 1)
    page = page.replace("data:image/svg+xml;base64,PD94", "data:image/png;base64,AAAA", 1)
    seen = look_at(page, 390, tmp_path)
    assert "P" in seen["cut"] and seen["width"] > 390
    assert seen["loaded"] == seen["images"] - 1
