"""Stores behind a URL: the objects of a local store in object storage, whatever happens to writer, server or bytes."""

import io
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import tensorstore
import xarray
import yaml
import zarr
from hypothesis import given
from hypothesis import strategies as st

from datagen import open_store, render_sequences
from datagen.storage.engine import render_store
from datagen.storage.local_objects import LocalObjects
from datagen.storage.objects import Objects, objects_at
from datagen.storage.remote_objects import RemoteObjects, _Source
from datagen.storage.sprites import sprite_set
from datagen.storage.verify import verify_store
from datagen.views.export import export_sequences
from datagen.views.source import StoreSource
from schemas.errors import IncompleteStoreError, InputError, SpecMismatchError
from schemas.render import RenderSpec
from schemas.store import unit_sequences
from tests.commands import Done, finished, run, start
from tests.object_storage import BUCKET, REGION, ObjectStorage, serving
from tests.stores import chunks_of, objects_of
from tests.waiting import wait_for

FIELDS = {
    "property": "rotation",
    "frames": 1,
    "height": 8,
    "width": 16,
    "objects": {"count": [1, 1]},
    "noise": {"ratio": 0},
    "truth": ["mask"],
}
"""A unit is quick to render and small."""
SPEC = RenderSpec.parse(FIELDS)
UNIT = unit_sequences(SPEC)
"""Sequences of a unit as commands write it."""
OTHER = RenderSpec.parse({**FIELDS, "seed": 1})


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStorage]:
    with serving() as storage:
        yield storage


@contextmanager
def client_options(storage: ObjectStorage, **options: str) -> Iterator[None]:
    """Change the S3 clients of this process; fsspec keeps one for each set of options, and environments are none."""
    before = fsspec.config.conf.get("s3", {})
    fsspec.config.conf["s3"] = {"endpoint_url": storage.endpoint, **options}
    try:
        yield
    finally:
        fsspec.config.conf["s3"] = before


