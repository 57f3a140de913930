"""
Golden values of the renderer: digests of parameter tables, and small frames as PNG.

`python -m tests.golden.make_rendering` writes them anew. Do that only when rendered bits are meant to change, which
raises the schema version once it is released.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datagen.rendering.sequence import Renderer
from datagen.storage.sprites import sprite_set
from schemas.render import RenderSpec
from schemas.store import table_layouts
from tests.reference.specs import spec_of

HERE = Path(__file__).parent
PARAMETERS = HERE / "parameters.json"
FIRST_SEQUENCES = (0, 2**40, 2**63 - 16)
"""Sixteen sequences are digested from each of these on."""
SPRITES = np.arange(40 * 6 * 5, dtype=np.uint16).reshape(40, 6, 5).astype(np.uint8)

PARAMETER_SPECS: dict[str, RenderSpec] = {
    "translation": spec_of("translation"),
    "rotation": spec_of("rotation", seed=2**64 - 1),
    "orbit": spec_of({"kind": "rotation", "pivot": "orbit"}, height=48, width=65, frames=7),
    "intensity": spec_of("intensity", frames=20, height=64, width=64),
    "mixed": spec_of("mixed", objects={"count": (3, 16)}, seed=12345),
    "sprites": spec_of(
        "mixed",
        objects={"kinds": ["sprite", "polygon"]},
        sprites=sprite_set(SPRITES),
        splits={"train": 5, "validation": 3, "test": 2},
    ),
}
"""By name: what is digested to the bit."""

FRAME_SPECS: dict[str, RenderSpec] = {
    f"{kind}{'_noisy' if ratio else ''}": spec_of(kind, frames=5, height=24, width=32, noise={"ratio": ratio})
    for kind in ("translation", "rotation", "intensity", "mixed")
    for ratio in (0, 0.7)
}
"""By name: what is kept as a picture, the first four sequences below each other, time to the right."""
FRAME_SEQUENCES = 4


def table_digest(name: str) -> str:
    """Return the SHA-256 over all columns of the drawn parameters, in the order of the store, little endian."""
    spec = PARAMETER_SPECS[name]
    renderer = Renderer(spec, SPRITES if spec.sprites else None)
    digest = hashlib.sha256()
    for start in FIRST_SEQUENCES:
        layouts = [layout for layout in table_layouts(spec) if layout.name != "noise_ratio_measured"]
        columns = {layout.name: np.empty((16, *layout.shape), layout.dtype) for layout in layouts}
        renderer.render_into(start, columns)
        for column in columns.values():
            digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def picture(name: str) -> NDArray[Any]:
    """Render the golden frames of a name into one image: (sequence and y, time and x) uint8."""
    frames = Renderer(FRAME_SPECS[name]).render(0, FRAME_SEQUENCES).frames  # (sequence, time, y, x)
    sequences, times, height, width = frames.shape
    return frames.transpose(0, 2, 1, 3).reshape(sequences * height, times * width)


def picture_path(name: str) -> Path:
    """Return where the golden frames of a name lie."""
    return HERE / f"frames_{name}.png"


def main() -> None:
    """Write all golden values of the renderer."""
    digests = {name: table_digest(name) for name in PARAMETER_SPECS}
    PARAMETERS.write_text(json.dumps(digests, indent=2) + "\n")
    for name in FRAME_SPECS:
        Image.fromarray(picture(name)).save(picture_path(name), optimize=True)


if __name__ == "__main__":
    main()
