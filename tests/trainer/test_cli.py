"""The command line: its surface, its exit codes, what goes to stdout and what to stderr, and what bad input gets."""

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
import yaml

from schemas.recipe import Recipe
from schemas.run import RUN_VERSION, Data, Execution, Network, RunConfig
from tests.commands import ROOT, Done, finished
from tests.stores import change_attributes
from tests.surface import options, passed_on, surface
from tests.trainer.commands import run, start
from tests.trainer.data.real_stores import write_real_store
from tests.trainer.evaluation.small_networks import EXPERTS, write_untrained_run
from tests.trainer.tiny import CPU, FRAMES, PROPERTIES, SIDE, tiny_fields
from tests.waiting import wait_for
from trainer.asking import config_of
from trainer.cli import trainer
from trainer.training.checkpoint import load, save
from trainer.training.folder import best_of

Stores = dict[str, str]

SURFACE = {
    "fit": {"--config", "--model", "--synthetic", "--real", "--real-sequences", "--experts-from"}
    | {"--scale", "--seed", "--precision", "--out", "--phase", "--expert", "--device", "--dry-run", "--json"},
    "evaluate": {"RUN...", "--real", "--split", "--out", "--device", "--json"},
    "predict": {"RUN", "SOURCE", "--out", "--steps", "--start", "--count", "--size", "--device", "--overwrite"},
    "report": {"RUN", "--real", "--out", "--device"},
    "prepare": {
        "{kth|kitti|dtdb|video|radar|array}",
        "SOURCE",
        "--out",
        "--size",
        "--crop",
        "--frames",
        "--stride",
        "--every",
    }
    | {"--split-by", "--shares", "--seed", "--train", "--axes", "--on-damage", "--workers", "--overwrite", "--json"}
    | {"--variable", "--scaling", "--download", "--how"},
    "reproduce": {
        "{table1}",
        "--scale",
        "--out",
        "--seeds",
        "--jobs",
        "--rows",
        "--data",
        "--sprites",
        "--dry-run",
        "--json",
    },
}
"""Frozen: another option is a decision, and a line in the change log."""


def test_the_surface_is_frozen() -> None:
    assert surface(trainer) == SURFACE


@pytest.mark.parametrize("name", SURFACE)
def test_every_parameter_is_read(name: str) -> None:
    """Those that a command takes as **asked are read by a function; test_asking and test_command try each of these."""
    rest, takes_more = passed_on(trainer.commands[name])
    readers = {"fit": set(inspect.signature(config_of).parameters), "prepare": {"size", "how", *Recipe.model_fields}}
    assert rest <= (readers[name] if takes_more else set())


WITHOUT_DEFAULT = {"--config", "--synthetic", "--real", "--real-sequences", "--phase", "--expert", "--data", "--how"}
WITHOUT_DEFAULT |= {"--experts-from"}
"""Options that, not given, change nothing."""


@pytest.mark.parametrize(("command", "option"), options(trainer))
def test_every_option_says_what_it_is_and_its_default(command: click.Command, option: click.Option) -> None:
    assert option.help
    named = option.is_flag or option.required or option.show_default or "[default: " in option.help
    assert named or option.opts[0] in WITHOUT_DEFAULT


def test_options_that_repeat_a_field_carry_its_text_and_default() -> None:
    fields = {name: RunConfig.model_fields[name] for name in ("scale", "seed")}
    fields |= {name: Data.model_fields[name] for name in ("real", "real_sequences")}
    fields |= {"model": Network.model_fields["kind"], "precision": Execution.model_fields["precision"]}
    texts = {option.name: option.help for option in trainer.commands["fit"].params if isinstance(option, click.Option)}
    for name, field in fields.items():
        default = "" if field.default is None else f"  [default: {field.default}]"
        assert texts[name] == f"{field.description}{default}"


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from trainer.cli import main
for command in {[[], *([name] for name in SURFACE)]}:
    try: main([*command, "--help"])
    except SystemExit as end: assert not end.code
print(*{{name.partition('.')[0] for name in sys.modules}})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert loaded & {"torch", "numpy", "zarr", "matplotlib", "PIL", "tensorboard", "datagen", "numba"} == set()


