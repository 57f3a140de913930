"""What a run's folder says of it: its configuration, and the network that forecasts best so far."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from schemas.errors import InputError
from schemas.run import RunConfig
from tests.trainer.tiny import CPU, PROPERTIES, changed, phase_of, snapshot, tiny_config
from trainer.training.checkpoint import BEST, LAST, Checkpoint, Progress, save
from trainer.training.folder import best_of, load_forecaster, read_config
from trainer.training.networks import network_of

STORES = {name: f"{name}.zarr" for name in (*PROPERTIES, "real")}
CONFIG = tiny_config(STORES)


def checkpoint(phase: str, step: int = 1) -> Checkpoint:
    """Return what a phase of the run would have saved, with the step in its parameters."""
    network = network_of(CONFIG, phase_of(CONFIG, phase))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(step)
    return Checkpoint(config=CONFIG, phase=phase, progress=Progress(step=step), network=network.state_dict())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run that has only begun."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG.model_dump(mode="json")))
    return tmp_path


def refused(call: Callable[..., Any], path: Path, *of: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(path, *of)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_configuration_of_a_run_is_the_one_it_began_with(run: Path) -> None:
    assert read_config(run) == CONFIG


@pytest.mark.parametrize("path", ["", "nothing", "file"])
def test_what_is_no_run_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    folder = tmp_path / path
    assert refused(read_config, folder) == f"{folder} is no run; give the folder that `trainer fit` wrote"


@pytest.mark.parametrize("content", [b"data: {", b"data: \xff", b"\x00"])
def test_a_damaged_configuration_is_refused(content: bytes, run: Path) -> None:
    file = run / "config.yaml"
    file.write_bytes(content)
    expected = f"{file} is damaged; put it back, or give another folder"
    assert refused(read_config, run) == refused(load_forecaster, run, CPU) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "None is no RunConfig; give a mapping of its fields"),
        ("- data", "['data'] is no RunConfig; give a mapping of its fields"),
        ("modle: {}", "modle is no known field; did you mean model?"),
        ("data: {horizon: 0}", "data.horizon is 0; give a whole number from 1 to 256"),
    ],
)
def test_a_configuration_of_something_else_is_refused_by_file_and_field(content: str, said: str, run: Path) -> None:
    (run / "config.yaml").write_text(content)
    assert refused(read_config, run) == f"{run / 'config.yaml'}: {said}"


def test_the_latest_phase_that_forecasts_is_taken(run: Path) -> None:
    assert refused(load_forecaster, run, CPU) == (
        f"{run} has no network that forecasts yet; finish it with the `trainer fit` that began it"
    )
    save(best_of(run, "expert-rotation"), checkpoint("expert-rotation"))
    assert "has no network that forecasts yet" in refused(load_forecaster, run, CPU)
    for step, phase in enumerate(("decoder", "gates", "joint")):
        save(best_of(run, phase).with_name(LAST), checkpoint(phase, 7))
        save(best_of(run, phase), checkpoint(phase, step))
        network, found = load_forecaster(run, CPU)
        assert (found.phase, found.progress.step, found.config) == (phase, step, CONFIG)
        assert changed(snapshot(network), dict(checkpoint(phase, step).network)) == set()


@pytest.mark.parametrize(("phase", "experts"), [("expert-rotation", ["rotation"]), ("gates", list(PROPERTIES))])
def test_a_checkpoint_may_be_given_itself_wherever_it_lies(phase: str, experts: list[str], tmp_path: Path) -> None:
    save(tmp_path / "a.pt", checkpoint(phase))
    network, found = load_forecaster(tmp_path / "a.pt", CPU)
    assert (list(network.experts), found.phase) == (experts, phase)
    assert network(torch.rand(1, 2, 1, 8, 8), 3).frames.shape == (1, 3, 1, 8, 8)


def test_a_network_is_loaded_for_use(run: Path) -> None:
    save(best_of(run, "joint"), checkpoint("joint"))
    network, _ = load_forecaster(run, CPU)
    assert not any(module.training for module in network.modules())


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(load_forecaster, tmp_path / "a.pt", CPU) == (
        f"{tmp_path / 'a.pt'} does not exist; give a checkpoint or the folder of a run of `trainer fit`"
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            tiny_config(STORES, "stmoe-conv", model={"features": 1}),
            "decoder.convolution.weight is 1x1x3x3 there and",
        ),
        (
            tiny_config(STORES, model={"mim": {"hidden": 6}}),
            "from_input.weight is 42x4x3x3 there and 28x4x3x3 in",
        ),
        (tiny_config(STORES, model={"mim": {"layers": 1}}), "is missing there and "),
    ],
)
def test_parameters_of_another_model_are_refused_with_the_first_that_differs(
    config: RunConfig, said: str, run: Path
) -> None:
    theirs = network_of(config, phase_of(config, "decoder")).state_dict()
    own = checkpoint("decoder")
    save(best_of(run, "decoder"), Checkpoint(**{**vars(own), "network": theirs}))
    message = refused(load_forecaster, run, CPU)
    assert message.startswith(f"{run / 'checkpoints/decoder' / BEST} is of another model: ")
    assert message.endswith("in the network of its configuration; put back the checkpoint that was there")
    assert said in message


def test_a_checkpoint_of_a_phase_that_its_run_has_not_is_refused(run: Path) -> None:
    save(best_of(run, "joint"), Checkpoint(**{**vars(checkpoint("joint")), "phase": "expert-spin"}))
    assert refused(load_forecaster, run, CPU) == (
        "the run has no phase expert-spin; its phases are decoder, expert-translation, expert-rotation, "
        "expert-intensity, gates, joint"
    )
