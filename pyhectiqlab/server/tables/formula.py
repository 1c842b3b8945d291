"""Formulas of metrics: read into a tree of our own, and computed with arrays. Nothing of a text is ever run as code.

    sum      = product, then any number of (+ or -) product
    product  = power, then any number of (* or /) power
    power    = - power, or atom, or atom ^ power
    atom     = number, or metric, or function(sum, …), or (sum)
    metric   = letters, digits, _ . and / between them: train/loss; any other name in double quotes: "my-metric"

So `train/loss` is a metric, and `a / b` with spaces divides. Functions: abs, exp, log, log2, log10, sqrt of one value;
min and max of two or more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...store.points import Float64s

TEXT_MAX = 512  # characters
DEPTH_MAX = 40
METRICS_MAX = 8
Values = Mapping[str, Float64s]
ONE: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
}
SEVERAL: dict[str, Callable[..., Any]] = {"min": np.minimum, "max": np.maximum}
_SIGNS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}
_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<metric>[^\W\d][\w.]*(?:/[\w.]+)*)"
    r'|"(?P<quoted>(?:[^"\\]|\\.)+)"'
    r"|(?P<sign>[-+*/^(),])"
)


class FormulaError(ValueError):
    """A text is not a formula; says where and why."""


@dataclass(frozen=True)
class Formula:
    """A formula that was read. `metrics`: the keys in it, each once, in the order of the text."""

    metrics: tuple[str, ...]
    _compute: Callable[[Values], Any]

    def value(self, values: Values) -> Float64s:
        """Return the value at each place. `values`: an array of one length for each metric. What has no value (log of
        -1, 0 / 0) is NaN.
        """
        n = len(values[self.metrics[0]])
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self._compute(values), np.float64), (n,)).copy()


def parse_formula(text: str) -> Formula:
    """Raises FormulaError."""
    if len(text) > TEXT_MAX:
        raise FormulaError(f"A formula has at most {TEXT_MAX} characters.")
    reader = _Reader(text)
    compute = reader.sum(0)
    if reader.kind:
        raise reader.wrong("an operator is missing" if reader.kind != "sign" else f"“{reader.token}” does not fit")
    metrics = tuple(dict.fromkeys(reader.metrics))
    if not metrics:
        raise FormulaError("There is no metric in it.")
    if len(metrics) > METRICS_MAX:
        raise FormulaError(f"A formula has at most {METRICS_MAX} metrics.")
    return Formula(metrics, compute)


class _Reader:
    """Reads a text from left to right. `kind` and `token`: what comes next; kind "" at the end."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.next_at = text, 0, 0
        self.metrics: list[str] = []
        self.kind = self.token = ""
        self._advance()

    def wrong(self, what: str) -> FormulaError:
        where = f"At character {self.at + 1}" if self.kind else "At the end"
        return FormulaError(f"{where}: {what}.")

    def sum(self, depth: int) -> Callable[[Values], Any]:
        return self._chain("+-", lambda: self._chain("*/", lambda: self._power(depth)))

    def _chain(self, signs: str, part: Callable[[], Callable[[Values], Any]]) -> Callable[[Values], Any]:
        left = part()
        while self.kind == "sign" and self.token in signs:
            sign = _SIGNS[self.token]
            self._advance()
            left = _applied(sign, left, part())
        return left

    def _power(self, depth: int) -> Callable[[Values], Any]:
        if depth > DEPTH_MAX:
            raise self.wrong("this is nested too deeply")
        if self._took("-"):
            return _applied(np.negative, self._power(depth + 1))
        base = self._atom(depth)
        return _applied(np.power, base, self._power(depth + 1)) if self._took("^") else base

    def _atom(self, depth: int) -> Callable[[Values], Any]:
        kind, token = self.kind, self.token
        if kind == "number":
            self._advance()
            number = np.float64(token)
            return lambda values: number
        if kind in ("metric", "quoted"):
            self._advance()
            if kind == "metric" and self._took("("):
                return self._called(token, depth)
            key = re.sub(r"\\(.)", r"\1", token) if kind == "quoted" else token
            self.metrics.append(key)
            return lambda values: values[key]
        if not self._took("("):
            raise self.wrong("a metric, a number or “(” is missing")
        inner = self.sum(depth + 1)
        self._close()
        return inner

    def _called(self, name: str, depth: int) -> Callable[[Values], Any]:
        if name not in ONE and name not in SEVERAL:
            raise FormulaError(f"There is no function {name}: there are {', '.join([*ONE, *SEVERAL])}.")
        given = [self.sum(depth + 1)]
        while self._took(","):
            given.append(self.sum(depth + 1))
        self._close()
        if name in ONE:
            if len(given) != 1:
                raise FormulaError(f"{name}(…) takes one value.")
            return _applied(ONE[name], given[0])
        if len(given) < 2:
            raise FormulaError(f"{name}(…) takes two values or more.")
        several = given[0]
        for one in given[1:]:
            several = _applied(SEVERAL[name], several, one)
        return several

    def _close(self) -> None:
        if not self._took(")"):
            raise self.wrong("a “)” is missing")

    def _took(self, sign: str) -> bool:
        if self.kind != "sign" or self.token != sign:
            return False
        self._advance()
        return True

    def _advance(self) -> None:
        while self.next_at < len(self.text) and self.text[self.next_at].isspace():
            self.next_at += 1
        self.at = self.next_at
        if self.at == len(self.text):
            self.kind = self.token = ""
            return
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            self.kind = "odd"
            raise self.wrong(f"“{self.text[self.at]}” is not understood; a name with signs stands in double quotes")
        self.kind, self.next_at = str(match.lastgroup), match.end()
        self.token = str(match[self.kind])


def _applied(function: Callable[..., Any], *parts: Callable[[Values], Any]) -> Callable[[Values], Any]:
    return lambda values: function(*(part(values) for part in parts))


def common(steps: Sequence[Any]) -> Any:
    """Return what all of these ascending arrays have in common, ascending."""
    shared = steps[0]
    for other in steps[1:]:
        shared = np.intersect1d(shared, other, assume_unique=True)
    return shared
