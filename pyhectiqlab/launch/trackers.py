"""Names of the trackers for which there are stand-ins."""

from __future__ import annotations

TRACKERS = ("wandb", "tensorboard", "mlflow", "trackio", "neptune", "neptune_scale", "swanlab")
FRAMEWORKS = ("transformers", "accelerate")  # they get one more place to report to


def checked(names: str, *, beside: bool = False) -> str:
    """Return a list of names, separated by commas, without spaces. Raises ValueError for one that is unknown."""
    listed = [name.strip() for name in names.split(",") if name.strip()]
    known = (*TRACKERS, *FRAMEWORKS) if beside else TRACKERS
    unknown = [name for name in listed if name not in known]
    if unknown:
        raise ValueError(f"There is no stand-in for {unknown[0]!r}: there are those of {', '.join(known)}.")
    return ",".join(listed)
