"""A store as its readers see it: ours, xarray, zarr and tensorstore see the same; what is no whole store is refused."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import xarray
import zarr

from datagen.storage.engine import render_store
from datagen.storage.store import SequenceStore, open_store
from schemas.errors import DamagedStoreError, IncompleteStoreError, InputError, NewerSchemaError
from schemas.render import SCHEMA_VERSION, RenderSpec
from schemas.store import frame_layouts, table_layouts
from tests.commands import run
from tests.stores import SPRITES, change_attributes, chunks_of, full_spec, tiny_spec

N = 40


@pytest.fixture(autouse=True, scope="module")
def _units_of_16() -> Iterator[None]:
    with chunks_of(1):
        yield


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render a store that has every array, several units and a partial one; nobody changes it."""
    path = tmp_path_factory.mktemp("store") / "full.zarr"
    render_store(full_spec(), N, path, sprites=SPRITES)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    render_store(tiny_spec(), 3, path)
    return path


def array_names(spec: RenderSpec) -> set[str]:
    return {layout.name for layout in frame_layouts(spec) + table_layouts(spec)} | {"sprites"}


# Other people's readers


def test_zarr_opens_every_array_by_the_consolidated_document_alone(full: Path) -> None:
    group = zarr.open_consolidated(full)
    assert set(group.array_keys()) == array_names(full_spec())
    assert group.attrs["digest"] == full_spec().digest


def test_xarray_opens_the_store_lazily_with_dimensions_and_attributes(full: Path) -> None:
    with xarray.open_zarr(full) as data:
        assert set(data.variables) == array_names(full_spec())
        assert {name: data.sizes[name] for name in ("sequence", "time", "y", "x", "object", "component", "vertex")} == {
            "sequence": N,
            "time": 2,
            "y": 9,
            "x": 12,
            "object": 2,
            "component": 2,
            "vertex": 8,
        }
        assert "sequence" not in data.variables
        assert data.attrs["digest"] == full_spec().digest
        assert data.attrs["complete"] is True
        for layout in frame_layouts(full_spec()) + table_layouts(full_spec()):
            variable = data[layout.name]
            assert variable.dims == layout.dimensions
            assert variable.dtype == layout.dtype
            assert variable.attrs == layout.attributes
            assert variable.chunks, f"{layout.name} was loaded"


def test_xarray_zarr_and_tensorstore_read_the_same_values(full: Path) -> None:
    group, ours = zarr.open_group(full, mode="r"), open_store(full)
    with xarray.open_zarr(full) as data:
        for name in array_names(full_spec()):
            values = np.asarray(group[name])
            others = {
                "ours": np.asarray(ours[name]),
                "xarray": data[name].to_numpy(),
                "tensorstore": read_by_tensorstore(full / name),
            }
            for reader, other in others.items():
                assert (other.dtype, other.tobytes()) == (values.dtype, values.tobytes()), (reader, name)


def read_by_tensorstore(array: Path) -> np.ndarray:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(array)}}
    return np.asarray(tensorstore.open(spec, open=True, read=True).result().read().result())


def test_tensorstore_knows_the_dimensions_and_reads_one_sequence(full: Path) -> None:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(full / "frames")}}
    frames = tensorstore.open(spec, open=True, read=True).result()
    assert frames.domain.labels == ("sequence", "time", "y", "x")
    assert np.array_equal(frames[17].read().result(), open_store(full)["frames"][17])


# Ours


def test_an_open_store_says_what_it_is(full: Path) -> None:
    store = open_store(full)
    assert (len(store), store.n, store.complete, store.rendered) == (N, N, True, True)
    assert store.spec == full_spec()
    assert store.digest == full_spec().digest
    assert store.path == str(full)
    assert store.sprites is not None
    assert np.array_equal(store.sprites, SPRITES)


def test_a_store_is_found_by_path_text_and_url(full: Path) -> None:
    for place in (full, str(full), f"file://{full}"):
        assert open_store(place).digest == full_spec().digest


