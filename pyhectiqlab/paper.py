"""PaperContent: the text of a run's paper, put together piece by piece.

from pyhectiqlab.paper import PaperContent

paper = PaperContent().add_title("Ablation").add_text("Without dropout it overfits after epoch 4.")
run.set_paper(paper)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["PaperContent"]


class PaperContent:
    """A text in Markdown. Each method adds a paragraph and returns the paper; `str(paper)` is the text."""

    def __init__(self, text: str = "") -> None:
        self._blocks: list[str] = [text] if text else []

    def add_text(self, text: str) -> PaperContent:
        """Add a paragraph of Markdown."""
        self._blocks.append(str(text))
        return self

    def add_title(self, text: str, level: int = 1) -> PaperContent:
        """Add a title. `level`: 1 to 6; raises ValueError otherwise."""
        if not 1 <= level <= 6:
            raise ValueError(f"the level of a title is 1 to 6, not {level}")
        return self.add_text("#" * level + " " + " ".join(str(text).split()))

    def add_list(self, items: Iterable[object]) -> PaperContent:
        """Add a list with an entry for each item."""
        return self.add_text("\n".join(f"- {item}" for item in items))

    def add_code(self, code: str, language: str = "") -> PaperContent:
        """Add a block of code. `language` chooses how it is highlighted."""
        return self.add_text(f"```{language}\n{code.rstrip()}\n```")

    def add_table(self, columns: Sequence[object], rows: Iterable[Sequence[object]]) -> PaperContent:
        """Add a table: the names of its columns, and its rows."""
        lines = [columns, ["---"] * len(columns), *rows]
        return self.add_text("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))

    def __str__(self) -> str:
        return "\n\n".join(self._blocks)

    def __repr__(self) -> str:
        return f"PaperContent({str(self)!r})"
