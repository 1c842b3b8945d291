"""Names of the trackers for which there are stand-ins."""

from __future__ import annotations

TRACKERS = ("wandb", "tensorboard", "mlflow", "trackio", "neptune", "neptune_scale", "swanlab")


def checked(names: str) -> str:
    """Return a list of names, separated by commas, without spaces. Raises ValueError for one that is unknown."""
    listed = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in listed if name not in TRACKERS]
    if unknown:
        raise ValueError(f"There is no stand-in for {unknown[0]!r}: there are those of {', '.join(TRACKERS)}.")
    return ",".join(listed)
