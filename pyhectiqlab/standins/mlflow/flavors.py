"""mlflow.pytorch, mlflow.models and the like: `log_model` stores a file, all else says that it does nothing."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..quiet import NOTHING, cannot, inert
from . import files, fluent

NAMES = (
    *("catboost", "fastai", "keras", "langchain", "lightgbm", "onnx", "openai", "pmdarima", "prophet", "pyfunc"),
    *("pyspark", "pytorch", "sentence_transformers", "shap", "sklearn", "spacy", "spark", "statsmodels"),
    *("tensorflow", "transformers", "xgboost"),
    *("ag2", "agno", "anthropic", "autogen", "bedrock", "crewai", "diffusers", "dspy", "gemini", "groq", "h2o"),
    *("haystack", "litellm", "llama_index", "mistral", "paddle", "pydantic_ai", "semantic_kernel", "smolagents"),
    *("artifacts", "data", "gateway", "genai", "metrics", "models", "projects", "store", "system_metrics", "tracing"),
    *("models.signature", "types"),
)
# What MLflow has and is not here: traces, prompts, assessments, the registry, and its server.
FUNCTIONS = frozenset(
    (
        *("add_trace", "create_external_model", "delete_experiment", "delete_trace_tag", "doctor", "evaluate"),
        *("finalize_logged_model", "flush_artifact_async_logging", "flush_trace_async_logging"),
        *("get_active_trace_id", "get_current_active_span", "get_last_active_trace_id", "get_logged_model"),
        *("get_parent_run", "get_trace", "import_checkpoints", "initialize_logged_model", "last_logged_model"),
        *("load_prompt", "load_table", "log_assessment", "log_expectation", "log_feedback", "log_inputs"),
        *("log_model_params", "log_outputs", "log_trace", "login", "register_model", "register_prompt"),
        *("restore_experiment", "restore_run", "run", "search_logged_models", "search_model_versions"),
        *("search_prompts", "search_registered_models", "search_traces", "set_active_model"),
        *("set_experiment_tags", "set_logged_model_tags", "set_model_version_tag", "set_prompt_alias"),
        *("set_system_metrics_node_id", "set_system_metrics_samples_before_logging"),
        *("set_system_metrics_sampling_interval", "set_trace_tag", "start_span", "start_span_no_context"),
        *("update_current_trace", "validate_evaluation_results"),
    )
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
            return NOTHING
        if more.get("registered_model_name"):
            what = f"{self.__name__.rpartition('.')[2]}.log_model(registered_model_name=…)"
            cannot("mlflow", what, "the model is stored as files of the run; add_mlmodel of a Run makes a version")
        run = fluent._run()
        files.log_model(run._run, given, name or artifact_path or "model")
        return type("ModelInfo", (), {"model_uri": f"runs:/{run.info.run_id}/{name or artifact_path or 'model'}"})()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return inert("mlflow", f"{self.__name__.rpartition('.')[2]}.{name}")


def flavors(package: str) -> dict[str, Flavor]:
    made = {name: Flavor(f"{package}.{name}") for name in NAMES}
    for flavor in made.values():
        flavor.__path__ = []  # so that a module below it is looked for
    return made
