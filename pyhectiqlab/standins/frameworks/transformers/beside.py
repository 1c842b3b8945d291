"""HECTIQLAB_BESIDE=transformers: every Trainer reports to the lab, whatever its `report_to` says, by HectiqlabCallback.

`report_to="hectiqlab"` is known then, too.
"""

from __future__ import annotations

import functools
from typing import Any


def attach(utils: Any) -> None:
    """Add to the integrations of the module that transformers looks them up in. The callback is loaded when a Trainer
    is made, since it needs transformers itself.
    """
    real = utils.get_reporting_integration_callbacks

    @functools.wraps(real)
    def with_ours(report_to: Any) -> Any:
        from ....integrations.huggingface import HectiqlabCallback

        utils.INTEGRATION_TO_CALLBACK["hectiqlab"] = HectiqlabCallback
        chosen = list(real(report_to))
        return chosen if HectiqlabCallback in chosen else [*chosen, HectiqlabCallback]

    utils.get_reporting_integration_callbacks = with_ours
