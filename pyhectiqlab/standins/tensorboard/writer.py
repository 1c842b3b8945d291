"""SummaryWriter: TensorBoard's, over runs of a lab. A folder is a run, opened when the first value comes.

Below `hectiqlab run`, and where a run of W&B's stand-in follows TensorBoard, all writers of the process share that run;
the keys of the second and later folders get the folder's last part before them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...protocol.media import file_name
from ...run import Run
from ..opening import folder_run
from ..pictures import animated, drawn
from ..quiet import cannot, harmless
from ..sounds import wave_file
from ..values import number_of, put
from .names import default_folder, run_name


class SummaryWriter:
    """Args: as of TensorBoard's. What says how files are written means nothing here."""

    default_bins = None

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
        logdir: Any = None,
        write_to_disk: bool = True,
        **kwargs: Any,
    ) -> None:
        given = log_dir if log_dir is not None else logdir
        self.log_dir = self.logdir = os.fspath(given) if given else default_folder(comment)
        self.purge_step = purge_step
        self._write = write_to_disk
        self._opened: Run | None = None
        self._is_shared, self._prefix = False, ""
        self.file_writer: FileWriter | None = FileWriter(self.log_dir, writer=self)
        self.all_writers: dict[str, FileWriter] | None = {self.log_dir: self.file_writer}

    @property
    def _run(self) -> Run:
        if self._opened is None:
            self._opened, self._is_shared, self._prefix = folder_run(
                "tensorboard", self.log_dir, run_name(self.log_dir)
            )
        return self._opened

    def _get_file_writer(self) -> FileWriter:
        if self.file_writer is None:
            self.file_writer = FileWriter(self.log_dir, writer=self)
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer

    def get_logdir(self) -> str:
        return self.log_dir

    def _key(self, tag: Any) -> str:
        run = self._run
        return f"{self._prefix}{tag}" if run else str(tag)

    # Numbers ----------------------------------------------------------------------------------------------------

    @harmless
    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
        **more: Any,
    ) -> None:
        if self._write:
            run = self._run
            run.add_metrics(self._prefix + tag, scalar_value, global_step)

    @harmless
    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, walltime: float | None = None
    ) -> None:
        if self._write:
            key = self._key(main_tag)
            self._run.add_metrics({f"{key}/{tag}": value for tag, value in tag_scalar_dict.items()}, step=global_step)

    @harmless
    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Any = None,
        run_name: str | None = None,
        global_step: int | None = None,
        **more: Any,
    ) -> None:
        """Merge the parameters into the run's config, and log the metrics."""
        self._run.add_config(dict(hparam_dict))
        if metric_dict:
            self._run.add_metrics({self._key(k): v for k, v in metric_dict.items()}, step=global_step or 0)

    # Histograms and tables --------------------------------------------------------------------------------------

    @harmless
    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        count = bins if isinstance(bins, int) and 1 <= bins <= 512 else 64
        if hasattr(bins, "__len__") and not isinstance(bins, str):
            import numpy

            counts, edges = numpy.histogram(numpy.asarray(values).ravel(), bins=bins)
            self._run.add_histogram(counts, self._key(tag), _step(global_step), edges=edges)
        else:
            self._run.add_histogram(values, self._key(tag), _step(global_step), count)

    @harmless
    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        limits, counts = [float(limit) for limit in bucket_limits], [float(count) for count in bucket_counts]
        first = float(min) if not limits or float(min) <= limits[0] else limits[0]
        last = limits[-1:] and [float(max) if float(max) >= (limits[-2] if limits[1:] else first) else limits[-1]]
        edges = [first, *limits[:-1], *last]
        self._run.add_histogram(counts, self._key(tag), _step(global_step), edges=edges)

    @harmless
    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        import numpy

        truths = numpy.asarray(_array(labels)).ravel().astype(bool)
        scores = numpy.asarray(_array(predictions)).ravel()
        weight = numpy.ones(len(truths)) if weights is None else numpy.asarray(_array(weights)).ravel()
        rows = []
        for threshold in numpy.linspace(0, 1, num_thresholds):
            chosen = scores >= threshold
            hits, misses = float(weight[chosen & truths].sum()), float(weight[chosen & ~truths].sum())
            good = float(weight[truths].sum())
            rows.append(
                [float(threshold), hits / (hits + misses) if hits + misses else 1.0, hits / good if good else 0.0]
            )
        self._run.add_table(rows, self._key(tag), _step(global_step), ["threshold", "precision", "recall"])

    @harmless
    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        rows = [[float(p), float(r)] for p, r in zip(_array(precision), _array(recall), strict=True)]
        self._run.add_table(rows, self._key(tag), _step(global_step), ["precision", "recall"])

    @harmless
    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Store the vectors as a table, with their labels before them."""
        rows = _array(mat).tolist()
        labels = (
            [list(one) if isinstance(one, list | tuple) else [one] for one in metadata] if metadata is not None else []
        )
        header = list(metadata_header or (["label"] if labels else []))
        table = [(labels[number] if labels else []) + row for number, row in enumerate(rows)]
        columns = header + [f"x{number}" for number in range(len(rows[0]) if rows else 0)]
        self._run.add_table(table, f"{self._key(tag)}/embedding", _step(global_step), columns)

    # Pictures, sounds, texts ------------------------------------------------------------------------------------

    @harmless
    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        self._run.add_image(_as_hwc(_array(img_tensor), dataformats), self._key(tag), _step(global_step))

    @harmless
    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Store a batch as several images."""
        array = _array(img_tensor)
        at = dataformats.upper().index("N")
        for number in range(array.shape[at]):
            image = _as_hwc(array.take(number, at), dataformats.upper().replace("N", ""))
            self._run.add_image(image, f"{self._key(tag)}/{number}", _step(global_step))

    @harmless
    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Any = None,
    ) -> None:
        import numpy

        image = _as_hwc(_array(img_tensor), dataformats)
        image = image if image.dtype == numpy.uint8 else (image * 255).clip(0, 255).astype(numpy.uint8)
        names = [labels] if isinstance(labels, str) else list(labels or [])
        boxes = [
            {
                "domain": "pixel",
                "position": dict(zip(("minX", "minY", "maxX", "maxY"), map(float, box), strict=False)),
                "box_caption": str(names[number]) if number < len(names) else "",
            }
            for number, box in enumerate(_array(box_tensor))
        ]
        picture = drawn(image, {"boxes": {"box_data": boxes}}, {})
        self._run.add_image(picture, self._key(tag), _step(global_step))

    @harmless
    def add_figure(
        self, tag: str, figure: Any, global_step: Any = None, close: bool = True, walltime: float | None = None
    ) -> None:
        figures = figure if isinstance(figure, list | tuple) else [figure]
        for number, one in enumerate(figures):
            key = self._key(tag) if len(figures) == 1 else f"{self._key(tag)}/{number}"
            self._run.add_figure(one, key, _step(global_step))
            if close and type(one).__module__.startswith("matplotlib"):
                from matplotlib import pyplot

                pyplot.close(one)

    @harmless
    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
        **more: Any,
    ) -> None:
        """Store videos of the shape batch × time × channel × height × width as animated GIFs."""
        import tempfile

        array = _array(vid_tensor)
        for number in range(len(array)):
            key = self._key(tag) if len(array) == 1 else f"{self._key(tag)}/{number}"
            with tempfile.NamedTemporaryFile(suffix=".gif") as file:
                file.write(animated(array[number], fps))
                file.flush()
                self._run.add_image(file.name, key, _step(global_step))

    @harmless
    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        import tempfile

        array = _array(snd_tensor)
        array = array.T if array.ndim == 2 and array.shape[0] <= 2 < array.shape[1] else array.squeeze()
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            file.write(wave_file(array, sample_rate))
            file.flush()
            self._run._add_file(file.name, name=file_name(self._key(tag), ".wav"), step=_step(global_step), stays=False)

    @harmless
    def add_text(self, tag: str, text_string: Any, global_step: Any = None, walltime: float | None = None) -> None:
        put(
            self._run,
            self._key(tag),
            text_string if isinstance(text_string, str) else _lines(text_string),
            _step(global_step) or 0,
        )

    @harmless
    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True, **more: Any
    ) -> None:
        """Store the model as PyTorch prints it."""
        self._run.add_text(str(model), self._key("graph"))

    @harmless
    def add_tensor(self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None) -> None:
        """Store the values of a tensor as a histogram."""
        self._run.add_histogram(tensor, self._key(tag), _step(global_step))

    def add_onnx_graph(self, prototxt: Any) -> None:
        cannot("tensorboard", "add_onnx_graph()")

    add_openvino_graph = add_onnx_graph

    def export_scalars_to_json(self, path: Any) -> None:
        cannot("tensorboard", "export_scalars_to_json()", "see `hectiqlab export`")

    def add_mesh(self, tag: str, *args: Any, **kwargs: Any) -> None:
        cannot("tensorboard", "add_mesh()")

    def add_custom_scalars(self, layout: Any) -> None:
        cannot("tensorboard", "add_custom_scalars()", "charts of several metrics are made on the project's page")

    def add_custom_scalars_multilinechart(self, tags: Any, *args: Any, **kwargs: Any) -> None:
        self.add_custom_scalars(tags)

    add_custom_scalars_marginchart = add_custom_scalars_multilinechart

    # The end ----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Do nothing: what was logged is on its way."""

    def close(self) -> None:
        """End the run, if it is this writer's own. A later call continues it, as TensorBoard does."""
        if self._opened is not None and not self._is_shared:
            harmless(self._opened.close)()
        if not self._is_shared:
            self._opened = None
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is not None and self._opened is not None and not self._is_shared:
            self._opened.__exit__(kind, error, trace)
        self.close()


