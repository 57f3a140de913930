"""A job is a store that is not complete: it survives kills, is never done twice, and can be stopped and revived."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from datagen import render_store
from datagen.storage.unit_writer import UnitWriter
from schemas.errors import InputError
from schemas.render import RenderSpec
from tests.commands import run as run_datagen
from tests.service.running import SMALL, Process, job_over, running
from tests.stores import chunks_of
from tests.waiting import wait_for

SPEC = RenderSpec.parse(SMALL)


def submitted(client: httpx2.Client, n: int = 50, name: str | None = "a", **fields: Any) -> httpx2.Response:
    return client.post("/v1/renders", json={"spec": {**SMALL, **fields}, "n": n, "name": name})


def array_objects(store: Path) -> dict[str, bytes]:
    files = (path for path in store.rglob("*") if path.is_file() and path.name != "zarr.json")
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch, after: int = 0) -> Iterator[threading.Event]:
    """Hold every commit of a unit after some, until the event is set."""
    go, commits = threading.Event(), iter(range(10**6))
    commit = UnitWriter.commit

    def slow(self: UnitWriter) -> None:
        if next(commits) >= after:
            go.wait(30)
        commit(self)

    with monkeypatch.context() as patch:
        patch.setattr(UnitWriter, "commit", slow)
        try:
            yield go
        finally:
            go.set()


def test_a_job_renders_the_store_that_the_command_renders(tmp_path: Path) -> None:
    with running(tmp_path / "root") as client:
        reply = submitted(client, name=None)
        name = f"mixed-{SPEC.digest[:12]}-50"
        assert (reply.status_code, reply.json()["id"]) == (202, name)
        assert reply.headers["location"] == f"/v1/renders/{name}"
        job = job_over(client, name)
        assert (job["state"], job["done"], job["zarr"]) == ("finished", 50, f"/v1/stores/{name}/zarr")
        assert [each["id"] for each in client.get("/v1/renders").json()] == [name]
    render_store(SPEC, 50, tmp_path / "b.zarr")
    assert array_objects(tmp_path / "root" / f"{name}.zarr") == array_objects(tmp_path / "b.zarr")


def test_events_follow_a_job_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with chunks_of(1), running(tmp_path) as client:
        with held(monkeypatch) as go:
            submitted(client)
            wait_for(lambda: client.get("/v1/renders/a").json()["state"] == "running")
            with client.stream("GET", "/v1/renders/a/events") as events:
                assert events.headers["content-type"].startswith("text/event-stream")
                jobs = []
                for line in events.iter_lines():
                    if line.startswith("data: "):
                        jobs.append(json.loads(line.removeprefix("data: ")))
                        go.set()
        assert jobs[0]["state"] == "running"
        assert jobs[-1] == client.get("/v1/renders/a").json()
        assert jobs[-1]["state"] == "finished"
        done = [job["done"] for job in jobs]
        assert done == sorted(done)
        with client.stream("GET", "/v1/renders/a/events") as events:  # of a job that is over: one, and the end
            assert sum(line.startswith("data: ") for line in events.iter_lines()) == 1


def test_a_job_that_there_is_not_has_no_events(tmp_path: Path) -> None:
    with running(tmp_path) as client:
        assert client.get("/v1/renders/nobody/events").status_code == 404


def test_the_same_request_is_the_same_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as client:
        with held(monkeypatch):
            first, second = submitted(client), submitted(client)
            assert (first.status_code, second.status_code) == (202, 200)
            assert submitted(client, n=60).status_code == 409
        job_over(client, "a")
        again = submitted(client)
        assert (again.status_code, again.json()["state"]) == (200, "finished")


def test_more_sequences_extend_and_other_specs_are_refused(tmp_path: Path) -> None:
    with running(tmp_path) as client:
        submitted(client)
        job_over(client, "a")
        assert submitted(client, seed=1).status_code == 409
        fewer = submitted(client, n=20)
        assert (fewer.status_code, "n is 20" in fewer.json()["detail"]) == (422, True)
        assert submitted(client, n=90).status_code == 202
        assert job_over(client, "a")["done"] == 90
    render_store(SPEC, 90, tmp_path / "b.zarr")
    assert array_objects(tmp_path / "a.zarr") == array_objects(tmp_path / "b.zarr")


def test_a_cancelled_job_stays_cancelled_until_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chunks_of(1):
        with running(tmp_path) as client, held(monkeypatch, after=1) as go:
            submitted(client, n=60)
            wait_for(lambda: client.get("/v1/renders/a").json()["done"] > 0)
            client.delete("/v1/renders/a")
            go.set()
            job = job_over(client, "a")
            assert job["state"] == "cancelled"
            assert 0 < job["done"] < 60
        with running(tmp_path) as client:
            time.sleep(0.2)
            assert client.get("/v1/renders/a").json()["state"] == "cancelled"
            assert submitted(client, n=60).status_code == 202
            assert job_over(client, "a")["state"] == "finished"
        render_store(SPEC, 60, tmp_path / "b.zarr")
        assert array_objects(tmp_path / "a.zarr") == array_objects(tmp_path / "b.zarr")
    assert json.loads((tmp_path / "a.zarr" / "zarr.json").read_bytes())["attributes"].get("cancelled") is None


def test_a_job_that_waits_is_cancelled_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, queued_jobs=1) as client, held(monkeypatch):
        submitted(client, name="a")
        wait_for(lambda: client.get("/v1/renders/a").json()["state"] == "running")
        submitted(client, name="b")
        full = submitted(client, name="c")
        assert (full.status_code, full.headers["retry-after"]) == (429, "60")
        assert client.delete("/v1/renders/b").json()["state"] == "cancelled"
        assert json.loads((tmp_path / "b.zarr" / "zarr.json").read_bytes())["attributes"]["cancelled"] is True


def test_a_full_disk_fails_the_job_and_not_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with running(tmp_path) as client:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            reply = submitted(client)
            assert (reply.status_code, "no space left" in reply.json()["detail"]) == (422, True)
        with held(monkeypatch) as go:
            submitted(client)
            wait_for(lambda: client.get("/v1/renders/a").json()["state"] == "running")
            monkeypatch.setattr(os, "pwrite", full)
            go.set()
            job = job_over(client, "a")
        assert job["state"] == "failed"
        assert "no space left on device" in job["reason"]
        assert client.get("/healthz").status_code == 200
        monkeypatch.undo()
        submitted(client)
        assert job_over(client, "a")["state"] == "finished"
    done = run_datagen("verify", tmp_path / "a.zarr")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"name": "../a"}, 422, "name"),
        ({"name": "a/b"}, 422, "name"),
        ({"name": ".a"}, 422, "name"),
        ({"name": "a" * 101}, 422, "name"),
        ({"n": 0}, 422, "n"),
        ({"n": 2**40}, 422, "n"),
        ({"target": "s3://bucket"}, 422, "target"),
        ({"target": "file:///etc"}, 422, "target"),
    ],
)
def test_what_a_job_may_not_be(client: httpx2.Client, fields: dict[str, Any], status: int, field: str) -> None:
    reply = client.post("/v1/renders", json={"spec": SMALL, "n": 10, **fields})
    assert (reply.status_code, reply.json()["field"]) == (status, field)


def test_targets_that_the_operator_allows_and_no_others(tmp_path: Path) -> None:
    with running(tmp_path / "root", targets=(f"memory://{tmp_path.name}/data",)) as client:
        body = {"spec": SMALL, "n": 5, "name": "a", "target": f"memory://{tmp_path.name}/data/deep"}
        assert client.post("/v1/renders", json=body).status_code == 202
        assert job_over(client, "a")["state"] == "finished"
        for target in (f"memory://{tmp_path.name}/database", f"memory://{tmp_path.name}/data/../x"):
            assert client.post("/v1/renders", json={**body, "name": "b", "target": target}).status_code == 422


def test_a_job_below_a_target_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"file://{tmp_path}/there"
    options = {"targets": (target,)}
    with chunks_of(1):
        with held(monkeypatch, after=1) as go, running(tmp_path / "root", **options) as client:
            body = {"spec": SMALL, "n": 40, "name": "a", "target": target}
            assert client.post("/v1/renders", json=body).status_code == 202
            wait_for(lambda: client.get("/v1/renders/a").json()["done"] > 0)
            threading.Timer(1, go.set).start()
        with running(tmp_path / "root", **options) as client:
            assert job_over(client, "a")["state"] == "finished"
        render_store(SPEC, 40, tmp_path / "b.zarr")
    assert array_objects(tmp_path / "there" / "a.zarr") == array_objects(tmp_path / "b.zarr")
    assert not list((tmp_path / "root" / "elsewhere").iterdir())


@pytest.mark.parametrize("name", ["none", "..", "%2e%2e", "a%2fb", "a" * 101])
def test_jobs_that_are_none_are_not_there(client: httpx2.Client, name: str) -> None:
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/v1/renders/{name}").status_code in (404, 405, 422)


def test_killed_with_jobs_running_all_are_finished_by_the_next_start(tmp_path: Path) -> None:
    environment = {"DATAGEN_JOBS": "3"}
    first = Process(tmp_path / "root", environment)
    fields = {"frames": 10, "height": 64, "width": 64}  # units of 1,024 sequences
    for seed in range(3):
        assert submitted(first.client, n=6000, name=f"job{seed}", seed=seed, **fields).status_code == 202
    wait_for(lambda: all(job["done"] for job in first.client.get("/v1/renders").json()))
    first.end(signal.SIGKILL)
    second = Process(tmp_path / "root", environment)
    try:
        for seed in range(3):
            assert job_over(second.client, f"job{seed}", seconds=240)["state"] == "finished"
    finally:
        code, err = second.end(signal.SIGTERM)
    assert code == 0, err
    spec = RenderSpec.parse({**SMALL, **fields, "seed": 2})
    render_store(spec, 6000, tmp_path / "b.zarr")
    assert array_objects(tmp_path / "root" / "job2.zarr") == array_objects(tmp_path / "b.zarr")
    for seed in range(3):
        done = run_datagen("verify", tmp_path / "root" / f"job{seed}.zarr")
        assert (done.code, done.err) == (0, "")


def test_a_stop_finishes_the_unit_in_hand_and_leaves_the_rest(tmp_path: Path) -> None:
    process = Process(tmp_path / "root")
    assert submitted(process.client, n=10**5, name="a", frames=10, height=64, width=64).status_code == 202
    wait_for(lambda: process.client.get("/v1/renders/a").json()["done"] > 0)
    code, err = process.end(signal.SIGTERM)
    assert code == 0, err
    assert not list((tmp_path / "root").rglob("*.partial"))
    attributes = json.loads((tmp_path / "root" / "a.zarr" / "zarr.json").read_bytes())["attributes"]
    assert (attributes["complete"], "cancelled" in attributes) == (False, False)


def test_a_job_whose_mark_cannot_be_written_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_path: str) -> None:
        raise InputError("the disk refuses")

    with chunks_of(1), running(tmp_path) as client:
        with held(monkeypatch, after=1) as go, monkeypatch.context() as patch:
            patch.setattr("datagen.service.jobs.mark_cancelled", refused)
            submitted(client, n=60)
            wait_for(lambda: client.get("/v1/renders/a").json()["done"] > 0)
            client.delete("/v1/renders/a")
            go.set()
            assert job_over(client, "a")["reason"] == "the disk refuses"
        submitted(client, name="b")
        assert job_over(client, "b")["state"] == "finished"
