"""Two ways to put frames into an open file: FFmpeg for MP4, Pillow for GIF and animated WebP. Knows nothing of names.

MP4 is encoded frame by frame onto the disk by PyAV (the extra `video`). Pillow writes GIF and WebP in one go, so of
those at most `MAX_FRAMES` evenly spaced frames are kept in memory.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from fastclipgen.errors import UserError

MAX_FRAMES = 200
# The last frame stays for this long.
HOLD_SECONDS = 1.0
# What WebP can hold; the encoders of MP4 end about there too.
MAX_SIDE = 16383
# Best first; mpeg4 is part of every FFmpeg.
_ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18"},
    "libopenh264": {"b": "8M"},
    "mpeg4": {"qscale": "3", "flags": "qscale"},
}
_BT709 = 1


class Mp4:
    """Streams frames through FFmpeg into the file."""

    def __init__(self, file: BinaryIO, suffix: str, fps: float) -> None:
        import av

        self._container: Any = av.open(file, "w", format=suffix[1:])
        self._rate = Fraction(fps).limit_denominator(1001)
        self._stream: Any = None
        self._last: Any = None
        self._count = 0

    def add(self, frame: np.ndarray) -> None:
        import av

        height, width = frame.shape[:2]
        if self._stream is None:
            self._stream = self._open_stream(height + height % 2, width + width % 2)
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(even, format="rgb24")
        self._last = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        self._encode()

    def finish(self, hold: bool) -> None:
        for _ in range(math.ceil(HOLD_SECONDS * self._rate) - 1 if hold else 0):
            self._encode()
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _encode(self) -> None:
        from av.error import FFmpegError

        self._last.pts = self._count
        self._last.time_base = 1 / self._rate
        self._count += 1
        try:
            self._container.mux(self._stream.encode(self._last))
        except FFmpegError as error:
            # Errors of the disk arrive as the file's own OSError, so this is the encoder's.
            raise UserError(
                f"the video encoder does not take {self._last.width} x {self._last.height} pixels ({error}); "
                "make the picture smaller, or choose .gif or .webp"
            ) from error

    def _open_stream(self, height: int, width: int) -> Any:
        import av

        name = next((name for name in _ENCODERS if name in av.codecs_available and _can_encode(name)), None)
        if name is None:
            raise UserError(f"this FFmpeg has none of the encoders {', '.join(_ENCODERS)}; choose .gif or .webp")
        stream: Any = self._container.add_stream(name, rate=self._rate, options=_ENCODERS[name])
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # Said in the file, or players guess by the size and shift the colours.
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = 1
        return stream


class Animation:
    """Keeps frames evenly spaced: when there are too many, every second one goes and the spacing doubles."""

    def __init__(self, file: BinaryIO, suffix: str, fps: float) -> None:
        self._file, self._gif, self._fps = file, suffix == ".gif", fps
        self._frames: list[Image.Image] = []
        self._spacing = 1
        self._count = 0
        self._last: np.ndarray | None = None

    def add(self, frame: np.ndarray) -> None:
        if self._count % self._spacing == 0:
            if len(self._frames) == MAX_FRAMES - 1:
                del self._frames[1::2]
                self._spacing *= 2
            if self._count % self._spacing == 0:
                self._frames.append(self._picture(frame))
        self._last = frame.copy()
        self._count += 1

    def finish(self, hold: bool) -> None:
        assert self._last is not None
        if (self._count - 1) % self._spacing:
            self._frames.append(self._picture(self._last))
        # A GIF counts hundredths of a second: rounding the times instead of the durations keeps the rate.
        ends = [round(100 * n / self._fps) * 10 for n in range(len(self._frames) + 1)]
        durations = [end - start for start, end in pairwise(ends)]
        if hold:
            durations[-1] = int(HOLD_SECONDS * 1000)
        first, *rest = self._frames
        options: dict[str, Any] = {"optimize": False} if self._gif else {"quality": 90, "method": 3}
        first.save(
            self._file,
            "GIF" if self._gif else "WEBP",
            save_all=True,
            append_images=rest,
            duration=durations,
            loop=0,
            **options,
        )

    def _picture(self, frame: np.ndarray) -> Image.Image:
        """A frame as it is kept; a GIF's own palette takes a third of the memory."""
        picture = Image.fromarray(np.array(frame))
        return picture.quantize(256) if self._gif else picture


def _can_encode(name: str) -> bool:
    import av

    try:
        return av.Codec(name, "w").is_encoder
    except ValueError:
        return False
