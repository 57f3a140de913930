"""The command line: its surface, its exit codes, what goes to stdout and what to stderr, and what bad input gets."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import zarr

from datagen.cli import datagen
from datagen.service.settings import Settings
from datagen.views.preview import OVERLAYS
from schemas.generate import json_schema
from schemas.render import SCHEMA_VERSION, Noise, RenderSpec
from schemas.store import StoreAttributes
from tests.commands import PROGRAM, ROOT, Done, finished, run, start
from tests.stores import change_attributes, files_of
from tests.surface import names, options, passed_on, surface

TINY = ("--frames", "2", "--size", "16")
"""Options that make a render quick."""

SPEC = {"--property", "--preset", "--spec", "--frames", "--size", "--height", "--width"}
SPEC |= {"--noise-ratio", "--noise-mix", "--seed", "--sprites"}
SURFACE = {
    "render": SPEC
    | {"--truth", "--dtype", "--n", "--out", "--workers", "--scheduler", "--service", "--overwrite", "--json"},
    "inspect": {"STORE", "--json"},
    "verify": {"STORE", "--repair", "--json"},
    "preview": SPEC | {"[STORE]", "--start", "--count", "--overlay", "--out"},
    "export": {"STORE", "FILE", "--start", "--count", "--overwrite"},
    "schema": {"[spec|store]"},
    "warmup": set(),
    "serve": {"--host", "--port", "--data-root", "--keys-file", "--allow-anonymous", "--threads", "--scheduler"},
}
"""Frozen: another option is a decision, and a line in the change log."""


def test_the_surface_is_frozen() -> None:
    assert surface(datagen) == SURFACE
    assert [n for parameter in datagen.params for n in names(datagen, parameter)] == ["--version"]


@pytest.mark.parametrize("name", SURFACE)
def test_every_parameter_is_read(name: str) -> None:
    """
    Those that a command takes as **asked become arguments of request_of; test_request tries each of these.

    Those of serve become settings.
    """
    rest, takes_more = passed_on(datagen.commands[name])
    if name == "serve":
        assert rest <= set(Settings.model_fields)
        return
    spec = {parameter.name for parameter in datagen.commands["preview"].params} - {"store", "start", "count"}
    spec |= {"truth", "dtype"}
    assert rest <= (spec if takes_more else set())


@pytest.mark.parametrize(("command", "option"), options(datagen))
def test_every_option_says_what_it_is_and_its_default(command: click.Command, option: click.Option) -> None:
    assert option.help
    choose_a_source = {"--property", "--preset", "--spec", "--scheduler", "--service"}
    assert option.is_flag or option.opts[0] in choose_a_source or "[default: " in option.help


def test_options_that_repeat_a_field_carry_its_text_and_default() -> None:
    fields = {name: RenderSpec.model_fields[name] for name in ("frames", "seed", "dtype")}
    fields |= {"noise_ratio": Noise.model_fields["ratio"]}
    texts = {
        option.name: option.help for option in datagen.commands["render"].params if isinstance(option, click.Option)
    }
    assert {name: texts[name] for name in fields} == {
        name: f"{field.description}  [default: {field.default}]" for name, field in fields.items()
    }


def test_overlays_are_those_that_can_be_drawn() -> None:
    overlay = next(option for option in datagen.commands["preview"].params if option.name == "overlays")
    assert isinstance(overlay.type, click.Choice)
    assert tuple(overlay.type.choices) == OVERLAYS


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from datagen.cli import main
for command in {[[], *([name] for name in SURFACE)]}:
    try: main([*command, "--help"])
    except SystemExit as end: assert not end.code
print(*{{name.partition('.')[0] for name in sys.modules}})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"numba", "dask", "distributed", "zarr", "torch", "numpy", "fastapi", "matplotlib", "PIL", "sklearn"}
    assert "click" in loaded
    assert loaded & heavy == set()


def test_help_and_version_go_to_stdout_and_a_bare_call_is_a_usage_error() -> None:
    for arguments in (("--help",), ("render", "-h"), ("--version",)):
        done = run(*arguments)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(("Usage: datagen", "datagen "))
    bare = run()
    assert (bare.code, bare.out) == (2, "")
    assert "Commands:" in bare.err


def test_a_render_prints_its_path_on_stdout_and_talks_on_stderr(tmp_path: Path) -> None:
    out = tmp_path / "a.zarr"
    done = run("render", "--property", "rotation", "--n", "3", *TINY, "--out", out)
    assert (done.code, done.out) == (0, f"{out}\n")
    assert f"rendering 3 sequences of rotation into {out}, spec " in done.err
    assert "rendered 3 sequences in " in done.err
    assert zarr.open_group(out, mode="r")["frames"].shape == (3, 2, 16, 16)  # type: ignore[union-attr]


def test_a_render_with_json_prints_one_object(tmp_path: Path) -> None:
    command = ("render", "--property", "mixed", "--n", "3", *TINY, "--out", tmp_path / "a.zarr", "--json")
    first, second = json.loads(run(*command).out), json.loads(run(*command).out)
    spec = RenderSpec.parse({"property": "mixed", "frames": 2, "height": 16, "width": 16})
    for report, rendered, resumed in ((first, 3, 0), (second, 0, 3)):
        assert report["path"] == str(tmp_path / "a.zarr")
        assert (report["n"], report["digest"]) == (3, spec.digest)
        assert (report["rendered"], report["resumed"]) == (rendered, resumed)
        assert report["sequences_per_second"] == pytest.approx(rendered / report["seconds"])
        assert {"kernel_seconds", "bytes"} <= report.keys()


def test_the_store_goes_to_the_name_of_the_property_or_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("render", "--property", "intensity", "--n", "1", *TINY).out == "intensity.zarr\n"
    done = run("render", "--preset", "dynamic-mnist", *TINY, "--json")
    assert json.loads(done.out)["path"] == "dynamic-mnist.zarr"
    assert json.loads(done.out)["n"] == 850
    splits = json.loads(run("inspect", "dynamic-mnist.zarr", "--json").out)["splits"]
    assert splits == {"train": 250, "validation": 100, "test": 500}


def test_the_same_command_does_nothing_a_larger_n_extends_and_a_smaller_is_refused(tmp_path: Path) -> None:
    command = ("render", "--property", "rotation", *TINY, "--out", tmp_path / "a.zarr", "--n")
    assert run(*command, "3").code == 0
    assert "all 3 sequences are there already" in run(*command, "3").err
    assert run(*command, "5").code == 0
    assert run("render", "--property", "rotation", *TINY, "--out", tmp_path / "b.zarr", "--n", "5").code == 0
    assert objects(tmp_path / "a.zarr") == objects(tmp_path / "b.zarr")
    smaller = run(*command, "2")
    assert smaller.code == 1
    assert "has n = 5, this command's n is 2" in smaller.error


def test_another_spec_is_refused_with_both_digests_unless_told_to_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "a.zarr"
    digests = [
        json.loads(run("schema").out)
        and RenderSpec.parse({"property": kind, "frames": 2, "height": 16, "width": 16}).digest
        for kind in ("rotation", "mixed")
    ]
    assert run("render", "--property", "rotation", "--n", "2", *TINY, "--out", out).code == 0
    before = objects(out)
    refused = run("render", "--property", "mixed", "--n", "2", *TINY, "--out", out)
    assert refused.code == 1
    assert all(digest[:12] in refused.error for digest in digests)
    assert "--overwrite" in refused.error
    assert objects(out) == before
    assert run("render", "--property", "mixed", "--n", "2", *TINY, "--out", out, "--overwrite").code == 0
    assert json.loads(run("inspect", out, "--json").out)["digest"] == digests[1]


def objects(store: Path) -> dict[str, bytes]:
    """Return what the arrays of a store hold, object by object."""
    files = (file for file in store.rglob("*") if file.is_file() and file.name != "zarr.json")
    return {file.relative_to(store).as_posix(): file.read_bytes() for file in files}


BAD_INPUT: dict[str, tuple[list[str], int, str]] = {
    "no source": (
        [],
        2,
        "nothing to render; give --property translation|rotation|intensity|mixed, --preset, or --spec",
    ),
    "unknown property": (["--property", "spin"], 2, "'spin' is not one of 'translation', 'rotation'"),
    "unknown preset": (["--preset", "mnist"], 2, "'mnist' is not 'dynamic-mnist'"),
    "unknown option": (["--property", "mixed", "--frame", "3"], 2, "--frame"),
    "stray argument": (["--property", "mixed", "out.zarr"], 2, "unexpected extra argument"),
    "n 0": (["--property", "mixed", "--n", "0"], 1, "n is 0; give a number of sequences from 1 to"),
    "n negative": (["--property", "mixed", "--n", "-3"], 1, "n is -3; give a number of sequences from 1 to"),
    "n beyond": (["--property", "mixed", "--n", str(2**63 + 1)], 1, f"n is {2**63 + 1}; give a number of sequences"),
    "n no number": (["--property", "mixed", "--n", "many"], 2, "'many' is not a valid integer"),
    "frames 0": (["--property", "mixed", "--frames", "0"], 1, "frames is 0; give a whole number from 1 to 4096"),
    "size 0": (["--property", "mixed", "--size", "0"], 1, "height is 0; give a whole number from 1 to 4096"),
    "size negative": (["--property", "mixed", "--size", "-8"], 1, "height is -8; give a whole number from 1 to 4096"),
    "size beyond": (["--property", "mixed", "--size", "4097"], 1, "height is 4097; give a whole number from 1 to 4096"),
    "width beyond": (
        ["--property", "mixed", "--width", "9999"],
        1,
        "width is 9999; give a whole number from 1 to 4096",
    ),
    "pixels beyond": (["--property", "mixed", "--size", "4096"], 1, "a sequence of 10x4096x4096 has 167772160 pixels"),
    "ratio negative": (
        ["--property", "mixed", "--noise-ratio", "-0.1"],
        1,
        "noise.ratio is -0.1; give a number from 0",
    ),
    "ratio nan": (["--property", "mixed", "--noise-ratio", "nan"], 1, "noise.ratio is nan; give a number from 0"),
    "ratio infinite": (["--property", "mixed", "--noise-ratio", "inf"], 1, "noise.ratio is inf; give a number from 0"),
    "mix by position": (["--property", "mixed", "--noise-mix", "1,1,1"], 2, "'1,1,1' is no mixture; give weights of"),
    "mix negative": (
        ["--property", "mixed", "--noise-mix", "white=-1"],
        1,
        "noise.white is -1.0; give a number from 0",
    ),
    "mix of nothing": (["--property", "mixed", "--noise-mix", "white=0"], 1, "all three weights are 0"),
    "mix of next to nothing": (
        ["--property", "mixed", "--noise-mix", "gaussian=1e-50"],
        1,
        "all three weights are 0 or next to it",
    ),
    "seed negative": (["--property", "mixed", "--seed", "-1"], 1, "seed is -1; give a whole number from 0"),
    "unknown truth": (["--property", "mixed", "--truth", "depth"], 2, "'depth' is no truth array; give some of clean"),
    "unknown dtype": (["--property", "mixed", "--dtype", "int8"], 2, "'int8' is not one of 'uint8'"),
    "size and width": (
        ["--property", "mixed", "--size", "8", "--width", "8"],
        2,
        "give --size, or --height and --width",
    ),
    "preset and property": (["--preset", "dynamic-mnist", "--property", "mixed"], 2, "give it without --spec and"),
    "preset and spec": (["--preset", "dynamic-mnist", "--spec", "a.yaml"], 2, "give it without --spec and --property"),
    "workers 0": (["--property", "mixed", "--workers", "0"], 2, "'--workers': 0 is not in the range x>=1"),
    "workers and scheduler": (
        ["--property", "mixed", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"],
        *(2, "give them or --scheduler"),
    ),
    "missing spec": (["--spec", "none.yaml"], 1, "none.yaml does not exist; give a YAML or JSON file, or a store"),
    "missing sprites": (
        ["--property", "mixed", "--sprites", "none"],
        1,
        "none does not exist; give a folder of images",
    ),
    "missing store": (["--spec", "memory://none.zarr"], 1, "does not exist; give the path of a store"),
    "target is a file": (["--property", "mixed", "--n", "1", "--out", "{file}"], 1, "{file}"),
    "target in a file": (["--property", "mixed", "--n", "1", "--out", "{file}/a.zarr"], 1, "{file}"),
    "target not writable": (["--property", "mixed", "--n", "1", "--out", "/proc/a.zarr"], 1, "/proc/a.zarr cannot be"),
    "target of no protocol": (["--property", "mixed", "--n", "1", "--out", "foo://a.zarr"], 1, "foo://a.zarr"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_in_one_line_and_nothing_is_written(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, code, message = BAD_INPUT[case]
    file = tmp_path / "file"
    file.write_text("precious")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = run("render", *(argument.format(file=file) for argument in arguments))
    assert done.code == code, done.err
    assert message.format(file=file) in done.error
    assert done.out == ""
    assert list((tmp_path / "here").iterdir()) == []
    assert file.read_text() == "precious"


@contextmanager
def without_rights() -> Iterator[None]:
    """Be nobody for a while, where the tests run as root, whom no permission stops."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_target_that_this_user_may_not_write_is_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    command = ("render", "--property", "mixed", *TINY, "--out")
    assert run(*command, store, "--n", "3").code == 0
    before = files_of(tmp_path)
    folders = [tmp_path, *(folder for folder in tmp_path.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    with without_rights():
        refused = [
            run(*command, target, "--n", "5", *more)
            for target in (store, tmp_path / "b.zarr")
            for more in ((), ("--overwrite",))
        ]
    for folder in folders:
        folder.chmod(0o755)
    for done in refused:
        assert (done.code, done.out) == (1, "")
        assert done.error.endswith(".zarr cannot be written: permission denied; give a path that you may write")
    assert files_of(tmp_path) == before


def test_usage_errors_name_the_help() -> None:
    assert run("render", "--size", "x").error.endswith("; see `datagen render --help`")
    assert run("paint").error == "No such command 'paint'; see `datagen --help`"


def test_a_newer_store_is_refused_with_both_versions(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    assert run("render", "--property", "mixed", "--n", "1", *TINY, "--out", store).code == 0
    document = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
    document["attributes"]["schema_version"] = SCHEMA_VERSION + 1
    (store / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
    for command in (
        ("inspect", store),
        ("verify", store),
        ("preview", store, "--out", tmp_path / "a.png"),
        ("export", store, tmp_path / "a.npy"),
        ("render", "--spec", store, "--out", tmp_path / "b.zarr"),
        ("render", "--property", "mixed", "--n", "1", *TINY, "--out", store),
    ):
        done = run(*command)
        assert done.code == 1
        assert f"has schema version {SCHEMA_VERSION + 1}, this installation reads {SCHEMA_VERSION}" in done.error
    assert not (tmp_path / "b.zarr").exists()


def test_verify_names_a_flipped_byte_and_repairs_it_to_the_same_bytes(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    assert run("render", "--property", "rotation", "--n", "3", *TINY, "--out", store).code == 0
    before = objects(store)
    whole = run("verify", store)
    assert (whole.code, whole.out) == (0, f"{store} is whole: 3 sequences, 3 rendered again and equal\n")
    flip(store / "frames/c/0/0/0/0")
    damaged = run("verify", store)
    assert (damaged.code, damaged.error) == (1, f"{store} is damaged; mend it with `datagen verify {store} --repair`")
    assert damaged.out == "frames/c/0/0/0/0 (unit 0, sequences 0-2): chunk 0 fails its checksum\n"
    as_json = run("verify", store, "--json")
    assert as_json.code == 1
    assert json.loads(as_json.out)["damage"][0]["key"] == "frames/c/0/0/0/0"
    repaired = run("verify", store, "--repair")
    assert repaired.code == 0
    assert repaired.out.endswith(f"{store} is whole again: 3 sequences\n")
    assert objects(store) == before


def test_a_command_that_is_advised_can_be_pasted_whatever_the_path(tmp_path: Path) -> None:
    store = tmp_path / "it's a store.zarr"
    assert run("render", "--property", "rotation", "--n", "3", *TINY, "--out", store).code == 0
    flip(store / "frames/c/0/0/0/0")
    for refused in (run("verify", store), run("export", store, tmp_path / "a.npy")):
        program, *arguments = shlex.split(refused.error.split("`")[1])
        assert (program, arguments) == ("datagen", ["verify", str(store), "--repair"])
    assert run(*arguments).code == 0


@pytest.mark.parametrize(("field", "value"), [("n", "abc"), ("digest", None), ("complete", 1)])
def test_attributes_of_wrong_types_are_one_line_to_every_command(field: str, value: Any, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    assert run("render", "--property", "rotation", "--n", "3", *TINY, "--out", store).code == 0
    change_attributes(store, **{field: value})
    for command in (("inspect",), ("preview",), ("verify",), ("verify", "--repair"), ("export", tmp_path / "a.npy")):
        done = run(command[0], store, *command[1:])
        assert (done.code, done.out) == (1, "")
        assert f"{store}/zarr.json: attribute {field} is {value}, not " in done.error


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)


def unfinished(store: Path) -> None:
    """Make a store look as if its render had been killed before its only unit."""
    assert run("render", "--property", "rotation", "--n", "3", *TINY, "--out", store).code == 0
    document = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
    document["attributes"]["complete"] = False
    (store / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
    (store / "frames/c/0/0/0/0").unlink()


def test_an_unfinished_store_names_the_command_that_finishes_it(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    unfinished(store)
    summary = json.loads(run("inspect", store, "--json").out)
    assert (summary["complete"], summary["units"]["done"], summary["units"]["total"]) == (False, 0, 1)
    assert "not complete" in run("inspect", store).out
    assert run("verify", store).error == f"{store} is not complete; mend it with `datagen verify {store} --repair`"
    refused = run("export", store, tmp_path / "a.npy")
    assert refused.code == 1
    command = refused.error.partition("`datagen ")[2].partition("`")[0].split()
    assert run(*command).out == f"{store}\n"
    assert run("export", store, tmp_path / "a.npy").code == 0


def test_preview_shows_a_store_or_a_spec_that_nobody_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("render", "--property", "mixed", "--n", "5", *TINY, "--out", "a.zarr")
    assert run("preview", "a.zarr").out == "a.gif\n"
    assert run("preview", "--property", "mixed", *TINY).out == "mixed.gif\n"
    assert Path("a.gif").read_bytes() == Path("mixed.gif").read_bytes()
    one = ("--start", "4", "--count", "1")
    assert run("preview", "a.zarr", *one, "--out", "a.png").code == 0
    assert run("preview", "--property", "mixed", *TINY, *one, "--out", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert run(
        "preview", "--property", "mixed", *TINY, *one, "--out", "c.png", "--overlay", "flow", "--overlay", "mask"
    )
    assert Path("c.png").read_bytes() != Path("b.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{store}", "--property", "mixed"], 2, "a store has its spec; give STORE, or options that choose a spec"),
        (["{store}", "--seed", "0"], 2, "a store has its spec; give STORE, or options that choose a spec"),
        ([], 2, "nothing to render; give --property"),
        (["{store}", "--count", "0"], 2, "'--count': 0 is not in the range x>=1"),
        (["{store}", "--start", "-1"], 2, "'--start': -1 is not in the range x>=0"),
        (["{store}", "--start", "3"], 1, "--start is 3; {store} has sequences 0 to 2"),
        (["{store}", "--start", "1", "--count", "4"], 1, "--count is 4; {store} has 2 sequences from --start on"),
        (["{store}", "--out", "s3://buck/x.gif"], 1, "s3://buck/x.gif is a URL; give a local path"),
        (["--spec", "{lost}"], 1, "the spec names 9 sprites and none are given; give them, e.g. by --sprites"),
        (["{store}", "--overlay", "flow"], 1, "{store} has no flow"),
        (["{store}", "--out", "a.tiff"], 1, "a.tiff has the suffix .tiff; give .gif, .webp or .png"),
        (["none.zarr"], 1, "none.zarr does not exist"),
    ],
)
def test_what_cannot_be_previewed_is_refused(
    arguments: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "a.zarr"
    assert run("render", "--property", "mixed", "--n", "3", *TINY, "--out", store).code == 0
    lost = tmp_path / "lost.json"
    sprites = {"count": 9, "height": 4, "width": 4, "sha256": "0" * 64}
    lost.write_text(json.dumps({"property": "mixed", "objects": {"kinds": ["sprite"]}, "sprites": sprites}))
    done = run("preview", *(argument.format(store=store, lost=lost) for argument in arguments))
    assert done.code == code, done.err
    assert message.format(store=store) in done.error
    assert {file.name for file in tmp_path.iterdir()} <= {"a.zarr", "a.zarr.lock", "lost.json"}


def test_a_preview_shows_what_there_is_of_a_small_store(tmp_path: Path) -> None:
    store, by_default, asked = tmp_path / "a.zarr", tmp_path / "a.gif", tmp_path / "b.gif"
    assert run("render", "--property", "mixed", "--n", "3", *TINY, "--out", store).code == 0
    assert run("preview", store, "--out", by_default).code == 0
    assert run("preview", store, "--count", "3", "--out", asked).code == 0
    assert by_default.read_bytes() == asked.read_bytes()
    assert run("preview", store, "--start", "2", "--out", by_default).code == 0
    assert run("preview", store, "--start", "2", "--count", "1", "--out", asked).code == 0
    assert by_default.read_bytes() == asked.read_bytes()


def test_export_writes_part_of_a_store_in_the_order_of_moving_mnist(tmp_path: Path) -> None:
    store, file = tmp_path / "a.zarr", tmp_path / "a.npy"
    assert run("render", "--property", "mixed", "--n", "5", *TINY, "--out", store).code == 0
    done = run("export", store, file, "--start", "1", "--count", "3")
    assert (done.code, done.out) == (0, f"{file}\n")
    frames = np.asarray(zarr.open_group(store, mode="r")["frames"])
    assert np.array_equal(np.load(file), frames[1:4].swapaxes(0, 1))
    assert "exists; give another path or --overwrite" in run("export", store, file).error
    assert run("export", store, file, "--overwrite").code == 0
    assert np.load(file).shape == (2, 5, 16, 16)
    for option, value, said in (
        ("--count", "0", "Invalid value for '--count': 0 is not in the range x>=1"),
        ("--count", "6", f"--count is 6; {store} has 5 sequences from --start on"),
        ("--start", "50000", f"--start is 50000; {store} has sequences 0 to 4"),
    ):
        assert run("export", store, tmp_path / "b.npy", option, value).error.startswith(said)
    assert not (tmp_path / "b.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "model"), [((), RenderSpec), (("spec",), RenderSpec), (("store",), StoreAttributes)]
)
def test_schema_prints_what_schemas_json_holds(arguments: tuple[str, ...], model: type[Any]) -> None:
    assert run("schema", *arguments).out == json_schema(model)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something has happened, at most two minutes."""
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "".join(process.communicate())
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_interrupted_render_keeps_units_exits_130_and_the_same_command_completes_it(tmp_path: Path) -> None:
    def command(name: str) -> tuple[str | Path, ...]:
        return (
            "render",
            "--property",
            "rotation",
            "--size",
            "64",
            "--n",
            "8000",
            "--out",
            tmp_path / name,
            "--workers",
            "1",
        )

    process = start(*command("cut.zarr"))
    wait_for((tmp_path / "cut.zarr/frames/c/0/0/0/0").exists, process)
    process.send_signal(signal.SIGINT)
    cut = finished(process)
    assert cut.code == 130
    assert cut.err.splitlines()[-1] == (
        f"interrupted; what is finished stays in {tmp_path / 'cut.zarr'}, and the same command continues"
    )
    assert "Traceback" not in cut.err
    assert cut.out == ""
    resumed = json.loads(run(*command("cut.zarr"), "--json").out)
    assert 0 < resumed["resumed"] < 8000
    assert run(*command("whole.zarr")).code == 0
    assert objects(tmp_path / "cut.zarr") == objects(tmp_path / "whole.zarr")


def test_a_terminal_shows_a_bar_with_rate_and_time_left(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [
        *PROGRAM,
        "render",
        "--property",
        "mixed",
        "--n",
        "2000",
        "--size",
        "32",
        "--out",
        str(tmp_path / "a.zarr"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # what Linux says when the other side has closed
        pass
    os.close(ours)
    assert process.communicate()[0].decode() == f"{tmp_path / 'a.zarr'}\n"
    assert process.returncode == 0
    assert b"\r" in shown
    assert b"2,000 of 2,000 sequences" in shown
    assert b" left" in shown


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = start("schema")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert err == ""


def test_a_missing_package_names_its_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['numba'] = None\n"
        f"from datagen.cli import main; main(['render', '--property', 'mixed', '--out', {str(tmp_path / 'a.zarr')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert Done(done.returncode, done.stdout, done.stderr).error == (
        "numba is not installed; pip install 'stmoe-synth[datagen]'"
    )
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []
