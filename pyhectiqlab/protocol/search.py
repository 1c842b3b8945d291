"""The language in which runs are searched: terms, and what to sort by.

HTTP, Python, the command and the web app use the same language. This module does no I/O: store/sql/meta_search.py and
server/tables/search.py apply it to a lab's rows.

    state=failed,killed  tag=baseline  author=ada  created>2026-07-01  config.model.layers>=4
    metric.valid/loss.min<0.2  name~resnet  sweep

A search is terms with spaces between them, or AND; a run is found when all of them hold.

    term    = FIELD OP VALUE | WORD                        a word is looked for in names and notes, or is an id;
                                                           nan, without quotes: some value of some metric is NaN
    FIELD   = state | tag | author | group | host | name | note | id | text | archived
            | host                                         of any process, in any attempt
            | created | started | ended | activity | duration | points | attempt
            | rank                                         of any process, in any attempt
            | config.PATH                                  names of nested values with dots between them
            | metric.KEY[.STAT]                            over all ranks and attempts; STAT: last (without one), first,
                                                           min, max, mean, count (of points), nan (how many are NaN),
                                                           min_step, max_step (the lowest steps with these values),
                                                           smoothed(KIND,WIDTH), see below
            | metric                                       any metric: metric=nan is the word nan; metric!=nan
    OP      = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"     spaces around it are allowed
    VALUE   = TEXT {"," TEXT}                              several: any of them; "*": any value at all

"=" is equal, "~" contains, whatever the case of the letters A to Z. "!=" and "!~" hold where "=" and "~" do not, so
also for runs that have no such value; the others never hold for those. "<" and its like take one number, or a time: a
date such as 2026-07-01 or 2026-07-01T12:00 (UTC unless it says otherwise), seconds since 1970, or an age such as -7d. A
duration is in seconds, or 90s, 5m, 2h, 3d, 1w. NaN equals "nan" and is neither below nor above anything. Between double
quotes, spaces, commas and operators are plain characters, and \\" is a quote: metric."a key, with spaces".min<1

Runs that are archived are found only by a search with a term of it (archived=true for these alone, archived=* for all),
or with their ids (id=…).

metric.KEY.smoothed(KIND,WIDTH) is the last value of the line that a chart draws of the metric over all ranks, smoothed:
KIND is exponential, gaussian, mean or median (store/series/smoothing.py). WIDTH is in steps, or in time with s, m, h or
d behind it: metric.loss.smoothed(gaussian,100)<0.2, metric.loss.smoothed(mean,30s)

Values of a config that are no numbers compare as text: true, false, null, lists as JSON (searchable.py).
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from . import states
from .searchwords import LENGTH_MAX as LENGTH_MAX
from .searchwords import OPEN_SMOOTHED, Word, split_words, words_of

TERMS_MAX = 32
VALUES_MAX = 100  # of one term
ANY = "*"
STATS = ("last", "min", "max", "count", "mean", "first", "nan", "min_step", "max_step")
ANY_NAN = "nan"  # the word, and the value of the field "metric"
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
ORDERS = tuple(_COMPARE)

_TEXTS = ("state", "tag", "author", "group", "host", "name", "note", "id", "text", "archived")
_TIMES = ("created", "started", "ended", "activity")
_NUMBERS = ("duration", "points", "attempt", "rank")
FIELDS = (*_TEXTS, *_TIMES, *_NUMBERS)
FACTS = (
    "state",
    "tag",
    "author",
    "group",
    "host",
    "name",
    *_TIMES,
    *_NUMBERS,
)  # of a run; columns of a table, and what groups it
SORTS = ("created", "name", "state", "duration", "started", "ended", "points", "author", "activity")

_BETWEEN = ("AND", "and", "&&", "OR")  # what stands between terms, where it is a word of its own
SMOOTHINGS = ("exponential", "gaussian", "mean", "median")
SMOOTHED_WIDTH_MAX = (1 << 53) - 1  # steps or µs: what a browser's numbers hold exactly
_SMOOTHED = re.compile(r"(.+)\.(smoothed\((.*)\))", re.DOTALL)
_WIDTH = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,6})?)([smhd]?)")
_SPANS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


@dataclass(frozen=True)
class Field:
    """What a term or a sort is about. `name`: the path in a config, or the key of a metric. `stat`: which value of a
    metric.
    """

    kind: str  # one of FIELDS, or "config", or "metric"
    name: str = ""
    stat: str = ""


@dataclass(frozen=True)
class Smoothed:
    """The statistic smoothed(KIND,WIDTH). `width`: in steps, or where `timed` in µs."""

    kind: str
    width: int
    timed: bool

    def __str__(self) -> str:
        if not self.timed:
            return f"smoothed({self.kind},{self.width})"
        seconds, rest = divmod(self.width, 1_000_000)
        return f"smoothed({self.kind},{seconds}{f'.{rest:06}'.rstrip('0') if rest else ''}s)"


def smoothed_of(stat: str) -> Smoothed | None:
    """Return what a statistic says of smoothing; None: it is another one. Raises ValueError for a wrong one."""
    if not (stat.startswith("smoothed(") and stat.endswith(")")):
        return None
    kind, _, width = (part.strip() for part in stat[len("smoothed(") : -1].partition(","))
    if kind not in SMOOTHINGS:
        near = difflib.get_close_matches(kind, SMOOTHINGS, n=1)
        raise ValueError(
            f"there is no smoothing {kind[:32]!r}"
            + (f"; did you mean {near[0]}?" if near else f": there are {', '.join(SMOOTHINGS)}")
        )
    its = _WIDTH.fullmatch(width)
    unit = "" if its is None else its[2]
    number = 0.0 if its is None else float(its[1]) * (1e6 * _SPANS[unit] if unit else 1)
    if not 1 <= number <= SMOOTHED_WIDTH_MAX or (not unit and number % 1):
        raise ValueError(
            f"the width of a smoothing is a whole number of steps, or a time such as 30s, not {width[:32]!r}: "
            f"smoothed({kind},100)"
        )
    return Smoothed(kind, round(number), bool(unit))


@dataclass(frozen=True)
class Term:
    field: Field
    op: str
    values: tuple[str, ...]

    @property
    def positive(self) -> Term:
        """The term that this one is the opposite of, for "!=" and "!~"; else itself."""
        return Term(self.field, self.op.removeprefix("!"), self.values)

    @property
    def negated(self) -> bool:
        return self.op.startswith("!")

    def test(self, now: float = 0.0) -> Callable[[float | None], bool]:
        """Return a function that says whether the term holds for a number; None: the run has none. Make it once for
        many runs.
        """
        if self.negated:
            holds = self.positive.test(now)
            return lambda number: not holds(number)
        anything = ANY in self.values
        wanted = [self.number(v, now) for v in self.values if v != ANY]
        if anything:
            return lambda number: number is not None
        if self.op == "=":
            nan = any(math.isnan(v) for v in wanted)
            equal = frozenset(wanted)
            return lambda number: number is not None and (number in equal or (nan and number != number))
        compare, (bound,) = _COMPARE[self.op], wanted
        return lambda number: number is not None and compare(number, bound)

    def number(self, value: str, now: float = 0.0) -> float:
        """Return the number of a value: a number, seconds, or seconds since 1970. An age counts from `now`."""
        return number_of(self.field, value, now)


@dataclass(frozen=True)
class Sort:
    field: Field
    downwards: bool


NEWEST_FIRST = Sort(Field("created"), True)
EVERY_RUN = (Term(Field("archived"), "=", (ANY,)),)


def parse(*texts: str) -> tuple[Term, ...]:
    """Return the terms of one or several searches, all of which must hold. Raises ValueError, with one line that says
    where the mistake is.
    """
    terms = tuple(_term(word) for text in texts for word in words_of(text))
    if len(terms) > TERMS_MAX:
        raise ValueError(f"a search has at most {TERMS_MAX} terms, this one {len(terms)}")
    return terms


def parse_sort(text: str) -> Sort:
    """Return the sort that a text means: one of SORTS, config.PATH or metric.KEY.STAT, with a - before it for
    descending. Raises ValueError.
    """
    downwards = text.startswith("-")
    words = list(split_words(text[downwards:]))
    name = words[0].text if len(words) == 1 else text[downwards:]
    if name in SORTS:
        return Sort(Field(name), downwards)
    if not name.startswith(("config.", "metric.")):
        raise ValueError(
            f"runs cannot be sorted by {name[:64]!r}: by {', '.join(SORTS)}, config.NAME or metric.KEY.last, "
            "with a - before it for descending"
        )
    return Sort(parse_field(name), downwards)


def parse_column(text: str) -> Field:
    """`text`: one of FACTS, config.PATH or metric.KEY.STAT, as in a term. Raises ValueError."""
    words = list(split_words(text))
    name = words[0].text if len(words) == 1 else text
    if name in FACTS:
        return Field(name)
    if not name.startswith(("config.", "metric.")):
        near = difflib.get_close_matches(name, FACTS, n=1)
        raise ValueError(
            f"there is no column {name[:64]!r}"
            + (f"; did you mean {near[0]}?" if near else f": there are {', '.join(FACTS)}, config.NAME, metric.KEY")
        )
    return parse_field(name)


def quoted(text: str) -> str:
    """Return `text` as a part of a term that means exactly these characters."""
    if (
        text
        and text not in _BETWEEN
        and text.lower() != ANY_NAN
        and not any(c.isspace() or c in '",=!<>~\\' for c in text)
    ):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _term(word: Word) -> Term:
    comparison = word.op()
    if comparison is None:
        if word.plain.lower() == ANY_NAN:  # in quotes it is a word like others
            return Term(Field("metric", stat="nan"), "=", (ANY_NAN,))
        return Term(Field("text"), "~", (word.text,))
    op = comparison.group()
    commas = [at for at in range(comparison.end(), len(word.plain)) if word.plain[at] == ","]
    starts = [comparison.end(), *(at + 1 for at in commas)]
    values = tuple(word.text[start:end] for start, end in zip(starts, [*commas, len(word.text)], strict=True))
    try:
        if comparison.start() == 0:
            raise ValueError(f"no field stands before {op}")
        return _checked(Term(parse_field(word.text[: comparison.start()]), "=" if op == "==" else op, values))
    except ValueError as e:
        raise word.wrong(str(e)) from None


def parse_field(name: str) -> Field:
    """Return what a term is about whose name before the comparison is `name`, without quotes. Raises ValueError."""
    if name in FIELDS:
        return Field(name)
    if name == "metric":
        return Field("metric", stat="nan")
    kind, _, rest = name.partition(".")
    if kind == "config" and rest:
        return Field("config", rest)
    if kind == "metric" and rest:
        if smoothed := _SMOOTHED.fullmatch(rest):
            return Field("metric", smoothed[1], str(smoothed_of(smoothed[2])))
        if OPEN_SMOOTHED.search(rest):
            raise ValueError("a ) is missing behind smoothed(KIND,WIDTH")
        key, _, stat = rest.rpartition(".")
        return Field("metric", key, stat) if key and stat in STATS else Field("metric", rest, "last")
    near = difflib.get_close_matches(name, FIELDS, n=1)
    raise ValueError(
        f"there is no field {name[:64]!r} to search by"
        + (f"; did you mean {near[0]}?" if near else f": there are {', '.join(FIELDS)}, config.NAME, metric.KEY.last")
    )


def _checked(term: Term) -> Term:
    """Return the term if it is valid. Raises ValueError."""
    kind, op = term.field.kind, term.op
    if kind == "metric" and not term.field.name:
        if op not in ("=", "!=") or [value.lower() for value in term.values] != [ANY_NAN]:
            raise ValueError("of any metric, only metric=nan and metric!=nan are asked; of one, metric.KEY")
        return Term(term.field, op, (ANY_NAN,))
    if len(term.values) > VALUES_MAX:
        raise ValueError(f"a term has at most {VALUES_MAX} values, this one {len(term.values)}")
    if op in ORDERS:
        if kind in _TEXTS:
            raise ValueError(f"{kind} is compared by = and ~, not by {op}")
        if len(term.values) > 1:
            raise ValueError(f"{op} takes one value, not several")
        term.number(term.values[0])
    elif "~" in op:
        if (kind not in _TEXTS and kind != "config") or kind == "archived":
            raise ValueError(f"{term.field.name or kind} is compared by =, < and >, not by {op}")
    elif kind == "text":
        raise ValueError("text is searched by ~, or by the words alone")
    elif kind == "archived" and not {*term.values} <= {"true", "false", ANY}:
        raise ValueError("archived is true or false, or * for both: archived=true")
    elif kind in _TIMES and term.values != (ANY,):
        raise ValueError(f"{kind} is compared by < and >, not by {op}")
    elif kind in _NUMBERS or kind == "metric":
        for value in term.values:
            if value != ANY:
                term.number(value)
    elif kind == "state" and (unknown := sorted({*term.values} - states.ALL_STATES - {ANY})):
        known = ", ".join(sorted(states.ALL_STATES))
        raise ValueError(f"{unknown[0][:32]!r} is not a state of a run: there are {known}")
    return term


def number_of(field: Field, value: str, now: float = 0.0) -> float:
    """Return the number of a value, see Term.number. Raises ValueError."""
    try:
        if field.kind in _TIMES:
            return _moment(value, now)
        return _span(value) if field.kind == "duration" else float(value)
    except ValueError:
        what = "a date such as 2026-07-01, or an age such as -7d" if field.kind in _TIMES else "a number"
        raise ValueError(f"{field.name or field.kind} is compared with {what}, not with {value[:64]!r}") from None


def _span(text: str) -> float:
    unit = _SPANS.get(text[-1:])
    return float(text) if unit is None else float(text[:-1]) * unit


def _moment(text: str, now: float) -> float:
    if text[-1:] in _SPANS and text.startswith("-"):
        return now + _span(text)
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 knows no Z
        try:
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
        except OverflowError:
            raise ValueError(text) from None
