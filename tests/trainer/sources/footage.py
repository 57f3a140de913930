"""Videos and folders of images that tests write."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def noise(count: int, height: int = 12, width: int = 16, seed: int = 0) -> NDArray[np.uint8]:
    """Return a picture that changes a little from frame to frame, (time, y, x)."""
    generator = np.random.default_rng(seed)
    still = generator.integers(0, 200, (height, width))
    brighter = np.abs((np.arange(count) + 50) % 100 - 50)  # by one level a frame, up and down
    return (still + brighter[:, None, None]).astype(np.uint8)


def folder_of(path: Path, frames: NDArray[Any], suffix: str = ".png") -> Path:
    """Write frames as images frame0, frame1, .. of a new folder."""
    path.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"frame{number}{suffix}")
    return path


def video_of(path: Path, frames: NDArray[np.uint8], codec: str = "ffv1", pixels: str = "gray") -> Path:
    """Write frames as a video of 10 frames a second, without loss unless the codec has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        for frame in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, format="gray" if frame.ndim == 2 else "rgb24"))
            )
        container.mux(stream.encode())
    return path