def reach(storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and those that it starts talk to a server."""
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": storage.endpoint})
    for name, value in storage.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def storage(server: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    reach(server, monkeypatch)
    for key in server.keys("x.zarr"):
        server.client.delete_object(Bucket=BUCKET, Key=f"x.zarr/{key}")
    return server


URL = f"s3://{BUCKET}/x.zarr"


@pytest.fixture(scope="module")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("spec") / "spec.yaml"
    file.write_text(yaml.safe_dump(FIELDS), encoding="utf-8")
    return file


@pytest.fixture
def unit() -> Iterator[int]:
    """Make units small in this process; return their sequences."""
    with chunks_of(2):
        yield unit_sequences(SPEC)


def test_the_objects_in_a_bucket_are_those_of_a_local_store(
    storage: ObjectStorage, spec_file: Path, tmp_path: Path
) -> None:
    n = UNIT + 5
    command = ("render", "--spec", spec_file, "--n", str(n), "--json", "--out")
    remote = finished(start(*command, URL))
    assert remote.code == 0, remote.err
    local = run(*command, tmp_path / "x.zarr")
    assert storage.objects("x.zarr") == objects_of(tmp_path / "x.zarr")
    for document in tmp_path.rglob("*/zarr.json"):
        key = document.relative_to(tmp_path).as_posix()
        if key != "x.zarr/zarr.json":
            assert storage.get(key) == document.read_bytes()
    for field in ("n", "digest", "rendered", "bytes"):
        assert json.loads(remote.out)[field] == json.loads(local.out)[field]
    assert json.loads(remote.out)["path"] == URL


@pytest.mark.usefixtures("unit")
def test_other_programs_read_a_store_in_a_bucket(storage: ObjectStorage) -> None:
    render_store(SPEC, 5, URL)
    expected = render_sequences(SPEC, 0, 5)
    options = {"endpoint_url": storage.endpoint}
    group = zarr.open_group(URL, mode="r", storage_options=options)
    assert group.attrs["complete"] is True
    assert np.array_equal(group["frames"], expected.frames)
    data = xarray.open_zarr(URL, storage_options=options)
    assert dict(data.sizes) | {"sequence": 5, "time": 1, "y": 8, "x": 16} == dict(data.sizes)
    assert np.array_equal(data["mask"], expected.mask)
    assert np.array_equal(data["angle"], expected.parameters["angle"])
    context = {"aws_region": REGION, "endpoint": storage.endpoint}
    kvstore = {"driver": "s3", "bucket": BUCKET, "path": "x.zarr/frames/", **context}
    array = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}, open=True, read=True).result()
    assert np.array_equal(array.read().result(), expected.frames)


def test_open_store_and_the_commands_read_from_a_bucket(unit: int, storage: ObjectStorage, tmp_path: Path) -> None:
    render_store(SPEC, 5, URL)
    store = open_store(URL)
    assert (store.path, len(store), store.complete, store.spec) == (URL, 5, True, SPEC)
    assert np.array_equal(store["frames"], render_sequences(SPEC, 0, 5).frames)
    assert run("verify", URL).out == f"{URL} is whole: 5 sequences, 5 rendered again and equal\n"
    summary = json.loads(run("inspect", URL, "--json").out)
    assert summary["units"] == {"done": 1, "total": 1, "sequences": unit}
    assert summary["bytes"] == sum(len(storage.get(f"x.zarr/{key}")) for key in storage.keys("x.zarr"))
    assert run("export", URL, tmp_path / "a.npy").code == 0
    assert np.array_equal(np.load(tmp_path / "a.npy").swapaxes(0, 1), store["frames"])
    assert run("preview", URL, "--overlay", "mask", "--out", tmp_path / "a.png").code == 0
    again = run("render", "--spec", URL, "--n", "2", "--out", tmp_path / "again.zarr", "--json")
    assert json.loads(again.out)["digest"] == SPEC.digest


@pytest.mark.usefixtures("unit")
def test_a_public_store_is_read_over_http(storage: ObjectStorage, tmp_path: Path) -> None:
    render_store(SPEC, 5, URL)
    storage.client.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    for key in storage.keys("x.zarr"):
        storage.client.put_object_acl(Bucket=BUCKET, Key=f"x.zarr/{key}", ACL="public-read")
    url = f"{storage.endpoint}/{BUCKET}/x.zarr"
    assert np.array_equal(open_store(url)["frames"][2:4], render_sequences(SPEC, 2, 2).frames)
    assert run("verify", url).code == 0
    assert run("export", url, tmp_path / "a.npy").code == 0
    again = json.loads(run("render", "--spec", url, "--n", "2", "--out", tmp_path / "again.zarr", "--json").out)
    assert again["digest"] == SPEC.digest
    summary = json.loads(run("inspect", url, "--json").out)
    assert (summary["bytes"], summary["units"]["done"], summary["arrays"][0]["bytes"]) == (None, None, None)
    assert "size       unknown" in run("inspect", url).out


def test_a_server_that_ignores_ranges_is_named_and_nothing_called_damaged(tmp_path: Path) -> None:
    render_store(SPEC, 5, tmp_path / "x.zarr")
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages:
        thread = threading.Thread(target=pages.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{pages.server_port}/x.zarr"
            assert "size       unknown" in run("inspect", url).out
            for done in (run("verify", url), run("export", url, tmp_path / "a.npy")):
                assert done.error.startswith(f"{url} cannot be read: its server ignores ranges of bytes")
        finally:
            pages.shutdown()
            thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """The server of `python -m http.server`, which logs nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_verify_finds_a_flipped_byte_and_repairs_it_to_the_same_bytes(unit: int, storage: ObjectStorage) -> None:
    render_store(SPEC, unit + 5, URL)
    before = storage.objects("x.zarr")
    flipped, gone, cut = "mask/c/0/0/0/0", "angle/c/1/0", "frames/c/1/0/0/0"
    data = bytearray(before[flipped])
    data[10] ^= 1
    storage.put(f"x.zarr/{flipped}", bytes(data))
    storage.client.delete_object(Bucket=BUCKET, Key=f"x.zarr/{gone}")
    storage.put(f"x.zarr/{cut}", before[cut][:-1])
    damaged = run("verify", URL, "--json")
    assert damaged.code == 1
    assert {found["key"]: found["problem"] for found in json.loads(damaged.out)["damage"]} == {
        flipped: "chunk 0 fails its checksum",
        gone: "missing",
        cut: "what follows the last chunk is damaged",
    }
    repaired = run("verify", URL, "--repair")
    assert repaired.code == 0, repaired.err
    assert storage.objects("x.zarr") == before
    assert open_store(URL).complete


@pytest.mark.usefixtures("unit")
def test_a_damaged_chunk_is_named_when_it_is_read(storage: ObjectStorage) -> None:
    render_store(SPEC, 5, URL)
    data = bytearray(storage.get("x.zarr/frames/c/0/0/0/0"))
    data[10] ^= 1
    storage.put("x.zarr/frames/c/0/0/0/0", bytes(data))
    source = StoreSource(open_store(URL))
    with pytest.raises(InputError, match=f"{URL}: frames of sequences 0-1 fails its checksum; mend it with `datagen"):
        source.read(["frames"], 0, 2)


def test_a_larger_n_extends_a_smaller_and_another_spec_are_refused(
    unit: int, storage: ObjectStorage, tmp_path: Path
) -> None:
    render_store(SPEC, 3, URL)
    extended = render_store(SPEC, unit + 5, URL)
    assert extended.resumed == 0  # the last unit was partial
    render_store(SPEC, unit + 5, tmp_path / "x.zarr")
    before = storage.objects("x.zarr")
    assert before == objects_of(tmp_path / "x.zarr")
    with pytest.raises(InputError, match=f"{URL} has n = {unit + 5}, this command's n is 2"):
        render_store(SPEC, 2, URL)
    with pytest.raises(SpecMismatchError, match=f"{SPEC.digest[:12]}….*{OTHER.digest[:12]}…"):
        render_store(OTHER, 3 * unit, URL)
    assert storage.objects("x.zarr") == before
    assert render_store(SPEC, unit + 7, URL).resumed == unit
    assert np.array_equal(open_store(URL)["frames"][-2:], render_sequences(SPEC, unit + 5, 2).frames)


def test_overwrite_leaves_nothing_of_the_other_store(unit: int, storage: ObjectStorage, tmp_path: Path) -> None:
    storage.put("x.zarr.neighbour", b"precious")
    render_store(SPEC, unit + 5, URL)
    bare = OTHER.model_copy(update={"truth": ()})
    render_store(bare, 2, URL, overwrite=True)
    render_store(bare, 2, tmp_path / "x.zarr")
    assert storage.objects("x.zarr") == objects_of(tmp_path / "x.zarr")
    assert not [key for key in storage.keys("x.zarr") if key.startswith("mask")]
    assert storage.get("x.zarr.neighbour") == b"precious"


def test_what_is_no_store_is_left_alone(storage: ObjectStorage) -> None:
    storage.put("x.zarr/letter.txt", b"precious")
    for command in (("render", "--property", "mixed", "--n", "1", "--overwrite", "--out", URL), ("inspect", URL)):
        refused = run(*command)
        assert (refused.code, refused.error) == (1, f"{URL} exists and is no store of sequences; give another path")
    assert storage.keys("x.zarr") == ["letter.txt"]
    missing = run("verify", f"s3://{BUCKET}/none.zarr")
    assert missing.code == 1
    assert f"s3://{BUCKET}/none.zarr does not exist" in missing.error


@pytest.mark.usefixtures("unit")
def test_sprites_travel_in_the_bucket(storage: ObjectStorage) -> None:
    sprites = np.arange(3 * 6 * 5, dtype=np.uint8).reshape(3, 6, 5)
    fields = {**FIELDS, "objects": {"count": [1, 1], "kinds": ["sprite"]}}
    spec = RenderSpec.parse({**fields, "sprites": sprite_set(sprites).model_dump()})
    render_store(spec, 2, URL, sprites=sprites)
    assert np.array_equal(open_store(URL).sprites, sprites)
    assert render_store(spec, 4, URL).rendered == 4
    assert np.array_equal(open_store(URL)["frames"], render_sequences(spec, 0, 4, sprites).frames)
    assert verify_store(URL).ok


@pytest.mark.slow
def test_the_same_command_completes_what_a_killed_process_left(
    storage: ObjectStorage, spec_file: Path, tmp_path: Path
) -> None:
    n = 5 * UNIT
    command = ("render", "--spec", spec_file, "--n", str(n), "--workers", "1", "--json", "--out")
    process = start(*command, URL)
    wait_for(lambda: storage.holds("x.zarr/frames/c/0/0/0/0"), process)
    process.kill()
    assert finished(process).code == -9
    with pytest.raises(IncompleteStoreError, match=f"finish it with `datagen render --spec {URL} --n {n} --out {URL}`"):
        open_store(URL)
    resumed = run("render", "--spec", URL, "--n", str(n), "--out", URL, "--json")  # what the message says
    assert 0 < json.loads(resumed.out)["resumed"] < n
    assert run(*command, tmp_path / "x.zarr").code == 0
    assert storage.objects("x.zarr") == objects_of(tmp_path / "x.zarr")


CREDENTIALS = "check the credentials, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do"


def refused(done: Done) -> str:
    """Return what is wrong with a render that failed: it said what it was about to do, and one line of error."""
    assert (done.code, done.out) == (1, "")
    assert len(done.err.splitlines()) == 2, done.err
    return done.error


def test_wrong_credentials_are_one_line(storage: ObjectStorage, spec_file: Path) -> None:
    command = ("render", "--spec", spec_file, "--n", "3", "--out", URL)
    with storage.checking_credentials() as (name, secret):
        unknown = refused(finished(start(*command)))
        with client_options(storage, key=name, secret="wrong"):
            wrong_secret = refused(run(*command))
        with client_options(storage, key=name, secret=secret):
            denied = refused(run(*command))
    assert unknown == (
        f"{URL} cannot be read: The AWS Access Key Id you provided does not exist in our records; {CREDENTIALS}"
    )
    assert wrong_secret.startswith(f"{URL} cannot be read: The request signature we calculated does not match")
    assert wrong_secret.endswith(CREDENTIALS)
    assert denied == f"{URL} cannot be read: Access Denied; {CREDENTIALS}"
    assert storage.keys("x.zarr") == []


def test_no_credentials_are_one_line(
    storage: ObjectStorage, spec_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    # A process of its own, since clients keep the credentials that they found.
    assert refused(finished(start("render", "--spec", spec_file, "--n", "3", "--out", URL))) == (
        f"{URL} cannot be read: Unable to locate credentials; "
        "set them, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )


def test_a_missing_bucket_is_one_line(storage: ObjectStorage, spec_file: Path) -> None:
    assert refused(run("render", "--spec", spec_file, "--n", "3", "--out", "s3://missing/x.zarr")) == (
        "s3://missing/x.zarr cannot be written: The specified bucket does not exist; "
        "make the bucket first, or give another"
    )


CHECK_ADDRESS = "check the address, e.g. AWS_ENDPOINT_URL, and run the same command again"


def test_no_server_at_the_address_is_one_line(
    storage: ObjectStorage, spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with client_options(storage, endpoint_url="http://127.0.0.1:9"):
        nobody = refused(run("render", "--spec", spec_file, "--n", "3", "--out", URL))
    assert nobody == (
        f'{URL} cannot be read: Could not connect to the endpoint URL: "http://127.0.0.1:9/{BUCKET}/x.zarr/zarr.json"; '
        + CHECK_ADDRESS
    )


@pytest.mark.slow
def test_a_server_that_goes_away_ends_a_render_in_one_line(
    monkeypatch: pytest.MonkeyPatch, spec_file: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with serving() as storage:
        reach(storage, monkeypatch)
        process = start("render", "--spec", spec_file, "--n", str(40 * UNIT), "--out", URL)
        wait_for(lambda: storage.holds("x.zarr/frames/c/0/0/0/0"), process)
        storage.process.kill()
        done = finished(process)
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith(f"{URL} cannot be written: ")
    assert done.error.endswith(CHECK_ADDRESS)


@pytest.mark.slow
def test_a_server_that_goes_away_ends_a_reader_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with serving() as storage:
        reach(storage, monkeypatch)
        render_store(SPEC, 3, URL)
        opened, source = open_store(URL), StoreSource(open_store(URL))
    for read in (lambda: export_sequences(source, tmp_path / "a.npy"), lambda: opened["frames"]):
        with pytest.raises(InputError, match=f"{URL} cannot be read: .*; {CHECK_ADDRESS}"):
            read()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_object_larger_than_one_request_arrives_whole(storage: ObjectStorage) -> None:
    data = np.random.default_rng(0).integers(0, 256, 2 * 50 * 2**20 + 12_345, np.uint8)
    RemoteObjects(URL).put({"large": data.tobytes()})
    answer = storage.client.get_object(Bucket=BUCKET, Key="x.zarr/large")
    assert answer["ETag"].strip('"').endswith("-3"), "S3 marks what came in three parts so"
    assert np.array_equal(np.frombuffer(answer["Body"].read(), np.uint8), data)


class Reluctant(BaseHTTPRequestHandler):
    """Refuse the first attempt at every object, as a busy S3 does; keep the second."""

    protocol_version = "HTTP/1.1"
    attempts: dict[str, list[bytes]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        attempts = self.attempts.setdefault(self.path, [])
        attempts.append(body)
        busy = len(attempts) == 1
        answer = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        self.send_response(503 if busy else 200)
        self.send_header("Content-Length", str(len(answer) if busy else 0))
        self.end_headers()
        self.wfile.write(answer if busy else b"")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_put_that_is_tried_again_sends_everything_again(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: dict[str, list[bytes]] = {}
    handler = type("Handler", (Reluctant,), {"attempts": attempts})
    data = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as busy:
        thread = threading.Thread(target=busy.serve_forever)
        thread.start()
        try:
            with client_options(storage, endpoint_url=f"http://127.0.0.1:{busy.server_port}"):
                RemoteObjects(URL).put({"a": data, "b": b""})
        finally:
            busy.shutdown()
            thread.join()
    assert attempts == {f"/{BUCKET}/x.zarr/a": [data, data], f"/{BUCKET}/x.zarr/b": [b"", b""]}


@pytest.fixture(params=["s3", "memory", "file"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """Return an empty place of every kind."""
    match request.param:
        case "s3":
            request.getfixturevalue("storage")
            return objects_at(URL)
        case "memory":
            fsspec.filesystem("memory").store.clear()
            return objects_at("memory://x.zarr")
        case _:
            return objects_at(f"file://{tmp_path / 'x.zarr'}")


def test_objects_are_the_same_behind_every_protocol(objects: Objects) -> None:
    assert isinstance(objects, LocalObjects | RemoteObjects)
    data = bytes(range(200))
    assert objects.is_empty()
    assert list(objects.sizes("")) == []
    assert objects.read("a") is None
    objects.put({"a": data, "deep/c/0/0": data[:7], "deeper/c/1": b"x"})
    assert not objects.is_empty()
    assert dict(objects.sizes("")) == {"a": 200, "deep/c/0/0": 7, "deeper/c/1": 1}
    assert dict(objects.sizes("deep")) == {"deep/c/0/0": 7}
    assert objects.read("a") == data
    for begin, length in ((0, 1), (10, 20), (190, 100), (200, 5), (250, 5), (150, None), (200, None)):
        assert objects.read("a", begin, length) == data[begin : None if length is None else begin + length]
    assert objects.read("deep") is None
    objects.put({"a": b"new"})
    assert objects.read("a") == b"new"
    objects.delete("a")
    objects.delete("a")
    assert objects.read("a") is None
    objects.put({"keep": b"k"})
    objects.clear(keep="keep")
    assert dict(objects.sizes("")) == {"keep": 1}


def test_a_batch_is_seen_whole_and_only_after_its_commit(objects: Objects) -> None:
    batch = objects.batch({"a": 10, "deep/b": 4})
    batch.write("a", 3, np.array([1, 2, 3], np.uint8))
    batch.write("deep/b", 0, np.array([7], np.uint8))
    batch.write("a", 9, np.array([9], np.uint8))
    assert list(objects.sizes("")) == []
    batch.commit()
    batch.discard()
    assert objects.read("a") == bytes([0, 0, 0, 1, 2, 3, 0, 0, 0, 9])
    assert objects.read("deep/b") == bytes([7, 0, 0, 0])
    discarded = objects.batch({"c": 5})
    discarded.write("c", 0, np.array([1], np.uint8))
    discarded.discard()
    assert objects.read("c") is None


@pytest.mark.usefixtures("unit")
def test_a_store_in_memory_is_rendered_extended_damaged_and_mended(tmp_path: Path) -> None:
    fsspec.filesystem("memory").store.clear()
    url = "memory://x.zarr"
    render_store(SPEC, 3, url)
    render_store(SPEC, 5, url)
    render_store(SPEC, 5, tmp_path / "x.zarr")
    files = fsspec.filesystem("memory")

    def held() -> dict[str, bytes]:
        return {
            name.removeprefix("/x.zarr/"): files.cat_file(name)
            for name in files.find("/x.zarr")
            if not name.endswith("zarr.json")
        }

    expected = objects_of(tmp_path / "x.zarr")
    assert held() == expected
    assert np.array_equal(open_store(url)["frames"], render_sequences(SPEC, 0, 5).frames)
    assert verify_store(url).ok
    files.pipe("/x.zarr/angle/c/0/0", expected["angle/c/0/0"][::-1])
    assert not verify_store(url).ok
    assert verify_store(url, repair=True).ok
    assert held() == expected
    with pytest.raises(SpecMismatchError):
        render_store(OTHER, 3, url)
    render_store(OTHER, 3, url, overwrite=True)
    assert open_store(url).spec == OTHER


def test_a_url_of_no_known_protocol_is_one_line() -> None:
    with pytest.raises(InputError, match=r"nonsense://a.zarr cannot be opened: .*; give a path or e.g. s3://"):
        objects_at("nonsense://a.zarr")


DATA = bytes(range(60))
POSITIONS = st.integers(0, 80)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 80)),
        st.tuples(st.just("readinto"), POSITIONS),
        st.tuples(st.just("set"), POSITIONS),
        st.tuples(st.just("end"), st.integers(-20, 20)),
    )
)


@given(cut=st.tuples(POSITIONS, POSITIONS), steps=STEPS, kind=st.sampled_from([bytes, bytearray, memoryview]))
def test_a_source_reads_as_a_file_of_the_same_bytes_does(
    cut: tuple[int, int], steps: list[tuple[str, int]], kind: type[bytes] | type[bytearray] | type[memoryview]
) -> None:
    part = slice(*cut)
    source, file = _Source(kind(DATA))[part], io.BytesIO(DATA[part])
    assert len(source) == len(DATA[part])
    assert source.readable()
    assert source.seekable()
    for step, number in steps:
        match step:
            case "read":
                assert source.read(number) == file.read(number)
            case "readinto":
                ours, theirs = bytearray(number), bytearray(number)
                assert source.readinto(ours) == file.readinto(theirs)
                assert ours == theirs
            case "set":
                assert source.seek(number) == file.seek(number)
            case "end":
                if len(source) + number >= 0:
                    assert source.seek(number, os.SEEK_END) == file.seek(number, os.SEEK_END)
        assert source.tell() == file.tell()
    assert source.seek(0, os.SEEK_CUR) == file.tell()


def test_a_part_of_a_source_shares_its_bytes() -> None:
    data = bytearray(DATA)
    part = _Source(data)[10:20][2:5]
    data[12:15] = b"new"
    assert part.read() == b"new"
