"""Specs that have a name: Dynamic MNIST. The single properties need none, their defaults are the paper's."""

from typing import Literal, get_args

from schemas.render import (
    Intensity,
    Mixed,
    Noise,
    Objects,
    RenderSpec,
    Rotation,
    Splits,
    SpriteSet,
    Texture,
    Translation,
)

PresetName = Literal["dynamic-mnist"]
PRESETS: tuple[PresetName, ...] = get_args(PresetName)


def preset_spec(name: PresetName, sprites: SpriteSet) -> RenderSpec:
    """
    Return the spec of a preset.

    Parameters
    ----------
    name : one of PRESETS
    sprites : the images that it shows, e.g. `sprite_set(built_in_digits())`

    Raises
    ------
    pydantic.ValidationError
        there are fewer sprites than its splits need.
    """
    match name:
        case "dynamic-mnist":
            return dynamic_mnist(sprites)


def default_n(spec: RenderSpec) -> int | None:
    """Return the sequences of all splits together, 850 for Dynamic MNIST; None for a spec without splits."""
    splits = spec.splits
    return splits.train + splits.validation + splits.test if splits else None


def dynamic_mnist(sprites: SpriteSet) -> RenderSpec:
    """
    Return the spec of Dynamic MNIST: three digits, of which one translates, one rotates and one grows or decays.

    Velocity and turning rate are constant, there is no noise, and no digit is in two splits. Growth and decay are
    stronger than a single property's default, so that the third digit is not lost among the errors of the two others.
    """
    return RenderSpec(
        objects=Objects(count=(3, 3), kinds=("sprite",), size=(0.18, 0.21), intensity=(1, 1)),
        texture=Texture(contrast=(0, 0)),
        sprites=sprites,
        property=Mixed(
            assignments=(("translation",), ("rotation",), ("intensity",)),
            translation=Translation(speed=(0.015, 0.035), acceleration=(0, 0), jerk=(0, 0)),
            rotation=Rotation(angular_velocity=(0.08, 0.25), angular_acceleration=(0, 0), angular_jerk=(0, 0)),
            intensity=Intensity(growth=(1.18, 1.3), decay=(0.76, 0.86), spread=(0.003, 0.006)),
        ),
        noise=Noise(ratio=0),
        truth=("mask", "property_mask"),
        splits=Splits(train=250, validation=100, test=500),
    )
