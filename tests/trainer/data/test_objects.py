"""Remote stores: read over HTTP and S3 like files, with a token for their own host alone, and errors in one line."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from schemas.errors import DamagedStoreError, InputError
from tests.object_storage import BUCKET
from tests.object_storage import serving as object_storage
from tests.stores import files_of
from tests.trainer.data.real_stores import write_real_store
from tests.trainer.data.web import Served, serving
from trainer.data.objects import objects_at
from trainer.data.stores import open_store

FRAMES = np.random.default_rng(0).integers(0, 256, (11, 2, 5, 7), np.uint8)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    write_real_store(tmp_path / "real.zarr", {"frames": FRAMES})
    with serving(Served(tmp_path)) as server:
        yield server


@pytest.mark.parametrize("shard", [4, None])
def test_a_store_on_the_web_reads_like_one_on_disk(tmp_path: Path, shard: int | None) -> None:
    write_real_store(tmp_path / "real.zarr", {"frames": FRAMES}, shard=shard)
    with serving(Served(tmp_path)) as server:
        store = open_store(f"{server.url}/real.zarr/")
        assert np.array_equal(store["frames"].rows(1, 10), FRAMES[1:10])
        assert server.authorizations.count(None) == len(server.authorizations)


def test_whole_chunks_of_an_object_are_asked_for_at_once(served: Served) -> None:
    frames = open_store(f"{served.url}/real.zarr")["frames"]
    before = len(served.authorizations)
    frames.rows(0, 8)
    assert len(served.authorizations) - before == 4  # two objects, each with its index
    frames.rows(0, 8)
    assert len(served.authorizations) - before == 6  # an index is kept


def test_the_token_is_sent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.token = "open-sesame"
    with pytest.raises(InputError, match=r"real\.zarr cannot be read: .*401.*; set STMOE_TOKEN to a token that may"):
        open_store(f"{served.url}/real.zarr")
    monkeypatch.setenv("STMOE_TOKEN", "open-sesame")
    assert np.array_equal(open_store(f"{served.url}/real.zarr")["frames"].rows(0, 11), FRAMES)


def test_the_token_is_not_sent_to_another_host(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STMOE_TOKEN", "open-sesame")
    with serving(Served(tmp_path, redirect=served.url)) as gate:
        assert np.array_equal(open_store(f"{gate.url}/real.zarr")["frames"].rows(0, 11), FRAMES)
        assert set(gate.authorizations) == {"Bearer open-sesame"}
    assert set(served.authorizations) == {None}


def test_nothing_on_the_web(served: Served) -> None:
    with pytest.raises(InputError, match=r"none\.zarr does not exist; give the path of a store, or make one with"):
        open_store(f"{served.url}/none.zarr")


def test_what_is_missing_or_cut_on_the_web_is_damage(served: Served) -> None:
    store = open_store(f"{served.url}/real.zarr")
    (served.folder / "real.zarr/frames/c/1/0/0/0").unlink()
    with pytest.raises(DamagedStoreError, match=r"chunk 2 of frames \(sequences 4-5\): frames/c/1/0/0/0 is missing"):
        store["frames"].rows(4, 6)
    store["frames"].rows(0, 1)
    (served.folder / "real.zarr/frames/c/0/0/0/0").write_bytes(b"x" * 50)
    with pytest.raises(DamagedStoreError, match=r"chunk 1 of frames \(sequences 2-3\): cut after 0 of 144 bytes"):
        store["frames"].rows(2, 4)


def test_a_server_that_fails_is_no_damage(served: Served) -> None:
    store = open_store(f"{served.url}/real.zarr")
    served.fails = True
    with pytest.raises(InputError, match=r"cannot be read: .*500.*; check the address and the connection") as caught:
        store["frames"].rows(0, 4)
    assert not isinstance(caught.value, DamagedStoreError)


@pytest.mark.parametrize("shard", [4, None])
def test_a_server_without_byte_ranges_is_no_damage(tmp_path: Path, shard: int | None) -> None:
    write_real_store(tmp_path / "real.zarr", {"frames": FRAMES}, shard=shard)
    with serving(Served(tmp_path, ranges=False)) as server:
        store = open_store(f"{server.url}/real.zarr")
        if shard is None:  # whole objects need no ranges
            assert np.array_equal(store["frames"].rows(1, 10), FRAMES[1:10])
            return
        with pytest.raises(InputError, match=r"does not answer byte ranges, .*; give one that does, or a") as caught:
            store["frames"].rows(0, 4)
    assert not isinstance(caught.value, DamagedStoreError)


def test_no_server_is_one_line() -> None:
    with serving(Served(Path())) as server:
        url = server.url
    with pytest.raises(InputError, match=r"gone\.zarr cannot be read: ") as caught:
        open_store(f"{url}/gone.zarr")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_store_in_a_bucket_reads_like_one_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_real_store(tmp_path / "real.zarr", {"frames": FRAMES})
    with object_storage() as bucket:
        monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": bucket.endpoint})  # clients go by options
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        for key, data in files_of(tmp_path / "real.zarr").items():
            bucket.put(f"real.zarr/{key}", data)
        store = open_store(f"s3://{BUCKET}/real.zarr")
        assert np.array_equal(store["frames"].rows(1, 10), FRAMES[1:10])
        bucket.put("real.zarr/frames/c/0/0/0/0", b"x" * 50)
        with pytest.raises(DamagedStoreError, match=r"chunk 1 of frames .*: cut after 0 of 144 bytes"):
            store["frames"].rows(2, 4)
        bucket.client.delete_object(Bucket=BUCKET, Key="real.zarr/frames/c/1/0/0/0")
        with pytest.raises(DamagedStoreError, match="frames/c/1/0/0/0 is missing"):
            store["frames"].rows(4, 6)
        with pytest.raises(InputError, match=r"none\.zarr does not exist; give the path of a store"):
            open_store(f"s3://{BUCKET}/none.zarr")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").symlink_to(tmp_path / "zarr.json")
    with pytest.raises(InputError, match=r"json cannot be read: too many levels of symbolic links; check the disk and"):
        open_store(tmp_path)


def test_a_mapped_file_gives_any_range(tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"0123456789")
    (tmp_path / "empty").write_bytes(b"")
    objects = objects_at(tmp_path)
    for start, stop, expected in [(0, None, b"0123456789"), (2, 4, b"23"), (-3, None, b"789"), (8, 20, b"89")]:
        found = objects.read("object", start, stop)
        assert found is not None
        assert found.tobytes() == expected
        assert not found.flags.writeable
    assert objects.read("missing") is None
    empty = objects.read("empty")
    assert empty is not None
    assert len(empty) == 0
