"""Draw the README's pictures: `python docs/pictures.py [FOLDER]`, by default into docs/pictures."""

import sys
from pathlib import Path

import numpy as np

from datagen import RenderSpec, render_sequences
from datagen.presets import preset_spec
from datagen.storage.sprites import built_in_digits, sprite_set
from datagen.views.preview import encode_preview

PROPERTIES = ("translation", "rotation", "intensity", "mixed")
RATIOS = (0.0, 0.26, 0.7)
"""The paper's noise ratios."""
START = {"translation": 6, "rotation": 6, "intensity": 6, "mixed": 307}
"""Sequences with three different objects."""
DURATION = 120


def main(folder: Path) -> None:
    """Write one GIF per property (clean, noise ratio 0.26 and 0.70), Dynamic MNIST, the truth, and the hero."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROPERTIES:
        (folder / f"{name}.gif").write_bytes(noise_levels(name))
    (folder / "truth.gif").write_bytes(truth())
    (folder / "dynamic-mnist.gif").write_bytes(dynamic_mnist())
    (folder / "hero.gif").write_bytes(hero())


def noise_levels(name: str) -> bytes:
    """Draw one sequence without noise and with the paper's two levels of it."""
    frames = [rendered(name, ratio, 96) for ratio in RATIOS]
    return encode_preview(np.stack(frames), "gif", scale=1, columns=len(RATIOS), duration=DURATION)


def hero() -> bytes:
    """Draw every property clean above the same with noise."""
    frames = [rendered(name, ratio, 112) for ratio in (0.0, 0.7) for name in PROPERTIES]
    return encode_preview(np.stack(frames), "gif", scale=1, columns=len(PROPERTIES), duration=DURATION)


def truth() -> bytes:
    """Draw flow and outlines over a mixed sequence."""
    spec = RenderSpec.parse({"property": "mixed", "noise": {"ratio": 0}, "truth": ["flow", "mask"]})
    shown = render_sequences(spec, START["mixed"], 2)
    return encode_preview(shown.frames, "gif", flow=shown.flow, mask=shown.mask, scale=2, columns=2, duration=DURATION)


def dynamic_mnist() -> bytes:
    """Draw four sequences of Dynamic MNIST with the built-in digits."""
    digits = built_in_digits()
    spec = preset_spec("dynamic-mnist", sprite_set(digits))
    shown = render_sequences(spec, 0, 4, sprites=digits)
    return encode_preview(shown.frames, "gif", scale=1, columns=4, duration=DURATION)


def rendered(name: str, ratio: float, side: int) -> np.ndarray:
    """Return one sequence of a property, (time, y, x) uint8."""
    spec = RenderSpec.parse({"property": name, "noise": {"ratio": ratio}, "height": side, "width": side})
    return render_sequences(spec, START[name], 1).frames[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures")
