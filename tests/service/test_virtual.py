"""A spec read as a Zarr store over HTTP has the sequences of the same spec on disk, and its chunks say nothing of n."""

from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import xarray as xr
import zarr

from datagen import render_store
from schemas.render import RenderSpec
from tests.service.running import SMALL, running
from trainer.data.reader import Source
from trainer.data.splits import select
from trainer.data.stores import open_store
from trainer.data.stream import stream

FIELDS: dict[str, Any] = {**SMALL, "truth": ["clean", "flow", "mask", "property_mask"]}
SPEC = RenderSpec.parse(FIELDS)
ZARR = f"/v1/specs/{SPEC.digest}/zarr"


@pytest.fixture(scope="module", autouse=True)
def _registered(client: httpx2.Client) -> None:
    assert client.post("/v1/specs", json=FIELDS).status_code == 201


def url(client: httpx2.Client, path: str = ZARR) -> str:
    return f"{str(client.base_url).rstrip('/')}{path}"


def test_a_spec_is_registered_once(client: httpx2.Client) -> None:
    reply = client.post("/v1/specs", json=FIELDS)
    assert (reply.status_code, reply.json()["digest"]) == (200, SPEC.digest)
    assert reply.json()["zarr"] == ZARR
    assert client.get(f"/v1/specs/{SPEC.digest}").json() == reply.json()


def test_every_array_is_that_of_the_store_on_disk(client: httpx2.Client, tmp_path: Path) -> None:
    render_store(SPEC, 40, tmp_path / "a.zarr")
    disk, virtual = zarr.open_group(tmp_path / "a.zarr", mode="r"), zarr.open_group(url(client), mode="r")
    assert set(virtual.array_keys()) == set(disk.array_keys())
    for name, array in disk.arrays():
        theirs = virtual[name]
        assert isinstance(theirs, zarr.Array)
        assert np.array_equal(theirs[:40], array[:]), name
        assert dict(theirs.attrs) == dict(array.attrs)
        assert theirs.shape[0] == 2**20


def test_xarray_and_the_trainer_read_it(client: httpx2.Client) -> None:
    with xr.open_zarr(url(client), chunks=None) as opened:
        assert opened.sizes["sequence"] == 2**20
        frames = opened["frames"][3].values
    store = open_store(url(client, f"/v1/specs/{SPEC.digest}/20/zarr"))
    assert (len(store), store.property_kind) == (20, "mixed")
    assert np.array_equal(store["frames"].rows(3, 4)[0], frames)
    batches = stream([Source(store, select(store, "train"))], frames=3, batch=4, seed=1, arrays=("mask",))
    batch = next(batches)
    batches.close()
    assert np.array_equal(batch.frames[0], store["frames"].rows(int(batch.index[0]), int(batch.index[0]) + 1)[0])


def test_a_chunk_does_not_depend_on_n(client: httpx2.Client, tmp_path: Path) -> None:
    key = "frames/c/0/0/0/0"
    with running(tmp_path) as other:  # another service, whose cache does not know the chunk
        other.post("/v1/specs", json=FIELDS)
        few = other.get(f"/v1/specs/{SPEC.digest}/3/zarr/{key}")
    assert few.content == client.get(f"{ZARR}/{key}").content
    assert zarr.open_group(url(client, f"/v1/specs/{SPEC.digest}/3/zarr"), mode="r")["frames"].shape[0] == 3


def test_numbers_far_beyond_a_disk_are_there(client: httpx2.Client) -> None:
    group = zarr.open_group(url(client, f"/v1/specs/{SPEC.digest}/{2**40}/zarr"), mode="r")
    frames = group["frames"]
    assert isinstance(frames, zarr.Array)
    assert frames[2**40 - 1].shape == (3, 16, 16)


@pytest.mark.parametrize(
    "key",
    [
        ".zgroup",
        "frames/.zarray",
        "frames",
        "frames/c",
        "frames/c/x/0/0/0",
        "frames/c/0/0/0",
        "frames/c/0/0/0/1",
        "frames/c/00/0/0/0",
        "frames/c/-1/0/0/0",
        f"frames/c/{10**9}/0/0/0",
        f"frames/c/{10**30}/0/0/0",
        "nothing/c/0",
        "sprites/c/0/0/0",
        "frames/c/0/0/0/0/zarr.json",
        "../zarr.json",
        "%2e%2e/zarr.json",
        "frames%2Fc%2F0",
        "frames/c/0/0/0/0%00",
        "",
    ],
)
def test_keys_that_are_none_are_not_there(client: httpx2.Client, key: str) -> None:
    reply = client.get(f"{ZARR}/{key}")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("digest", ["0" * 64, "abc", "0" * 63 + "g", "..%2f"])
