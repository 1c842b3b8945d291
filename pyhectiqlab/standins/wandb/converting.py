"""W&B's media as those of the stand-in, for the mirror: from objects of the real package, once it has logged them."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import data_types
from .plot import CustomChart

# W&B's chart → (kind, the fields of its x axis, its y axis, and what tells its lines apart)
CHARTS = {
    "wandb/bar": ("bar", "label", "value", ""),
    "wandb/histogram": ("histogram", "value", "", ""),
    "wandb/scatter": ("scatter", "x", "y", ""),
    "wandb/confusion_matrix": ("bar", "Predicted", "nPredictions", "Actual"),
    "wandb/lineseries": ("line", "step", "lineVal", "lineKey"),
    "wandb/line": ("line", "x", "y", "stroke"),
}
ANY_CHART = ("line", "x", "y", "class")


def ours(value: Any) -> Any:
    """Return the stand-in's medium for one of W&B's; what is none of W&B's as it is; None for what we have none for."""
    if isinstance(value, list | tuple):
        return [ours(item) for item in value]
    if not type(value).__module__.startswith("wandb"):
        return value
    convert = MEDIA.get(type(value).__name__)
    return convert(value) if convert is not None else None


def _image(value: Any) -> Any:
    boxes = {
        name: {"box_data": its._val, "class_labels": its._class_labels} for name, its in (value._boxes or {}).items()
    }
    masks = {name: getattr(its, "_val", None) or {"path": its._path} for name, its in (value._masks or {}).items()}
    data = getattr(value, "_image", None)
    return data_types.Image(
        value._path if data is None else data, caption=getattr(value, "_caption", None), boxes=boxes, masks=masks
    )


def _table(value: Any) -> Any:
    return data_types.Table(value.columns, [[ours(cell) for cell in row] for row in value.data])


def _file(value: Any) -> Any:
    """Videos, sounds, objects: W&B has written them to a file."""
    path = getattr(value, "_path", None)
    if not path or not os.path.isfile(path):
        return None
    return getattr(data_types, type(value).__name__)(path, caption=getattr(value, "_caption", None))


def _plotly(value: Any) -> Any:
    figures: Any = importlib.import_module("plotly.graph_objects")
    return data_types.Plotly(figures.Figure(json.loads(Path(value._path).read_text())))


def _chart(value: Any) -> Any:
    spec = value.spec
    kind, *axes = CHARTS.get(spec.spec_name.rpartition("/")[0], ANY_CHART)
    x, y, by = (spec.fields.get(axis) for axis in axes)
    return CustomChart(_table(value.table), kind, spec.string_fields.get("title"), x, y, by)


MEDIA: dict[str, Callable[[Any], Any]] = {
    "Audio": _file,
    "Classes": lambda value: data_types.Classes(value._class_set),
    "CustomChart": _chart,
    "Histogram": lambda value: data_types.Histogram(np_histogram=(value.histogram, value.bins)),
    "Html": lambda value: data_types.Html(value.html, data_is_not_path=True),
    "Image": _image,
    "JoinedTable": lambda value: data_types.JoinedTable(ours(value._table1), ours(value._table2), value._join_key),
    "Molecule": _file,
    "Object3D": _file,
    "Plotly": _plotly,
    "Table": _table,
    "Video": _file,
}
