"""(spec, i) to the parameter rows of sequence i: everything that is random about its objects, and no pixels."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from datagen.rendering.counter_rng import GROWTH as GROWTH_DRAWS
from datagen.rendering.counter_rng import MOTION, SHAPE, TEXTURE, between, direction, uniform, whole_between
from datagen.rendering.kinematics import rebase
from datagen.rendering.parameters import (
    ACCELERATION,
    ANGLE,
    ANGULAR_ACCELERATION,
    ANGULAR_JERK,
    ANGULAR_VELOCITY,
    CONTRAST,
    GROWS,
    GROWTH,
    INTENSITY,
    JERK,
    KERNEL_DIRECTION,
    KERNEL_SIGMA,
    KERNEL_WIDTH,
    KIND,
    LINE,
    LINE_WIDTH,
    PHASE,
    PIVOT,
    POLYGON,
    POSITION,
    PROPERTY,
    ROTATES,
    SIZE,
    SPRITE,
    SPRITE_KIND,
    TEXTURE_DIRECTION,
    TRANSLATES,
    VELOCITY,
    VERTEX_COUNT,
    VERTICES,
    WAVELENGTH,
)
from schemas.render import SPLIT_CYCLE, Intensity, Mixed, RenderSpec, Rotation, Translation
from schemas.store import OBJECT_KINDS, PROPERTY_BITS

Range = tuple[float, float]
_TAU = 6.283185307179586
_MAX_START_DIVISOR = 8.0
"""A growing object starts at its largest intensity / min(g^(T-1), 8): long sequences start visible, and saturate."""
_FIRST_VERTEX_DRAW = 100
_REJECTION_DRAWS = 1000
"""First draw number of a direction, which may need several; one block of a thousand each."""


class Plan(NamedTuple):
    """A RenderSpec as kernels take it: numbers, ranges and small arrays; lengths in px where the spec has fractions."""

    seed: np.uint64
    frames: int
    height: int
    width: int
    object_count: tuple[int, int]
    kinds: NDArray[np.int64]
    size: Range
    line_width: Range
    intensity: Range
    contrast: Range
    wavelength: Range
    assignments: NDArray[np.int64]
    """Property bits of object 0, 1, ... in turn; empty: drawn."""
    whole_image: bool
    """The image as a whole grows, not each object as a layer of its own."""
    speed: Range
    acceleration: Range
    jerk: Range
    angular_velocity: Range
    angular_acceleration: Range
    angular_jerk: Range
    orbit_radius: Range
    growth: Range
    decay: Range
    growth_share: float
    half_kernel: tuple[int, int]
    spread: Range
    anisotropy: Range
    split_ends: tuple[int, int]
    """First sequence of validation and of test; (0, 0) without splits."""
    sprites: NDArray[np.int64]
    """Number of sprites that serve train, validation, test; one number without splits."""


def plan_of(spec: RenderSpec) -> Plan:
    """Resolve a spec: fractions of the shorter side become px, unions become ranges."""
    side = float(min(spec.height, spec.width))
    changes = spec.property
    translation = changes if isinstance(changes, Translation) else getattr(changes, "translation", Translation())
    rotation = changes if isinstance(changes, Rotation) else getattr(changes, "rotation", Rotation())
    intensity = changes if isinstance(changes, Intensity) else getattr(changes, "intensity", Intensity())
    return Plan(
        seed=np.uint64(spec.seed),
        frames=spec.frames,
        height=spec.height,
        width=spec.width,
        object_count=spec.objects.count,
        kinds=np.array([OBJECT_KINDS[kind] for kind in spec.objects.kinds], np.int64),
        size=_in_pixels(spec.objects.size, side),
        line_width=_floats(spec.objects.line_width),
        intensity=_floats(spec.objects.intensity),
        contrast=_floats(spec.texture.contrast),
        wavelength=_floats(spec.texture.wavelength),
        assignments=_assignments(changes),
        whole_image=isinstance(changes, Intensity),
        speed=_in_pixels(translation.speed, side),
        acceleration=_in_pixels(translation.acceleration, side),
        jerk=_in_pixels(translation.jerk, side),
        angular_velocity=_floats(rotation.angular_velocity),
        angular_acceleration=_floats(rotation.angular_acceleration),
        angular_jerk=_floats(rotation.angular_jerk),
        orbit_radius=_in_pixels(rotation.orbit_radius, side) if rotation.pivot == "orbit" else (0.0, 0.0),
        growth=_floats(intensity.growth),
        decay=_floats(intensity.decay),
        growth_share=intensity.growth_share,
        half_kernel=(intensity.kernel_width[0] // 2, intensity.kernel_width[1] // 2),
        spread=_in_pixels(intensity.spread, side),
        anisotropy=_floats(intensity.anisotropy),
        split_ends=(spec.splits.train, spec.splits.train + spec.splits.validation) if spec.splits else (0, 0),
        sprites=_sprites_per_split(spec),
    )


def _floats(bounds: Range) -> Range:
    """Make floats of a default such as (0, 0.03): of other types the kernels would be compiled again."""
    return float(bounds[0]), float(bounds[1])


def _in_pixels(bounds: Range, side: float) -> Range:
    return bounds[0] * side, bounds[1] * side


def _assignments(changes: Translation | Rotation | Intensity | Mixed) -> NDArray[np.int64]:
    combinations = changes.assignments if isinstance(changes, Mixed) else ((changes.kind,),)
    return np.array([sum(PROPERTY_BITS[name] for name in names) for names in combinations], np.int64)


def _sprites_per_split(spec: RenderSpec) -> NDArray[np.int64]:
    count = spec.sprites.count if spec.sprites else 0
    if spec.splits is None:
        return np.array([count], np.int64)
    serving = [[SPLIT_CYCLE[sprite % 10] for sprite in range(count % 10)].count(name) for name in _SPLITS]
    return np.array([count // 10 * SPLIT_CYCLE.count(name) + more for name, more in zip(_SPLITS, serving, strict=True)])


_SPLITS = ("train", "validation", "test")
_CYCLE_SHARE = np.array([SPLIT_CYCLE.count(name) for name in _SPLITS], np.int64)
_CYCLE_START = np.array([SPLIT_CYCLE.index(name) for name in _SPLITS], np.int64)

_REGULAR = np.zeros((9, 8, 2))
"""Corners of the regular polygons with 3..8 vertices, radius 1."""
for _count, _corners in {
    3: ((1.0, 0.0), (-0.5, 0.8660254037844386), (-0.5, -0.8660254037844386)),
    4: ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)),
    5: (
        *((1.0, 0.0), (0.3090169943749474, 0.9510565162951535), (-0.8090169943749475, 0.5877852522924731)),
        *((-0.8090169943749475, -0.5877852522924731), (0.3090169943749474, -0.9510565162951535)),
    ),
    6: (
        *((1.0, 0.0), (0.5, 0.8660254037844386), (-0.5, 0.8660254037844386)),
        *((-1.0, 0.0), (-0.5, -0.8660254037844386), (0.5, -0.8660254037844386)),
    ),
    7: (
        *((1.0, 0.0), (0.6234898018587336, 0.7818314824680298), (-0.2225209339563144, 0.9749279121818236)),
        *((-0.9009688679024191, 0.4338837391175581), (-0.9009688679024191, -0.4338837391175581)),
        *((-0.2225209339563144, -0.9749279121818236), (0.6234898018587336, -0.7818314824680298)),
    ),
    8: (
        *((1.0, 0.0), (0.7071067811865476, 0.7071067811865476), (0.0, 1.0)),
        *((-0.7071067811865476, 0.7071067811865476), (-1.0, 0.0), (-0.7071067811865476, -0.7071067811865476)),
        *((0.0, -1.0), (0.7071067811865476, -0.7071067811865476)),
    ),
}.items():
    _REGULAR[_count, :_count] = _corners
_RADIAL = (0.6, 1.0)
"""A vertex lies at this share of the size ..."""
_TANGENTIAL = (0.0, 0.35, 0.35, 0.6, 0.5, 0.4, 0.33, 0.28, 0.25)
"""... and at most this far along the tangent: less than half the gap to its neighbour, so the outline stays a star."""


@njit(nogil=True, cache=True)
def draw_rows(plan, index, rows):
    """
    Draw the objects of one sequence.

    Every arithmetic step is exact in IEEE 754 (no sin, exp or log), so rows are equal to the bit on every machine.

    Parameters
    ----------
    plan : Plan
    index : uint64, the sequence
    rows : (object, ROW_LENGTH) float64, written; 0 where there is no object

    Returns
    -------
    the number of objects
    """
    rows[:] = 0.0
    rows[:, SPRITE] = -1.0
    rows[:, GROWTH] = 1.0
    count = whole_between(plan.object_count, uniform(plan.seed, index, SHAPE, 0, 0))
    for item in range(count):
        row = rows[item]
        _draw_shape(plan, index, item, row)
        _draw_texture(plan, index, item, row)
        row[PROPERTY] = _draw_property(plan, index, item)
        _draw_motion(plan, index, item, row)
    _draw_growth(plan, index, rows[:count])
    return count


@njit(nogil=True, cache=True)
def _draw_shape(plan, index, item, row):
    seed = plan.seed
    row[KIND] = plan.kinds[whole_between((0, plan.kinds.size - 1), uniform(seed, index, SHAPE, item, 1))]
    row[SIZE] = between(plan.size, uniform(seed, index, SHAPE, item, 2))
    row[INTENSITY] = between(plan.intensity, uniform(seed, index, SHAPE, item, 3))
    row[ANGLE] = _TAU * uniform(seed, index, SHAPE, item, 4)
    if row[KIND] == LINE:
        row[LINE_WIDTH] = row[SIZE] * between(plan.line_width, uniform(seed, index, SHAPE, item, 5))
    elif row[KIND] == POLYGON:
        _draw_polygon(seed, index, item, row)
    elif row[KIND] == SPRITE_KIND:
        row[SPRITE] = _draw_sprite(plan, index, item)
        row[ANGLE] = 0.0  # an image stands upright at t = 0


@njit(nogil=True, cache=True)
def _draw_polygon(seed, index, item, row):
    """Jitter a regular polygon and move its centroid to the origin."""
    count = whole_between((3, 8), uniform(seed, index, SHAPE, item, 6))
    row[VERTEX_COUNT] = count
    for k in range(count):
        radius = row[SIZE] * between(_RADIAL, uniform(seed, index, SHAPE, item, _FIRST_VERTEX_DRAW + 2 * k))
        slide = _TANGENTIAL[count] * (2.0 * uniform(seed, index, SHAPE, item, _FIRST_VERTEX_DRAW + 2 * k + 1) - 1.0)
        x, y = _REGULAR[count, k, 0], _REGULAR[count, k, 1]
        row[VERTICES + 2 * k] = radius * (x - slide * y)
        row[VERTICES + 2 * k + 1] = radius * (y + slide * x)
    centre_x, centre_y = _centroid(row, count)
    for k in range(count):
        row[VERTICES + 2 * k] -= centre_x
        row[VERTICES + 2 * k + 1] -= centre_y


@njit(nogil=True, cache=True)
def _centroid(row, count):
    double_area, moment_x, moment_y = 0.0, 0.0, 0.0
    for k in range(count):
        following = (k + 1) % count
        x0, y0 = row[VERTICES + 2 * k], row[VERTICES + 2 * k + 1]
        x1, y1 = row[VERTICES + 2 * following], row[VERTICES + 2 * following + 1]
        cross = x0 * y1 - x1 * y0
        double_area += cross
        moment_x += (x0 + x1) * cross
        moment_y += (y0 + y1) * cross
    return moment_x / (3.0 * double_area), moment_y / (3.0 * double_area)


@njit(nogil=True, cache=True)
def _draw_sprite(plan, index, item):
    """Pick a sprite of the sequence's split; the splits share none."""
    u = uniform(plan.seed, index, SHAPE, item, 7)
    if plan.sprites.size == 1:
        return whole_between((0, plan.sprites[0] - 1), u)
    split = int(index >= np.uint64(plan.split_ends[0])) + int(index >= np.uint64(plan.split_ends[1]))
    chosen = whole_between((0, plan.sprites[split] - 1), u)
    share = _CYCLE_SHARE[split]
    return chosen // share * 10 + _CYCLE_START[split] + chosen % share