class FileWriter:
    """What writes a summary or an event that a framework made itself."""

    def __init__(self, log_dir: Any, *args: Any, writer: SummaryWriter | None = None, **kwargs: Any) -> None:
        self._writer = writer or SummaryWriter(log_dir)

    def get_logdir(self) -> str:
        return self._writer.log_dir

    @harmless
    def add_summary(self, summary: Any, global_step: Any = None, walltime: float | None = None) -> None:
        hparams = getattr(summary, "hparams", None)
        if hparams:
            self._writer._run.add_config(hparams)
        for value in getattr(summary, "value", ()):
            data = getattr(value, "value", None)
            if hasattr(value, "HasField"):  # TensorBoard's own
                data = value.simple_value if value.HasField("simple_value") else None
            if data is None:
                cannot("tensorboard", f"add_summary() of {value.tag!r}")
            elif number_of(value.tag, data) is not None:
                self._writer.add_scalar(value.tag, data, global_step)
            else:
                put(self._writer._run, self._writer._key(value.tag), data, _step(global_step) or 0)

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        self.add_summary(getattr(event, "summary", None), step if step is not None else getattr(event, "step", None))

    def add_graph(self, graph_profile: Any, walltime: float | None = None) -> None:
        cannot("tensorboard", "FileWriter.add_graph()")

    add_onnx_graph = add_graph

    def flush(self) -> None:
        """Do nothing: what was logged is on its way."""

    def reopen(self) -> None:
        """Do nothing: a later call continues the run."""

    def close(self) -> None:
        self._writer.close()


def _step(step: Any) -> int | None:
    return None if step is None else int(step)


def _array(data: Any) -> Any:
    """Return an array of numpy."""
    import numpy

    return (
        data.detach().cpu().float().numpy()
        if _is_half(data)
        else (data.detach().cpu().numpy() if hasattr(data, "detach") else numpy.asarray(data))
    )


def _is_half(data: Any) -> bool:
    return hasattr(data, "detach") and str(getattr(data, "dtype", "")) == "torch.bfloat16"


def _as_hwc(array: Any, formats: str) -> Any:
    """Return an image with its axes in the order height, width, channel."""
    formats = formats.upper()
    if formats == "HW":
        return array
    return array.transpose([formats.index(axis) for axis in "HWC"])


def _lines(text: Any) -> str:
    return "\n".join(map(str, text)) if isinstance(text, list | tuple) else str(text)
