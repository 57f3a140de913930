"""The parameter table in two handy forms: one sequence's columns, and a row written by hand for a kernel."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from schemas.store import OBJECT_COLUMNS, OBJECT_KINDS, PROPERTY_BITS

Array = NDArray[Any]
Columns = Mapping[str, Array]

_LENGTHS = {"component": 2, "vertex": 8}
NOTHING: dict[str, ArrayLike] = {"sprite": -1, "growth": 1.0, "texture_wavelength": 1.0}
"""Values of an absent column other than 0."""


def columns_of(parameters: Columns, k: int) -> dict[str, Array]:
    """Return the columns of the k-th sequence of a rendered batch: (object, ...)."""
    return {name: column[k] for name, column in parameters.items()}


def objects_of(columns: Columns) -> int:
    """Return how many objects a sequence has; `kind` is 0 beyond them."""
    return int(np.count_nonzero(columns["kind"]))


def row_of(kind: str, properties: tuple[str, ...] = (), **values: ArrayLike) -> NDArray[np.float64]:
    """Return the row of one object as kernels take it, from values by column name; absent ones are neutral."""
    given = {
        **NOTHING,
        **values,
        "kind": OBJECT_KINDS[kind],
        "property": sum(PROPERTY_BITS[name] for name in properties),
    }
    parts = []
    for column in OBJECT_COLUMNS:
        shape = tuple(_LENGTHS[dimension] for dimension in column.dimensions[1:])
        part = np.zeros(shape)
        value = np.asarray(given.pop(column.name, 0.0), np.float64)
        if column.name == "vertices" and value.ndim:
            part[: len(value)] = value
        else:
            part[...] = value
        parts.append(part.ravel())
    assert not given, f"no such columns: {sorted(given)}"
    return np.concatenate(parts)


def rows_of(columns: Columns) -> NDArray[np.float64]:
    """Return the rows of one sequence's objects, (object, ROW_LENGTH)."""
    count = objects_of(columns)
    return np.concatenate(
        [np.asarray(columns[column.name][:count], np.float64).reshape(count, -1) for column in OBJECT_COLUMNS], axis=1
    )
