"""Prints what W&B itself reads of a `.wandb` file, as JSON: `python read_wandb.py FILE`.

It uses the classes by which `wandb sync` reads such files. The read.json of samples were made by it, with the release
that their folder names.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal import datastore


def read(path: str) -> dict[str, Any]:
    store = datastore.DataStore()
    store.open_for_scan(path)
    contents: dict[str, Any] = {"history": [], "config": {}, "summary": {}, "metrics": {}, "exit": None}
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            contents["run"] = [run.run_id, run.project, run.display_name, run.run_group, list(run.tags), run.notes]
            put_all(contents["config"], run.config.update)
        elif kind == "config":
            put_all(contents["config"], record.config.update)
        elif kind == "summary":
            put_all(contents["summary"], record.summary.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            put_all(row, record.history.item)
            contents["history"].append(row)
        elif kind == "metric" and record.metric.step_metric:
            contents["metrics"][record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "exit":
            contents["exit"] = record.exit.exit_code
    contents["config"].pop("_wandb", None)
    return contents


def put_all(into: dict[str, Any], items: Any) -> None:
    for item in items:
        path = list(item.nested_key) or [item.key]
        place = into
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = json.loads(item.value_json)


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
