"""What an MLflow server gets; most of it only where MLflow is installed, which it is in tests/packaging."""

import importlib.util
import logging
from pathlib import Path

import pytest

from schemas.errors import MissingExtraError
from trainer.training.mlflow_log import RUN_ID, SERVER
from trainer.training.recording import Recorder, read_log

HERE = importlib.util.find_spec("mlflow") is not None
needs_mlflow = pytest.mark.skipif(not HERE, reason="mlflow is not installed; tests/packaging trains with it")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run whose server is a file."""
    monkeypatch.setenv(SERVER, f"sqlite:///{tmp_path}/mlflow.db")
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 3\nschedule: {joint: {steps: 4}}\n")
    return folder


@pytest.mark.skipif(HERE, reason="mlflow is installed")
def test_a_server_without_the_package_is_one_line(run: Path) -> None:
    with pytest.raises(MissingExtraError, match=rf"^{SERVER} is set and mlflow is not installed; unset it, or pip "):
        Recorder(run, "joint", 0)


@needs_mlflow
@pytest.mark.filterwarnings("ignore")
def test_phases_and_sittings_are_one_run_of_the_server(run: Path) -> None:
    from mlflow import MlflowClient

    for phase, step in (("gates", 1), ("joint", 1), ("joint", 2)):
        recorder = Recorder(run, phase, step - 1)
        recorder.record(step, loss=step / 4, gone=float("nan"))
        recorder.close()
    known = MlflowClient().get_run((run / RUN_ID).read_text())
    assert known.info.run_name == "first"
    assert known.data.params == {"seed": "3", "schedule.joint.steps": "4"}
    assert known.data.metrics == {"gates/loss": 0.25, "joint/loss": 0.5}
    assert len(MlflowClient().search_runs([known.info.experiment_id])) == 1


@needs_mlflow
@pytest.mark.filterwarnings("ignore")
def test_a_server_that_does_not_answer_is_a_warning_and_the_run_goes_on(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(SERVER, "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.WARNING, "trainer"):
        recorder = Recorder(run, "joint", 0)
        recorder.record(1, loss=0.5)
        recorder.close()
    assert caplog.text.count("the run goes on without") == 1
    assert read_log(run)[0]["loss"] == 0.5
