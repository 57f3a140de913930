"""What each extra is for, done in seconds in an environment that has it; `rendered` is a store made elsewhere."""

import json
import signal
from pathlib import Path
from urllib.request import urlopen

import yaml

from tests.object_storage import BUCKET, ObjectStorage, serving
from tests.packaging.environments import Environment

SMALL = ("--size", "16", "--frames", "4", "--n", "2")
TINY_RUN = {
    "data": {"input_frames": 2, "horizon": 2},
    "model": {"kind": "mim", "features": 2, "mim": {"hidden": 4}},
    "schedule": {name: {"steps": 2, "batch": 2, "validate_every": 2} for name in ("decoder", "mim", "gates", "joint")},
}
"""A run of a second; what it learns from is an option."""


def reads_and_says_what_is_missing(environment: Environment, rendered: Path) -> None:
    """Validate a spec and read a store without any extra; for the rest, name the extra."""
    assert json.loads(environment.printed("datagen", "schema"))["title"] == "RenderSpec"
    assert "complete" in environment.printed("datagen", "inspect", rendered)
    script = "import sys, trainer, datagen; print(datagen.open_store(sys.argv[1])['frames'][19].shape)"
    assert environment.printed("python", "-c", script, rendered) == "(4, 16, 16)\n"
    misses(environment, "datagen", "datagen", "render", "--property", "rotation", *SMALL)
    misses(environment, "datagen", "datagen", "verify", rendered)
    misses(environment, "trainer", "trainer", "fit", "--config", "demo", "--dry-run")
    misses(environment, "trainer", "trainer", "prepare", "array", "frames.npy", "--out", "real.zarr")


def renders(environment: Environment, _rendered: Path) -> None:
    """Render, verify, look and export; name the extras for the rest."""
    assert environment.printed("datagen", "render", "--property", "rotation", *SMALL) == "rotation.zarr\n"
    assert "is whole: 2 sequences" in environment.printed("datagen", "verify", "rotation.zarr")
    assert environment.printed("datagen", "preview", "rotation.zarr", "--out", "r.gif") == "r.gif\n"
    assert environment.printed("datagen", "export", "rotation.zarr", "r.npy") == "r.npy\n"
    misses(environment, "real", "datagen", "export", "rotation.zarr", "r.mp4")
    misses(environment, "digits", "datagen", "render", "--preset", "dynamic-mnist")
    misses(environment, "service", "datagen", "serve", "--port", "0")
    misses(environment, "service", "datagen", "render", "--property", "rotation", "--service", "http://127.0.0.1:1")
    misses(environment, "dask", "datagen", "render", "--property", "rotation", "--scheduler", "tcp://127.0.0.1:1")
    misses(environment, "cloud", "datagen", "render", "--property", "rotation", "--out", f"s3://{BUCKET}/r.zarr")


def serves(environment: Environment, _rendered: Path) -> None:
    """Serve the page, answer, and render for a client of the same environment."""
    service = environment.start("datagen", "serve", "--port", "0", "--data-root", "served")
    try:
        assert service.stdout is not None
        url = service.stdout.readline().strip()
        for path in ("/healthz", "/", "/page/page.js", "/docs", "/openapi.json"):
            with urlopen(url + path, timeout=60) as answer:
                assert answer.status == 200
        asked = ("render", "--property", "rotation", *SMALL, "--service", url)
        assert environment.printed("datagen", *asked).startswith(url)
    finally:
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=60)
    assert service.returncode == 0, log


def renders_on_a_cluster(environment: Environment, _rendered: Path) -> None:
    """Compute a lazy array, and a store on workers of a cluster."""
    script = """
import datagen, numpy as np
from distributed import LocalCluster

if __name__ == "__main__":
    spec = datagen.RenderSpec(property="rotation", frames=4, height=16, width=16)
    lazy = datagen.lazy_sequences(spec, 1_000_000)[999_999].compute()
    assert np.array_equal(lazy, datagen.render_sequence(spec, 999_999).frames)
    with LocalCluster(n_workers=1, dashboard_address=None) as cluster:
        print(datagen.render_store(spec, 2, "cluster.zarr", scheduler=cluster.scheduler_address).path)
"""
    (environment.work / "cluster.py").write_text(script, encoding="utf-8")
    assert environment.printed("python", "cluster.py") == "cluster.zarr\n"


def renders_into_object_storage(environment: Environment, _rendered: Path) -> None:
    """Render into a bucket and verify what lies there."""
    with serving() as storage:
        url = f"s3://{BUCKET}/rotation.zarr"
        asked = ("render", "--property", "rotation", *SMALL, "--out", url)
        assert environment.printed("datagen", *asked, **storage.environment) == f"{url}\n"
        assert "is whole" in environment.printed("datagen", "verify", url, **storage.environment)
    environment.printed("python", "-c", "import gcsfs")


def renders_digits(environment: Environment, _rendered: Path) -> None:
    """Render the preset that moves scikit-learn's digits."""
    asked = ("render", "--preset", "dynamic-mnist", "--size", "32", "--frames", "4", "--n", "2")
    assert environment.printed("datagen", *asked) == "dynamic-mnist.zarr\n"