def test_a_reader_cannot_write(full: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        open_store(full)["frames"][0] = 0


def test_an_unknown_array_is_refused_and_the_known_ones_named(full: Path) -> None:
    with pytest.raises(
        InputError, match=r"full\.zarr has no array depth; it has acceleration, angle, .*velocity, vert"
    ):
        open_store(full)["depth"]


def test_a_store_without_sprites_has_none(path: Path) -> None:
    assert open_store(path).sprites is None


def test_damaged_sprites_are_named(tmp_path: Path) -> None:
    render_store(full_spec(), 3, tmp_path / "a.zarr", sprites=SPRITES)
    file = tmp_path / "a.zarr/sprites/c/0/0/0"
    data = bytearray(file.read_bytes())
    data[7] ^= 16
    file.write_bytes(data)
    with pytest.raises(
        DamagedStoreError,
        match=r"a\.zarr: sprites fail their checksum; mend them with `datagen verify .*a\.zarr --repair`",
    ):
        _ = open_store(tmp_path / "a.zarr").sprites


# What is refused


def test_an_incomplete_store_is_refused_with_the_command_that_finishes_it(tmp_path: Path) -> None:
    path = tmp_path / "it's a store.zarr"
    render_store(full_spec(), N, path, sprites=SPRITES)
    change_attributes(path, complete=False)
    (path / "frames/c/2/0/0/0/").unlink()
    with pytest.raises(IncompleteStoreError) as refused:
        open_store(path)
    told = re.fullmatch(f"{re.escape(str(path))} is not complete; finish it with `(.*)`", str(refused.value))
    assert told
    program, *arguments = shlex.split(told[1])
    assert program == "datagen"
    assert run(*arguments).code == 0
    assert len(open_store(path)) == N


def test_an_incomplete_store_is_opened_where_it_is_welcome(path: Path) -> None:
    change_attributes(path, complete=False)
    assert not open_store(path, incomplete=True).complete


@pytest.mark.parametrize(
    ("version", "error", "advice"),
    [
        (SCHEMA_VERSION + 1, NewerSchemaError, "upgrade stmoe-synth"),
        (0, InputError, "make the store anew with --overwrite"),
        ("x", InputError, "make the store anew with --overwrite"),
    ],
)
def test_a_store_of_another_schema_is_refused_and_both_versions_named(
    version: Any, error: type[InputError], advice: str, path: Path
) -> None:
    change_attributes(path, schema_version=version)
    with pytest.raises(InputError) as refused:
        open_store(path, incomplete=True)
    assert type(refused.value) is error
    assert str(refused.value) == (
        f"{path} has schema version {version}, this installation reads {SCHEMA_VERSION}; {advice}"
    )


def test_what_is_not_there_is_told_from_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.zarr does not exist; give the path of a store, or make one with"):
        open_store(tmp_path / "nothing.zarr")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    zarr.create_group(tmp_path / "group")
    for name in ("folder", "file", "group"):
        with pytest.raises(InputError) as refused:
            open_store(tmp_path / name)
        assert str(refused.value).startswith(f"{tmp_path / name} ")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 0), ("n", "many"), ("digest", "abc"), ("spec", {"property": "spin"}), ("unknown", 1), ("complete", "so")],
)
def test_attributes_that_are_none_are_one_line(field: str, value: Any, path: Path) -> None:
    change_attributes(path, **{field: value})
    with pytest.raises(InputError) as refused:
        _ = open_store(path, incomplete=True).spec
    assert field in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"), [("n", 0), ("n", "many"), ("n", 2.5), ("digest", 7), ("complete", "so"), ("complete", None)]
)
def test_what_every_store_has_is_looked_at_when_it_is_opened(field: str, value: Any, path: Path) -> None:
    change_attributes(path, **{field: value})
    with pytest.raises(
        InputError, match=rf"^{re.escape(str(path))}/zarr\.json: attribute {field} is {value}, not a? ?"
    ):
        open_store(path, incomplete=True)


# Real data


def real(path: Path, **attributes: Any) -> SequenceStore:
    """Make a small store as `trainer prepare` does, and open it."""
    fields = {"schema_version": SCHEMA_VERSION, "recipe": {"kind": "video"}, "digest": "0" * 64, "n": 3}
    group = zarr.create_group(path, attributes={**fields, "complete": True, **attributes})
    group.create_array("frames", shape=(3, 2, 4, 4), dtype="uint8", dimension_names=("sequence", "time", "y", "x"))
    return open_store(path)


def test_a_store_of_real_data_is_opened_and_has_no_spec(tmp_path: Path) -> None:
    store = real(tmp_path / "a.zarr")
    assert (store.n, store.digest, store.rendered) == (3, "0" * 64, False)
    assert store["frames"].shape == (3, 2, 4, 4)
    asked: list[Callable[[], object]] = [lambda: store.spec, lambda: store.attributes]
    for ask in asked:
        with pytest.raises(InputError, match="holds real data by a recipe; give a store that datagen rendered"):
            ask()


def test_incomplete_real_data_are_finished_by_who_began_them(tmp_path: Path) -> None:
    with pytest.raises(IncompleteStoreError, match=r"finish it with the `trainer prepare` that began it$"):
        real(tmp_path / "a.zarr", complete=False)


def test_the_attributes_are_plain_json(full: Path) -> None:
    document = json.loads((full / "zarr.json").read_bytes())
    assert document["attributes"].keys() == {
        "schema_version",
        "spec",
        "digest",
        "n",
        "package_version",
        "created",
        "produced_by",
        "complete",
    }
    assert RenderSpec.parse(document["attributes"]["spec"]) == full_spec()
