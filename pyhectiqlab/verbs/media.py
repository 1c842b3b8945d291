"""Run's verbs for media: figures, images, tables, histograms and texts, by name and step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..capture.snapshot import Source
from ..capture.values import as_step
from ..client.saying import say_once
from ..client.uploads import Upload
from ..protocol import media
from ..protocol.limits import KEY_BYTES_MAX
from ..protocol.names import artifact_name
from .guard import never_breaks, raises_of_files

if TYPE_CHECKING:
    from ..client.opening import Opened
    from ..client.outbox import Outbox


class MediaVerbs:
    """Verbs for figures, images, tables, histograms and texts. Mixed into Run.

    Each item is kept under a name and a step. A second one at the same step replaces the first on the page. Without a
    step, a name has one item. `/` in names groups them. A call returns as soon as its argument is encoded and in the
    queue or the spool. No call waits for the network.
    """

    _outbox: Outbox
    _opened: Opened

    @never_breaks
    def add_figure(self, figure: Any, name: str, step: int | None = None) -> None:
        """Store a figure: one of matplotlib as a PNG, one of plotly as its JSON, which stays interactive.

            run.add_figure(fig, "valid/confusion", step=10)
            run.add_figure(None, "loss landscape")  # pyplot's current figure

        Blocks while the figure is drawn, some 100 ms. Does not close the figure.

        Args:
            figure: a Figure or Axes of matplotlib, an object that has one as its `figure` (seaborn), a figure of
                plotly; or None (or pyplot) for the current one.
            name: 1 to 1,024 bytes.
            step: an int64, or None.

        Raises:
            TypeError: it is not a figure.
            ValueError: a name or step that is not allowed, no current figure, or a figure over 32 MiB.
        """
        from ..capture.picture import figure_encoder

        _check(name)
        ending, encode = figure_encoder(figure)
        self._put_medium(media.FIGURE, name, step, ending, encode)

    @raises_of_files
    def add_image(self, image: Any, name: str, step: int | None = None) -> None:
        """Store one image; an array as a PNG. Blocks while it is packed: 20 to 300 ms for a million pixels.

            run.add_image(batch[0], "train/samples", step=10)

        Args:
            image: a path (.png, .jpg, .gif, .webp); or a PIL image; or an array, tensor or nested lists of the shape
                HxW, HxWxC or CxHxW with 1, 3 or 4 channels, as whole numbers from 0 to 255 or floats from 0 to 1.
                Values outside are clipped.
            name: 1 to 1,024 bytes.
            step: an int64, or None.

        Raises:
            TypeError, ValueError: it is not an image.
            OSError: the path cannot be opened.
        """
        _check(name)
        if isinstance(image, str | os.PathLike):
            self._add_image_file(Path(image), name, step)
        else:
            self._add_image(image, name, step)

    @never_breaks
    def add_table(self, rows: Any, name: str, step: int | None = None, columns: Sequence[Any] | None = None) -> None:
        """Store a table of up to a million cells and 32 MiB. Blocks for some 6 µs per cell.

            run.add_table(frame, "valid/errors", step=10)
            run.add_table([["cat", 0.9], ["dog", 0.4]], "guesses", columns=["label", "score"])

        Numbers (NaN and ±Inf too), texts, bools and None come back unchanged; anything else comes back as its text.

        Args:
            rows: a DataFrame (its index becomes columns, unless it is just 0, 1, …), a list of lists or of dicts, a
                two-dimensional array, or a dict of columns.
            name: 1 to 1,024 bytes.
            step: an int64, or None.
            columns: names of the columns. For a list of dicts, only these keys are stored.

        Raises:
            TypeError, ValueError: it is not a table, or too large.
        """
        from ..capture import tables

        _check(name)
        names, cells = tables.table_of(rows, columns)
        self._put_medium(media.TABLE, name, step, ".table.json", lambda: tables.packed(names, cells))

    @never_breaks
    def add_histogram(
        self, values: Any, name: str, step: int | None = None, bins: int = 64, *, edges: Any = None
    ) -> None:
        """Store how many of the values lie between which edges. The values themselves are not stored; it takes about a
        kilobyte.

            run.add_histogram(layer.weight, "weights/layer", step=10)
            run.add_histogram(counts, "lengths", step=10, edges=edges)  # counted elsewhere
            run.add_histogram(numpy.histogram(x), "lengths", step=10)

        NaN and ±Inf are counted beside the bins. Blocks while this process counts: 100 to 300 ms for a million values.
        For a tensor on a GPU, blocks until the GPU has counted.

        Args:
            values: a tensor, an array or numbers, nested or not. With `edges`: the counts. Or a pair of counts and
                edges.
            name: 1 to 1,024 bytes.
            step: an int64, or None.
            bins: number of bins of equal width from the smallest to the largest finite value: 1 to 512.
            edges: edges of the counts: finite, in rising order, and one more than there are counts.

        Raises:
            TypeError, ValueError: no histogram can be made of it.
        """
        from ..capture import histogram

        _check(name)
        if edges is None and _is_pair(values):
            values, edges = values
        counted = histogram.computed(values, bins) if edges is None else histogram.given(values, edges)
        self._outbox.event(media.HISTOGRAM, {"name": name, "step": _step(step), **counted.fields()})

    @never_breaks
    def add_text(self, text: str, name: str, step: int | None = None) -> None:
        """Store a text: a sample of what a model wrote, a summary of the data. Never waits.

        A text of more than 16 KiB is stored as a file, which takes a few milliseconds.

        Raises:
            TypeError: it is not text.
            ValueError: a name or step that is not allowed, or a text over 32 MiB.
        """
        _check(name)
        if not isinstance(text, str):
            raise TypeError(f"add_text takes a text, not {type(text).__name__}")
        data = text.encode("utf-8", "backslashreplace")  # UTF-8 has no lone surrogates: they are written out
        if len(data) > media.TEXT_BYTES_MAX:
            self._put_medium(media.TEXT, name, step, ".txt", lambda: data)
        else:
            self._outbox.event(media.TEXT, {"name": name, "step": _step(step), "text": data.decode()})

    # ------------------------------------------------------------------------------------------------------------

    @never_breaks
    def _add_image(self, image: Any, name: str, step: Any) -> None:
        from ..capture import picture

        if picture.is_pil(image):
            self._put_medium(media.IMAGE, name, step, ".png", lambda: picture.pil_png(image))
        else:
            picture.shape_of(image)  # raises at the call, also in modes where nothing is stored
            self._put_medium(media.IMAGE, name, step, ".png", lambda: picture.array_png(image, say_once))

    def _put_medium(self, kind: str, name: str, step: Any, ending: str, encode: Callable[[], bytes]) -> None:
        def make(path: Path) -> None:
            data = encode()
            if len(data) > media.FILE_BYTES_MAX:
                raise ValueError(_too_large(kind, name, len(data)))
            path.write_bytes(data)

        self._outbox.made_file(self._upload(kind, name, step, ending), make)

    def _add_image_file(self, path: Path, name: str, step: Any) -> None:
        from ..capture.picture import ENDINGS

        ending = path.suffix.lower()
        if ending not in ENDINGS:
            raise ValueError(f"add_image takes a file that ends in {', '.join(ENDINGS)}, not {path.name!r}")
        upload = self._upload(media.IMAGE, name, step, ending)
        with Source(path) as source:
            if source.stat.st_size > media.FILE_BYTES_MAX:
                raise ValueError(_too_large(media.IMAGE, name, source.stat.st_size))
            self._put_image_file(upload, source)

    @never_breaks
    def _put_image_file(self, upload: Upload, source: Source) -> None:
        self._outbox.file(upload, source)

    def _upload(self, kind: str, name: str, step: Any, ending: str) -> Upload:
        artifact = artifact_name(media.file_name(name, ending))
        return Upload(artifact, _step(step), kind=kind, meta={"name": name, "rank": self._opened.place.rank})


def _check(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name is a text, not {type(name).__name__}: run.add_…(what, name, step)")
    if not name:
        raise ValueError("the name is empty")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the name {name!r} is not valid Unicode") from None
    if size > KEY_BYTES_MAX:
        raise ValueError(f"a name takes at most {KEY_BYTES_MAX} bytes; {name[:40]!r}… has {size}")


def _step(step: Any) -> int | None:
    if step is None:
        return None
    number = as_step(step)
    if number == media.NO_STEP:
        raise ValueError(f"{number} stands for no step: leave the step out")
    return number


def _is_pair(values: Any) -> bool:
    """Return whether `values` is a pair as numpy.histogram returns it: counts, and edges, of which there is one
    more.
    """
    if not isinstance(values, tuple) or len(values) != 2:
        return False
    lengths = [len(part) if hasattr(part, "__len__") and not isinstance(part, str) else -2 for part in values]
    return lengths[1] == lengths[0] + 1


def _too_large(kind: str, name: str, size: int) -> str:
    limit = media.FILE_BYTES_MAX >> 20
    return f"the {kind} {name!r} of {size:,} bytes is too large to be shown (at most {limit} MiB): use add_artifact"
