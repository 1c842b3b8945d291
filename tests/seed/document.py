"""The blocks of SEED.md, in order, under the headings they stand under."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).with_name("SEED.md")


class Block(NamedTuple):
    heading: str
    language: str  # "python", or "" for the shell
    code: str


def _blocks(text: str) -> list[Block]:
    blocks, heading = [], ""
    for match in re.finditer(r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if match[1] is not None:
            heading = match[1].strip()
        else:
            blocks.append(Block(heading, match[2], match[3]))
    return blocks


BLOCKS = _blocks(PAGE.read_text())
PYTHON = {block.heading: block.code for block in BLOCKS if block.language == "python"}
SHELL = [block for block in BLOCKS if block.language != "python"]
