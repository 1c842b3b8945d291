"""wandb.plot: charts of tables. The rows are stored as a table, and drawn by plotly where it is installed."""

from __future__ import annotations

import importlib
from typing import Any

from ...run import Run
from .table import Table


class CustomChart:
    """Rows, and which columns a chart shows how."""

    def __init__(
        self,
        table: Any,
        kind: str,
        title: str | None,
        x: str | None = None,
        y: str | None = None,
        by: str | None = None,
    ):
        self.table, self._kind, self.title, self._x, self._y, self._by = table, kind, title, x, y, by

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        self.table._hectiqlab_put(run, f"{key}_table", step)
        figure = self._figure()
        if figure is not None:
            run.add_figure(figure, key, step)

    def _figure(self) -> Any:
        try:
            go: Any = importlib.import_module("plotly.graph_objects")
        except ImportError:
            return None
        columns = {name: self.table.get_column(name) for name in self.table.columns}
        if self._kind == "histogram":
            return go.Figure(go.Histogram(x=columns[self._x or ""]), layout={"title": self.title})
        if self._x not in columns or self._y not in columns:
            return None
        groups = list(dict.fromkeys(columns[self._by])) if self._by in columns else [None]
        figure = go.Figure(layout={"title": self.title})
        for group in groups:
            keep = [i for i in range(len(columns[self._x])) if group is None or columns[str(self._by)][i] == group]
            x, y = ([columns[name][i] for i in keep] for name in (self._x, self._y))
            name = None if group is None else str(group)
            if self._kind == "bar":
                figure.add_trace(go.Bar(x=x, y=y, name=name))
            else:
                figure.add_trace(
                    go.Scatter(x=x, y=y, name=name, mode="markers" if self._kind == "scatter" else "lines")
                )
        return figure


def plot_table(
    vega_spec_name: str, data_table: Any, fields: dict[str, Any], string_fields: Any = None, **more: Any
) -> CustomChart:
    title = (string_fields or {}).get("title")
    return CustomChart(
        data_table, "line", title, fields.get("x"), fields.get("y"), fields.get("color") or fields.get("stroke")
    )


def line(table: Any, x: str, y: str, stroke: str | None = None, title: str | None = "", **more: Any) -> CustomChart:
    return CustomChart(table, "line", title, x, y, stroke)


def scatter(table: Any, x: str, y: str, title: str | None = "", **more: Any) -> CustomChart:
    return CustomChart(table, "scatter", title, x, y)


def bar(table: Any, label: str, value: str, title: str | None = "", **more: Any) -> CustomChart:
    return CustomChart(table, "bar", title, label, value)


def histogram(table: Any, value: str, title: str | None = "", **more: Any) -> CustomChart:
    return CustomChart(table, "histogram", title, value)


def line_series(
    xs: Any, ys: Any, keys: Any = None, title: str | None = "", xname: str = "x", **more: Any
) -> CustomChart:
    many = len(xs) and hasattr(xs[0], "__len__")
    rows = []
    for number, y in enumerate(ys):
        name = str(keys[number]) if keys is not None else f"key_{number}"
        rows += [[a, name, b] for a, b in zip(xs[number] if many else xs, y, strict=False)]
    return CustomChart(Table(["step", "lineKey", "lineVal"], rows), "line", title, "step", "lineVal", "lineKey")


def confusion_matrix(
    probs: Any = None,
    y_true: Any = None,
    preds: Any = None,
    class_names: Any = None,
    title: str | None = "Confusion Matrix Curve",
    **more: Any,
) -> CustomChart:
    truths = [int(t) for t in y_true]
    guesses = [int(max(range(len(p)), key=lambda i: p[i])) for p in probs] if preds is None else [int(p) for p in preds]
    known = range(len(class_names)) if class_names else sorted({*truths, *guesses})
    names = dict(
        zip(known, map(str, class_names or [f"Class_{number + 1}" for number in range(len(known))]), strict=True)
    )
    counts = dict.fromkeys([(t, g) for t in names for g in names], 0.0)  # W&B counts in floats
    for pair in zip(truths, guesses, strict=True):
        counts[pair] += 1.0
    rows = [[names[t], names[g], n] for (t, g), n in counts.items()]
    return CustomChart(
        Table(["Actual", "Predicted", "nPredictions"], rows), "bar", title, "Predicted", "nPredictions", "Actual"
    )


def _by_threshold(y_true: Any, scores: list[float]) -> list[tuple[float, int, int]]:
    """Return (threshold, true positives, false positives) at each score, the highest first."""
    ordered = sorted(zip(scores, y_true, strict=True), key=lambda pair: -pair[0])
    rows, hits, misses = [], 0, 0
    for score, truth in ordered:
        hits, misses = hits + bool(truth), misses + (not truth)
        rows.append((float(score), hits, misses))
    return rows


def _curve(kind: str, y_true: Any, y_probas: Any, labels: Any, title: str | None) -> CustomChart:
    rows: list[list[Any]] = []
    for number in range(len(y_probas[0])):
        truths = [int(t) == number for t in y_true]
        name = str(labels[number]) if labels else str(number)
        good = max(1, sum(truths))
        for _, hits, misses in _by_threshold(truths, [float(p[number]) for p in y_probas]):
            recall = hits / good
            rows.append(
                [name, misses / max(1, len(truths) - good), recall]
                if kind == "roc"
                else [name, recall, hits / (hits + misses)]
            )
    columns = ["class", "fpr", "tpr"] if kind == "roc" else ["class", "recall", "precision"]
    return CustomChart(Table(columns, rows), "line", title, columns[1], columns[2], "class")


def roc_curve(
    y_true: Any,
    y_probas: Any,
    labels: Any = None,
    classes_to_plot: Any = None,
    title: str | None = "ROC Curve",
    **more: Any,
) -> CustomChart:
    return _curve("roc", y_true, y_probas, labels, title)


def pr_curve(
    y_true: Any,
    y_probas: Any,
    labels: Any = None,
    classes_to_plot: Any = None,
    title: str | None = "Precision-Recall Curve",
    **more: Any,
) -> CustomChart:
    return _curve("pr", y_true, y_probas, labels, title)
