"""Histograms, pictures and tables: the same from whatever library they come, and nothing of them lost."""

from __future__ import annotations

import io
import json
import math
import struct
import subprocess
import sys
import textwrap
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pyhectiqlab.capture import histogram, picture, tables
from pyhectiqlab.capture.plain import plain
from pyhectiqlab.protocol import media

EDGE_CASES = (
    [0.0, 1.0, 2.0, 2.0, 3.0],
    [5.0],
    [-1e308, 1e308],  # a range that no float64 holds
    [0.0, 5e-324],  # … and one with no room between
    [1.0, np.nextafter(1.0, 2.0)],
    [1e300, 1e300],
    [1.0, math.nan, math.inf, math.inf, -math.inf, 3.0],
    [math.nan],
    [],
    [True, False, True],
    list(range(1000)),
)


def quiet(_: str) -> None:
    return None


def without_numpy(script: str) -> str:
    """Return what a script prints that must not have loaded numpy."""
    script = textwrap.dedent(script) + "\nimport sys; assert 'numpy' not in sys.modules and 'PIL' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("values", EDGE_CASES, ids=lambda v: str(v)[:30])
def test_a_histogram_has_every_value_once_and_the_same_edges_from_any_library(values: list[Any]) -> None:
    torch = pytest.importorskip("torch")
    of_array = histogram.computed(np.array(values, dtype=np.float64), 7)
    media.check_histogram(of_array)
    assert sum(of_array.counts) + of_array.nan + of_array.pinf + of_array.ninf == len(values)
    assert histogram.computed(torch.tensor(values, dtype=torch.float64), 7) == of_array
    printed = without_numpy(
        f"""
        from math import inf, nan
        from pyhectiqlab.capture import histogram
        bins = histogram.computed({[float(v) for v in values]!r}, 7)
        print([*bins.edges, *bins.counts, bins.nan, bins.pinf, bins.ninf])
        """
    )
    outside = [of_array.nan, of_array.pinf, of_array.ninf]
    assert json.loads(printed) == [*of_array.edges, *of_array.counts, *outside]


def test_bins_are_those_of_numpy() -> None:
    values = np.random.default_rng(1).normal(size=10_000)
    counts, edges = np.histogram(values, bins=64)
    bins = histogram.computed(values, 64)
    assert bins.counts == tuple(counts) and np.allclose(bins.edges, edges)
    assert histogram.given(counts, edges).counts == bins.counts


@pytest.mark.parametrize(
    "make",
    [
        lambda torch: torch.ones(3, 4, requires_grad=True),
        lambda torch: torch.ones(12, dtype=torch.bfloat16),
        lambda torch: torch.ones(12, dtype=torch.int8),
        lambda torch: torch.ones(3, 4).to_sparse(),
        lambda torch: [torch.ones(3, requires_grad=True)] * 4,
        lambda torch: np.ones(12, dtype=np.float16),
        lambda torch: (1.0 for _ in range(12)),
        lambda torch: [[1, 1.0, True], [np.float32(1), 1, 1]] * 2,
    ],
)
def test_a_histogram_is_of_anything_that_holds_numbers(make: Any) -> None:
    counts = histogram.computed(make(pytest.importorskip("torch")), 4)
    assert sum(counts.counts) == 12 and counts.edges[0] == 0.5 and counts.edges[-1] == 1.5


@pytest.mark.parametrize(
    ("values", "bins", "error"),
    [
        ("text", 4, TypeError),
        (["a"], 4, TypeError),
        (None, 4, TypeError),
        ({"a": 1}, 4, TypeError),
        (np.array([1j]), 4, TypeError),
        (np.array(["a"]), 4, TypeError),
        ([1.0], 0, ValueError),
        ([1.0], media.BINS_MAX + 1, ValueError),
        ([1.0], 2.0, TypeError),
        ([1.0], True, TypeError),
    ],
)
def test_what_can_be_no_histogram_is_said(values: Any, bins: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        histogram.computed(values, bins)


@pytest.mark.parametrize(
    ("counts", "edges"),
    [
        ([1], [0, 1, 2]),
        ([1, 2], [0, 2, 1]),
        ([-1], [0, 1]),
        ([math.nan], [0, 1]),
        ([1], [0, math.inf]),
        ([1] * 513, list(range(514))),
    ],
)
def test_counts_that_fit_no_edges_are_refused_here_and_at_the_lab(counts: Any, edges: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        histogram.given(counts, edges)
    sent = media.Histogram(tuple(map(float, edges)), tuple(map(float, counts)))
    assert media.histogram_of(sent.fields()) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"edges": b"123", "counts": b""},
        {"edges": "text", "counts": b""},
        {"edges": b"", "counts": b"", "nan": -1},
        {"edges": b"", "counts": b"", "nan": True},
        {"edges": b"", "counts": b"", "nan": "1"},
        {"edges": [0, 1], "counts": [1]},
    ],
)
def test_a_lab_takes_nothing_for_a_histogram_that_is_none(fields: dict[str, Any]) -> None:
    assert media.histogram_of(fields) is None


