"""Data sets are fetched from a server: whole, checked, unpacked, and gone on with where the connection ended."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from schemas.errors import InputError
from tests.trainer.data.web import Served, serving
from trainer.sources.download import download
from trainer.sources.owners import OWNERS, Download, how

DATA = np.random.default_rng(0).bytes(3 * 2**20 + 5)


def sha1(data: bytes) -> str:
    return f"sha1:{hashlib.sha1(data).hexdigest()}"


@contextmanager
def cutting(data: bytes, after: int) -> Iterator[tuple[str, list[str | None]]]:
    """Serve data, but end the first connection after some bytes; yield the address and the ranges asked for."""
    ranges: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:after] if len(ranges) == 1 else data[start:])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", ranges
    finally:
        server.shutdown()
        server.server_close()


def test_what_was_cut_off_goes_on_where_it_ended(tmp_path: Path) -> None:
    after = 2**20 + 7
    with cutting(DATA, after) as (url, ranges):
        file = Download(url=f"{url}/a.npy", checksum=sha1(DATA))
        with pytest.raises(InputError, match=r"a.npy could not be fetched: .*; run the command again"):
            download([file], tmp_path)
        assert not (tmp_path / "a.npy").exists()
        kept = (tmp_path / "a.npy.partial").stat().st_size
        assert 0 < kept <= after
        told: list[tuple[str, int, int]] = []
        download([file], tmp_path, lambda *progress: told.append(progress))
        assert ranges == [None, f"bytes={kept}-"]
    assert (tmp_path / "a.npy").read_bytes() == DATA
    assert told[-1] == ("a.npy", len(DATA), len(DATA))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.npy").write_bytes(DATA)
    with serving(Served(tmp_path / "served")) as served:
        file = Download(url=f"{served.url}/a.npy", checksum=sha1(DATA))
        for _ in range(2):
            download([file], tmp_path / "here")
        assert len(served.authorizations) == 1


def test_a_file_that_is_whole_but_for_its_name_is_fetched_anew_where_the_server_has_no_more(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "served" / "a.npy").write_bytes(DATA)
    (tmp_path / "here" / "a.npy.partial").write_bytes(DATA[:100])
    with serving(Served(tmp_path / "served", ranges=False)) as served:
        download([Download(url=f"{served.url}/a.npy", checksum=sha1(DATA))], tmp_path / "here")
    assert (tmp_path / "here" / "a.npy").read_bytes() == DATA


def test_archives_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    with zipfile.ZipFile(tmp_path / "served" / "walking.zip", "w") as archive:
        archive.writestr("person01_walking_d1_uncomp.avi", "video")
    with serving(Served(tmp_path / "served")) as served:
        checksum = sha1((tmp_path / "served" / "walking.zip").read_bytes())
        download([Download(url=f"{served.url}/walking.zip", checksum=checksum, unpacked="walking")], tmp_path / "kth")
    assert (tmp_path / "kth/walking/person01_walking_d1_uncomp.avi").read_text() == "video"


def test_another_checksum_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.npy").write_bytes(DATA)
    with (
        serving(Served(tmp_path / "served")) as served,
        pytest.raises(InputError, match="does not match the known hash"),
    ):
        download([Download(url=f"{served.url}/a.npy", checksum=sha1(b"other"))], tmp_path / "here")
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("fails", [False, True])
def test_a_server_that_refuses_is_told(tmp_path: Path, fails: bool) -> None:
    with serving(Served(tmp_path, fails=fails)) as served, pytest.raises(InputError, match="could not be fetched: "):
        download([Download(url=f"{served.url}/a.npy", checksum=None)], tmp_path / "here")


def test_every_kind_says_where_it_comes_from() -> None:
    for kind, owner in OWNERS.items():
        said = how(kind)
        assert owner.page in said
        assert owner.terms in said
        assert ("--download" in said) == bool(owner.downloads)


def test_archives_of_the_owners_have_checksums() -> None:
    for owner in OWNERS.values():
        for each in owner.downloads:
            assert each.checksum is not None or each.url.endswith(".txt")
            assert (each.unpacked is not None) == each.url.endswith(".zip")


def test_an_array_is_read_from_what_was_fetched(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2, 3, 4, 5), np.uint8))
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "mnist_test_seq.npy").write_bytes(buffer.getvalue())
    with serving(Served(tmp_path / "served")) as served:
        download([Download(url=f"{served.url}/mnist_test_seq.npy", checksum=None)], tmp_path / "here")
    assert np.load(tmp_path / "here" / "mnist_test_seq.npy").shape == (2, 3, 4, 5)
