"""
A whole sequence in plain NumPy, from its row of the parameter table: written from the definition, slow.

Definition: shared/design/rendering.md ("What a synthetic sequence is") and the column texts of schemas/store.py.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.render import RenderSpec
from schemas.store import PROPERTY_BITS
from tests.reference import growth, kinematics, shapes
from tests.reference.parameters import Columns, objects_of

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ReferenceSequence:
    """What the definition gives for one sequence, in float64."""

    clean: Array
    """(time, y, x) in 0..1."""
    coverage: Array
    """(object, time, y, x) in 0..1, of each object at its pose, before growth."""
    layers: Array
    """(object, time, y, x): each object's own light, grown where it grows."""
    mask: Array
    flow: Array
    """(time, 2, y, x) px."""
    property_mask: Array


def render_reference(spec: RenderSpec, columns: Columns, sprites: Array | None = None) -> ReferenceSequence:
    """Render the sequence that a row of the parameter table describes, without noise."""
    count = objects_of(columns)
    shape = (count, spec.frames, spec.height, spec.width)
    coverage, layers = np.zeros(shape), np.zeros(shape)
    for item in range(count):
        for t in range(spec.frames):
            u, v = object_coordinates(spec, columns, item, t)
            coverage[item, t] = shapes.coverage(columns, item, u, v, sprites)
            layers[item, t] = coverage[item, t] * brightness(columns, item, u, v)
    if spec.property.kind == "intensity":
        clean = _whole_image(columns, _over(layers[:, 0], coverage[:, 0]), spec.frames)
    else:
        for item in range(count):
            if columns["property"][item] & PROPERTY_BITS["intensity"]:
                kernel = growth.growth_kernel(columns, item)
                layers[item] = [growth.grow(layer, kernel, t) for t, layer in enumerate(layers[item])]
        clean = np.array([_over(layers[:, t], coverage[:, t]) for t in range(spec.frames)])
    mask = front_object(coverage)
    return ReferenceSequence(
        clean=clean,
        coverage=coverage,
        layers=layers,
        mask=mask,
        flow=np.array([_flow(spec, columns, mask[t], t) for t in range(spec.frames)]),
        property_mask=np.concatenate([[0], columns["property"][:count]]).astype(np.uint8)[mask],
    )


def object_coordinates(spec: RenderSpec, columns: Columns, item: int, t: float) -> tuple[Array, Array]:
    """Return (u, v) of all pixel centres: from the object's centre, turned back by its angle."""
    centre, angle = kinematics.pose(columns, item, t)
    offsets = pixel_centres(spec) - centre[:, None, None]
    u, v = np.einsum("ij,jyx->iyx", kinematics.turn(-angle), offsets)
    return u, v


def pixel_centres(spec: RenderSpec) -> Array:
    """Return (x, y) of all pixel centres: (2, y, x)."""
    y, x = np.mgrid[: spec.height, : spec.width] + 0.5
    return np.array([x, y])


def brightness(columns: Columns, item: int, u: Array, v: Array) -> Array:
    """Return intensity times sine texture: between (1 - contrast) and 1 of the intensity."""
    direction = columns["texture_direction"][item]
    turns = (u * direction[0] + v * direction[1]) / columns["texture_wavelength"][item]
    wave = np.sin(2 * np.pi * (turns + columns["texture_phase"][item]))
    return np.asarray(columns["intensity"][item] * (1 - columns["texture_contrast"][item] * (1 - wave) / 2))


def front_object(coverage: Array) -> Array:
    """Return the mask (time, y, x): the last object + 1 that covers at least half."""
    mask = np.zeros(coverage.shape[1:], np.uint8)
    for item, covered in enumerate(coverage):
        mask[covered >= 0.5] = item + 1
    return mask


def _over(layers: Array, coverage: Array) -> Array:
    """Put layers over each other, the first behind: what an object covers, it hides; light adds up to white."""
    image = np.zeros(layers.shape[1:])
    for light, covered in zip(layers, coverage, strict=True):
        image = np.minimum(image * (1 - covered) + light, 1)
    return image


def _whole_image(columns: Columns, first: Array, frames: int) -> Array:
    kernel = growth.growth_kernel(columns, 0)
    return np.array([growth.grow(first, kernel, t) for t in range(frames)])


def _flow(spec: RenderSpec, columns: Columns, mask: Array, t: int) -> Array:
    """Return where the surface point at each pixel centre goes until t + 1."""
    flow = np.zeros((2, spec.height, spec.width))
    here = pixel_centres(spec)
    for item in range(objects_of(columns)):
        surface = np.array(object_coordinates(spec, columns, item, t))
        centre, angle = kinematics.pose(columns, item, t + 1)
        there = centre[:, None, None] + np.einsum("ij,jyx->iyx", kinematics.turn(angle), surface)
        flow = np.where(mask == item + 1, there - here, flow)
    return flow
