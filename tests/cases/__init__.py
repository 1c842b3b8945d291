"""Cases of rules that exist twice, in Python and in the web app: both read them here, so that neither goes its own way.

terminal.json  protocol/terminal.py   base/terminal.ts   what a terminal shows of texts
states.json    protocol/states.py     base/runstate.ts   what is known of each state of a run
visible.json   texts.py               base/visible.ts    texts of other people, as they are shown
aliases.json   protocol/registry.py   base/kinds.ts      what can be an alias of a version
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def cases(name: str) -> Any:
    """Return what `name`.json holds."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())
