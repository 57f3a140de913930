"""Sequences straight from a spec into memory: no store, no workers."""

from dataclasses import dataclass, fields
from typing import Any

from numpy.typing import NDArray

from datagen.rendering.sequence import Renderer, Sequences
from datagen.warmup import warm_up
from schemas.render import RenderSpec

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """One rendered sequence; truth that the spec does not ask for is None."""

    frames: Array
    """(time, y, x) of the spec's dtype; 255 or 1.0 is full scale."""
    clean: Array | None
    """As frames, before noise."""
    flow: Array | None
    """(time, component, y, x) float16, forward displacement (dx, dy), px."""
    mask: Array | None
    """(time, y, x) uint8, index of the front object + 1, 0 for background."""
    property_mask: Array | None
    """(time, y, x) uint8, bit set of 1 translation, 2 rotation, 4 intensity."""
    parameters: dict[str, Array]
    """The columns of `schemas.store.table_layouts`, each (object, ...) or ()."""


def render_sequence(spec: RenderSpec, i: int, sprites: Array | None = None) -> Sequence:
    """
    Render sequence i of a spec.

    Parameters
    ----------
    spec : what to render
    i : number of the sequence, 0 <= i < 2**63
    sprites : (sprite, sprite_y, sprite_x) uint8, the images that the spec names; None if it names none

    Returns
    -------
    arrays without a sequence dimension

    Raises
    ------
    InputError
        there is no such sequence, or the sprites are not those that the spec names.
    """
    rendered = render_sequences(spec, i, 1, sprites)
    return Sequence(**{field.name: _only(getattr(rendered, field.name)) for field in fields(Sequence)})


def render_sequences(spec: RenderSpec, start: int, count: int, sprites: Array | None = None) -> Sequences:
    """
    Render `count` sequences of a spec from number `start` on.

    Parameters
    ----------
    spec : what to render
    start : number of the first sequence, 0 <= start < 2**63
    count : sequences, 1 or more
    sprites : (sprite, sprite_y, sprite_x) uint8, the images that the spec names; None if it names none

    Returns
    -------
    arrays with a leading sequence dimension

    Raises
    ------
    InputError
        there are no such sequences, or the sprites are not those that the spec names.
    """
    renderer = Renderer(spec, sprites)
    warm_up()
    return renderer.render(start, count)


def _only(value: Any) -> Any:
    """Return sequence 0 of an array, of each array of a table, or of nothing."""
    if isinstance(value, dict):
        return {name: array[0] for name, array in value.items()}
    return None if value is None else value[0]
