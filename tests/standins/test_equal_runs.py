"""The same script instead of W&B and beside it: its two runs in the lab are equal."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from .conftest import Site, beside, instead

ALL_OF_IT = """
import sys, wandb, numpy
from pathlib import Path
folder, name = Path(sys.argv[1]), sys.argv[2]
run = wandb.init(project="equal", name=name, dir=folder, config={"lr": 0.1, "net": {"depth": 2}}, tags=["first"],
                 notes="a note", group="sweep", job_type="train")
run.define_metric("epoch")
run.define_metric("valid/*", step_metric="epoch", summary="min")
wandb.log({"loss": 1.0, "count": 3, "flag": True, "nested": {"a": 1.5, "b": {"c": 2}}, "text": "hello"})
wandb.log({"loss": numpy.float32(0.5), "array": numpy.arange(50)}, commit=False)
wandb.log({"accuracy": 0.5})
wandb.log({"valid/loss": 0.7, "epoch": 10})
wandb.log({"loss": 0.25}, step=20)
picture = (numpy.arange(16 * 24 * 3) % 251).reshape(16, 24, 3).astype(numpy.uint8)
boxes = {"predictions": {"class_labels": {1: "cat", 2: "dog"}, "box_data": [
    {"position": {"minX": 0.1, "maxX": 0.6, "minY": 0.2, "maxY": 0.8}, "class_id": 1, "scores": {"acc": 0.9}},
    {"position": {"middle": [8, 8], "width": 4, "height": 4}, "domain": "pixel", "class_id": 2, "box_caption": "it"}]},
    "truth": {"box_data": [{"position": {"minX": 0.2, "maxX": 0.5, "minY": 0.2, "maxY": 0.9}, "class_id": 3}]}}
