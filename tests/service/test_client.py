"""The client, and `datagen render --service`: what they give is what the renderer gives here."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
import zarr

from datagen import render_store
from datagen.client import Client, ServiceError
from datagen.direct import render_sequences
from datagen.remote import place
from schemas.errors import InputError
from schemas.render import RenderSpec
from tests.commands import finished, run, start
from tests.service.running import SMALL, Process, job_over, running
from tests.service.test_access import KEYS, TOKENS
from tests.service.test_renders import array_objects, held
from tests.stores import chunks_of
from tests.waiting import wait_for

SPEC = RenderSpec.parse({**SMALL, "truth": ["flow", "mask"]})
OPTIONS = ("--property", "mixed", "--frames", "3", "--size", "16")


@pytest.fixture(scope="module")
def service(client: httpx2.Client) -> Iterator[Client]:
    with Client(str(client.base_url)) as service:
        yield service


def test_sequences_are_those_that_are_rendered_here(service: Client) -> None:
    theirs, ours = service.sequences(SPEC, start=7, count=3), render_sequences(SPEC, 7, 3)
    np.testing.assert_array_equal(theirs["frames"], ours.frames)
    np.testing.assert_array_equal(theirs["flow"], ours.flow)
    np.testing.assert_array_equal(theirs["mask"], ours.mask)
    for name, column in ours.parameters.items():
        np.testing.assert_array_equal(theirs[name], column)


def test_a_registered_spec_is_a_store(service: Client) -> None:
    reply = service.register(SPEC)
    group = zarr.open_group(service.address(reply.zarr), mode="r")
    np.testing.assert_array_equal(group["frames"][:2], render_sequences(SPEC, 0, 2).frames)
    assert RenderSpec.parse(reply.spec) == SPEC


def test_a_render_is_followed_to_its_end(service: Client) -> None:
    job = service.render(SPEC, 40, "followed")
    assert [now.state for now in service.follow(job.id)][-1] == "finished"
    assert service.job("followed") in service.jobs()
    stored = next(store for store in service.stores() if store.name == "followed")
    assert (stored.n, stored.digest) == (40, SPEC.digest)


def test_what_the_service_refuses_is_said_in_its_words(service: Client) -> None:
    with pytest.raises(ServiceError, match=r"count is 1048576, with [\d,]+ bytes a sequence") as refused:
        service.sequences(SPEC, count=2**20)
    assert (refused.value.status, refused.value.field) == (413, "count")
    with pytest.raises(ServiceError, match="there is no render 'nobody'"):
        next(service.follow("nobody"))


def test_what_is_no_service_is_named(service: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="ftp://a is no address of a service"):
        Client("ftp://a")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with Client(url) as nobody:
        with pytest.raises(InputError, match=r"does not answer .*; start `datagen serve` there"):
            nobody.stores()
        monkeypatch.setattr("datagen.client.RECONNECT_SECONDS", (0.01,))
        with pytest.raises(InputError, match="does not answer"):
            list(nobody.follow("a"))
    with Client(f"{service.url}/healthz") as other, pytest.raises(ServiceError, match=r"is answered by nothing here"):
        other.stores()


def test_the_key_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, keys=KEYS) as client:
        url = str(client.base_url)
        monkeypatch.delenv("STMOE_TOKEN", raising=False)
        with Client(url) as stranger, pytest.raises(ServiceError, match="STMOE_TOKEN holds the key"):
            stranger.jobs()
        monkeypatch.setenv("STMOE_TOKEN", TOKENS["reader"])
        with Client(url) as known:
            assert known.jobs() == []


def test_a_service_that_restarts_is_waited_for(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = Process(root)
    port = first.url.rpartition(":")[2]
    with Client(first.url) as client:
        job = client.render(SPEC.model_copy(update={"frames": 10, "height": 128, "width": 128}), 3000, "a")
        followed = client.follow(job.id)
        assert next(followed).state in ("queued", "running")
        wait_for(lambda: client.job("a").done > 0)
        first.end(signal.SIGKILL)
        second = Process(root, None, "--port", port)
        try:
            states = [now.state for now in followed]
            assert states[-1] == "finished"
        finally:
            second.end(signal.SIGTERM)


def test_the_command_renders_there_what_it_renders_here(client: httpx2.Client, tmp_path: Path) -> None:
    url = str(client.base_url).rstrip("/")
    there = run("render", *OPTIONS, "--n", "40", "--service", url, "--out", "there.zarr")
    assert (there.code, there.out) == (0, f"{url}/v1/stores/there/zarr\n"), there.err
    again = run("render", *OPTIONS, "--n", "40", "--service", url, "--out", "there", "--json")
    said = json.loads(again.out)
    assert (said["state"], said["address"]) == ("finished", f"{url}/v1/stores/there/zarr")
    here = render_store(RenderSpec.parse(SMALL), 40, tmp_path / "here.zarr")
    assert said["digest"] == here.digest
    group = zarr.open_group(said["address"], mode="r")
    np.testing.assert_array_equal(group["frames"][:], zarr.open_group(here.path, mode="r")["frames"][:])


def test_the_command_says_why_it_cannot(client: httpx2.Client) -> None:
    url = str(client.base_url)
    other = run("render", *OPTIONS, "--service", url, "--workers", "2")
    assert (other.code, "without the other's options" in other.error) == (2, True)
    path = run("render", *OPTIONS, "--service", url, "--out", "stores/a.zarr")
    assert (path.code, "name of a store there" in path.error) == (1, True)
    many = run("render", *OPTIONS, "--n", str(2**40), "--service", url)
    assert (many.code, "n is" in many.error) == (1, True)


def test_an_interrupted_command_leaves_the_job_to_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with chunks_of(1), running(tmp_path / "root") as client:
        with held(monkeypatch, after=1):
            command = start("render", *OPTIONS, "--n", "40", "--service", str(client.base_url), "--out", "a")
            assert command.stderr is not None
            assert "renders 40 sequences as a" in command.stderr.readline()
            command.send_signal(signal.SIGINT)
            done = finished(command)
        assert (done.code, done.err) == (
            130,
            "interrupted; the service goes on, and the same command follows a again\n",
        )
        assert job_over(client, "a")["state"] == "finished"
        render_store(RenderSpec.parse(SMALL), 40, tmp_path / "b.zarr")
    assert array_objects(tmp_path / "root" / "a.zarr") == array_objects(tmp_path / "b.zarr")


@pytest.mark.parametrize(
    ("out", "asked"),
    [
        (None, (None, None)),
        ("a", ("a", None)),
        ("a.zarr", ("a", None)),
        ("s3://bucket/runs/a.zarr", ("a", "s3://bucket/runs")),
        ("s3://bucket/a/", ("a", "s3://bucket")),
    ],
)
def test_where_a_store_goes(out: str | None, asked: tuple[str | None, str | None]) -> None:
    assert place(out) == asked


@pytest.mark.parametrize("out", ["stores/a", "/tmp/a.zarr", "s3://bucket"])
def test_a_path_means_nothing_there(out: str) -> None:
    with pytest.raises(InputError, match="--out is"):
        place(out)
