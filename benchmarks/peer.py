"""Whole sequences against an honest peer: OpenCV draws, NumPy adds Gaussian and white noise, `noise` adds Perlin."""

import math
from collections.abc import Callable

import cv2
import noise
import numpy as np
from numpy.typing import NDArray
from timing import Row, arguments, interleaved, medians, report

from datagen.rendering.gradient_noise import LACUNARITY, PERSISTENCE
from datagen.rendering.mixture import mixture_weights
from datagen.rendering.sequence import Renderer
from schemas.render import RenderSpec
from schemas.store import OBJECT_KINDS

Floats = NDArray[np.float32]
LIMIT = 30.0
BATCH = 64
"""Sequences of ours in a round; the peer makes one."""
SUBPIXEL_BITS = 8
ARC_POINTS = 48
SPEC = RenderSpec(property="rotation")
WEIGHTS = mixture_weights(1.0, 1.0, 1.0, octaves=4)
SAME_PICTURE = 0.5
"""Grey levels: the peer draws the same objects if half of their pixels differ by less than this. Not the mean, since
OpenCV's anti-aliased polygons are half a pixel wider."""


def main() -> None:
    """Check that both draw the same objects, then print the ratio of their times."""
    options = arguments(__doc__ or "", rounds=9)
    cv2.setNumThreads(1)
    renderer = Renderer(SPEC)
    outputs = {"frames": np.empty((BATCH, *renderer.layouts["frames"].shape), np.uint8)}
    tasks: dict[str, Callable[[int], object]] = {
        "peer": lambda number: peer_sequence(renderer, number),
        "peer without Perlin": lambda number: peer_sequence(renderer, number, perlin=False),
        "datagen": lambda number: renderer.render_into(number * BATCH, outputs),
    }
    difference = picture_difference()
    if difference > SAME_PICTURE:
        raise SystemExit(f"the peer's objects differ by {difference:.2f} grey levels: it draws something else")
    pixels = SPEC.frames * SPEC.height * SPEC.width
    cost = medians(
        interleaved(tasks, options.rounds),
        {"peer": pixels, "peer without Perlin": pixels, "datagen": pixels * BATCH},
    )
    row = Row(
        benchmark="kernel: OpenCV + NumPy + pnoise3 / datagen",
        measured=cost["peer"] / cost["datagen"],
        limit=LIMIT,
        at_least=True,
        detail=f"{cost['peer']:.0f} ns / {cost['datagen']:.2f} ns a pixel; same objects (median difference"
        f" {difference:.2f} grey levels)",
    )
    without = Row(
        benchmark="kernel: OpenCV + NumPy, no Perlin noise / datagen with it",
        measured=cost["peer without Perlin"] / cost["datagen"],
        detail=f"{cost['peer without Perlin']:.1f} ns / {cost['datagen']:.2f} ns a pixel",
    )
    report([row, without], options)


def picture_difference(count: int = 8) -> float:
    """Return the median |difference| of both clean videos inside the objects' pixels, in grey levels."""
    renderer = Renderer(SPEC.model_copy(update={"truth": ("clean",)}))
    clean = renderer.render(0, count).clean
    if clean is None:
        raise SystemExit("the renderer gave no clean frames")
    drawn = np.stack([draw_clean(parameters_of(renderer, index)) for index in range(count)]) * 255
    shown = (clean > 0) | (drawn > 0.5)
    return float(np.median(np.abs(clean - drawn)[shown]))


def parameters_of(renderer: Renderer, index: int) -> dict[str, NDArray[np.float64]]:
    """Draw the parameters of one sequence: both sides render the same objects."""
    names = [name for name in renderer.layouts if name not in ("frames", "clean", "noise_ratio_measured")]
    table = {name: np.empty((1, *renderer.layouts[name].shape), renderer.layouts[name].dtype) for name in names}
    renderer.render_into(index, table)
    return {name: column[0] for name, column in table.items()}


