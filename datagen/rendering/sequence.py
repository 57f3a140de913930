"""The pure function of the project: (spec, i) to frames, truth and parameters of sequence i."""

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from datagen.rendering.compositing import composite_sequence
from datagen.rendering.drawing import draw_rows, plan_of
from datagen.rendering.mixture import NoisePlan, fill_noise, mixture_weights, sum_of_magnitudes
from datagen.rendering.parameters import COLUMNS, ROW_LENGTH
from datagen.rendering.quantise import store_float16, store_float32, store_uint8
from datagen.rendering.truth import fill_flow, fill_property_mask
from schemas.errors import InputError
from schemas.render import MAX_SEQUENCES, RenderSpec
from schemas.store import frame_layouts, table_layouts

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Rendered sequences; every array has the leading dimension `sequence`."""

    frames: Array
    """(sequence, time, y, x) of the spec's dtype."""
    clean: Array | None
    """As frames, before noise; this and the arrays below are None unless the spec asks for them."""
    flow: Array | None
    """(sequence, time, 2, y, x) float16, forward displacement (dx, dy) in px."""
    mask: Array | None
    """(sequence, time, y, x) uint8, front object + 1."""
    property_mask: Array | None
    """(sequence, time, y, x) uint8, bit set of 1 translation, 2 rotation, 4 intensity."""
    parameters: dict[str, Array]
    """The columns of `schemas.store.table_layouts`."""