masks = {"truth": {"mask_data": numpy.arange(16 * 24).reshape(16, 24) // 100, "class_labels": {1: "cat"}}}
wandb.log({"boxed": wandb.Image(picture, caption="a cat", boxes=boxes, masks=masks)})
wandb.log({"several": [wandb.Image(picture), wandb.Image(picture[:, :, 0])]})
wandb.log({"histogram": wandb.Histogram(numpy.arange(100.0)),
           "counted": wandb.Histogram(np_histogram=([1, 2], [0, 1, 2]))})
table = wandb.Table(columns=["step", "text", "image"])
table.add_data(1, "hello", wandb.Image(picture, masks=masks))
wandb.log({"completions": table, "page": wandb.Html("<b>hi</b>", inject=False)})
(folder / "clip.mp4").write_bytes(b"a film")
(folder / "cloud.pts.json").write_text("[[0, 0, 0]]")
wandb.log({"clip": wandb.Video(str(folder / "clip.mp4"), caption="film", format="mp4"),
           "cloud": wandb.Object3D(open(folder / "cloud.pts.json"))})
xs = wandb.Table(data=[[1, 2.0], [2, 3.0]], columns=["x", "y"])
wandb.log({"chart": wandb.plot.line(xs, "x", "y", title="line"), "bars": wandb.plot.bar(xs, "x", "y"),
           "dots": wandb.plot.scatter(xs, "x", "y"), "counts": wandb.plot.histogram(xs, "y"),
           "series": wandb.plot.line_series([1, 2], [[3, 4], [5, 6]], ["a", "b"])})
wandb.log({"matrix": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["a", "b"])})
wandb.config.update({"batch": 8})
wandb.config.epochs = 3
run.summary["best"] = 0.9
run.summary.update({"worst": 0.1, "at": "end"})
run.summary.final = 7
(folder / "notes.txt").write_text("saved")
wandb.save(str(folder / "notes.txt"), base_path=str(folder))
Path(run.dir, "left.txt").write_text("left in the folder of the run")
artifact = wandb.Artifact("results", type="evaluation", metadata={"k": 1})
artifact.add_file(str(folder / "notes.txt"))
with artifact.new_file("more.json") as f:
    f.write("{}")
(folder.parent / "elsewhere.txt").write_text("stays where it is")
artifact.add_reference((folder.parent / "elsewhere.txt").as_uri(), checksum=False)
run.log_artifact(artifact, "ignored", "ignored", ["best"])
model = wandb.Artifact("net", type="model", description="a net")
model.add_file(str(folder / "notes.txt"))
run.log_artifact(model, aliases=["epoch_3", "latest"])
run.log_model(str(folder / "notes.txt"), name="logged", aliases=["good"])
wandb.alert("title", "text", level=wandb.AlertLevel.WARN)
run.tags = (*run.tags, "second")
run.notes = "another note"
run.name = name + "-renamed"
run.finish()
"""


def kept(site: Site, name: str) -> dict[str, Any]:
    """Return everything that the lab has of a run, except times and what must differ."""
    ended = site.ended(name)
    ident, project = ended["id"], ended["project"]["id"]
    with site.client() as client:
        run = client.get(f"/runs/{ident}")
        keys = [item["key"] for item in client.pages(f"/runs/{ident}/keys", {})]
        media = []
        for group in client.pages(f"/runs/{ident}/media", {}):
            named = {"kind": group["kind"], "name": group["name"]}
            for item in client.pages(f"/runs/{ident}/media/items", named):
                digest = (item["artifact"] or {}).get("digest")
                media.append((*named.values(), item["step"], item["text"], item["histogram"], digest))
        files = [(f["name"], f["digest"], f["step"]) for f in client.pages(f"/runs/{ident}/artifacts", {})]
        versions = {
            model: [
                (version["aliases"], version["description"])
                for version in client.pages(f"/projects/{project}/models/{model}/versions", {})
            ]
            for model in ("net", "logged")
        }
        config = client.config(ident)
    return {
        "points": {key: [(step, value) for step, value, _ in site.points(name, key)] for key in keys},
        "config": config,
        "meta": {key: value for key, value in run["meta"].items() if key != "wandb"},
        "tags": sorted(tag["name"] for tag in run["tags"]),
        "group": run["group"],
        "state": run["state"],
        "media": sorted(map(str, media)),
        "files": sorted(map(str, files)),
        "run": sorted(run),
        "versions": versions,
    }


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed: pip install wandb")
def test_the_mirror_keeps_what_the_stand_in_keeps(site: Site, tmp_path: Path) -> None:
    """beside: media, boxes, masks, tables, charts, config, summary, artifacts, a new name: as in the run instead of
    W&B.
    """
    for package in ("numpy", "PIL", "plotly"):
        pytest.importorskip(package)
    for folder in ("instead", "beside"):
        (tmp_path / folder).mkdir()
    said = instead(site, "wandb", ALL_OF_IT, str(tmp_path / "instead"), "instead")
    assert "did not log all" not in said
    said = beside(site, "wandb", ALL_OF_IT, str(tmp_path / "beside"), "beside", WANDB_MODE="offline")
    assert "is not mirrored" not in said, said
    one, other = kept(site, "instead-renamed"), kept(site, "beside-renamed")
    for what in one:
        assert one[what] == other[what], what


LINKED = """
import sys, wandb
from pathlib import Path
from wandb.errors import CommError

def none_there(*args, **kwargs):  # what W&B's service answers to a name that is new
    raise CommError("not there")

answers = {"_artifact": none_there, "_set_artifact_save_handle": lambda *ignored: None}
wandb.Run._public_api = lambda run: type("Api", (), answers)()
wandb.Run._assert_can_log_artifact = lambda run, artifact: None
wandb.Artifact.link = lambda artifact, target_path, aliases=None: artifact
run = wandb.init(project="linked", name="linked", dir=sys.argv[1], entity="us")
run._settings.mode = "online"  # W&B refuses these calls offline
path = Path(sys.argv[1], "net.pt")
path.write_text("weights")
run.link_model(str(path), "Net", name="net", aliases=["prod"])
artifact = wandb.Artifact("table", type="dataset")
artifact.add_file(str(path))
run.link_artifact(artifact, "wandb-registry-dataset/Table")
logged = wandb.Artifact("other", type="dataset")
logged.add_file(str(path))
run.log_artifact(logged, aliases=["first"])
run.link_artifact(logged, "wandb-registry-dataset/Table", aliases=["gold"])
run._settings.mode = "offline"
run.finish()
"""


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed: pip install wandb")
def test_what_is_linked_beside_the_real_one_is_linked_in_the_lab(site: Site, tmp_path: Path) -> None:
    """beside: link_model and link_artifact, with made-up answers of W&B's service: versions under both names."""
    said = beside(site, "wandb", LINKED, str(tmp_path), WANDB_MODE="offline")
    assert "is not mirrored" not in said, said
    project = site.ended("linked")["project"]["id"]

    def versions(kind: str, name: str) -> list[list[str]]:
        with site.client() as client:
            its = client.pages(f"/projects/{project}/{kind}/{name}/versions", {})
            return sorted(version["aliases"] for version in its)

    assert versions("models", "net") == [[]] and versions("models", "Net") == [["prod"]]
    assert versions("datasets", "table") == [[]] and versions("datasets", "other") == [["first"]]
    assert versions("datasets", "Table") == [[], ["gold"]]