def peer_sequence(renderer: Renderer, index: int, *, perlin: bool = True) -> NDArray[np.uint8]:
    """Render one sequence as a careful user of OpenCV and NumPy would: (time, y, x) uint8."""
    clean = draw_clean(parameters_of(renderer, index))
    rng = np.random.default_rng(index)
    field = rng.standard_normal(clean.shape, np.float32)
    field *= np.float32(WEIGHTS[0])
    white = rng.random(clean.shape, np.float32)
    white *= np.float32(2 * WEIGHTS[1])
    field += white
    field -= np.float32(WEIGHTS[1])
    if perlin:
        field += np.float32(WEIGHTS[2]) * perlin_field(rng.uniform(0, 256, 3))
    field *= np.float32(SPEC.noise.ratio * clean.sum(dtype=np.float64) / np.abs(field).sum(dtype=np.float64))
    field += clean
    np.clip(field, 0, 1, out=field)
    field *= 255
    field += np.float32(0.5)
    return field.astype(np.uint8)


def perlin_field(offset: NDArray[np.float64]) -> Floats:
    """Call pnoise3 for each pixel: (time, y, x)."""
    cell = SPEC.noise.cell * min(SPEC.height, SPEC.width)
    columns = [(column + 0.5) / cell + offset[0] for column in range(SPEC.width)]
    rows = [(row + 0.5) / cell + offset[1] for row in range(SPEC.height)]
    times = [frame / SPEC.noise.cell_frames + offset[2] for frame in range(SPEC.frames)]
    pnoise3, octaves = noise.pnoise3, SPEC.noise.octaves
    values = [pnoise3(x, y, t, octaves, PERSISTENCE, LACUNARITY) for t in times for y in rows for x in columns]
    return np.array(values, np.float32).reshape(SPEC.frames, SPEC.height, SPEC.width)


def draw_clean(table: dict[str, NDArray[np.float64]]) -> Floats:
    """Draw all objects of a rotation sequence in all frames, later ones in front: (time, y, x) in 0..1."""
    clean = np.zeros((SPEC.frames, SPEC.height, SPEC.width), np.float32)
    for item in np.flatnonzero(table["kind"]):
        row = {name: column[item] for name, column in table.items() if np.ndim(column)}
        corners = outline(row)
        for t in range(SPEC.frames):
            angle = row["angle"] + t * (
                row["angular_velocity"] + t * (row["angular_acceleration"] / 2 + t * row["angular_jerk"] / 6)
            )
            draw_object(row, corners, angle, clean[t])
    return clean


def outline(row: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return an object's outline at angle 0: (point, 2) in px from its centre; circles and round caps as polygons."""
    if row["kind"] == OBJECT_KINDS["polygon"]:
        return row["vertices"][: int(row["vertex_count"])]
    turn = np.arange(ARC_POINTS) * (2 * math.pi / ARC_POINTS)
    unit = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    if row["kind"] == OBJECT_KINDS["circle"]:
        return unit * row["size"]
    core = row["size"] - row["line_width"]
    return unit * row["line_width"] + np.where(unit[:, :1] >= 0, [[core, 0.0]], [[-core, 0.0]])


def draw_object(row: dict[str, NDArray[np.float64]], corners: NDArray[np.float64], angle: float, frame: Floats) -> None:
    """Put one object over a frame: anti-aliased coverage by OpenCV, sine texture by NumPy in the object's box."""
    turned = corners @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    points = turned + row["position"]
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, (SPEC.width, SPEC.height))
    if left >= right or top >= bottom:
        return
    coverage = np.zeros((bottom - top, right - left), np.uint8)
    # OpenCV's pixel centres are whole numbers, ours halves.
    fixed = np.round((points - (left + 0.5, top + 0.5)) * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(coverage, [fixed], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    share = coverage * np.float32(1 / 255)
    wave_x, wave_y = row["texture_direction"] / row["texture_wavelength"]
    along_x = np.float32(math.cos(angle) * wave_x - math.sin(angle) * wave_y)
    along_y = np.float32(math.sin(angle) * wave_x + math.cos(angle) * wave_y)
    x = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - row["position"][0])
    y = np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - row["position"][1])
    turns = (x * along_x)[None, :] + (y * along_y + np.float32(row["texture_phase"]))[:, None]
    light = np.sin(np.float32(2 * math.pi) * turns)
    depth = np.float32(row["texture_contrast"] / 2)
    light = np.float32(row["intensity"]) * (1 - depth + depth * light)
    box = frame[top:bottom, left:right]
    box *= 1 - share
    box += light * share


if __name__ == "__main__":
    main()
