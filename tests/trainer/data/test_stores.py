"""Opening stores: what a store says of itself, and one line for what cannot be learnt from."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datagen import render_store
from schemas.errors import DamagedStoreError, IncompleteStoreError, InputError, NewerSchemaError
from schemas.render import RenderSpec
from tests.stores import change_attributes, tiny_spec
from tests.trainer.data.real_stores import change_document, write_real_store
from trainer.data.stores import SequenceStore, open_store, warn_of_properties

FRAMES = np.zeros((4, 2, 5, 7), np.uint8)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SequenceStore]:
    """Return a store of every property."""
    folder = tmp_path_factory.mktemp("stores")
    stores = {kind: folder / f"{kind}.zarr" for kind in ("translation", "rotation", "intensity", "mixed")}
    for kind, path in stores.items():
        render_store(tiny_spec(kind), 3, path)
    return {kind: open_store(path) for kind, path in stores.items()}


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return write_real_store(tmp_path / "real.zarr", {"frames": FRAMES})


def refused(path: str | Path, error: type[InputError] = InputError) -> str:
    with pytest.raises(error) as caught:
        open_store(path)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "PATH")


def test_a_rendered_store_knows_its_spec(rendered: dict[str, SequenceStore]) -> None:
    store = rendered["rotation"]
    assert isinstance(store.spec, RenderSpec)
    assert (store.property_kind, len(store), store.frame_count, store.height, store.width) == ("rotation", 3, 2, 9, 12)
    assert "position" in store
    assert "mask" not in store


def test_a_real_store_has_no_spec(real: Path) -> None:
    store = open_store(real)
    assert (store.rendered, store.property_kind, len(store), store.height, store.width) == (False, None, 4, 5, 7)
    with pytest.raises(InputError, match="holds real data by a recipe"):
        _ = store.spec


def test_a_file_url_is_a_path(real: Path) -> None:
    assert len(open_store(f"file://{real}")) == 4


def test_a_store_travels_as_its_path(real: Path) -> None:
    data = pickle.dumps(open_store(real))
    assert len(data) < 300
    assert pickle.loads(data)["frames"].shape == FRAMES.shape


def test_nothing_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.zarr") == (
        "PATH does not exist; give the path of a store, or make one with `datagen render`"
    )


def test_something_else_there(tmp_path: Path) -> None:
    said = "PATH is no store of sequences; give one that datagen or the trainer made"
    assert refused(tmp_path) == said
    (tmp_path / "zarr.json").write_text("{")
    assert refused(tmp_path) == said
    (tmp_path / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
    assert refused(tmp_path) == said
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file") == said


def test_an_incomplete_store_comes_with_the_command_that_finishes_it(tmp_path: Path, real: Path) -> None:
    path = tmp_path / "store.zarr"
    render_store(tiny_spec(), 3, path)
    change_attributes(path, complete=False)
    assert refused(path, IncompleteStoreError) == (
        "PATH is not complete; finish it with `datagen render --spec PATH --n 3 --out PATH`"
    )
    change_attributes(real, complete=False)
    assert refused(real, IncompleteStoreError).endswith("finish it with the `trainer prepare` that began it")


def test_a_newer_store_is_refused_with_both_versions(real: Path) -> None:
    change_attributes(real, schema_version=9)
    assert refused(real, NewerSchemaError) == (
        "PATH has schema version 9, this installation reads 1; upgrade stmoe-synth"
    )


@pytest.mark.parametrize("version", ["1", 0, -1, 1.5, None, True])
def test_a_schema_version_that_never_was_is_refused(real: Path, version: Any) -> None:
    change_attributes(real, schema_version=version)
    assert refused(real) == (
        f"PATH has schema version {version!r}, which is no whole number from 1; "
        "give one that datagen or the trainer made"
    )


def test_a_store_without_frames_is_refused(tmp_path: Path) -> None:
    path = write_real_store(tmp_path / "real.zarr", {"valid": FRAMES})
    assert refused(path) == "PATH has no array frames; it has valid"


@pytest.mark.parametrize("changes", [{"shape": [3, 2, 5, 7]}, {"dimension_names": ["sequence", "y", "x", "time"]}])
def test_frames_of_another_form_are_refused(real: Path, changes: dict[str, Any]) -> None:
    change_document(real, "frames", **changes)
    assert "frames" in refused(real, DamagedStoreError)


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_frames_of_another_type_are_refused(tmp_path: Path, dtype: str) -> None:
    path = write_real_store(tmp_path / "real.zarr", {"frames": FRAMES.astype(dtype)})
    assert refused(path) == f"PATH has frames of {dtype}; give a store of uint8, or of float16 or float32 in [0, 1]"


def test_an_unknown_protocol_is_refused() -> None:
    assert "gopher://host/store.zarr cannot be opened" in refused("gopher://host/store.zarr").replace(
        "PATH", "gopher://host/store.zarr"
    )


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({"translation": "translation", "rotation": "rotation"}, []),
        ({"translation": "rotation"}, ["translation"]),
        ({"translation": "mixed"}, ["translation"]),
        ({"spinning": "rotation"}, []),
        ({"spinning": "rotation", "rotation": "rotation"}, ["spinning"]),
        ({"spinning": "rotation", "rotation": "intensity"}, ["spinning", "rotation"]),
    ],
)
def test_a_store_of_another_property_is_warned_of(
    rendered: dict[str, SequenceStore], given: dict[str, str], warned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_properties({name: rendered[kind] for name, kind in given.items()})
    assert [message for message in caplog.messages if "was rendered to show" in message] == caplog.messages
    assert [record.args[1] for record in caplog.records if isinstance(record.args, tuple)] == warned


def test_a_real_store_is_no_property(real: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_properties({"translation": open_store(real)})
    assert caplog.messages == []
