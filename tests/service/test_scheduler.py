"""Jobs on a Dask cluster: while its scheduler is gone they wait and say so, and then they go on."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from datagen import render_store
from schemas.render import RenderSpec
from schemas.store import unit_sequences
from tests.cluster import Cluster
from tests.service.running import job_over, running
from tests.service.test_renders import array_objects
from tests.waiting import wait_for

SPEC = RenderSpec.parse(
    {"property": "rotation", "frames": 1, "height": 16, "width": 16, "noise": {"ratio": 0.26, "perlin": 0}}
)
N = 12 * unit_sequences(SPEC) + 7


@pytest.mark.slow
def test_a_job_waits_for_a_scheduler_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.service.jobs.RETRY_SECONDS", 0.2)
    (tmp_path / "dask").mkdir()
    with ExitStack() as stack:
        cluster = Cluster(tmp_path / "dask", stack, 1)
        port = cluster.address.rpartition(":")[2]
        with running(tmp_path / "root", scheduler=cluster.address) as client:

            def job() -> dict[str, object]:
                found: dict[str, object] = client.get("/v1/renders/a").json()
                return found

            client.post("/v1/renders", json={"spec": SPEC.model_dump(mode="json"), "n": N, "name": "a"})
            wait_for(lambda: job()["done"] != 0)
            cluster.scheduler.kill()
            wait_for(lambda: job()["state"] == "waiting")
            assert "Dask scheduler" in str(job()["reason"])
            assert client.get("/healthz").status_code == 200
            cluster.scheduler.wait()
            for worker in cluster.workers:
                worker.kill()
            cluster.begin(port, 1)
            assert job_over(client, "a", seconds=120)["state"] == "finished"
    render_store(SPEC, N, tmp_path / "b.zarr")
    assert array_objects(tmp_path / "root" / "a.zarr") == array_objects(tmp_path / "b.zarr")
