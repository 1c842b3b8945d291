"""docs_outline.txt, the headings of all pages of the documentation: `python -m tests.docs_outline` writes it.

A test compares it with the pages, so a section that an edit or a merge cut off by mistake is noticed.
"""

from __future__ import annotations

from pathlib import Path

from .markdown import headings

ROOT = Path(__file__).parents[1]
OUTLINE = Path(__file__).with_suffix(".txt")
FOLDERS = ("", "benchmarks", "docs", "docs/*", "pyhectiqlab/*", "pyhectiqlab/store/*")


def outline() -> str:
    """Return a line `PAGE: HEADING` for each heading, in the order of the page. The changelog has its own test."""
    pages = sorted(page.relative_to(ROOT) for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md".lstrip("/")))
    return "".join(
        f"{page.as_posix()}: {heading}\n"
        for page in pages
        if page.name != "CHANGELOG.md"
        for heading in headings((ROOT / page).read_text())
    )


if __name__ == "__main__":
    OUTLINE.write_text(outline())
