"""mlflow.pytorch, mlflow.sklearn and the like: `log_model` stores a file, `autolog` says that it does nothing."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..quiet import cannot
from . import files, fluent

NAMES = (
    *("catboost", "fastai", "keras", "langchain", "lightgbm", "onnx", "openai", "pmdarima", "prophet", "pyfunc"),
    *("pyspark", "pytorch", "sentence_transformers", "shap", "sklearn", "spacy", "spark", "statsmodels"),
    *("tensorflow", "transformers", "xgboost"),
)


class Flavor(ModuleType):
    """A module of a library's models."""

    def autolog(self, *args: Any, **kwargs: Any) -> None:
        cannot(
            "mlflow", f"{self.__name__.rpartition('.')[2]}.autolog()", "log by a callback of the library, or by hand"
        )

    def log_model(
        self, model: Any = None, artifact_path: str | None = None, *args: Any, name: str | None = None, **more: Any
    ) -> Any:
        """Store the model as files of the run."""
        given = model if model is not None else next((more[key] for key in more if key.endswith("_model")), None)
        if given is None:
            cannot("mlflow", f"{self.__name__.rpartition('.')[2]}.log_model() of what is no model object")
            return None
        run = fluent._run()
        files.log_model(run._run, given, name or artifact_path or "model")
        return type("ModelInfo", (), {"model_uri": f"runs:/{run.info.run_id}/{name or artifact_path or 'model'}"})()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        label = f"{self.__name__.rpartition('.')[2]}.{name}()"
        return lambda *args, **kwargs: cannot("mlflow", label)


def flavors(package: str) -> dict[str, Flavor]:
    return {name: Flavor(f"{package}.{name}") for name in NAMES}
