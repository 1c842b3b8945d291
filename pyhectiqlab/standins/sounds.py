"""Sounds: samples as a WAV file of 16 bits."""

from __future__ import annotations

import io
import wave
from typing import Any


def wave_file(samples: Any, sample_rate: int) -> bytes:
    """Return a WAV file of samples between -1 and 1, or of whole numbers: one column for each channel. Needs numpy."""
    import numpy

    array = samples.detach().cpu().numpy() if hasattr(samples, "detach") else numpy.asarray(samples)
    array = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    if array.dtype.kind == "f":
        array = (array.clip(-1, 1) * 32767).astype("<i2")
    else:
        array = array.astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(array.shape[1])
        file.setsampwidth(2)
        file.setframerate(int(sample_rate))
        file.writeframes(array.tobytes())
    return buffer.getvalue()