def test_a_histogram_survives_the_wire() -> None:
    counts = histogram.computed([1.0, 2.0, math.nan], 512)
    assert media.histogram_of(counts.fields()) == counts


# Pictures -----------------------------------------------------------------------------------------------------------


def decoded(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)))


RGB = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3) * 8


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (RGB, RGB),
        (RGB.transpose(2, 0, 1), RGB),
        (RGB.astype(np.int64), RGB),
        (RGB[:, :, 0], RGB[:, :, 0]),
        (RGB[:, :, :1], RGB[:, :, 0]),
        (RGB / 255, RGB),
        (np.dstack([RGB, RGB[:, :, :1]]), np.dstack([RGB, RGB[:, :, :1]])),
        (np.array([[True, False]]), [[255, 0]]),
        (np.array([[-1.0, 0.5, 2.0, math.nan, math.inf]]), [[0, 128, 255, 0, 255]]),
        (RGB.tolist(), RGB),
    ],
)
def test_a_picture_has_the_pixels_of_the_array(image: Any, expected: Any) -> None:
    assert decoded(picture.array_png(image, quiet)).tolist() == np.asarray(expected).tolist()


def test_a_tensor_is_a_picture_too() -> None:
    torch = pytest.importorskip("torch")
    for image in (torch.tensor(RGB), torch.tensor(RGB / 255, requires_grad=True).to(torch.float16)):
        assert decoded(picture.array_png(image, quiet)).tolist() == RGB.tolist()
    assert decoded(picture.array_png(torch.ones(2, 2, dtype=torch.bfloat16), quiet)).tolist() == [[255, 255]] * 2


def test_what_is_masked_is_no_number() -> None:
    masked = np.ma.masked_array([[1.0, 7.0], [1.0, 7.0]], mask=[[False, True], [False, True]])
    counts = histogram.computed(masked, 4)
    assert (sum(counts.counts), counts.nan) == (2, 2)
    assert decoded(picture.array_png(masked, quiet)).tolist() == [[255, 0]] * 2
    assert math.isnan(plain(masked.mean(axis=0)[1])) and plain(masked.mean(axis=0)[0]) == 1.0


def test_without_numpy_and_pil_it_has_the_same_pixels() -> None:
    printed = without_numpy(
        f"""
        from pyhectiqlab.capture import picture
        nan = float("nan")
        images = {RGB.tolist()!r}, {RGB.transpose(2, 0, 1).tolist()!r}, [[-1.0, 0.5, 2.0, nan]], [[True, False]]
        for image in images:
            print(picture.array_png(image, lambda text: None).hex())
        """
    )
    last, first, floats, bools = (decoded(bytes.fromhex(line)).tolist() for line in printed.split())
    assert last == first == RGB.tolist() and floats == [[0, 128, 255, 0]] and bools == [[255, 0]]


def test_our_png_is_one_that_others_read() -> None:
    for shape in ((3, 2, 1), (3, 2, 3), (3, 2, 4)):
        pixels = bytes(range(math.prod(shape)))
        assert decoded(picture.png(shape, pixels)).tobytes() == pixels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "YCbCr"])
def test_a_pil_image_of_any_mode_is_stored(mode: str) -> None:
    assert decoded(picture.pil_png(Image.new(mode, (3, 2)))).shape[:2] == (2, 3)


