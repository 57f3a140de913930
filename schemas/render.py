"""RenderSpec: everything that decides a rendered bit. Sequence i is a pure function of (spec, i)."""

import builtins
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ModelWrapValidatorHandler, model_validator

from schemas.model import Model, digest

SCHEMA_VERSION: Final = 1
"""Raised with every change of a rendered bit or of the store's layout."""

MAX_SIDE = 4096
MAX_FRAMES = 4096
MAX_PIXELS = 2**24
"""Pixels of one sequence; a unit of 16 such sequences is 256 MiB in uint8."""
MAX_OBJECTS = 16
MAX_SEQUENCES = 2**63
MAX_POLYGON_VERTICES = 8
SMALLEST = 1e-4
"""Of what must not be 0: far less is nothing to be seen, and in the end no number that kernels can divide by."""
MIN_CELL = 1e-3
"""Of a Perlin lattice, as a fraction of the shorter side; time grows with the cells, a second a sequence here."""
MAX_LATTICE = 2**21
"""Cells of the finest Perlin octave along the width, which limits what they take to 50 MB in long frames too."""
MAX_SPRITE_REDUCTION = 1024
"""Sprite pixels per px of the frame; the square of it is sampled for every pixel."""

Dtype = Literal["uint8", "float16", "float32"]
ObjectKind = Literal["circle", "line", "polygon", "sprite"]
PropertyKind = Literal["translation", "rotation", "intensity", "mixed"]
BasicProperty = Literal["translation", "rotation", "intensity"]
TruthArray = Literal["clean", "flow", "mask", "property_mask"]


_Number = TypeVar("_Number", int, float)
_Item = TypeVar("_Item")


def _ordered(pair: tuple[_Number, _Number]) -> tuple[_Number, _Number]:
    low, high = pair
    if low > high:
        raise ValueError(f"give [low, high] with low <= high, e.g. [{high}, {low}]")
    return pair


def _odd(pair: tuple[int, int]) -> tuple[int, int]:
    if any(width % 2 == 0 for width in pair):
        raise ValueError("give odd widths from 3 to 7, e.g. [3, 7]")
    return pair


