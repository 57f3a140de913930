"""The numbers of a run for an MLflow server, where MLFLOW_TRACKING_URI names one."""

import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from schemas.errors import MissingExtraError

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVER = "MLFLOW_TRACKING_URI"
EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
RUN_ID = "mlflow-run-id"
"""File in the folder of a run; whoever goes on with the run goes on with that of the server."""
USUAL_EXPERIMENT = "stmoe-synth"
LONGEST_VALUE = 6000
"""Characters of a parameter that MLflow stores."""

_log = logging.getLogger(__name__)


class MlflowLog:
    """
    One run of a server, its parameters and its metrics; a server that fails is left alone with a warning.

    Parameters
    ----------
    run : folder of the run, with its `config.yaml`
    phase : name of the phase, before the names of its metrics

    Raises
    ------
    MissingExtraError
        the package mlflow is not installed.
    """

    def __init__(self, run: Path, phase: str) -> None:
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise MissingExtraError(
                f"{SERVER} is set and mlflow is not installed; unset it, or pip install 'stmoe-synth[mlflow]'"
            ) from error
        self._phase, self._failure = phase, MlflowException
        self._client: MlflowClient | None = MlflowClient()
        try:
            self._id = _run_id(self._client, run)
            self._client.update_run(self._id, status="RUNNING")
        except MlflowException as error:
            self._leave(error)

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Send the finite numbers of a step, by name."""
        if self._client is None:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        named = {f"{self._phase}/{name}": value for name, value in values.items() if math.isfinite(value)}
        try:
            self._client.log_batch(self._id, [Metric(name, value, now, step) for name, value in named.items()])
        except self._failure as error:
            self._leave(error)

    def close(self) -> None:
        """Tell the server that nobody works on the run."""
        if self._client is not None:
            try:
                self._client.set_terminated(self._id)
            except self._failure as error:
                self._leave(error)

    def _leave(self, error: Exception) -> None:
        said = str(error).partition("\n")[0]
        _log.warning("MLflow at %s failed (%s); the run goes on without", os.environ[SERVER], said)
        self._client = None


def wanted() -> bool:
    """Return whether a server is named."""
    return bool(os.environ.get(SERVER))


def _run_id(client: "MlflowClient", run: Path) -> str:
    """Return the id of the server's run, which is made by the first process that wants it."""
    from mlflow.entities import Param

    file = run / RUN_ID
    if file.exists():
        return file.read_text(encoding="utf-8")
    name = os.environ.get(EXPERIMENT) or USUAL_EXPERIMENT
    experiment = client.get_experiment_by_name(name)
    made: str = client.create_run(
        experiment.experiment_id if experiment else client.create_experiment(name), run_name=run.resolve().name
    ).info.run_id
    aside = file.with_name(f"{RUN_ID}.{os.getpid()}")
    aside.write_text(made, encoding="utf-8")
    try:
        os.link(aside, file)
    except FileExistsError:  # the process of another expert was quicker
        client.delete_run(made)
        return file.read_text(encoding="utf-8")
    finally:
        aside.unlink()
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    client.log_batch(made, params=[Param(name, str(value)[:LONGEST_VALUE]) for name, value in _flat(config)])
    return made


def _flat(fields: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a configuration with their path, e.g. `schedule.joint.steps`."""
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
