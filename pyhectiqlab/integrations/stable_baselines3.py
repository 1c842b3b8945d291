"""HectiqlabCallback and HectiqlabOutputFormat for Stable-Baselines3: what its Logger records, by timestep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..run import Run
from .common import CallbackRun, missing

try:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.logger import Figure, HParam, Image, KVWriter, Video
except ModuleNotFoundError as e:
    raise missing(e, "stable_baselines3", "stable-baselines3") from None

__all__ = ["HectiqlabCallback", "HectiqlabOutputFormat"]

_NO_CURVES = ("hectiqlab", "tensorboard")  # keys that are excluded from these are no curves


class HectiqlabOutputFormat(KVWriter):  # type: ignore[misc]
    """An output of Stable-Baselines3's Logger that writes to a Run.

    logger = Logger(folder=None, output_formats=[HumanOutputFormat(sys.stdout), HectiqlabOutputFormat(run)])
    """

    def __init__(self, run: Run | CallbackRun) -> None:
        self._run = run if isinstance(run, CallbackRun) else CallbackRun("Stable-Baselines3", run=run)

    def write(
        self, key_values: Mapping[str, Any], key_excluded: Mapping[str, tuple[str, ...] | None], step: int = 0
    ) -> None:
        """Log numbers as points, figures, images and arrays as media, and hyperparameters as config."""
        values = {}
        for key, value in key_values.items():
            if any(name in _NO_CURVES for name in key_excluded.get(key) or ()):
                continue
            if isinstance(value, Figure):
                self._run.call("add_figure", value.figure, key, step)
            elif isinstance(value, Image):
                self._run.call("add_image", _channels_last(value), key, step)
            elif isinstance(value, HParam):
                self._run.call("add_config", {"hparams": dict(value.hparam_dict)})
            elif isinstance(value, str):
                self._run.call("add_text", value, key, step)
            elif getattr(value, "ndim", 0):
                self._run.call("add_histogram", value, key, step)
            elif not isinstance(value, Video):
                values[key] = value
        self._run.metrics(values, step)

    def close(self) -> None:
        """Do nothing: what was logged is on its way already."""


class HectiqlabCallback(BaseCallback):  # type: ignore[misc]
    """Log a training with Stable-Baselines3.

        model.learn(100_000, callback=HectiqlabCallback("ppo", project="rl"))

    What the model's Logger records, such as `rollout/ep_rew_mean` and `train/loss`, is logged by timestep, whatever
    else the Logger writes to. The algorithm and its settings become the config.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        checkpoint_every: upload the model as model.zip every so many calls of the callback. None: never.
        log_model: upload the model at the end.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        checkpoint_every: int | None = None,
        log_model: bool = False,
        dry: bool = False,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        self._run = CallbackRun("Stable-Baselines3", name, project, should_create_project, run, dry)
        self._output = HectiqlabOutputFormat(self._run)
        self._checkpoint_every = checkpoint_every
        self._log_model = log_model

    @property
    def run(self) -> Run | None:
        """The run, once it is made."""
        return self._run.run

    def _on_training_start(self) -> None:
        kept = {
            key: value
            for key, value in vars(self.model).items()
            if isinstance(value, bool | int | float | str) and not key.startswith("_")
        }
        policy = type(self.model.policy).__name__
        self._run.begin({"algorithm": type(self.model).__name__, "policy": policy, "model": kept})
        if self._output not in self.logger.output_formats:
            self.logger.output_formats.append(self._output)

    def _on_step(self) -> bool:
        if self._checkpoint_every and self.n_calls % self._checkpoint_every == 0:
            self._run.made_file("model.zip", self.model.save, self.num_timesteps)
        return True

    def _on_training_end(self) -> None:
        if self._output in self.logger.output_formats:
            self.logger.output_formats.remove(self._output)
        if self._log_model:
            self._run.made_file("model.zip", self.model.save)
        self._run.completed()


def _channels_last(image: Any) -> Any:
    """Return an image as height × width × channels, as `add_image` takes it."""
    pixels, order = image.image, image.dataformats
    if hasattr(pixels, "detach"):
        pixels = pixels.detach().cpu().numpy()
    if order in ("CHW", "NCHW"):
        return pixels.transpose(1, 2, 0) if order == "CHW" else pixels[0].transpose(1, 2, 0)
    return pixels[0] if order == "NHWC" else pixels
