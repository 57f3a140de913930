"""Cost of a finished pixel on one thread, in draws of one NumPy float32 normal; by stage and by property."""

import statistics
from collections.abc import Callable

import numpy as np
from timing import Row, arguments, interleaved, medians, report, spread

from datagen.rendering.compositing import composite_sequence
from datagen.rendering.drawing import draw_rows, plan_of
from datagen.rendering.mixture import NoisePlan, fill_noise, mixture_weights, sum_of_magnitudes
from datagen.rendering.parameters import ROW_LENGTH
from datagen.rendering.quantise import store_uint8
from datagen.rendering.sequence import Renderer
from schemas.render import RenderSpec

BATCH = 16
"""Sequences a call, as the engine does it."""
LIMIT, STRETCH = 2.0, 1.3


def main() -> None:
    """Print the ratio, the stages of a rotation sequence and the cost of each property."""
    options = arguments(__doc__ or "", rounds=40)
    report([ratio_row(options.rounds), *stage_rows(options.rounds), *property_rows(options.rounds)], options)


def ratio_row(rounds: int) -> Row:
    """Compare a rendered pixel with a drawn normal: uint8, all three noises, four octaves."""
    spec = RenderSpec(property="rotation")
    frame = np.empty((spec.height, spec.width), np.float32)
    generator = np.random.default_rng(0)

    def draw(_number: int) -> None:
        for _ in range(BATCH * spec.frames):
            generator.standard_normal(out=frame, dtype=np.float32)

    seconds = interleaved({"pixel": rendering(spec), "normal": draw}, rounds)
    cost = medians(seconds, BATCH * pixels_of(spec))
    ratios = [pixel / normal for pixel, normal in zip(seconds["pixel"], seconds["normal"], strict=True)]
    return Row(
        benchmark="kernel: finished pixel / NumPy float32 normal",
        measured=cost["pixel"] / cost["normal"],
        limit=LIMIT,
        stretch=STRETCH,
        detail=f"{cost['pixel']:.2f} ns / {cost['normal']:.2f} ns, quartiles of the ratio {spread(ratios)} of its"
        f" median {statistics.median(ratios):.2f}; rotation, 10x128x128, one thread",
    )


def stage_rows(rounds: int) -> list[Row]:
    """Split a rotation sequence into its stages, each through the function that the renderer calls."""
    spec = RenderSpec(property="rotation")
    shape = (spec.frames, spec.height, spec.width)
    plan, mixture, sprites = plan_of(spec), default_mixture(), np.zeros((1, 1, 1), np.uint8)
    clean, noise, mask = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    layers, words = np.empty((3, *shape[1:]), np.float32), np.empty((2, 4, -(-shape[1] * shape[2] // 4)), np.uint32)
    rows, out, seed = np.zeros((3, ROW_LENGTH)), np.empty(shape, np.uint8), np.uint64(spec.seed)

    def draw(index: int) -> None:
        objects = draw_rows(plan, np.uint64(index), rows)
        composite_sequence(rows[:objects], plan.whole_image, sprites, clean, mask, layers)

    def fill(**weights: float) -> Callable[[int], object]:
        part = mixture._replace(**{**dict.fromkeys(("gaussian", "white", "perlin"), 0.0), **weights})
        return lambda index: fill_noise(part, seed, np.uint64(index), noise, words)

    def add(_index: int) -> None:
        for frame in noise:
            sum_of_magnitudes(frame)

    stages = {
        "drawing and objects": draw,
        "no noise": fill(),
        "Gaussian": fill(gaussian=1.0),
        "white": fill(white=1.0),
        "Perlin": fill(perlin=1.0),
        "sum of magnitudes": add,
        "quantising": lambda _index: store_uint8(
            clean.reshape(-1), noise.reshape(-1), np.float32(0.1), out.reshape(-1)
        ),
    }
    cost = medians(interleaved(stages, rounds * 4), pixels_of(spec))
    idle = cost.pop("no noise")
    for name in ("Gaussian", "white", "Perlin"):
        cost[name] -= idle
    total = sum(cost.values())
    return [
        Row(benchmark=f"kernel stage: {name}", measured=value, unit="ns/pixel", detail=f"{value / total:.0%}")
        for name, value in cost.items()
    ]


def property_rows(rounds: int) -> list[Row]:
    """Compare the four properties with each other, with noise and without, and all truth arrays."""
    truth = ("clean", "flow", "mask", "property_mask")
    specs = {f"{kind}": RenderSpec(property=kind) for kind in ("translation", "rotation", "intensity", "mixed")}
    specs |= {f"{kind}, no noise": RenderSpec(property=kind, noise={"ratio": 0}) for kind in list(specs)}
    specs |= {f"{kind}, all truth": RenderSpec(property=kind, truth=truth) for kind in ("rotation", "mixed")}
    cost = medians(
        interleaved({name: rendering(spec) for name, spec in specs.items()}, rounds),
        {name: BATCH * pixels_of(spec) for name, spec in specs.items()},
    )
    return [Row(benchmark=f"kernel: {name}", measured=value, unit="ns/pixel") for name, value in cost.items()]


def default_mixture() -> NoisePlan:
    """Return the noise of the default spec at 128x128: first cell a quarter of the frame and 8 frames."""
    gaussian, white, perlin = mixture_weights(1.0, 1.0, 1.0, octaves=4)
    return NoisePlan(
        ratio=0.7,
        gaussian=gaussian,
        white=white,
        perlin=perlin,
        octaves=4,
        cells_per_pixel=1 / 32,
        cells_per_frame=1 / 8,
        drift=(0.0, 0.0),
    )


def rendering(spec: RenderSpec) -> Callable[[int], object]:
    """Return a task that renders a batch of sequences, other ones in each round, into buffers that it reuses."""
    renderer = Renderer(spec)
    names = ("frames", *spec.truth)
    outputs = {name: np.empty((BATCH, *renderer.layouts[name].shape), renderer.layouts[name].dtype) for name in names}
    return lambda number: renderer.render_into(number * BATCH, outputs)


def pixels_of(spec: RenderSpec) -> int:
    """Return the pixels of one sequence."""
    return spec.frames * spec.height * spec.width


if __name__ == "__main__":
    main()
