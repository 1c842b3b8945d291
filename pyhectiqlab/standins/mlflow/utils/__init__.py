"""mlflow.utils, where frameworks import names of tags and bounds from."""

from . import mlflow_tags, validation

__all__ = ["mlflow_tags", "validation"]
