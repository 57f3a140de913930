"""What lies in a store, finished or not, rendered or prepared from real data: as plain data and as text."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from datagen.overrides import NOISES
from datagen.storage.shards import ObjectLayout
from datagen.storage.store import SequenceStore, open_store
from schemas.store import SPLIT_VALUES

FRAMES = "frames"

Summary = dict[str, Any]

_UNKNOWN = "unknown"


def summarise_store(path: str | Path) -> Summary:
    """
    Describe a store.

    Parameters
    ----------
    path : local path or URL; the store need not be complete

    Returns
    -------
    plain data: the store's attributes, and `path`, `units` (`done`, `total`, `sequences` in one), `bytes` on disk,
    `splits` (sequences by name; None without splits), and `arrays`, a list of name, dimensions, shape, dtype, chunks,
    shards and bytes on disk; `done` and `bytes` are None where objects cannot be listed, as over http

    Raises
    ------
    InputError
        there is no store, or it cannot be read.
    """
    store = open_store(path, incomplete=True)
    layout = ObjectLayout.of(store[FRAMES])
    total = -(-store.n // layout.unit_sequences)
    bytes_of: Counter[str] = Counter()
    done = 0
    for key, size in store.objects.sizes(""):
        bytes_of[key.partition("/")[0]] += size
        done += _is_finished_unit(store, layout, key, size)
    listed = bool(bytes_of)
    return {
        **store.fields,
        "path": store.path,
        "units": {"done": done if listed else None, "total": total, "sequences": layout.unit_sequences},
        "bytes": bytes_of.total() if listed else None,
        "splits": _split_counts(store),
        "arrays": [_array(array, bytes_of[name] if listed else None) for name, array in sorted(store.group.arrays())],
    }


def as_text(summary: Summary) -> str:
    """Return a summary as aligned text."""
    units = summary["units"]
    rows = [
        ("sequences", f"{summary['n']:,}{_splits_text(summary['splits'])}"),
        ("state", "complete" if summary["complete"] else "not complete"),
        ("units", f"{_number(units['done'])} of {units['total']:,}, of up to {units['sequences']:,} sequences"),
        *_source_rows(summary),
        ("digest", summary["digest"]),
        ("written", f"{summary.get('created', 'unknown')} by {summary.get('produced_by', 'unknown')}"),
        ("version", f"stmoe-synth {summary.get('package_version', 'unknown')}, schema {summary['schema_version']}"),
        ("size", _bytes_text(summary["bytes"])),
    ]
    arrays = [
        (array["name"], array["dtype"], _shape_text(array), f"{array['chunks'][0]:,}", _bytes_text(array["bytes"]))
        for array in summary["arrays"]
    ]
    header = ("array", "dtype", "shape", "in a chunk", "size")
    return "\n".join([summary["path"], *_aligned(rows, indent=2), "", *_aligned([header, *arrays], indent=2)])


def _is_finished_unit(store: SequenceStore, layout: ObjectLayout, key: str, size: int) -> bool:
    """Say whether an object is the marker of a finished unit; that of real data may be of any size."""
    index = key.removeprefix(layout.directory + "/").partition("/")[0]
    if not (key.startswith(layout.directory + "/") and index.isdigit()):
        return False
    length = min(layout.unit_sequences, store.n - int(index) * layout.unit_sequences)
    return length > 0 and (not store.rendered or size == layout.size(length))


def _split_counts(store: SequenceStore) -> dict[str, int] | None:
    if store.rendered:
        splits = store.spec.splits
        if splits is None:
            return None
        ends = (min(splits.train, store.n), min(splits.train + splits.validation, store.n), store.n)
        return dict(zip(SPLIT_VALUES, (int(count) for count in np.diff(ends, prepend=0)), strict=True))
    if "split" not in store.group:
        return None
    values = np.asarray(store["split"][:])
    return {name: int(np.count_nonzero(values == value)) for name, value in SPLIT_VALUES.items()}


def _array(array: zarr.Array[Any], size: int | None) -> dict[str, Any]:
    return {
        "name": array.name.lstrip("/"),
        "dimensions": array.metadata.dimension_names,  # type: ignore[union-attr]  # v3 alone has them, and is all we open
        "shape": array.shape,
        "dtype": str(array.dtype),
        "chunks": array.chunks,
        "shards": array.shards,
        "bytes": size,
    }


def _source_rows(summary: Summary) -> Iterable[tuple[str, str]]:
    spec = summary.get("spec")
    if spec is None:
        return [("recipe", str(summary.get("recipe", "unknown")))]
    noise = spec["noise"]
    mix = ", ".join(f"{name} {noise[name]:g}" for name in NOISES)
    return [
        ("property", spec["property"]["kind"]),
        ("frames", f"{spec['frames']} of {spec['height']}x{spec['width']} px, {spec['dtype']}"),
        (
            "objects",
            f"{'-'.join(str(count) for count in spec['objects']['count'])} of {', '.join(spec['objects']['kinds'])}",
        ),
        ("noise", f"ratio {noise['ratio']:g} ({mix})" if noise["ratio"] else "none"),
        ("truth", ", ".join(spec["truth"]) or "none"),
        ("seed", str(spec["seed"])),
    ]


def _splits_text(splits: dict[str, int] | None) -> str:
    return "" if splits is None else f" ({', '.join(f'{name} {count:,}' for name, count in splits.items())})"


def _shape_text(array: dict[str, Any]) -> str:
    names = array["dimensions"] or ("",) * len(array["shape"])
    return ", ".join(f"{name} {length:,}".strip() for name, length in zip(names, array["shape"], strict=True))


def _number(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"


def _bytes_text(size: float | None) -> str:
    if size is None:
        return _UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def _aligned(rows: Iterable[tuple[str, ...]], indent: int) -> list[str]:
    """Return rows as lines whose columns, but the last, are as wide as their widest cell."""
    rows = list(rows)
    widths = [max(len(cell) for cell in column) for column in list(zip(*rows, strict=True))[:-1]]
    return [
        " " * indent + "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[-1]])
        for row in rows
    ]
