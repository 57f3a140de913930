"""A run: phases one after the other or apart, stopped and killed at any time, and what is refused."""

import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from schemas.errors import InputError
from schemas.run import RunConfig
from tests.commands import finished
from tests.trainer.commands import start
from tests.trainer.tiny import (
    CPU,
    PROPERTIES,
    STEPS,
    changed,
    parameters,
    phase_of,
    saved,
    snapshot,
    tiny_config,
    tiny_fields,
)
from tests.waiting import wait_for
from trainer.training.checkpoint import BEST, LAST, Progress, load, save
from trainer.training.fit import FitReport, fit
from trainer.training.loop import Loop, Report
from trainer.training.networks import network_of
from trainer.training.recording import read_log

Stores = dict[str, str]
EXPERTS = tuple(f"expert-{name}" for name in PROPERTIES)
PHASES = ("decoder", *EXPERTS, "gates", "joint")


@pytest.fixture(scope="module")
def whole(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of STMoE-conv that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fit(tiny_config(stores, "stmoe-conv"), run)
    return run


def differences(a: Path, b: Path) -> dict[str, set[str]]:
    """Return by phase what differs in the parameters of two runs, the last and the best."""
    assert [path.name for path in sorted((a / "checkpoints").iterdir())] == sorted(PHASES)
    found = {f"{p}/{n}": changed(parameters(a, p, n), parameters(b, p, n)) for p in PHASES for n in (LAST, BEST)}
    return {name: names for name, names in found.items() if names}


def logged(run: Path) -> list[dict[str, Any]]:
    """Return the records of a run without what is never the same."""
    times = {"time", "seconds", "wait"}
    return [{name: value for name, value in record.items() if name not in times} for record in read_log(run)]


def files(run: Path) -> dict[str, bytes]:
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def refused(config: RunConfig, run: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        fit(config, run, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_run_leaves_its_configuration_checkpoints_logs_and_command(whole: Path, stores: Stores) -> None:
    assert {path.name for path in whole.iterdir()} == {
        *("config.yaml", "checkpoints", "log.jsonl", "tensorboard", "run.json", "lock")
    }
    assert RunConfig.parse(yaml.safe_load((whole / "config.yaml").read_text())) == tiny_config(stores, "stmoe-conv")
    steps = [(record["phase"], record["step"]) for record in read_log(whole) if "loss" in record]
    assert steps == [(phase, step) for phase in PHASES for step in range(1, STEPS + 1)]
    validations = [(record["phase"], record["step"]) for record in read_log(whole) if "validation" in record]
    assert validations == [(phase, step) for phase in PHASES for step in (2, 4)]
    assert all(saved(whole, phase).progress.finished for phase in PHASES)
    assert list(whole.rglob("*.partial")) == []


FILTERS, HEAD = "decoder.convolution.weight", "experts.{}.head.weight"


def test_all_experts_share_the_decoder_to_the_bit_until_all_learn_together(whole: Path) -> None:
    learnt = parameters(whole, "decoder", BEST)[FILTERS]
    norms = learnt.square().sum((0, 2, 3), keepdim=True).sqrt()
    shared = {phase: parameters(whole, phase)[FILTERS] for phase in PHASES[1:]}
    torch.testing.assert_close(shared["gates"], learnt / norms)  # models.md 3.3
    assert {phase for phase in PHASES[1:] if not torch.equal(shared[phase], shared["gates"])} == {"joint"}


def test_gates_leave_the_experts_as_the_local_phases_taught_them(whole: Path) -> None:
    gates = parameters(whole, "gates")
    for name in PROPERTIES:
        expert = {key: tensor for key, tensor in parameters(whole, f"expert-{name}", BEST).items() if "experts." in key}
        assert changed(expert, {key: gates[key] for key in expert}) == set()


@pytest.fixture
def beginnings(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, torch.Tensor]]:
    """Collect what each phase starts from."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    run_loop = Loop.run

    def look(loop: Loop, recorder: Any) -> Progress:
        found[loop.phase.name] = snapshot(loop.network)
        return run_loop(loop, recorder)

    monkeypatch.setattr(Loop, "run", look)
    return found


@pytest.mark.parametrize("warm", [True, False])
def test_experts_start_from_the_best_first_network_where_asked(
    warm: bool, stores: Stores, tmp_path: Path, beginnings: dict[str, dict[str, torch.Tensor]]
) -> None:
    config = tiny_config(stores, "stmoe-conv", data={"real": None}, schedule={"warm_start": warm})
    fit(config, tmp_path)
    first = parameters(tmp_path, "decoder", BEST)
    norms = first[FILTERS].square().sum((0, 2, 3)).sqrt()
    for name in PROPERTIES:
        found = beginnings[f"expert-{name}"]
        expected = {key.replace(".all.", f".{name}."): tensor for key, tensor in first.items()}
        expected[FILTERS] = first[FILTERS] / norms[:, None, None]
        expected[HEAD.format(name)] = first[HEAD.format("all")] * norms.repeat(4)[:, None, None, None]
        different = {key for key, tensor in expected.items() if not torch.allclose(tensor, found[key])}
        assert {key.split(".")[0] for key in different} == (set() if warm else {"experts"})


def test_kinematic_experts_are_trained_beside_a_mim(stores: Stores, tmp_path: Path) -> None:
    kinds = {"translation": "kinematic-translation", "rotation": "kinematic-rotation", "intensity": "mim"}
    report = fit(tiny_config(stores, "stmoe-kinematic", model={"experts": kinds}), tmp_path)
    assert list(report.phases) == ["decoder", *(f"expert-{name}" for name in PROPERTIES), "gates", "joint"]
    lines = {record["phase"]: record for record in read_log(tmp_path) if "loss" in record}
    assert "turning" in lines["expert-rotation"]
    assert "turning" not in lines["expert-translation"]


def test_kinematic_experts_alone_need_no_first_network(stores: Stores, tmp_path: Path) -> None:
    report = fit(tiny_config(stores, "stmoe-kinematic"), tmp_path)
    assert list(report.phases) == [*(f"expert-{name}" for name in PROPERTIES), "gates", "joint"]


def test_a_store_without_the_truth_that_an_expert_needs_is_refused(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, "stmoe-kinematic", data={"synthetic": {"translation": stores["real"]}})
    assert refused(config, tmp_path) == (
        f"{stores['real']} has no array clean, from which expert-translation learns; render it with --truth clean,mask"
    )


def test_experts_of_another_run_are_taken_as_they_are(
    whole: Path, stores: Stores, tmp_path: Path, beginnings: dict[str, dict[str, torch.Tensor]]
) -> None:
    changes = {"data": {"synthetic": {}}, "model": {"attention": "uniform"}}
    config = tiny_config(stores, "stmoe-conv", **changes, schedule={"experts_from": str(whole)})
    before = files(whole)
    report = fit(config, tmp_path)
    assert list(report.phases) == ["gates", "joint"]
    for name in PROPERTIES:
        expert = {key: tensor for key, tensor in parameters(whole, f"expert-{name}", BEST).items() if "experts." in key}
        assert changed(expert, {key: beginnings["gates"][key] for key in expert}) == set()
    assert files(whole) == before


@pytest.mark.parametrize("options", [{"stage": "joint"}, {"expert": "rotation"}, {}])
def test_what_cannot_begin_leaves_no_folder(options: dict[str, str], stores: Stores, tmp_path: Path) -> None:
    elsewhere = {} if options else {"experts_from": str(tmp_path / "nowhere")}
    refused(tiny_config(stores, schedule=elsewhere), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"model": {"mim": {"hidden": 5}}}, "model.mim.hidden is 4 there and 5 here"),
        ({"data": {"input_frames": 3, "horizon": 1}}, "data.input_frames is 2 there and 3 here"),
    ],
)
def test_other_experts_than_ones_own_are_refused(
    changes: dict[str, Any], difference: str, whole: Path, stores: Stores, tmp_path: Path
) -> None:
    config = tiny_config(stores, "stmoe-conv", **changes, schedule={"experts_from": str(whole)})
    assert refused(config, tmp_path) == (
        f"schedule.experts_from is {whole}, where {difference}; give a run of the same experts"
    )


def test_a_property_of_ones_own_is_learnt_like_the_others(stores: Stores, tmp_path: Path) -> None:
    synthetic = {"rotation": stores["rotation"], "flicker": stores["intensity"]}
    report = fit(tiny_config(stores, data={"synthetic": synthetic}), tmp_path)
    assert list(report.phases) == ["decoder", "expert-rotation", "expert-flicker", "gates", "joint"]
    assert all(progress.finished for progress in report.phases.values())


def test_end_to_end_learns_from_real_data_alone(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, data={"synthetic": {}}, schedule={"kind": "end-to-end"})
    assert {name: state.step for name, state in fit(config, tmp_path).phases.items()} == {"joint": 2 * STEPS}


def test_a_finished_run_is_left_as_it_is(whole: Path, stores: Stores) -> None:
    before = files(whole)
    report = fit(tiny_config(stores, "stmoe-conv"), whole)
    assert report.stopped is None
    assert list(report.phases) == list(PHASES)
    after = files(whole)
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"run.json"}


def raising(number: signal.Signals, phase: str, step: int) -> Callable[[Report], None]:
    """Return a listener that sends this process a signal at some step."""

    def show(report: Report) -> None:
        if (report.phase, report.step) == (phase, step):
            signal.raise_signal(number)

    return show


def test_a_run_that_is_stopped_again_and_again_ends_with_the_same_bits_and_log(
    whole: Path, stores: Stores, tmp_path: Path
) -> None:
    config = tiny_config(stores, "stmoe-conv")
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    reports: list[FitReport] = []
    for number, phase, step in (
        (signal.SIGTERM, "decoder", 3),
        (signal.SIGINT, "expert-rotation", 1),
        (signal.SIGTERM, "expert-intensity", 4),
        (signal.SIGTERM, "joint", 3),
    ):
        reports.append(fit(config, tmp_path, show=raising(number, phase, step)))
    assert [report.stopped for report in reports] == [signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGTERM]
    assert [list(report.phases)[-1] for report in reports] == ["decoder", "expert-rotation", "gates", "joint"]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    done = fit(config, tmp_path)
    assert done.stopped is None
    assert differences(whole, tmp_path) == {}
    assert logged(tmp_path) == logged(whole)


def test_a_signal_after_the_last_step_stops_nothing(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, "mim", data={"synthetic": {}})
    assert fit(config, tmp_path, show=raising(signal.SIGTERM, "joint", STEPS)).stopped is None


def test_a_second_interrupt_does_not_wait(stores: Stores, tmp_path: Path) -> None:
    def show(_report: Report) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(tiny_config(stores), tmp_path, show=show)
    assert not (tmp_path / "checkpoints/decoder" / LAST).exists()


def test_phases_trained_apart_and_in_another_order_end_with_the_same_bits(
    whole: Path, stores: Stores, tmp_path: Path
) -> None:
    config = tiny_config(stores, "stmoe-conv")
    fit(config, tmp_path, stage="decoder")
    for name in reversed(PROPERTIES):
        assert list(fit(config, tmp_path, expert=name).phases) == [f"expert-{name}"]
    fit(config, tmp_path, stage="gates")
    fit(config, tmp_path, stage="joint")
    assert differences(whole, tmp_path) == {}


@pytest.mark.parametrize(
    ("asked", "phase", "earlier"),
    [
        ({"expert": "rotation"}, "expert-rotation", "decoder"),
        ({"stage": "gates"}, "gates", "decoder"),
        ({"stage": "joint"}, "joint", "decoder"),
    ],
)
def test_a_phase_before_what_it_starts_from_is_refused_with_what_to_do(
    asked: dict[str, Any], phase: str, earlier: str, stores: Stores, tmp_path: Path
) -> None:
    assert refused(tiny_config(stores), tmp_path, **asked) == (
        f"{phase} starts from {earlier}, which is not finished in {tmp_path}; run the same command without --phase and "
        "--expert, or with those of that phase"
    )


def test_a_phase_that_was_begun_is_not_finished(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores)
    fit(config, tmp_path, show=raising(signal.SIGTERM, "decoder", 3))
    assert "starts from decoder, which is not finished" in refused(config, tmp_path, expert="rotation")


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"model": {"mim": {"hidden": 5}}}, "model.mim.hidden is 4 there and 5 here"),
        ({"data": {"real": None}}, r"data.real is .*real\.zarr there and None here"),
        ({"schedule": {"joint": {"steps": 9}}}, "schedule.joint.steps is 4 there and 9 here"),
        (
            {"data": {"synthetic": {"rotation": "a.zarr"}}},
            "data.synthetic.intensity.sequences is 10000 there and None here",
        ),
    ],
)
def test_another_configuration_in_the_same_folder_is_refused_naming_the_field(
    changes: dict[str, Any], difference: str, whole: Path, stores: Stores
) -> None:
    before = files(whole)
    with pytest.raises(InputError, match=f"holds a run of another configuration .{difference}.; give another --out"):
        fit(tiny_config(stores, "stmoe-conv", **changes), whole)
    assert files(whole) == before


def test_a_checkpoint_of_another_run_is_refused(whole: Path, stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, "stmoe-conv", seed=1)
    for phase in ("decoder", "expert-rotation"):
        (tmp_path / "checkpoints" / phase).mkdir(parents=True)
    (tmp_path / "checkpoints/decoder" / LAST).write_bytes((whole / "checkpoints/decoder" / LAST).read_bytes())
    assert "is of phase decoder of another model or run" in refused(config, tmp_path, stage="decoder")
    assert "is of phase decoder of another model or run" in refused(config, tmp_path, expert="rotation")


def give_another_network(file: Path) -> None:
    """Give a checkpoint the parameters of a network with more features."""
    own = load(file, CPU)
    other = own.config.model_copy(update={"model": own.config.model.model_copy(update={"features": 3})})
    save(file, replace(own, network=network_of(other, phase_of(other, own.phase)).state_dict()))


def test_parameters_of_another_model_under_the_same_configuration_are_refused(stores: Stores, tmp_path: Path) -> None:
    config, folder = tiny_config(stores, "stmoe-conv"), tmp_path / "checkpoints/decoder"
    fit(config, tmp_path, show=raising(signal.SIGTERM, "decoder", 3))
    give_another_network(folder / LAST)
    assert refused(config, tmp_path).startswith(f"{folder / LAST} is of another model: experts.all.head.weight is ")
    (folder / LAST).unlink()
    fit(config, tmp_path, stage="decoder")
    give_another_network(folder / BEST)
    assert refused(config, tmp_path).startswith(f"{folder / BEST} is of another model: experts.all.head.weight is ")


def test_the_best_checkpoint_in_place_of_the_last_is_refused(stores: Stores, tmp_path: Path) -> None:
    fit(tiny_config(stores), tmp_path, show=raising(signal.SIGTERM, "decoder", 3))
    folder = tmp_path / "checkpoints/decoder"
    (folder / LAST).write_bytes((folder / BEST).read_bytes())
    assert refused(tiny_config(stores), tmp_path) == (
        f"{folder / LAST} has no state of the optimiser to go on from; put back the checkpoint that was there"
    )


def test_a_damaged_checkpoint_is_refused_and_left_as_it_is(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores)
    fit(config, tmp_path, stage="decoder")
    last = tmp_path / "checkpoints/decoder" / LAST
    last.write_bytes(last.read_bytes()[:-100])
    before = files(tmp_path)
    for options in ({}, {"stage": "decoder"}, {"expert": "rotation"}):
        assert f"{last} is no checkpoint or damaged" in refused(config, tmp_path, **options)
    after = files(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"run.json"}


def test_a_full_disk_keeps_the_checkpoint_before_and_the_same_run_goes_on(
    whole: Path, stores: Stores, tmp_path: Path
) -> None:
    config = tiny_config(stores, "stmoe-conv")
    last = tmp_path / "checkpoints/gates" / LAST

    def fill(report: Report) -> None:
        if (report.phase, report.step) == ("gates", 3):
            last.with_name(f"{LAST}.partial").symlink_to("/dev/full")

    message = refused(config, tmp_path, show=fill)
    assert message == (
        f"{last} cannot be written: no space left on device; the previous checkpoint is kept; "
        "free some space and run the same command again"
    )
    assert saved(tmp_path, "gates").progress.step == 4  # what stood in the way was gone when it tried again
    fit(config, tmp_path)
    assert differences(whole, tmp_path) == {}
    assert logged(tmp_path) == logged(whole)


def test_a_folder_that_is_a_file_is_refused(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    assert refused(tiny_config(stores), tmp_path / "file") == (
        f"{tmp_path / 'file'} cannot be written: file exists; give another --out"
    )
    assert (tmp_path / "file").read_text() == "precious"


LONG = {
    "data": {"real": None},
    "schedule": {"decoder": {"steps": 150, "validate_every": 50}},
    "execution": {"save_every": 30},
}


@pytest.fixture(scope="module")
def long_run(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of one phase, long enough for a signal to find it under way, that nothing interrupted."""
    run = tmp_path_factory.mktemp("long") / "run"
    fit(tiny_config(stores, "mim", **LONG), run)
    return run


def command(stores: Stores, folder: Path, name: str) -> list[str | Path]:
    config = folder / "run.yaml"
    config.write_text(yaml.safe_dump(tiny_fields(stores, "mim", **LONG)))
    return ["fit", "--config", config, "--out", folder / name, "--device", "cpu"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGTERM, 0, "stopped by SIGTERM and saved; the same command continues"),
        (signal.SIGINT, 130, "stopped by SIGINT and saved; the same command continues"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_a_process_that_is_stopped_or_killed_loses_nothing(
    number: signal.Signals, code: int, said: str, stores: Stores, tmp_path: Path, long_run: Path
) -> None:
    config = tiny_config(stores, "mim", **LONG)
    cut, last = tmp_path / "cut", tmp_path / "cut/checkpoints/decoder" / LAST
    process = start(*command(stores, tmp_path, "cut"))
    wait_for(lambda: last.exists() and len(read_log(cut)) > 40, process)
    assert refused(config, cut) == (
        f"{last.parent} is being trained by another process; wait for it or give another --out"
    )
    process.send_signal(number)
    done = finished(process)
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == (f"{cut}\n" if code == 0 else "")
    reached = saved(cut, "decoder").progress.step
    assert 30 <= reached < 150
    assert (reached % 30 == 0) or number != signal.SIGKILL
    fit(config, cut)
    for name in (LAST, BEST):
        assert changed(parameters(cut, "decoder", name), parameters(long_run, "decoder", name)) == set()
    assert logged(cut) == logged(long_run)


@pytest.mark.slow
def test_experts_may_be_trained_by_processes_of_their_own_at_once(whole: Path, stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(tiny_fields(stores, "stmoe-conv")))
    shared = ("fit", "--config", tmp_path / "run.yaml", "--out", tmp_path / "run", "--device", "cpu")
    fit(tiny_config(stores, "stmoe-conv"), tmp_path / "run", stage="decoder")
    processes: list[subprocess.Popen[str]] = [start(*shared, "--phase", "experts", "--expert", n) for n in PROPERTIES]
    for process in processes:
        done = finished(process)
        assert (done.code, done.out) == (0, f"{tmp_path / 'run'}\n"), done.err
    fit(tiny_config(stores, "stmoe-conv"), tmp_path / "run")
    assert differences(whole, tmp_path / "run") == {}
    commands = (tmp_path / "run/run.json").read_text()
    assert all(f"--expert {name}" in commands for name in PROPERTIES)