def trains(environment: Environment, rendered: Path) -> None:
    """Cost a shipped run, train a tiny one, score, forecast and report; name the extras for the rest."""
    assert "joint" in environment.printed("trainer", "fit", "--config", "demo", "--dry-run")
    run = fit(environment, str(rendered))
    assert "persistence" in environment.printed("trainer", "evaluate", run)
    assert environment.printed("trainer", "predict", run, rendered, "--out", "f.gif") == "f.gif\n"
    assert environment.printed("trainer", "report", run) == f"{run}/report.html\n"
    misses(environment, "real", "trainer", "predict", run, rendered, "--out", "f.mp4")
    misses(environment, "cloud", "trainer", "evaluate", run, "--real", f"s3://{BUCKET}/real.zarr")
    misses(environment, "datagen", "datagen", "render", "--property", "rotation", *SMALL)


def forecasts_from_object_storage(environment: Environment, rendered: Path) -> None:
    """Learn from a store that lies in a bucket."""
    with serving() as storage:
        upload(storage, rendered)
        fit(environment, f"s3://{BUCKET}/{rendered.name}", **storage.environment)


def prepares_files(environment: Environment, _rendered: Path) -> None:
    """Make a store of a video, and another of rain in netCDF."""
    files = """
from datetime import datetime, timedelta
from fractions import Fraction
import av, numpy as np, xarray as xr

still = np.random.default_rng(0).integers(0, 190, (16, 16))
frames = (still + np.arange(60)[:, None, None]).astype(np.uint8)
with av.open("clip.mkv", "w") as container:
    stream = container.add_stream("ffv1", rate=Fraction(10))
    stream.height, stream.width, stream.pix_fmt = 16, 16, "gray"
    for frame in frames:
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
    container.mux(stream.encode())
times = [datetime(2026, 7, 1) + timedelta(minutes=10 * step) for step in range(60)]
coordinates = {"time": times, "y": np.arange(16.0)[::-1], "x": np.arange(16.0)}
rain = xr.DataArray(frames / 25.0, coordinates, ("time", "y", "x"), attrs={"units": "mm/h"})
xr.Dataset({"rain": rain}).to_netcdf("rain.nc")
"""
    environment.printed("python", "-c", files)
    asked = ("--size", "16", "--frames", "4", "--workers", "1")
    for kind, source in (("video", "clip.mkv"), ("radar", "rain.nc")):
        assert environment.printed("trainer", "prepare", kind, source, "--out", f"{kind}.zarr", *asked)
    assert "complete" in environment.printed("datagen", "inspect", "video.zarr")


def moves_rain_on(environment: Environment, _rendered: Path) -> None:
    """Move a shower on by its optical flow."""
    script = """
import torch
from trainer.evaluation.extrapolation import available, extrapolated

assert available()
y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
shower = lambda left: 20 * torch.exp(-((y - 32) ** 2 + (x - left) ** 2) / 40)
rain = torch.stack([shower(20.0 + 2 * step) for step in range(4)])[None, :, None]
moved = extrapolated(rain, 2)[0, -1, 0]
print(int(moved.sum(0).argmax()))
"""
    column = int(environment.printed("python", "-W", "ignore", "-c", script).split()[-1])
    assert column > 26, "the shower, last seen at column 26, did not move on"


def sends_its_numbers_to_mlflow(environment: Environment, rendered: Path) -> None:
    """Train with a server named, here a file, and read there what the run's own log has."""
    server = f"sqlite:///{environment.work}/mlflow.db"
    fit(environment, str(rendered), MLFLOW_TRACKING_URI=server)
    script = """
import json, mlflow
client = mlflow.MlflowClient()
(run,) = client.search_runs([client.get_experiment_by_name("stmoe-synth").experiment_id])
sent = {(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "joint/validation")}
lines = [json.loads(line) for line in open("run/log.jsonl")]
kept = {(line["step"], line["validation"]) for line in lines if line["phase"] == "joint" and "validation" in line}
assert sent == kept and kept, (sent, kept)
assert run.info.status == "FINISHED" and run.data.params["schedule.joint.batch"]
"""
    environment.printed("python", "-W", "ignore", "-c", script, MLFLOW_TRACKING_URI=server)


def fit(environment: Environment, store: str, **variables: str) -> str:
    """Train a tiny run on a store, and return its folder."""
    (environment.work / "tiny.yaml").write_text(yaml.safe_dump(TINY_RUN), encoding="utf-8")
    learn = ("--synthetic", f"rotation={store}", "--real", store, "--precision", "fp32")
    asked = ("fit", "--config", "tiny.yaml", *learn, "--out", "run")
    assert environment.printed("trainer", *asked, OMP_NUM_THREADS="1", **variables) == "run\n"
    return "run"


def misses(environment: Environment, extra: str, program: str, *arguments: str | Path) -> None:
    """Assert that a command fails with one line that names the extra which it lacks."""
    done = environment.run(program, *arguments)
    assert done.code == 1
    assert f"pip install 'stmoe-synth[{extra}]'" in done.error


def upload(storage: ObjectStorage, store: Path) -> None:
    """Copy a store into the bucket."""
    for file in (path for path in store.rglob("*") if path.is_file()):
        storage.put(f"{store.name}/{file.relative_to(store).as_posix()}", file.read_bytes())