def test_floats_that_look_like_bytes_are_spoken_of() -> None:
    messages: list[str] = []
    picture.array_png(np.full((2, 2), 200.0), messages.append)
    assert "from 0 to 1" in messages[0] and "200" in messages[0]


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (3, TypeError),
        (None, TypeError),
        (np.array([["a"]]), TypeError),
        (np.zeros((2, 2), complex), TypeError),
        (np.zeros(3), ValueError),
        (np.zeros((2, 3, 5)), ValueError),
        (np.zeros((1, 3, 4, 4)), ValueError),
        (np.zeros((0, 3)), ValueError),
        (np.array([[256]]), ValueError),
        (np.array([[-1]]), ValueError),
        ([[1, 2], [3]], ValueError),
        (np.broadcast_to(np.uint8(1), (20_000, 20_000)), ValueError),
    ],
)
def test_what_is_no_picture_is_said(image: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        picture.array_png(image, quiet)


def test_a_png_has_whole_chunks() -> None:
    data = picture.png((1, 1, 1), b"\7")
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(body),)
        at += 12 + length


# Tables -------------------------------------------------------------------------------------------------------------


def again(rows: Any, columns: Any = None) -> tuple[list[str], list[list[Any]]]:
    return tables.unpacked(tables.packed(*tables.table_of(rows, columns)))


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([["a", 1], ["b", 2.5]], ["x", "y"]),
        ([{"x": "a", "y": 1}, {"y": 2.5, "x": "b"}], None),
        ({"x": ["a", "b"], "y": np.array([1, 2.5])}, None),
        ({"x": ("a", "b"), "y": [1, 2.5]}, ["x", "y"]),
        (iter([("a", 1), ("b", 2.5)]), ["x", "y"]),
    ],
)
def test_a_table_is_rows_records_or_columns(rows: Any, columns: Any) -> None:
    assert again(rows, columns) == (["x", "y"], [["a", 1], ["b", 2.5]])


def test_cells_come_back_as_they_went_in() -> None:
    rows = [[1, 0.5, "NaN", True, None, "é\ud800", [1, {"a": None}]]]
    assert again(rows)[1] == [[1, 0.5, "NaN", True, None, "é?", [1, {"a": None}]]]
    numbers = again([[math.inf], [-math.inf], [math.nan], [None], [2**53 + 1]])[1]
    assert (
        numbers[:2] == [[math.inf], [-math.inf]] and math.isnan(numbers[2][0]) and numbers[3:] == [[None], [2**53 + 1]]
    )


def test_a_dataframe_is_a_table_with_its_index() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"n": [1, 2], "when": pandas.to_datetime(["2024-01-01", None]), "gone": pandas.array([None, 3], dtype="Int64")}
    )
    names, rows = again(frame)
    assert names == ["n", "when", "gone"] and rows == [[1, "2024-01-01 00:00:00", None], [2, None, 3]]
    assert again(frame.set_index(pandas.Index(["a", "b"], name="id")))[0] == ["id", "n", "when", "gone"]
    assert again(frame[["n"]].set_axis(pandas.MultiIndex.from_tuples([("a", "b")]), axis=1))[0] == ["a / b"]


def test_an_empty_table_is_one() -> None:
    assert again([], ["a", "b"]) == (["a", "b"], [])
    assert again([]) == ([], [])


@pytest.mark.parametrize(
    ("rows", "columns", "error"),
    [
        ("text", None, TypeError),
        (3, None, TypeError),
        (None, None, TypeError),
        (["ab", "cd"], None, TypeError),
        ([[1], {"a": 1}], None, TypeError),
        ([[1], [1, 2]], None, ValueError),
        ([[1, 2]], ["a"], ValueError),
        ([[1, 2]], "ab", TypeError),
        ({"a": [1], "b": [1, 2]}, None, ValueError),
        ([[0] * 1001], None, ValueError),
        ([[0] * 1000] * 1001, None, ValueError),
    ],
)
def test_what_is_no_table_is_said(rows: Any, columns: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        again(rows, columns)


# Names --------------------------------------------------------------------------------------------------------------


def test_two_names_never_share_a_file() -> None:
    names = ["a/b", "a%2Fb", "a%252Fb", "a\\b", "a b"]
    files = [media.file_name(name, ".png") for name in names]
    assert len(set(files)) == len(names) and files[0] == "a%2Fb.png"
    assert media.file_name("a.png", ".png") == "a.png"
