"""Requests that nobody would send: broken specs, paths, headers and bytes are refused in words, and nothing fails."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.render import RenderSpec
from tests.service.running import SMALL, job_over, running

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPEC = RenderSpec.parse(SMALL)
SECRET = "what lies beside the data root"

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=4,
)
HEADER = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40).map(
    lambda text: text.encode("latin-1").strip()
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Run a service with a spec and a store, beside a file that is nobody's business."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "secret.txt").write_text(SECRET)
    with running(folder / "root", reply_bytes=2**18, store_bytes=2**18) as client:
        client.post("/v1/specs", json=SMALL)
        client.post("/v1/renders", json={"spec": SMALL, "n": 3, "name": "a"})
        job_over(client, "a")
        yield client


def places(fields: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in plain data."""
    yield path
    steps = fields.items() if isinstance(fields, dict) else enumerate(fields) if isinstance(fields, list) else ()
    for step, value in steps:
        yield from places(value, (*path, step))


def with_value(fields: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return plain data with a value in another's place."""
    if not path:
        return value
    copy = dict(fields) if isinstance(fields, dict) else list(fields)
    copy[path[0]] = with_value(copy[path[0]], path[1:], value)
    return copy


FIELDS = SPEC.model_dump(mode="json")


@FUZZ
@given(place=st.sampled_from(list(places(FIELDS))), value=JUNK)
def test_a_spec_with_junk_in_it_is_rendered_or_refused_in_words(
    small: httpx2.Client, place: tuple[Any, ...], value: Any
) -> None:
    body = {"spec": with_value(FIELDS, place, value), "count": 1}
    reply = small.post("/v1/sequences", json=body, headers={"Accept": "application/x-npy"})
    assert reply.status_code in (200, 413, 422)
    if reply.status_code != 200:
        problem = reply.json()
        assert problem["detail"].count("\n") == 0
        assert problem["status"] == reply.status_code


@FUZZ
@given(body=st.binary(max_size=60), media_type=st.sampled_from(["application/json", "text/plain", "", "a/b; c"]))
@pytest.mark.parametrize("path", ["/v1/sequences", "/v1/specs", "/v1/renders"])
def test_bytes_that_are_no_request_are_refused(small: httpx2.Client, path: str, body: bytes, media_type: str) -> None:
    reply = small.post(path, content=body, headers={"Content-Type": media_type})
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"


STEPS = st.sampled_from(
    ["..", ".", "", "zarr.json", "frames", "c", "0", "0" * 60, "-1", "%2e%2e", "%2f", "%00", "secret.txt", "~", "\\.."]
) | st.text(max_size=6).map(lambda text: quote(text, safe=""))


@FUZZ
@given(steps=st.lists(STEPS, max_size=7))
@pytest.mark.parametrize(
    "base", [f"/v1/specs/{SPEC.digest}/zarr", f"/v1/specs/{SPEC.digest}/7/zarr", "/v1/stores/a/zarr"]
)
def test_a_path_leads_nowhere_else(small: httpx2.Client, base: str, steps: list[str]) -> None:
    status, reply = raw(small, f"{base}/{'/'.join(steps)}")
    assert status in (200, 404, 422), reply
    assert SECRET.encode() not in reply


@FUZZ
@given(value=HEADER | st.from_regex(rb"bytes=[0-9]{0,25}-[0-9]{0,25}(,[0-9]{0,3}-[0-9]{0,3}){0,30}", fullmatch=True))
@pytest.mark.parametrize("name", ["Range", "If-Range", "If-None-Match", "Accept", "Content-Length", "Authorization"])
def test_headers_do_no_harm(small: httpx2.Client, name: str, value: bytes) -> None:
    for path in ("/v1/stores/a/zarr/frames/c/0/0/0/0", f"/v1/specs/{SPEC.digest}/zarr/zarr.json"):
        status, reply = raw(small, path, name.encode() + b": " + value)
        assert status in (200, 206, 304, 400, 413, 416), reply  # 400 is h11's, for what is no HTTP


@FUZZ
@given(name=st.text(st.characters(codec="latin-1"), min_size=1, max_size=30))
def test_a_name_reaches_no_header(small: httpx2.Client, name: str) -> None:
    status, reply = raw(small, f"/v1/renders/{quote(name + chr(13) + chr(10) + 'X-Evil: 1', safe='')}")
    assert status in (404, 422)
    assert b"\r\nX-Evil" not in reply


def raw(client: httpx2.Client, path: str, *headers: bytes) -> tuple[int, bytes]:
    """Send a GET as it is, without a library that would mend it; return the status and everything that came."""
    url = client.base_url
    assert url.port is not None
    lines = [
        b"GET " + path.encode("latin-1", "replace") + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: close",
        *headers,
    ]
    with socket.create_connection((url.host, url.port), 10) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        reply = b""
        while piece := connection.recv(2**16):
            reply += piece
    return int(reply.split(b" ", 2)[1]), reply
