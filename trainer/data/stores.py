"""A store as the trainer reads it: read-only, synthetic or real; refused where nothing can be learnt from it."""

import json
import logging
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, get_args

from schemas.errors import DamagedStoreError, IncompleteStoreError, InputError, NewerSchemaError
from schemas.rain import Scaling, scaling_of
from schemas.real_store import VALID
from schemas.render import SCHEMA_VERSION, Dtype, RenderSpec
from trainer.data.arrays import StoredArray
from trainer.data.objects import Objects, objects_at

FRAMES: Final = "frames"
_DIMENSIONS: Final = ("sequence", "time", "y", "x")
_GIVE_A_STORE: Final = "give one that datagen or the trainer made"
_BASIC_PROPERTIES: Final = ("translation", "rotation", "intensity")

_log = logging.getLogger(__name__)


class SequenceStore:
    """
    A complete store of sequences, made by `open_store`: rendered (it has a spec), or of real data (it has a recipe).

    It may be used by several threads, and travels to other processes as its path alone: they open it again.
    """

    def __init__(self, objects: Objects, attributes: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self._objects = objects
        self._arrays = arrays
        self.path = objects.path
        self.attributes = attributes
        """The group's attributes as they are."""
        self._array = lru_cache(None)(self._open_array)

    @property
    def rendered(self) -> bool:
        """Whether the store was rendered from a spec."""
        return "spec" in self.attributes

    @cached_property
    def spec(self) -> RenderSpec:
        """What the store was rendered from; raises InputError for a store of real data."""
        if not self.rendered:
            raise InputError(f"{self.path} holds real data by a recipe; give a store that datagen rendered from a spec")
        return RenderSpec.parse(self.attributes["spec"], f"{self.path} attribute spec")

    @property
    def property_kind(self) -> str | None:
        """Property that the store was rendered to show, e.g. rotation; None for real data."""
        return self.spec.property.kind if self.rendered else None

    @cached_property
    def scaling(self) -> Scaling | None:
        """What frames of rain are in mm/h; None where they are pictures. Raises InputError where it is unknown."""
        said = self.attributes.get("scaling")
        return None if said is None else scaling_of(said, f"{self.path} attribute scaling")

    @property
    def masked(self) -> bool:
        """Whether some pixels have no data: then the array `valid` is 1 where there are."""
        return VALID in self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays."""
        return tuple(sorted(self._arrays))

    @property
    def frame_count(self) -> int:
        """Frames of a sequence."""
        return self[FRAMES].shape[1]

    @property
    def height(self) -> int:
        """Height of a frame, px."""
        return self[FRAMES].shape[2]

    @property
    def width(self) -> int:
        """Width of a frame, px."""
        return self[FRAMES].shape[3]

    def __len__(self) -> int:
        """Return the number of sequences."""
        return self[FRAMES].shape[0]

    def __getitem__(self, name: str) -> StoredArray:
        """Return an array by name; raises InputError where there is none, or one the trainer cannot read."""
        return self._array(name)

    def __contains__(self, name: str) -> bool:
        """Return whether the store has an array of this name."""
        return name in self._arrays

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the path."""
        return _reopened, (self.path,)

    @property
    def _remedy(self) -> str:
        """Return what mends damage: rendering again what is damaged, where the store can be written."""
        if self.rendered and not self.path.startswith(("http://", "https://")):
            return f"mend it with `datagen verify {self.path} --repair`"
        return "get the store again"

    def _open_array(self, name: str) -> StoredArray:
        if name not in self._arrays:
            raise InputError(f"{self.path} has no array {name}; it has {', '.join(self.names)}")
        return StoredArray(self._objects, name, self._arrays[name], self._remedy)


def open_store(path: str | Path) -> SequenceStore:
    """
    Open a store for reading.

    Parameters
    ----------
    path : local path or URL, e.g. s3://bucket/rotation.zarr or https://host/v1/specs/3f9c/zarr; for http and https the
        environment variable STMOE_TOKEN holds a bearer token, where one is needed

    Raises
    ------
    IncompleteStoreError
        the store is not complete; the message holds the command that finishes it.
    NewerSchemaError
        a newer version wrote the store.
    MissingExtraError
        the URL needs a package that is not installed.
    InputError
        there is nothing, no store, no frames, frames of another type, or no way to read it.
    """
    objects = objects_at(path)
    data = objects.read("zarr.json")
    if data is None:
        raise InputError(_nothing_there(objects.path))
    try:
        document = json.loads(data.tobytes())
        attributes = document["attributes"]
        version, n, complete = attributes["schema_version"], attributes["n"], attributes["complete"]
        arrays = document["consolidated_metadata"]["metadata"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{objects.path} is no store of sequences; {_GIVE_A_STORE}") from error
    store = SequenceStore(objects, attributes, arrays)
    if type(version) is not int or version < 1:
        raise InputError(
            f"{store.path} has schema version {version!r}, which is no whole number from 1; {_GIVE_A_STORE}"
        )
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{store.path} has schema version {version}, this installation reads {SCHEMA_VERSION}; upgrade stmoe-synth"
        )
    if not complete:
        raise IncompleteStoreError(f"{store.path} is not complete; finish it with {_finishing_command(store, n)}")
    frames = store[FRAMES]
    if frames.dimensions != _DIMENSIONS or frames.shape[0] != n:
        raise DamagedStoreError(
            f"{store.path}: frames {frames.dimensions} has shape {frames.shape}; {_DIMENSIONS} with {n} sequences "
            "was to be expected, get the store again"
        )
    if frames.dtype.name not in get_args(Dtype):
        raise InputError(
            f"{store.path} has frames of {frames.dtype}; give a store of uint8, or of float16 or float32 in [0, 1]"
        )
    return store


def warn_of_properties(stores: Mapping[str, SequenceStore]) -> None:
    """
    Log a warning for every store that seems to be passed as another property than it was rendered to show.

    Parameters
    ----------
    stores : by the property that each is to teach; a name of the user's own is not doubted, unless the store shows a
        property that another store is given for
    """
    for name, store in stores.items():
        kind = store.property_kind
        if kind in {None, name} or not (name in _BASIC_PROPERTIES or kind in stores):
            continue
        _log.warning("%s is given for %s, but was rendered to show %s; is it the right store?", store.path, name, kind)


def _nothing_there(path: str) -> str:
    if "://" not in path and Path(path).exists():
        return f"{path} is no store of sequences; {_GIVE_A_STORE}"
    return f"{path} does not exist; give the path of a store, or make one with `datagen render`"


def _finishing_command(store: SequenceStore, n: int) -> str:
    if not store.rendered:
        return "the `trainer prepare` that began it"
    return f"`datagen render --spec {store.path} --n {n} --out {store.path}`"


@lru_cache(64)
def _reopened(path: str) -> SequenceStore:
    """Open a store once in a process that it has travelled to."""
    return open_store(path)