def test_digests_that_are_not_registered_are_not_there(client: httpx2.Client, digest: str) -> None:
    assert client.get(f"/v1/specs/{digest}/zarr/zarr.json").status_code == 404


@pytest.mark.parametrize("n", ["0", "-1", str(2**40 + 1), "many"])
def test_n_has_bounds(client: httpx2.Client, n: str) -> None:
    assert client.get(f"/v1/specs/{SPEC.digest}/{n}/zarr/zarr.json").status_code == 422


def test_ranges_are_parts_of_the_whole(client: httpx2.Client) -> None:
    path = f"{ZARR}/frames/c/0/0/0/0"
    whole = client.get(path)
    length = len(whole.content)
    for asked, part in (
        ("bytes=0-9", slice(0, 10)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-260", slice(-260, None)),
        (f"bytes={length - 1}-{length + 50}", slice(length - 1, None)),
        (f"bytes=-{10 * length}", slice(0, None)),
    ):
        reply = client.get(path, headers={"Range": asked})
        assert (reply.status_code, reply.content) == (206, whole.content[part]), asked
        assert reply.headers["content-range"].endswith(f"/{length}")
    for asked in (f"bytes={length}-", "bytes=-0", "bytes=9-5"):
        reply = client.get(path, headers={"Range": asked})
        assert reply.status_code == 416, asked
    for asked in ("bytes=0-1,4-5", "items=0-1", "bytes=-", "bytes=a-b", f"bytes={'9' * 40}-"):
        reply = client.get(path, headers={"Range": asked})
        assert (reply.status_code, len(reply.content)) == (200, length), asked


def test_entity_tags_save_the_way(client: httpx2.Client) -> None:
    for key in ("zarr.json", "frames/c/0/0/0/0", "velocity/c/0/0/0"):
        reply = client.get(f"{ZARR}/{key}")
        assert "immutable" in reply.headers["cache-control"]
        again = client.get(f"{ZARR}/{key}", headers={"If-None-Match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get(f"{ZARR}/{key}", headers={"If-None-Match": '"other"'})
        assert other.content == reply.content
        stale = client.get(f"{ZARR}/{key}", headers={"Range": "bytes=0-1", "If-Range": '"other"'})
        assert stale.status_code == 200


def test_head_says_how_long_it_is(client: httpx2.Client) -> None:
    whole = client.get(f"{ZARR}/frames/c/0/0/0/0")
    head = client.head(f"{ZARR}/frames/c/0/0/0/0")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.headers["etag"] == whole.headers["etag"]


def test_a_chunk_in_memory_is_in_no_store_that_ends_before_it(client: httpx2.Client) -> None:
    key = "zarr/frames/c/1/0/0/0"
    base = ZARR.removesuffix("/zarr")
    assert [client.get(f"{base}/{key}").status_code for _ in range(2)] == [200, 200]  # the second from memory
    assert client.get(f"{base}/1/{key}").status_code == 404


def test_no_more_specs_are_kept_than_the_operator_allows(tmp_path: Path) -> None:
    with running(tmp_path, specs=2) as client:
        statuses = [client.post("/v1/specs", json={**FIELDS, "seed": seed}).status_code for seed in (1, 2, 3, 1)]
        assert statuses == [201, 201, 429, 200]


def test_what_was_registered_is_there_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.post("/v1/specs", json=FIELDS)
        chunk = first.get(f"{ZARR}/frames/c/0/0/0/0").content
    with running(tmp_path) as second:
        assert second.get(f"{ZARR}/frames/c/0/0/0/0").content == chunk


def test_the_digits_of_dynamic_mnist_travel_with_the_store(client: httpx2.Client, tmp_path: Path) -> None:
    from datagen.presets import preset_spec
    from datagen.storage.sprites import built_in_digits, sprite_set

    spec = preset_spec("dynamic-mnist", sprite_set(built_in_digits())).model_copy(update={"height": 16, "width": 16})
    reply = client.post("/v1/specs", content=spec.canonical_json(), headers={"Content-Type": "application/json"})
    group = zarr.open_group(url(client, reply.json()["zarr"]), mode="r")
    assert np.array_equal(group["sprites"][:], built_in_digits())  # type: ignore[index]
    store = open_store(url(client, f"/v1/specs/{spec.digest}/850/zarr"))
    assert len(select(store, "train")) == 250
