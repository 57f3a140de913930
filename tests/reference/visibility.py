"""
Statistics of what can be seen in the default ranges: motion in view, turning visible, growth that matters.

`python -m tests.reference.visibility [--draws 5000] [--side 32 64 128]` prints them as a table.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen.rendering.sequence import Renderer, Sequences
from schemas.render import RenderSpec
from tests.reference.specs import clean_spec

Array = NDArray[Any]
INPUT_FRAMES = 4
"""The forecasting task of the paper: 4 frames in, 6 to be forecast."""
GREY_LEVEL = 1 / 255
_BATCH = 50


def square_spec(kind: str, side: int, **fields: Any) -> RenderSpec:
    """Return the default spec of a property without noise, with clean float32 frames and masks."""
    return clean_spec(kind, height=side, width=side, truth=("mask",), **fields)


def batches(spec: RenderSpec, draws: int) -> Iterator[Sequences]:
    """Render sequences 0 .. draws-1, a few at a time."""
    renderer = Renderer(spec)
    for start in range(0, draws, _BATCH):
        yield renderer.render(start, min(_BATCH, draws - start))


def share_of_objects_in_view(spec: RenderSpec, draws: int, share_of_frames: float) -> float:
    """Return the share of objects whose centre is in the frame in at least so many of the frames."""
    outputs = {
        name: np.empty((draws, *layout.shape), layout.dtype)
        for name, layout in Renderer(spec).layouts.items()
        if name in ("kind", "position", "velocity", "acceleration", "jerk")
    }
    Renderer(spec).render_into(0, outputs)
    t = np.arange(spec.frames)[:, None]
    drawn = outputs.pop("kind") > 0
    q0, q1, q2, q3 = (outputs[name][drawn][:, None] for name in ("position", "velocity", "acceleration", "jerk"))
    path = q0 + t * q1 + t**2 / 2 * q2 + t**3 / 6 * q3  # (object, time, component)
    inside = np.all((path >= 0) & (path <= [spec.width, spec.height]), axis=-1)
    return float(np.mean(inside.mean(axis=1) >= share_of_frames))


def visible_change(spec: RenderSpec, draws: int) -> Array:
    """
    Return for each sequence the largest mean |I(t) - I(0)|, over t, of the pixels of the object at 0 or t.

    For one object that turns about its centroid: it stays where it is, so all of the change is the turning.
    """
    changes = []
    for batch in batches(spec, draws):
        assert batch.mask is not None
        inside = (batch.mask > 0) | (batch.mask[:, :1] > 0)
        difference = np.abs(batch.frames - batch.frames[:, :1], dtype=np.float64)
        mean = np.sum(difference * inside, axis=(2, 3)) / np.maximum(inside.sum(axis=(2, 3)), 1)
        changes.append(mean.max(axis=1))
    return np.concatenate(changes)


def last_frames(spec: RenderSpec, draws: int) -> tuple[Array, Array]:
    """Return for each sequence, at its last frame, the saturated share of the objects' pixels and the maximum."""
    saturated, maximum = [], []
    for batch in batches(spec, draws):
        assert batch.mask is not None
        last, inside = batch.frames[:, -1], batch.mask[:, -1] > 0
        saturated.append(np.sum((last >= 1) & inside, axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1))
        maximum.append(last.max(axis=(1, 2)))
    return np.concatenate(saturated), np.concatenate(maximum)


def persistence_error(spec: RenderSpec, draws: int) -> float:
    """Return the mean squared error of repeating the last input frame, over frames, pixels and sequences."""
    errors = [
        np.mean(
            (batch.frames[:, INPUT_FRAMES:] - batch.frames[:, INPUT_FRAMES - 1 : INPUT_FRAMES]) ** 2, axis=(1, 2, 3)
        )
        for batch in batches(spec, draws)
    ]
    return float(np.mean(np.concatenate(errors), dtype=np.float64))


def table(draws: int, side: int) -> Iterator[str]:
    """Yield the rows of the table for frames of one size: statistic, value, what is asked for."""
    yield f"| {side}x{side}, {draws} draws | measured | asked for |"
    yield "| --- | --- | --- |"
    in_view = share_of_objects_in_view(square_spec("translation", side), draws, 0.7)
    yield f"| translation: objects whose centre is in the frame in >= 70 % of the frames | {in_view:.2%} | 95 % |"
    change = visible_change(square_spec("rotation", side, objects={"count": (1, 1)}), draws)
    turning = np.mean(change > 5 * GREY_LEVEL)
    yield f"| rotation: mean change inside the object above 5 grey levels | {turning:.2%} | 99 % |"
    saturated, maximum = last_frames(square_spec("intensity", side), draws)
    kept = np.mean((saturated < 0.5) & (maximum > 5 * GREY_LEVEL))
    yield f"| intensity: last frame neither saturated (half of the object) nor below 5/255 | {kept:.2%} | 90 % |"
    errors = {kind: persistence_error(square_spec(kind, side), draws) for kind in _PROPERTIES}
    yield from (f"| {kind}: persistence's MSE | {error:.3e} | |" for kind, error in errors.items())
    ratio = errors["intensity"] / errors["rotation"]
    yield f"| intensity's over rotation's | {ratio:.2f} | 1/3 |"


_PROPERTIES = ("translation", "rotation", "intensity", "mixed")


def main() -> None:
    """Print the table for each frame size asked for."""
    parser = argparse.ArgumentParser(description="Visibility statistics of the default ranges.")
    parser.add_argument("--draws", type=int, default=5000)
    parser.add_argument("--side", type=int, nargs="+", default=[32, 64, 128])
    arguments = parser.parse_args()
    for side in arguments.side:
        for row in table(arguments.draws, side):
            sys.stdout.write(row + "\n")


if __name__ == "__main__":
    main()
