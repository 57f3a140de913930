"""Where pictures and exports come from: a spec, rendered as it is read, or a store."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, get_args

import numpy as np
import zarr
from numpy.typing import NDArray

from datagen.rendering.sequence import Renderer
from datagen.storage.store import SequenceStore
from schemas.errors import DamagedStoreError, InputError
from schemas.render import MAX_SEQUENCES, RenderSpec, TruthArray
from schemas.store import ArrayLayout, chunk_sequences, frame_layouts, table_layouts

Array = NDArray[Any]


class Source(Protocol):
    """Sequences by number."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def n(self) -> int:
        """Sequences."""

    @property
    def layouts(self) -> Mapping[str, ArrayLayout]:
        """The arrays that it holds, by name; `frames` is one of them."""

    @property
    def chunk(self) -> int:
        """Sequences that are read best at once, from a multiple of this number on."""

    @property
    def origin(self) -> dict[str, str]:
        """What made it, as text by name: canonical JSON of the spec or recipe, and its digest."""

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Array]:
        """Return sequences start .. stop - 1 of arrays, each (sequence, *layout.shape); raises InputError."""


class SpecSource:
    """
    A spec: nothing is stored, and every truth array can be had, whether the spec asks for it or not.

    Parameters
    ----------
    spec : what to render
    sprites : (sprite, sprite_y, sprite_x) uint8, the images that the spec names; None if it names none
    n : sequences, at least 1

    Raises
    ------
    InputError
        the sprites are not those that the spec names.
    """

    def __init__(self, spec: RenderSpec, sprites: NDArray[np.uint8] | None = None, n: int = MAX_SEQUENCES) -> None:
        self.n = n
        self.layouts = {layout.name: layout for layout in frame_layouts(spec) + table_layouts(spec)}
        self.chunk = chunk_sequences(spec)
        self.origin = {"spec": spec.canonical_json(), "digest": spec.digest}
        # More truth changes the digest and no bit of the frames.
        self._renderer = Renderer(spec.model_copy(update={"truth": get_args(TruthArray)}), sprites)

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the spec"

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Array]:
        """Return sequences start .. stop - 1 of arrays; raises InputError where there is no such sequence."""
        check_range(self, start, stop)
        layouts = self._renderer.layouts
        outputs = {name: np.empty((stop - start, *layouts[name].shape), layouts[name].dtype) for name in names}
        self._renderer.render_into(start, outputs)
        return outputs


class StoreSource:
    """A store, rendered or prepared from real data: it has the arrays that it was given."""

    def __init__(self, store: SequenceStore) -> None:
        self._store = store
        self.name = store.path
        self.n = store.n
        arrays = {name: array for name, array in store.group.arrays() if _dimensions(array)[:1] == ("sequence",)}
        self.layouts = {
            name: ArrayLayout(
                name=name,
                dtype=array.dtype.name,
                dimensions=_dimensions(array),
                shape=array.shape[1:],
                attributes=dict(array.attrs),
            )
            for name, array in arrays.items()
        }
        self.chunk = store["frames"].chunks[0]

    @property
    def origin(self) -> dict[str, str]:
        """What made it, as text by name: canonical JSON of the spec or recipe, and its digest."""
        if self._store.rendered:
            return {"spec": self._store.spec.canonical_json(), "digest": self._store.digest}
        recipe = json.dumps(self._store.fields.get("recipe"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return {"recipe": recipe, "digest": self._store.digest}

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Array]:
        """
        Return sequences start .. stop - 1 of arrays.

        Raises
        ------
        InputError
            there is no such sequence or array; the message says how to get it.
        DamagedStoreError
            a checksum fails.
        """
        check_range(self, start, stop)
        return {name: self._read(name, start, stop) for name in names}

    def _read(self, name: str, start: int, stop: int) -> Array:
        if name not in self.layouts:
            raise InputError(f"{self.name} has no {name}; {self._advice(name)}")
        try:
            return np.asarray(self._store[name][start:stop])
        except InputError:
            raise
        except ValueError as error:  # what zarr raises for a checksum, without the name
            repair = f"mend it with `datagen verify {shlex.quote(self.name)} --repair`"
            raise DamagedStoreError(
                f"{self.name}: {name} of sequences {start}-{stop - 1} fails its checksum; "
                f"{repair if self._store.rendered else 'prepare it anew'}"
            ) from error
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {(error.strerror or str(error)).lower()}") from error

    def _advice(self, name: str) -> str:
        if not self._store.rendered:
            return "real data come without truth, leave the overlay out"
        return f"render it with `--truth {','.join((*self._store.spec.truth, name))}` into another path"


def read_chunks(source: Source, names: Iterable[str], start: int, stop: int) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yield sequences start .. stop - 1 of arrays in pieces that cross no chunk, each after its first number."""
    names = tuple(names)
    while start < stop:
        end = min(stop, (start // source.chunk + 1) * source.chunk)
        yield start, source.read(names, start, end)
        start = end


def check_range(source: Source, start: int, stop: int) -> None:
    """
    Check that sequences start .. stop - 1 are in a source.

    Raises
    ------
    InputError
        some of them are not, or there are none.
    """
    if not 0 <= start < stop <= source.n:
        asked = f"sequence {start} is" if stop == start + 1 else f"sequences {start} to {stop - 1} are"
        raise InputError(f"{asked} not in {source.name}; give numbers from 0 to {source.n - 1}")


def _dimensions(array: zarr.Array[Any]) -> tuple[str, ...]:
    return tuple(name or "" for name in getattr(array.metadata, "dimension_names", None) or ())
