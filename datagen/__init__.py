"""Synthetic image sequences with known physics: sequence i is a pure function of (spec, i)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datagen.direct import render_sequence, render_sequences
    from datagen.storage.engine import render_store
    from datagen.storage.store import open_store
    from datagen.views.lazy import lazy_sequences
    from schemas.render import RenderSpec

__all__ = ["RenderSpec", "lazy_sequences", "open_store", "render_sequence", "render_sequences", "render_store"]

_HOMES = {
    "RenderSpec": "schemas.render",
    "lazy_sequences": "datagen.views.lazy",
    "open_store": "datagen.storage.store",
    "render_sequence": "datagen.direct",
    "render_sequences": "datagen.direct",
    "render_store": "datagen.storage.engine",
}
"""Names are imported when they are used (PEP 562), so that `import datagen` loads neither Numba nor zarr nor dask."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