def test_help_goes_to_stdout_and_what_is_no_command_is_a_usage_error() -> None:
    for arguments in (("--help",), ("fit", "-h")):
        done = run(*arguments)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Usage: trainer")
    bare = run()
    assert (bare.code, bare.out) == (2, "")
    assert "Commands:" in bare.err
    assert run("paint").error == "No such command 'paint'; see `trainer --help`"


def test_the_package_is_the_program_and_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = start("--help")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=60)[1] == ""


def test_a_missing_package_names_its_extra(tmp_path: Path) -> None:
    code = f"import sys; sys.modules['torch'] = None\nfrom trainer.cli import main; main(['report', {str(tmp_path)!r}])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert Done(done.returncode, done.stdout, done.stderr).error == (
        "torch is not installed; pip install 'stmoe-synth[trainer]'"
    )
    assert done.returncode == 1


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that commands run in, empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def asked(folder: Path, stores: Stores, kind: str = "mim", **changes: Any) -> tuple[str, ...]:
    """Return the command that trains a tiny run."""
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(tiny_fields(stores, kind, **changes)))
    return ("fit", "--config", str(file), "--device", "cpu")


def test_a_fit_prints_its_folder_on_stdout_and_its_progress_on_stderr(
    stores: Stores, tmp_path: Path, here: Path
) -> None:
    done = run(*asked(tmp_path, stores))
    assert (done.code, done.out) == (0, "runs/mim\n")
    lines = done.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["decoder", "joint"]
    assert all("4 of 4 steps, loss " in line and line.endswith("0:00 left") for line in lines)
    assert (here / "runs/mim/checkpoints/joint/best.pt").exists()
    again = run(*asked(tmp_path, stores), "--json", "--phase", "joint")
    assert again.code == 0
    assert again.err == f"joint is finished: best at step {json.loads(again.out)['phases']['joint']['best_step']}\n"
    assert json.loads(again.out) == {"run": "runs/mim", "phases": {"joint": json.loads(again.out)["phases"]["joint"]}}
    assert json.loads(again.out)["phases"]["joint"]["step"] == 4