def _distinct(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if len(set(items)) != len(items):
        raise ValueError("give each name once")
    return items


def _in_canonical_order(arrays: tuple[TruthArray, ...]) -> tuple[TruthArray, ...]:
    return tuple(name for name in get_args(TruthArray) if name in arrays)


def _kind_alone(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _booleans(fields: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every true and false in plain data."""
    match fields:
        case bool():
            yield path
        case Mapping():
            for name, value in fields.items():
                yield from _booleans(value, f"{path}.{name}" if path else str(name))
        case list() | tuple():
            for place, value in enumerate(fields):
                yield from _booleans(value, f"{path}[{place}]")


Bounded = Annotated[tuple[_Number, _Number], AfterValidator(_ordered)]
Share = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[float, Field(ge=SMALLEST, le=10)]
Rate = Annotated[float, Field(ge=0, le=10)]
Turn = Annotated[float, Field(ge=0, le=3.2)]
Count = Annotated[int, Field(ge=1, le=MAX_OBJECTS)]
KernelWidth = Annotated[int, Field(ge=3, le=7)]


class Objects(Model):
    """What is drawn, before it changes."""

    count: Bounded[Count] = Field((1, 3), description="objects in a sequence, [low, high]")
    kinds: Annotated[tuple[ObjectKind, ...], AfterValidator(_distinct)] = Field(
        ("circle", "line", "polygon"), min_length=1, description="kinds of shape, each as likely"
    )
    size: Bounded[Length] = Field(
        (0.1, 0.2),
        description="radius, half length or half side, as a fraction of the frame's shorter side",
        examples=[[0.1, 0.2]],
    )
    line_width: Bounded[Share] = Field(
        (0.2, 0.4), description="half width of a line as a fraction of its half length, round caps included"
    )
    intensity: Bounded[Share] = Field(
        (0.6, 1.0), description="largest intensity over the sequence, fraction of full scale"
    )


class Texture(Model):
    """A sine wave attached to the object: it moves and turns with it."""

    contrast: Bounded[Share] = Field(
        (0.4, 0.8), description="depth of the wave: intensity varies between (1 - contrast) and 1 of the object's"
    )
    wavelength: Bounded[Length] = Field((0.6, 1.6), description="as a fraction of the object's size")


class SpriteSet(Model):
    """A stack of grey images, named by its content; the images travel beside the spec."""

    count: int = Field(ge=1, le=2**31 - 1, description="images in the stack")
    height: int = Field(ge=1, le=MAX_SIDE, description="px")
    width: int = Field(ge=1, le=MAX_SIDE, description="px")
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="of the (sprite, sprite_y, sprite_x) uint8 bytes in C order"
    )


class Translation(Model):
    """The centre moves: q(t) = q0 + q' t + q'' t^2/2 + q''' t^3/6, directions uniform."""

    kind: Literal["translation"] = "translation"
    speed: Bounded[Rate] = Field((0.005, 0.03), description="at the middle frame, shorter frame sides per frame")
    acceleration: Bounded[Rate] = Field((0, 0.004), description="shorter frame sides per frame^2")
    jerk: Bounded[Rate] = Field((0, 0.0006), description="shorter frame sides per frame^3")


class Rotation(Model):
    """The angle changes about a pivot, either way; each derivative has its own sign."""

    kind: Literal["rotation"] = "rotation"
    angular_velocity: Bounded[Turn] = Field((0.05, 0.35), description="at the middle frame, rad/frame")
    angular_acceleration: Bounded[Turn] = Field((0, 0.03), description="rad/frame^2")
    angular_jerk: Bounded[Turn] = Field((0, 0.005), description="rad/frame^3")
    pivot: Literal["centroid", "orbit"] = Field(
        "centroid", description="turn about the centroid, or about a point off it"
    )
    orbit_radius: Bounded[Annotated[float, Field(gt=0, le=10)]] = Field(
        (0.05, 0.2), description="distance of an orbit's pivot from the centroid, fraction of the shorter side"
    )


class Intensity(Model):
    """The image grows or decays: I(t+1) = clip(K * I(t), 0, 1), K a convolution filter of total weight g."""

    kind: Literal["intensity"] = "intensity"
    growth: Bounded[Annotated[float, Field(ge=1, le=4)]] = Field((1.1, 1.32), description="g of growth, per frame")
    decay: Bounded[Share] = Field((0.72, 0.9), description="g of decay, per frame")
    growth_share: Share = Field(0.5, description="probability of growth; the rest decays")
    kernel_width: Annotated[Bounded[KernelWidth], AfterValidator(_odd)] = Field(
        (3, 7), description="odd width of K in px, each as likely"
    )
    spread: Bounded[Annotated[float, Field(gt=0, le=1)]] = Field(
        (0.002, 0.008), description="K's standard deviation across its direction, fraction of the shorter side"
    )
    anisotropy: Bounded[Annotated[float, Field(ge=1, le=4)]] = Field(
        (1, 2.5), description="ratio of K's standard deviations along and across its direction"
    )


class Mixed(Model):
    """Every object is a layer of its own that translates, turns, grows or does several of these."""

    kind: Literal["mixed"] = "mixed"
    assignments: tuple[Annotated[tuple[BasicProperty, ...], Field(min_length=1), AfterValidator(_distinct)], ...] = (
        Field(
            (),
            description="properties of object 0, 1, ... in turn; empty: each draws one of the seven combinations",
            examples=[[["translation"], ["rotation"], ["intensity"]]],
        )
    )
    translation: Translation = Translation()
    rotation: Rotation = Rotation()
    intensity: Intensity = Intensity()


_PropertyMapping = Annotated[Translation | Rotation | Intensity | Mixed, Field(discriminator="kind")]
Property = Annotated[
    _PropertyMapping, BeforeValidator(_kind_alone, json_schema_input_type=PropertyKind | _PropertyMapping)
]


class Noise(Model):
    """Gaussian, white and Perlin noise, mixed by weight and scaled to a ratio."""

    ratio: float = Field(
        0.7,
        ge=0,
        le=100,
        description="sum |noise| / sum |clean| over the sequence, before clipping",
        examples=["0 (no noise)", 0.26, 0.7],
    )
    gaussian: Rate = Field(1.0, description="relative weight")
    white: Rate = Field(1.0, description="relative weight")
    perlin: Rate = Field(1.0, description="relative weight")
    octaves: int = Field(4, ge=1, le=8, description="of the Perlin noise; lacunarity 2, persistence 1/2")
    cell: Annotated[float, Field(ge=MIN_CELL, le=4)] = Field(
        0.25, description="first lattice cell of the Perlin noise, fraction of the shorter side"
    )
    cell_frames: Annotated[float, Field(ge=SMALLEST, le=4096)] = Field(8.0, description="the same in time, frames")
    drift: tuple[Annotated[float, Field(ge=-1, le=1)], Annotated[float, Field(ge=-1, le=1)]] = Field(
        (0.0, 0.0), description="(dx, dy) of the Perlin noise, shorter frame sides per frame"
    )

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.ratio > 0 and self.gaussian + self.white + self.perlin < SMALLEST:
            raise ValueError(f"all three weights are 0 or next to it; give one of {SMALLEST:g} or more, or ratio 0")
        return self


class Splits(Model):
    """Sequences 0 .. train-1 train, the next validate, all others test; sprites are dealt disjointly."""

    train: int = Field(ge=1, le=2**40, description="sequences")
    validation: int = Field(ge=1, le=2**40, description="sequences")
    test: int = Field(ge=1, le=2**40, description="sequences by default; the last split is open-ended")


class RenderSpec(Model):
    """A data set of up to 2**63 sequences: with the same spec, everyone holds the same one."""

    schema_version: Literal[1] = SCHEMA_VERSION
    frames: int = Field(10, ge=1, le=MAX_FRAMES, description="frames per sequence")
    height: int = Field(128, ge=1, le=MAX_SIDE, description="px")
    width: int = Field(128, ge=1, le=MAX_SIDE, description="px")
    dtype: Dtype = Field("uint8", description="stored type; uint8 255 and float 1.0 are full scale")
    objects: Objects = Objects()
    texture: Texture = Texture()
    sprites: SpriteSet | None = Field(None, description="the images of kind `sprite`")
    property: Property = Field(description="how objects change over time")
    noise: Noise = Noise()
    truth: Annotated[tuple[TruthArray, ...], AfterValidator(_in_canonical_order)] = Field(
        (), description="arrays stored beside the frames"
    )
    splits: Splits | None = Field(None, description="which sequences train, validate and test")
    seed: int = Field(0, ge=0, le=2**64 - 1, description="of all random numbers")

    @builtins.property  # the field `property` hides the decorator here
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, which names the data set: 64 hexadecimal digits."""
        return digest(self)

    @model_validator(mode="wrap")
    @classmethod
    def _holds_no_booleans(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuse YAML's true and yes, which are 1 to Python."""
        spec = handler(data)
        for path in _booleans(data):
            raise ValueError(f"{path} is true or false; no field of a spec is")
        return spec

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        pixels = self.frames * self.height * self.width
        if pixels > MAX_PIXELS:
            raise ValueError(
                f"a sequence of {self.frames}x{self.height}x{self.width} has {pixels} pixels; give at most {MAX_PIXELS}"
            )
        return self

    @model_validator(mode="after")
    def _cells_fit(self) -> Self:
        side, octaves = min(self.height, self.width), self.noise.octaves
        least = self.width * 2 ** (octaves - 1) / (MAX_LATTICE * side)
        if self.noise.cell < least:
            raise ValueError(
                f"noise.cell is {self.noise.cell:g}, too fine for {octaves} octaves on {self.height}x{self.width} px; "
                f"give {least} or more, or fewer octaves"
            )
        return self

    @model_validator(mode="after")
    def _sprites_fit(self) -> Self:
        if ("sprite" in self.objects.kinds) != (self.sprites is not None):
            raise ValueError("objects.kinds has `sprite` if and only if sprites are given; give both or neither")
        if self.splits and self.sprites and self.sprites.count < MIN_SPRITES_FOR_SPLITS:
            raise ValueError(
                f"{self.sprites.count} sprites leave a split without any; give {MIN_SPRITES_FOR_SPLITS} or more"
            )
        if self.sprites:
            side = min(self.height, self.width)
            least = max(self.sprites.height, self.sprites.width) / (2 * MAX_SPRITE_REDUCTION * side)
            if self.objects.size[0] < least:
                raise ValueError(
                    f"objects.size[0] is {self.objects.size[0]:g}, too small for these sprites on {side} px; "
                    f"give {least} or more"
                )
        return self


SPLIT_CYCLE = ("train",) * 6 + ("validation",) * 2 + ("test",) * 2
"""Sprite s serves split SPLIT_CYCLE[s % 10], so that no sprite is in two splits whatever n is."""
MIN_SPRITES_FOR_SPLITS = 9
