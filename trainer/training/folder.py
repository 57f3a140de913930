"""Where the parts of a run lie in its folder, and the network that it has learnt."""

from pathlib import Path

import torch
import yaml

from schemas.errors import InputError
from schemas.run import RunConfig
from trainer.models.stmoe import STMoE
from trainer.training.checkpoint import BEST, Checkpoint, load
from trainer.training.networks import load_parameters, network_of
from trainer.training.phases import FORECASTING, named

CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"


def best_of(run: Path, phase: str) -> Path:
    """Return where the best parameters of a phase lie."""
    return run / CHECKPOINTS / phase / BEST


def read_config(run: Path) -> RunConfig:
    """
    Return the configuration of a run.

    Raises
    ------
    InputError
        the folder is none of a run, or its configuration is damaged or of another version.
    """
    try:
        fields = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{run} is no run; give the folder that `trainer fit` wrote") from None
    except (ValueError, yaml.YAMLError):
        raise InputError(f"{run / CONFIG} is damaged; put it back, or give another folder") from None
    return RunConfig.parse(fields, str(run / CONFIG))


def load_forecaster(path: Path, device: torch.device) -> tuple[STMoE, Checkpoint]:
    """
    Load a network that forecasts, ready for use.

    Parameters
    ----------
    path : folder of a run, of which the latest phase with a best checkpoint is taken; or a checkpoint

    Raises
    ------
    InputError
        there is none, or it is damaged or of another model or version.
    """
    file = _forecaster_of(path) if path.is_dir() else path
    checkpoint = load(file, device)
    network = network_of(checkpoint.config, named(checkpoint.config, checkpoint.phase))
    load_parameters(network, checkpoint.network, file)
    return network.to(device).eval(), checkpoint


def _forecaster_of(run: Path) -> Path:
    read_config(run)
    for name in FORECASTING:
        if best_of(run, name).exists():
            return best_of(run, name)
    raise InputError(f"{run} has no network that forecasts yet; finish it with the `trainer fit` that began it")