def test_only_the_first_of_several_processes_prints_what_is_done(
    stores: Stores, tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torchrun starts them; here one after the other, each with a world of its own."""
    command = (*asked(tmp_path, stores), "--json")
    assert json.loads(run(*command).out)["run"] == "runs/mim"
    monkeypatch.setenv("RANK", "1")
    again = run(*command)
    assert (again.code, again.out, again.err) == (0, "", "")
    assert run(*command, "--real", "none.zarr").error.startswith(
        "rank 1: runs/mim holds a run of another configuration"
    )


def raised(error: BaseException, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Done:
    """Return what a command leaves in which something is raised."""

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise error

    command = trainer.commands[arguments[0]]
    monkeypatch.setattr(command, "callback", fail)
    return run(*arguments)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"),
    ],
)
def test_want_of_memory_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    done = raised(error, monkeypatch, "fit")
    assert (done.code, done.out) == (1, "")
    assert done.error == "not enough memory; give a smaller schedule batch or scale, or another --device"


def test_another_error_of_a_library_is_not_taken_for_want_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="sizes do not match"):
        raised(RuntimeError("sizes do not match"), monkeypatch, "fit")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fit",), "interrupted; the same command continues"),
        (("report", "run"), "interrupted; the same command starts anew"),
    ],
)
def test_an_interrupted_command_says_whether_it_goes_on(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = raised(KeyboardInterrupt(), monkeypatch, *arguments)
    assert (done.code, done.error) == (130, said)


@pytest.mark.parametrize(
    "words",
    [
        ("--synthetic", "spin=a.zarr", "shear=b.zarr"),
        ("--synthetic", "spin=a.zarr", "--synthetic", "shear=b.zarr"),
        ("--synthetic", "spin=a.zarr", "--seed", "3", "--synthetic=shear=b.zarr"),
        ("--seed", "3", "--synthetic", "spin=a.zarr", "shear=b.zarr", "--real", "c.zarr"),
    ],
)
def test_stores_may_follow_one_option_or_each_their_own(words: tuple[str, ...], tmp_path: Path, here: Path) -> None:
    stores = dict.fromkeys((*PROPERTIES, "real"), "nowhere.zarr")
    done = run(*asked(tmp_path, stores, "stmoe-id"), *words, "--dry-run", "--json")
    assert done.code == 0, done.err
    experts = [item["phase"] for item in json.loads(done.out)[1:3]]
    assert experts == ["expert-shear", "expert-spin"]
    assert list(here.iterdir()) == []


def test_a_store_of_another_property_is_warned_of_by_its_spec_and_used(stores: Stores, tmp_path: Path) -> None:
    swapped = stores | {"rotation": stores["intensity"]}
    done = run(*asked(tmp_path, swapped, "stmoe-id"), "--expert", "rotation", "--out", tmp_path / "run")
    assert done.code == 1
    done = run(*asked(tmp_path, swapped, "stmoe-id"), "--phase", "decoder", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert done.err.count("was rendered to show") == 1
    assert (
        f"{stores['intensity']} is given for rotation, but was rendered to show intensity; is it the right store?"
        in done.err.splitlines()
    )


@pytest.fixture(scope="module")
def bad(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return stores from which nothing can be learnt."""
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(stores["rotation"], folder / "unfinished.zarr")
    change_attributes(folder / "unfinished.zarr", complete=False)
    shutil.copytree(stores["rotation"], folder / "newer.zarr")
    change_attributes(folder / "newer.zarr", schema_version=99)
    (folder / "other.zarr").mkdir()
    (folder / "other.zarr/zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    split = np.array([0, 0, 0, 0, 0, 0, 1, 2], np.uint8)
    frames = np.zeros((8, FRAMES, SIDE, SIDE), np.uint8)
    windows = {"source_file": np.zeros(8, np.int32), "first_frame": np.arange(8, dtype=np.int32)}
    write_real_store(folder / "overlapping.zarr", {"frames": frames, "split": split, **windows})
    write_real_store(folder / "short.zarr", {"frames": frames[:, :3], "split": split})
    write_real_store(folder / "odd.zarr", {"frames": frames[..., :15], "split": split})
    write_real_store(folder / "wide.zarr", {"frames": frames.repeat(2, -1)[..., :18], "split": split})
    write_real_store(folder / "few.zarr", {"frames": frames[:2], "split": split[-2:]})
    return {path.stem: path for path in folder.iterdir()}


BAD_INPUT: dict[str, tuple[list[str], int, str]] = {
    "unknown option": (["--relay", "a"], 2, "--relay"),
    "stray argument": (["a.zarr"], 2, "unexpected extra argument (a.zarr); see `trainer fit --help`"),
    "unknown model": (["--model", "lstm"], 2, "'lstm' is not one of 'stmoe-id', "),
    "unknown phase": (["--phase", "warmup"], 2, "'warmup' is not one of 'decoder', 'experts', 'gates', 'joint'"),
    "expert of no experts": (
        ["--phase", "gates", "--expert", "rotation"],
        2,
        "--expert trains one of the experts, --ph",
    ),
    "seed no number": (["--seed", "many"], 2, "'many' is not a valid integer"),
    "seed negative": (["--seed", "-1"], 1, "seed is -1; give a whole number from 0"),
    "no sequences": (["--real-sequences", "0"], 1, "data.real_sequences is 0; give a whole number of 1 or more"),
    "missing config": (["--config", "none.yaml"], 1, "none.yaml does not exist; give a YAML file, or one of demo,"),
    "config of something else": (["--config", "{other}/zarr.json"], 1, "zarr_format is no known field; known fields:"),
    "config is no YAML": (["--config", "{bytes}"], 1, "bytes is no YAML"),
    "unknown expert": (
        ["--expert", "spin"],
        1,
        "the run has no expert spin; its phases are decoder, expert-translation",
    ),
    "store without property": (["--synthetic", "a.zarr"], 1, "--synthetic a.zarr names no store; give PROPERTY=STORE"),
    "property twice": (["--synthetic", "a=b", "a=c"], 1, "--synthetic a is given twice; give each property one store"),
    "expert's name": (["--synthetic", "a.b=c"], 1, "an expert cannot be named a.b; give letters, digits, - and _"),
    "name of PyTorch": (["--synthetic", "type={rotation}"], 1, "an expert cannot have this name: "),
    "missing store": (["--synthetic", "a=none.zarr"], 1, "none.zarr does not exist; give the path of a store, or make"),
    "missing real store": (["--real", "none.zarr"], 1, "none.zarr does not exist; give the path of a store, or make"),
    "something else": (["--real", "{other}"], 1, "{other} is no store of sequences; give one that datagen or the tr"),
    "a file": (["--real", "{bytes}"], 1, "{bytes} is no store of sequences; give one that datagen or the trainer made"),
    "no such protocol": (["--real", "foo://a.zarr"], 1, "foo://a.zarr cannot be opened: "),
    "unfinished": (
        ["--synthetic", "rotation={unfinished}"],
        1,
        "{unfinished} is not complete; finish it with `datagen render --spec {unfinished} --n 20 --out {unfinished}`",
    ),
    "newer": (["--real", "{newer}"], 1, "{newer} has schema version 99, this installation reads 1"),
    "overlapping splits": (
        ["--real", "{overlapping}"],
        1,
        "{overlapping}: sequences 5 and 6 share frames of one source and are of different splits; prepare the store",
    ),
    "too few frames": (["--real", "{short}"], 1, "{short} has sequences of 3 frames, 4 are asked for; give another"),
    "too few sequences": (["--real-sequences", "1"], 1, "1 sequences do not fill a batch of 4; give a smaller batch"),
    "nothing to train on": (["--real", "{few}"], 1, "{few} has no sequence that is for train; give a store that has"),
    "no whole patches": (["--real", "{odd}"], 1, "frames are 16x15, model.mim.patch is 2; give sides that are multip"),
    "two sizes": (
        ["--synthetic", "rotation={rotation}", "intensity={wide}"],
        1,
        "frames is 4x16x18 uint8 in {wide} and 4x16x16 uint8 in {rotation}; give stores of one size and type",
    ),
    "out is a URL": (
        ["--out", "s3://bucket/run"],
        1,
        "--out s3://bucket/run is a URL; give a local folder and copy it",
    ),
    "out is a file": (["--out", "{bytes}"], 1, "{bytes} cannot be written: file exists; give another --out"),
    "out in a file": (
        ["--out", "{bytes}/run"],
        1,
        "{bytes}/run cannot be written: not a directory; give another --out",
    ),
    "out not writable": (["--out", "/proc/run"], 1, "/proc/run cannot be written: "),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_in_one_line_and_nothing_is_written(
    case: str, stores: Stores, bad: dict[str, Path], tmp_path: Path, here: Path
) -> None:
    arguments, code, message = BAD_INPUT[case]
    file = tmp_path / "bytes"
    file.write_bytes(b"\xff precious")
    paths = {**stores, **bad, "bytes": file}
    done = run(*asked(tmp_path, stores, "stmoe-id"), *(argument.format_map(paths) for argument in arguments))
    assert done.code == code, done.err
    assert message.format_map(paths) in done.error
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert list(here.iterdir()) == []
    assert file.read_bytes() == b"\xff precious"


def test_nan_in_the_data_stops_at_its_sequence_and_keeps_what_is_learnt(stores: Stores, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((12, FRAMES, SIDE, SIDE), np.float32)
    frames[3, 1, 2, 2] = np.nan
    split = np.array([0] * 9 + [1] * 3, np.uint8)
    store = write_real_store(tmp_path / "nan.zarr", {"frames": frames, "split": split})
    command = (*asked(tmp_path, stores | {"real": str(store)}), "--out", str(tmp_path / "run"))
    for _ in range(2):
        done = run(*command)
        assert (done.code, done.out) == (1, "")
        assert done.error == (
            f"{store}: sequence 3 of frames holds NaN or infinity; leave it out, or prepare the store again from data "
            "without"
        )
        assert load(best_of(tmp_path / "run", "decoder"), CPU).progress.step > 0
        assert not load(tmp_path / "run/checkpoints/joint/last.pt", CPU).progress.finished


def test_cuda_that_is_not_there_is_refused_and_nothing_is_written(
    stores: Stores, tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run_folder = tmp_path / "run"
    write_untrained_run(run_folder, data={"real": stores["real"], "input_frames": 2, "horizon": 2})
    before = {path.name for path in run_folder.iterdir()}
    for command in (
        asked(tmp_path, stores),
        (*asked(tmp_path, stores), "--dry-run"),
        ("evaluate", run_folder),
        ("predict", run_folder, stores["real"], "--out", "a.gif"),
        ("report", run_folder),
    ):
        done = run(*command, "--device", "cuda")
        assert (done.code, done.out) == (1, "")
        assert done.error == (
            "--device is cuda and no CUDA device is found; give --device cpu, or a CUDA build of torch"
        )
    assert list(here.iterdir()) == []
    assert {path.name for path in run_folder.iterdir()} == before


@pytest.fixture
def untrained(stores: Stores, tmp_path: Path) -> Path:
    """Return a run whose network nobody has trained."""
    write_untrained_run(tmp_path / "run", data={"real": stores["real"], "input_frames": 2, "horizon": 2})
    return tmp_path / "run"


def test_an_evaluation_is_a_table_or_json_and_is_kept_beside_the_run(untrained: Path, tmp_path: Path) -> None:
    done = run("evaluate", untrained, "--device", "cpu")
    assert (done.code, done.err) == (0, f"scores are in {untrained / 'evaluation.json'}\n")
    assert all(word in done.out for word in ("persistence", "mse_sum", "t+2"))
    as_json = run("evaluate", untrained, "--split", "validation", "--out", tmp_path / "a.json", "--json")
    assert as_json.code == 0, as_json.err
    assert json.loads(as_json.out) == json.loads((tmp_path / "a.json").read_text())
    assert (json.loads(as_json.out)["split"], json.loads(as_json.out)["sequences"]) == ("validation", 4)
    assert json.loads((untrained / "evaluation.json").read_text())["split"] == "test"


def test_a_forecast_prints_the_files_that_it_wrote_and_replaces_none_unless_told(
    untrained: Path, stores: Stores, here: Path
) -> None:
    command = ("predict", untrained, stores["real"], "--out", "a.npy", "--steps", "5", "--start", "18", "--count", "2")
    done = run(*command)
    assert (done.code, done.out.splitlines()) == (0, ["a.npy", "a-gates.npy"])
    assert np.load("a.npy").shape == (2, 5, SIDE, SIDE)
    assert np.load("a-gates.npy").shape == (2, 5, len(EXPERTS), SIDE, SIDE)
    before = (here / "a.npy").stat().st_mtime_ns
    assert run(*command).error.startswith("a.npy exists; ")
    assert (here / "a.npy").stat().st_mtime_ns == before
    assert run(*command, "--overwrite").code == 0


@pytest.mark.parametrize(("size", "shape"), [("8", (8, 8)), ("8x12", (8, 12))])
def test_a_forecast_may_be_of_frames_that_are_resized(
    size: str, shape: tuple[int, int], untrained: Path, here: Path
) -> None:
    np.save("clips.npy", np.zeros((1, FRAMES, 15, 17), np.uint8))
    command = ("predict", untrained, "clips.npy", "--out", "a.npy")
    assert run(*command, "--size", size).code == 0
    assert np.load("a.npy").shape[2:] == shape


@pytest.mark.slow
def test_a_forecast_that_is_terminated_leaves_nothing_half_written(
    untrained: Path, stores: Stores, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    process = start("predict", untrained, stores["real"], "--out", folder / "a.npy", "--steps", "20000")
    wait_for(lambda: any(folder.iterdir()), process)
    process.terminate()
    done = finished(process)
    assert (done.code, done.out, done.err) == (143, "", "")
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_report_prints_where_its_page_is(untrained: Path) -> None:
    done = run("report", untrained)
    assert (done.code, done.out) == (0, f"{untrained / 'report.html'}\n"), done.err
    assert (untrained / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def of_another_version(file: Path) -> None:
    torch.save(torch.load(file, weights_only=True) | {"version": RUN_VERSION + 1}, file)


def of_another_model(file: Path) -> None:
    checkpoint = load(file, CPU)
    save(file, replace(checkpoint, network={**checkpoint.network, "gate.trunk.extra": torch.zeros(2, 3)}))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            of_another_version,
            f"{{}} has version {RUN_VERSION + 1}, this installation reads {RUN_VERSION}; use",
        ),
        (of_another_model, "{} is of another model: gate.trunk.extra is 2x3 there and missing in the network of its"),
        (cut, "{} is no checkpoint or damaged: "),
        (Path.unlink, "run has no network that forecasts yet; finish it with the `trainer fit` that began it"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_refused_by_all_and_left_as_it_is(
    spoil: Callable[[Path], None], said: str, untrained: Path, stores: Stores, here: Path
) -> None:
    file = best_of(untrained, "joint")
    spoil(file)
    before = {path: path.read_bytes() for path in untrained.rglob("*") if path.is_file()}
    for command in (
        ("evaluate", untrained),
        ("predict", untrained, stores["real"], "--out", "a.gif"),
        ("report", untrained),
    ):
        done = run(*command, *("--device", "cpu"))
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert said.format(file) in done.error
    assert list(here.iterdir()) == []
    assert {path: path.read_bytes() for path in untrained.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["evaluate"], 2, "Missing argument 'RUN...'; see `trainer evaluate --help`"),
        (["evaluate", "none"], 1, "none does not exist; give a checkpoint or the folder of a run of `trainer fit`"),
        (["evaluate", "."], 1, ". is no run; give the folder that `trainer fit` wrote"),
        (["evaluate", "{run}", "--split", "all"], 2, "'all' is not one of 'train', 'validation', 'test'"),
        (["evaluate", "{run}", "--real", "none.zarr"], 1, "none.zarr does not exist; give the path of a store"),
        (["evaluate", "{run}", "--real", "{rotation}"], 1, "{rotation} has no sequence that is for test; give a store"),
        (["evaluate", "{run}", "--real", "{short}"], 1, "{short} has sequences of 3 frames, 4 are asked for"),
        (["evaluate", "{run}", "--real", "{odd}"], 1, "frames are 16x15, model.mim.patch is 2; give sides that are"),
        (["evaluate", "{run}", "--real", "{overlapping}"], 1, "{overlapping}: sequences 5 and 6 share frames of one"),
        (["evaluate", "{run}", "--out", "none/a.json"], 1, "none/a.json cannot be written: no such file or directory"),
        (["predict", "{run}", "{rotation}"], 2, "Missing option '--out'; see `trainer predict --help`"),
        (
            ["predict", "{run}", "{rotation}", "--out", "a.gif", "--size", "0x8"],
            2,
            "'0x8' is no size; give px, e.g. 64, or",
        ),
        (["predict", "{run}", "none.gif", "--out", "a.gif"], 1, "none.gif does not exist; give"),
        (["predict", "{run}", "{rotation}", "--out", "a.txt"], 1, "a.txt"),
        (["predict", "{run}", "{rotation}", "--out", "a.gif", "--steps", "0"], 1, "steps are 0; give 1 or more"),
        (["predict", "{run}", "{rotation}", "--out", "a.gif", "--start", "20"], 1, "20"),
        (["predict", "{run}", "{unfinished}", "--out", "a.gif"], 1, "{unfinished} is not complete; finish it with"),
        (["report", "."], 1, ". is no run; give the folder that `trainer fit` wrote"),
        (["report", "{run}", "--real", "{newer}"], 1, "{newer} has schema version 99, this installation reads"),
    ],
)
def test_what_cannot_be_evaluated_predicted_or_shown_is_refused(
    arguments: list[str],
    code: int,
    message: str,
    untrained: Path,
    stores: Stores,
    bad: dict[str, Path],
    here: Path,
) -> None:
    paths = {**stores, **bad, "run": untrained}
    done = run(*(argument.format_map(paths) for argument in arguments))
    assert done.code == code, done.err
    assert message.format_map(paths) in done.error
    assert (done.out, done.err.count("\n")) == ("", 1)
    assert list(here.iterdir()) == []