@njit(nogil=True, cache=True)
def _draw_texture(plan, index, item, row):
    seed = plan.seed
    row[CONTRAST] = between(plan.contrast, uniform(seed, index, TEXTURE, item, 0))
    row[WAVELENGTH] = row[SIZE] * between(plan.wavelength, uniform(seed, index, TEXTURE, item, 1))
    row[PHASE] = uniform(seed, index, TEXTURE, item, 2)
    x, y = direction(seed, index, TEXTURE, item, _REJECTION_DRAWS)
    row[TEXTURE_DIRECTION], row[TEXTURE_DIRECTION + 1] = x, y


@njit(nogil=True, cache=True)
def _draw_property(plan, index, item):
    if plan.assignments.size:
        return plan.assignments[item % plan.assignments.size]
    return whole_between((1, TRANSLATES + ROTATES + GROWS), uniform(plan.seed, index, MOTION, item, 0))


@njit(nogil=True, cache=True)
def _draw_motion(plan, index, item, row):
    """Draw the motion as it is at the middle frame, with the object inside the frame, and move it back to t = 0."""
    seed, middle = plan.seed, (plan.frames - 1) / 2.0
    bits = int(row[PROPERTY])
    spin = (0.0, 0.0, 0.0)
    if bits & ROTATES:
        spin = (
            _either_way(plan.angular_velocity, seed, index, item, 1),
            _either_way(plan.angular_acceleration, seed, index, item, 3),
            _either_way(plan.angular_jerk, seed, index, item, 5),
        )
        radius = between(plan.orbit_radius, uniform(seed, index, MOTION, item, 7))
        x, y = direction(seed, index, MOTION, item, _REJECTION_DRAWS)
        row[PIVOT], row[PIVOT + 1] = radius * x + 0.0, radius * y + 0.0
    _, row[ANGULAR_VELOCITY], row[ANGULAR_ACCELERATION], row[ANGULAR_JERK] = rebase(0.0, *spin, -middle)
    margin = row[SIZE] + abs(row[PIVOT]) + abs(row[PIVOT + 1])
    push = np.zeros((3, 2))
    if bits & TRANSLATES:
        _draw_push(plan, index, item, push)
    for axis in range(2):
        length = plan.width if axis == 0 else plan.height
        inside = (min(margin, length / 2.0), max(length - margin, length / 2.0))
        anchor = between(inside, uniform(seed, index, MOTION, item, 8 + axis))
        position, row[VELOCITY + axis], row[ACCELERATION + axis], row[JERK + axis] = rebase(
            anchor, push[0, axis], push[1, axis], push[2, axis], -middle
        )
        row[POSITION + axis] = position - row[PIVOT + axis]


