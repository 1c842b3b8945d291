"""Artifacts of MLflow's calls: files, texts, figures, images and tables, by the verb of Run that fits."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ...protocol.media import file_name
from ...run import Run
from ..quiet import harmless
from ..values import is_figure


@harmless
def log_file(run: Run, path: Any, folder: str | None = None) -> None:
    name = os.path.basename(os.fspath(path))
    run._add_file(path, name=file_name(f"{folder}/{name}" if folder else name, Path(name).suffix))


@harmless
def log_folder(run: Run, path: Any, folder: str | None = None, *, stays: bool = True) -> None:
    """Store the files below a folder. `stays`: False for a folder that is removed soon."""
    root = Path(path)
    for file in sorted(root.rglob("*")):
        if file.is_file():
            below = file.relative_to(root).as_posix()
            run._add_file(file, name=file_name(f"{folder}/{below}" if folder else below, file.suffix), stays=stays)


@harmless
def log_text(run: Run, text: str, name: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=Path(name).suffix) as file:
        file.write(text)
        file.flush()
        run._add_file(file.name, name=file_name(name, Path(name).suffix), stays=False)


@harmless
def log_dict(run: Run, values: Any, name: str) -> None:
    if name.endswith((".yml", ".yaml")):
        try:
            import yaml

            log_text(run, yaml.safe_dump(values), name)
            return
        except ImportError:
            pass  # as JSON, which YAML reads, too
    log_text(run, json.dumps(values, indent=2, default=str), name)


@harmless
def log_figure(run: Run, figure: Any, name: str) -> None:
    run.add_figure(figure, name)


@harmless
def log_image(run: Run, image: Any, name: str, step: int | None) -> None:
    inner = getattr(image, "to_pil", None)
    image = inner() if callable(inner) else image
    (run.add_figure if is_figure(image) else run.add_image)(image, name, step)


@harmless
def log_table(run: Run, data: Any, name: str) -> None:
    run.add_table(data, name)


@harmless
def log_model(run: Run, model: Any, folder: str) -> None:
    """Store a model by the way in which its library writes it, else as a pickle."""
    module = type(model).__module__.partition(".")[0]
    with tempfile.TemporaryDirectory(prefix="hectiqlab-model-") as root:
        if hasattr(model, "save_pretrained"):
            model.save_pretrained(root)
        elif hasattr(model, "save_model") and module in ("xgboost", "lightgbm", "catboost"):
            model.save_model(os.path.join(root, "model.json" if module == "xgboost" else "model.txt"))
        elif hasattr(model, "state_dict"):
            import torch

            torch.save(model.state_dict(), os.path.join(root, "state_dict.pt"))
        elif hasattr(model, "save") and module in ("keras", "tensorflow"):
            model.save(os.path.join(root, "model.keras"))
        else:
            import pickle

            with open(os.path.join(root, "model.pkl"), "wb") as file:
                pickle.dump(model, file)
        log_folder(run, root, folder, stays=False)
