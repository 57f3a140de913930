"""A spec as a dask array: nothing is rendered before a block is asked for."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datagen.rendering.sequence import Renderer
from datagen.storage.units import unit_count
from datagen.warmup import warm_up
from schemas.errors import MissingExtraError
from schemas.render import RenderSpec
from schemas.store import chunk_sequences

if TYPE_CHECKING:
    import dask.array


def lazy_sequences(spec: RenderSpec, n: int, sprites: NDArray[np.uint8] | None = None) -> "dask.array.Array":
    """
    Return the frames of n sequences; a block is rendered when it is asked for, wherever dask computes it.

    The array's name follows from the spec's digest and n.

    Parameters
    ----------
    spec : what to render
    n : sequences, at least 1
    sprites : (sprite, sprite_y, sprite_x) uint8, the images that the spec names; None if it names none

    Returns
    -------
    (sequence, time, y, x) of the spec's dtype, in blocks of a store's chunk

    Raises
    ------
    InputError
        n is out of range, or the sprites are not those that the spec names.
    MissingExtraError
        dask is not installed.
    """
    try:
        from dask.array import Array
        from dask.highlevelgraph import HighLevelGraph
    except ImportError:
        raise MissingExtraError(
            "lazy sequences need dask, which is not installed; pip install 'stmoe-synth[dask]'"
        ) from None
    unit_count(spec, n)  # raises where n is out of range
    length = chunk_sequences(spec)
    whole, rest = divmod(n, length)
    chunks = ((length,) * whole + ((rest,) if rest else ()), (spec.frames,), (spec.height,), (spec.width,))
    name = f"sequences-{spec.digest}-{n}"
    # One renderer for all blocks, under a key of its own: the sprites travel once.
    renderer = f"renderer-{spec.digest}"
    graph: dict[Any, Any] = {renderer: Renderer(spec, sprites)}
    for block, count in enumerate(chunks[0]):
        graph[name, block, 0, 0, 0] = (_frames, renderer, block * length, count)
    return Array(HighLevelGraph.from_collections(name, graph), name, chunks, np.dtype(spec.dtype))  # type: ignore[no-untyped-call]


def _frames(renderer: Renderer, start: int, count: int) -> NDArray[Any]:
    warm_up()  # several threads or workers may be the first at once
    layout = renderer.layouts["frames"]
    frames = np.empty((count, *layout.shape), layout.dtype)
    renderer.render_into(start, {"frames": frames})
    return frames