@njit(nogil=True, cache=True)
def _draw_push(plan, index, item, push):
    """Draw velocity, acceleration and jerk at the middle frame: a length and a direction each."""
    lengths = (
        between(plan.speed, uniform(plan.seed, index, MOTION, item, 10)),
        between(plan.acceleration, uniform(plan.seed, index, MOTION, item, 11)),
        between(plan.jerk, uniform(plan.seed, index, MOTION, item, 12)),
    )
    for k in range(3):
        x, y = direction(plan.seed, index, MOTION, item, _REJECTION_DRAWS * (k + 2))
        push[k, 0], push[k, 1] = lengths[k] * x, lengths[k] * y


@njit(nogil=True, cache=True)
def _either_way(bounds, seed, index, item, draw):
    value = between(bounds, uniform(seed, index, MOTION, item, draw))
    return value if uniform(seed, index, MOTION, item, draw + 1) < 0.5 else -value


@njit(nogil=True, cache=True)
def _draw_growth(plan, index, rows):
    """Draw the growth kernels; when the image as a whole grows, all objects share the first one's."""
    for item in range(rows.shape[0]):
        row = rows[item]
        if int(row[PROPERTY]) & GROWS:
            _draw_kernel(plan, index, 0 if plan.whole_image else item, row)
            total = 1.0
            for _ in range(plan.frames - 1):
                total = min(total * row[GROWTH], _MAX_START_DIVISOR)
            row[INTENSITY] /= max(total, 1.0)


@njit(nogil=True, cache=True)
def _draw_kernel(plan, index, item, row):
    seed = plan.seed
    grows = uniform(seed, index, GROWTH_DRAWS, item, 0) < plan.growth_share
    row[GROWTH] = between(plan.growth if grows else plan.decay, uniform(seed, index, GROWTH_DRAWS, item, 1))
    row[KERNEL_WIDTH] = 1 + 2 * whole_between(plan.half_kernel, uniform(seed, index, GROWTH_DRAWS, item, 2))
    across = between(plan.spread, uniform(seed, index, GROWTH_DRAWS, item, 3))
    row[KERNEL_SIGMA] = across * between(plan.anisotropy, uniform(seed, index, GROWTH_DRAWS, item, 4))
    row[KERNEL_SIGMA + 1] = across
    x, y = direction(seed, index, GROWTH_DRAWS, item, _REJECTION_DRAWS)
    row[KERNEL_DIRECTION], row[KERNEL_DIRECTION + 1] = x, y
