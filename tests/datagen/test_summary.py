"""A store described: finished, half-built, extended, damaged in its documents, and of real data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec

from datagen.storage.engine import render_store
from datagen.summary import as_text, summarise_store
from schemas.render import RenderSpec
from schemas.store import frame_layouts, table_layouts, unit_sequences

FIELDS = {"property": "rotation", "frames": 1, "height": 64, "width": 64, "objects": {"count": [1, 1]}}
SPEC = RenderSpec.parse(FIELDS)
UNIT = unit_sequences(SPEC)


def edit(store: Path, **attributes: Any) -> None:
    document = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
    document["attributes"] |= attributes
    (store / "zarr.json").write_text(json.dumps(document), encoding="utf-8")


def test_a_store_is_described_by_its_attributes_units_and_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    render_store(SPEC.model_copy(update={"truth": ("mask",)}), 3, path)
    summary = summarise_store(path)
    spec = RenderSpec.parse(summary["spec"])
    assert (summary["path"], summary["n"], summary["complete"]) == (str(path), 3, True)
    assert summary["digest"] == spec.digest
    assert summary["units"] == {"done": 1, "total": 1, "sequences": UNIT}
    assert summary["splits"] is None
    arrays = {array["name"]: array for array in summary["arrays"]}
    layouts = {layout.name: layout for layout in frame_layouts(spec) + table_layouts(spec)}
    assert arrays.keys() == layouts.keys()
    for name, layout in layouts.items():
        assert arrays[name]["dimensions"] == layout.dimensions
        assert (arrays[name]["shape"], arrays[name]["dtype"]) == ((3, *layout.shape), layout.dtype)
        assert arrays[name]["bytes"] == sum(file.stat().st_size for file in (path / name).rglob("*") if file.is_file())
    assert summary["bytes"] == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    json.dumps(summary)


def test_units_are_counted_by_their_markers_and_a_cut_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    render_store(SPEC, 2 * UNIT + 5, path)
    assert summarise_store(path)["units"] == {"done": 3, "total": 3, "sequences": UNIT}
    edit(path, complete=False)
    (path / "frames/c/1/0/0/0").unlink()
    assert summarise_store(path)["units"]["done"] == 2
    marker = path / "frames/c/0/0/0/0"
    marker.write_bytes(marker.read_bytes()[:-1])
    summary = summarise_store(path)
    assert (summary["units"]["done"], summary["complete"]) == (1, False)
    assert "state      not complete" in as_text(summary)
    assert f"units      1 of 3, of up to {UNIT:,} sequences" in as_text(summary)


@pytest.mark.parametrize(
    ("n", "counts"), [(1, (1, 0, 0)), (3, (2, 1, 0)), (5, (2, 3, 0)), (9, (2, 3, 4)), (20, (2, 3, 15))]
)
def test_splits_are_counted_without_reading_them(tmp_path: Path, n: int, counts: tuple[int, ...]) -> None:
    spec = RenderSpec.parse({**FIELDS, "height": 8, "width": 8, "splits": {"train": 2, "validation": 3, "test": 4}})
    render_store(spec, n, tmp_path / "a.zarr")
    summary = summarise_store(tmp_path / "a.zarr")
    assert tuple(summary["splits"].values()) == counts
    stored = np.asarray(zarr.open_group(tmp_path / "a.zarr", mode="r")["split"])
    assert tuple(np.bincount(stored, minlength=3)) == counts
    assert f"train {counts[0]}, validation {counts[1]}, test {counts[2]}" in as_text(summary)


def real_data(path: Path) -> None:
    """Write what `trainer prepare` will write: frames and split, and a recipe in place of the spec."""
    recipe = {"kind": "kth"}
    attributes = {"schema_version": 1, "recipe": recipe, "digest": "ab" * 32, "n": 5, "complete": True}
    group = zarr.create_group(path, attributes=attributes)
    common: dict[str, Any] = {"compressors": [Crc32cCodec()], "fill_value": 0, "config": {"write_empty_chunks": True}}
    frames = group.create_array(
        "frames",
        **common,
        shape=(5, 2, 4, 4),
        dtype="uint8",
        chunks=(2, 2, 4, 4),
        shards=(4, 2, 4, 4),
        dimension_names=("sequence", "time", "y", "x"),
    )
    frames[:] = 7
    split = group.create_array("split", shape=(5,), dtype="uint8", chunks=(4,), dimension_names=("sequence",), **common)
    split[:] = [0, 0, 1, 2, 2]


def test_real_data_are_described_by_their_recipe(tmp_path: Path) -> None:
    real_data(tmp_path / "real.zarr")
    summary = summarise_store(tmp_path / "real.zarr")
    assert summary["units"] == {"done": 2, "total": 2, "sequences": 4}
    assert summary["splits"] == {"train": 2, "validation": 1, "test": 2}
    assert [array["name"] for array in summary["arrays"]] == ["frames", "split"]
    text = as_text(summary)
    assert "recipe     {'kind': 'kth'}" in text
    assert "sequence 5, time 2, y 4, x 4" in text


def test_text_is_aligned_and_as_wide_as_its_widest_cell(tmp_path: Path) -> None:
    render_store(SPEC, 2, tmp_path / "a.zarr")
    lines = as_text(summarise_store(tmp_path / "a.zarr")).splitlines()
    assert lines[0] == str(tmp_path / "a.zarr")
    table = lines[lines.index("") + 1 :]
    column = table[0].index("dtype")
    assert {line[column - 1] for line in table} == {" "}
    assert all(line[column].isalpha() for line in table)
