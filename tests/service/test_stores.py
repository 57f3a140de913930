"""Finished stores are read over HTTP, and nothing else below or beside the data root is."""

from pathlib import Path

import httpx2
import numpy as np
import pytest
import zarr

from datagen import render_store
from schemas.render import RenderSpec
from tests.service.running import SMALL, running
from tests.trainer.data.real_stores import write_real_store
from trainer.data.stores import open_store

SPEC = RenderSpec.parse({**SMALL, "truth": ["mask"]})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write a rendered and a prepared store, one that is not complete, one of other data, and things around them."""
    root = tmp_path / "root"
    render_store(SPEC, 20, root / "a.zarr")
    write_real_store(root / "real.zarr", {"frames": np.zeros((3, 4, 8, 8), np.uint8)})
    write_real_store(root / "half.zarr", {"frames": np.zeros((3, 4, 8, 8), np.uint8)}, complete=False)
    zarr.open_group(root / "other.zarr", mode="w")
    (root / "notes.txt").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "a.zarr" / "link").symlink_to(tmp_path / "secret.txt")
    (root / "a.zarr" / "frames" / "up").symlink_to(tmp_path)
    (root / "b.zarr").symlink_to(root / "a.zarr")
    return root


def test_finished_stores_are_listed_and_read(root: Path) -> None:
    with running(root) as client:
        listed = client.get("/v1/stores").json()
        assert [store["name"] for store in listed] == ["a", "real"]
        assert (listed[0]["n"], listed[0]["property"], listed[1]["property"]) == (20, "mixed", None)
        assert "mask" in listed[0]["arrays"]
        url = f"{str(client.base_url).rstrip('/')}{listed[0]['zarr']}"
        group, disk = zarr.open_group(url, mode="r"), zarr.open_group(root / "a.zarr", mode="r")
        for name, array in disk.arrays():
            assert np.array_equal(group[name][:], array[:])  # type: ignore[index]
        assert np.array_equal(open_store(url)["frames"].rows(3, 5), disk["frames"][3:5])  # type: ignore[index]


def test_a_store_that_is_not_complete_says_so(root: Path) -> None:
    with running(root) as client:
        assert client.get("/v1/stores/half/zarr/zarr.json").status_code == 409


@pytest.mark.parametrize(
    "path",
    [
        "/v1/stores/a/zarr/link",
        "/v1/stores/a/zarr/frames/up/secret.txt",
        "/v1/stores/b/zarr/zarr.json",
        "/v1/stores/a/zarr/../../notes.txt",
        "/v1/stores/a/zarr/%2e%2e/%2e%2e/notes.txt",
        "/v1/stores/a/zarr/..%2f..%2fnotes.txt",
        "/v1/stores/a/zarr//etc/passwd",
        "/v1/stores/a/zarr/frames",
        "/v1/stores/a/zarr/frames/",
        "/v1/stores/a/zarr/zarr.json%00",
        "/v1/stores/a/zarr/zarr.json.partial",
        "/v1/stores/%2e%2e/zarr/secret.txt",
        "/v1/stores/none/zarr/zarr.json",
        "/v1/stores/none",
        "/v1/stores/notes.txt/zarr/x",
    ],
)
def test_nothing_else_is_there(root: Path, path: str) -> None:
    with running(root) as client:
        reply = client.get(path)
        assert reply.status_code == 404
        assert "secret" not in reply.text.replace("secret.txt", "")


def test_ranges_of_a_shard_are_read(root: Path) -> None:
    with running(root) as client:
        path = "/v1/stores/a/zarr/frames/c/0/0/0/0"
        whole = client.get(path)
        part = client.get(path, headers={"Range": "bytes=-260"})
        assert (part.status_code, part.content) == (206, whole.content[-260:])
        assert client.get(path, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
        again = client.get(path, headers={"If-None-Match": whole.headers["etag"]})
        assert again.status_code == 304


def test_nothing_can_be_written(root: Path) -> None:
    with running(root) as client:
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            reply = client.request(method, "/v1/stores/a/zarr/zarr.json", content=b"x")
            assert reply.status_code == 405
            assert reply.headers["content-type"] == "application/problem+json"


def test_names_are_plain(client: httpx2.Client) -> None:
    assert client.get("/v1/stores/" + "a" * 101).status_code == 422
