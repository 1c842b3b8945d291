"""Makes runs of Trackio in TRACKIO_DIR: `python make_trackio.py`, and with `parquet` behind it also its Parquet files.
Samples were made by this script with the release that their folder names, as far as that knows the calls.
"""

from __future__ import annotations

import math
import sys

import numpy as np
import trackio

OLD = not hasattr(trackio, "Image")
trackio.init(
    project="proj", name="my run", config={"lr": 0.1, "model": {"layers": 3}}, **({} if OLD else {"group": "g1"})
)
for i in range(5):
    trackio.log({"loss": 1 / (i + 1), "nested": {"a": i}, "said": "x"})
for _ in range(2):
    trackio.log({"loss": 0.5}, **({} if OLD else {"step": 3}))
if not OLD:
    trackio.log({"nan": math.nan, "inf": -math.inf}, step=4)
    table = trackio.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])
    trackio.log({"img": trackio.Image(np.zeros((4, 5, 3), np.uint8), caption="cap"), "table": table}, step=10)
    trackio.log({"hist": trackio.Histogram([1, 2, 3, 4], num_bins=4)}, step=11)
    trackio.alert("title", "text")
trackio.finish()
if "parquet" in sys.argv:
    from trackio.sqlite_storage import SQLiteStorage

    SQLiteStorage.export_to_parquet()
