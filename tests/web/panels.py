"""What a test asks a chart: the data it drew, in which ranges, and whether there is anything on its canvas."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import FloatRect, Page

# Typed arrays cannot be passed to Python, lists can; NaN stays NaN.
_DRAWN = """panel => {
  const d = panel.drawn && panel.drawn();
  if (!d) return null;
  const list = a => a === null ? null : Array.from(a);
  return {
    x: d.x, y: d.y, axis: d.data.axis, log: d.data.scale === 'log', scale: d.data.scale, xScale: d.data.xScale,
    curves: d.data.curves.map(c => ({
      run: c.run, rank: c.buckets.rank, attempt: c.buckets.attempt, name: c.name, color: c.color, dash: list(c.dash),
      x: list(c.x), lineX: list(c.lineX), line: list(c.line), raw: list(c.raw), gap: list(c.gap),
      width: c.buckets.width, total: c.buckets.total, count: list(c.buckets.count),
      start: list(c.buckets.start), min: list(c.buckets.min), max: list(c.buckets.max),
      lastX: list(c.buckets.lastX), nan: list(c.buckets.nan),
    })),
  };
}"""

# Grid and labels are grey: only curves and marks have colour.
_COLOURED = """panel => {
  const canvas = panel.querySelector('canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let n = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const [r, g, b] = pixels.subarray(i, i + 3);
    const spread = Math.max(r, g, b) - Math.min(r, g, b);
    if (pixels[i + 3] > 60 && spread > 60) n++;
  }
  return n;
}"""


class Panel:
    def __init__(self, page: Page, key: str) -> None:
        self.page = page
        self.root = page.locator(f'.panel[data-key="{key}"]')

    def wait(self, condition: str = "true") -> Any:
        """Wait until what is drawn meets `condition` (JavaScript; `d` is what is drawn). Return what is drawn."""
        self.root.first.wait_for()
        script = f"panel => {{ const d = ({_DRAWN})(panel); return d && d.curves.length && ({condition}) ? d : null; }}"
        panel = self.root.first.element_handle()
        handle = self.page.wait_for_function(f"panel => ({script})(panel)", arg=panel, polling=50)  # ms, not each frame
        return handle.json_value()

    def coloured_pixels(self) -> int:
        return int(self.root.evaluate(_COLOURED))

    def note(self) -> str:
        return str(self.root.locator(".panel-note").inner_text())

    def box(self) -> FloatRect:
        box = self.root.locator(".u-over").bounding_box()
        assert box is not None
        return box

    def drag(self, start: float, end: float) -> None:
        """Drag over the plot from one share of its width to another."""
        box = self.box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + start * box["width"], y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + end * box["width"], y, steps=4)
        self.page.mouse.up()

    def hover(self, at: float) -> None:
        box = self.box()
        self.page.mouse.move(box["x"] + at * box["width"], box["y"] + box["height"] / 2)