class Renderer:
    """
    Render any sequence of a spec, in any order, from any thread.

    Parameters
    ----------
    spec : what to render
    sprites : (sprite, sprite_y, sprite_x) uint8, the images that `spec.sprites` names; None if it names none

    Raises
    ------
    InputError
        if the sprites are not those that the spec names.
    """

    def __init__(self, spec: RenderSpec, sprites: Array | None = None) -> None:
        self.spec = spec
        self.layouts = {layout.name: layout for layout in frame_layouts(spec) + table_layouts(spec)}
        self._plan = plan_of(spec)
        self._noise = _noise_plan(spec)
        self._sprites = _checked_sprites(spec, sprites)

    def render(self, start: int, count: int) -> Sequences:
        """
        Render `count` sequences from number `start` on.

        Raises
        ------
        InputError
            if start < 0, count < 1, a number is 2**63 or more, or is not whole.
        """
        count = _whole(count)
        outputs = {
            name: np.empty((max(count, 0), *layout.shape), layout.dtype) for name, layout in self.layouts.items()
        }
        self.render_into(start, outputs)
        truth = {name: outputs.pop(name, None) for name in ("clean", "flow", "mask", "property_mask")}
        return Sequences(frames=outputs.pop("frames"), **truth, parameters=outputs)

    def render_into(self, start: int, outputs: Mapping[str, Array]) -> None:
        """
        Render sequences into arrays; the GIL is released while pixels are computed.

        Parameters
        ----------
        start : number of the first sequence
        outputs : C-contiguous arrays by name, any of this spec's, shape (count, *layout.shape), dtype as the layout

        Raises
        ------
        InputError
            if start < 0, count < 1, a number is 2**63 or more, or is not whole.
        ValueError
            if an array is none of this spec's, or has another shape, dtype or memory order.
        """
        start, count = _whole(start), self._checked_count(outputs)
        if start < 0 or count < 1 or start + count > MAX_SEQUENCES:
            raise InputError(f"sequences {start} to {start + count - 1} do not exist; give numbers from 0 to 2**63 - 1")
        rows = np.zeros((count, self.spec.objects.count[1], ROW_LENGTH))
        ratios = np.zeros(count)
        pictures = {name: _raw(outputs[name]) for name in outputs if name in _PICTURES}
        if pictures:
            self._render_pictures(start, rows, ratios, pictures)
        else:
            for k in range(count):
                draw_rows(self._plan, np.uint64(start + k), rows[k])
        self._fill_table(start, rows, ratios, outputs)

    def render_each(self, start: int, outputs: Mapping[str, Array], before_each: Callable[[], None]) -> None:
        """
        Render as `render_into`, sequence by sequence.

        Parameters
        ----------
        before_each : is called before every sequence; what it raises ends the work there
        """
        for place in range(self._checked_count(outputs)):
            before_each()
            self.render_into(start + place, {name: array[place : place + 1] for name, array in outputs.items()})

    def _checked_count(self, outputs: Mapping[str, Array]) -> int:
        """Return the number of sequences: kernels trust shapes, and what is strided would be filled in a lost copy."""
        count = len(next(iter(outputs.values())))
        for name, array in outputs.items():
            if name not in self.layouts:
                raise ValueError(f"the spec has no array {name!r}; it has {', '.join(self.layouts)}")
            shape, dtype = (count, *self.layouts[name].shape), self.layouts[name].dtype
            if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
                order = "C" if array.flags.c_contiguous else "another"
                raise ValueError(
                    f"{name!r} is {array.shape} {array.dtype} in {order} order; give {shape} {dtype} in C order"
                )
        return count

    def _render_pictures(self, start: int, rows: Array, ratios: Array, pictures: dict[str, Array]) -> None:
        spec = self.spec
        shape = (spec.frames, spec.height, spec.width)
        clean, noise, mask = np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8)
        layers = np.empty((3, spec.height, spec.width), np.float32)
        words = np.empty((2, 4, -(-spec.height * spec.width // 4)), np.uint32)
        for k in range(len(rows)):
            index = np.uint64(start + k)
            objects = draw_rows(self._plan, index, rows[k])
            shown = rows[k, :objects]
            composite_sequence(shown, self._plan.whole_image, self._sprites, clean, mask, layers)
            scale = np.float32(0)
            if "frames" in pictures or "noise_ratio_measured" in pictures:
                scale, ratios[k] = _noise_scale(self._noise, self._plan.seed, index, clean, noise, words)
            self._store(k, shown, clean, noise, mask, scale, pictures)

    def _store(
        self,
        k: int,
        rows: Array,
        clean: Array,
        noise: Array,
        mask: Array,
        scale: np.float32,
        pictures: dict[str, Array],
    ) -> None:
        store = _STORE[self.spec.dtype]
        for name, picture in pictures.items():
            match name:
                case "frames":
                    store(clean.reshape(-1), noise.reshape(-1), scale, picture[k].reshape(-1))
                case "clean":
                    store(clean.reshape(-1), noise.reshape(-1), np.float32(0), picture[k].reshape(-1))
                case "mask":
                    picture[k] = mask
                case "property_mask":
                    fill_property_mask(rows, mask, picture[k])
                case "flow":
                    for frame in range(self.spec.frames):
                        fill_flow(rows, frame, mask[frame], picture[k, frame])

    def _fill_table(self, start: int, rows: Array, ratios: Array, outputs: Mapping[str, Array]) -> None:
        position = 0
        for name, shape in COLUMNS:
            size = int(np.prod(shape, dtype=np.int64))
            if name in outputs:
                outputs[name][...] = rows[:, :, position : position + size].reshape(*rows.shape[:2], *shape)
            position += size
        if "noise_ratio" in outputs:
            outputs["noise_ratio"][...] = self.spec.noise.ratio
        if "noise_ratio_measured" in outputs:
            outputs["noise_ratio_measured"][...] = ratios
        if "split" in outputs:
            numbers = np.arange(len(rows), dtype=np.uint64) + np.uint64(start)
            outputs["split"][...] = np.searchsorted(np.array(self._plan.split_ends, np.uint64), numbers, side="right")


_PICTURES = ("frames", "clean", "flow", "mask", "property_mask", "noise_ratio_measured")
"""What cannot be had without rendering."""
_STORE = {"uint8": store_uint8, "float16": store_float16, "float32": store_float32}


def _whole(number: int) -> int:
    try:
        return operator.index(number)
    except TypeError:
        raise InputError(f"sequences are numbered and counted by whole numbers; {number!r} is none") from None


def _raw(array: Array) -> Array:
    """View float16 as its bits: Numba has no such type."""
    return array.view(np.uint16) if array.dtype == np.float16 else array


@njit(nogil=True, cache=True)
def _noise_scale(plan, seed, index, clean, noise, words):
    """Fill the noise; return the factor that brings it to the ratio, and the ratio that this gives."""
    if plan.ratio == 0.0:
        return np.float32(0), 0.0
    signal = 0.0
    for frame in range(clean.shape[0]):
        signal += sum_of_magnitudes(clean[frame])
    if signal == 0.0:
        return np.float32(0), 0.0
    magnitude = fill_noise(plan, seed, index, noise, words)
    scale = np.float32(plan.ratio * signal / magnitude)
    return scale, scale * magnitude / signal


def _noise_plan(spec: RenderSpec) -> NoisePlan:
    noise = spec.noise
    gaussian, white, perlin = mixture_weights(noise.gaussian, noise.white, noise.perlin, noise.octaves)
    return NoisePlan(
        ratio=noise.ratio,
        gaussian=gaussian,
        white=white,
        perlin=perlin,
        octaves=noise.octaves,
        cells_per_pixel=1.0 / (noise.cell * min(spec.height, spec.width)),
        cells_per_frame=1.0 / noise.cell_frames,
        drift=(noise.drift[0] / noise.cell, noise.drift[1] / noise.cell),
    )


def _checked_sprites(spec: RenderSpec, sprites: Array | None) -> Array:
    named = spec.sprites
    if named is None:
        if sprites is not None:
            raise InputError("sprites are given, but the spec names none; give a spec with sprites, or no sprites")
        return np.zeros((1, 1, 1), np.uint8)
    if sprites is None:
        raise InputError(f"the spec names {named.count} sprites and none are given; give them, e.g. by --sprites")
    expected = (named.count, named.height, named.width)
    if sprites.shape != expected or sprites.dtype != np.uint8:
        raise InputError(f"the sprites are {sprites.shape} {sprites.dtype}; the spec names {expected} uint8")
    # A read-only array is another type to Numba, which would compile every kernel once more.
    sprites = np.require(sprites, requirements=["C", "W"])
    digest = hashlib.sha256(sprites.tobytes()).hexdigest()
    if digest != named.sha256:
        raise InputError(f"the sprites have SHA-256 {digest[:12]}…; the spec names {named.sha256[:12]}…")
    return sprites
