"""Summaries: what frameworks make by torch.utils.tensorboard.summary and hand to a file writer themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Value:
    """One value of a summary."""

    def __init__(self, tag: str, value: Any) -> None:
        self.tag, self.value = tag, value


class Summary:
    """Args: hparams: what becomes the config of the run."""

    def __init__(self, value: list[Value] | None = None, hparams: Mapping[str, Any] | None = None) -> None:
        self.value, self.hparams = value or [], dict(hparams or {})


def hparams(
    hparam_dict: Mapping[str, Any] | None = None,
    metric_dict: Mapping[str, Any] | None = None,
    hparam_domain_discrete: Any = None,
) -> tuple[Summary, Summary, Summary]:
    """Return three summaries, as TensorBoard does; the first one has the hyperparameters."""
    return Summary(hparams=hparam_dict), Summary(), Summary()


def scalar(name: str, tensor: Any, collections: Any = None, *args: Any, **kwargs: Any) -> Summary:
    return Summary([Value(name, tensor)])


def text(tag: str, text: str) -> Summary:
    return Summary([Value(tag, text)])


def histogram(name: str, values: Any, bins: Any = None, max_bins: Any = None) -> Summary:
    return Summary([Value(name, values)])
