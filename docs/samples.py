"""Train on the real samples and write docs/results/samples.md: `python docs/samples.py DATA OUT [SEEDS]` (resumes)."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from schemas.store import SPLIT_VALUES

RESULTS = Path(__file__).parent / "results"
PROPERTIES = ("translation", "rotation", "intensity")
RENDER = ("--n", "4000", "--size", "32", "--noise-ratio", "0", "--truth", "clean,mask")
EXPERTS = "runs/experts"
PROCESSES = 2
"""Side by side, of one thread each."""
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A data set of a few clips."""

    title: str
    name: str
    """Of its store and, with -small behind it, of its configuration."""
    prepare: tuple[str, ...]
    """Kind, source below DATA, and options."""
    scores: Mapping[str, str]
    """Score by its heading."""


VIDEO = {"MSE": "mse_sum", "SSIM": "ssim", "PSNR": "psnr"}
RAIN = {"MSE, (mm/h)^2": "mse_mean", "B-MSE": "b_mse", "CSI 0.5": "csi_0.5", "CSI 5": "csi_5"}
SAMPLES = (
    Sample(
        title="KTH: three videos of one person",
        name="pedestrian",
        prepare=("kth", "kth", "--size", "64", "--stride", "2", "--split-by", "time"),
        scores=VIDEO,
    ),
    Sample(
        title="Crosswalk: one video of a crossing",
        name="traffic",
        prepare=("video", "traffic/crosswalk", "--size", "64", "--stride", "3"),
        scores=VIDEO,
    ),
    Sample(
        title="Radar: seven events of four countries",
        name="radar",
        prepare=("radar", "radar", "--size", "64", "--frames", "8", "--stride", "2"),
        scores=RAIN,
    ),
)


def main(data: Path, out: Path, seeds: int) -> None:
    """Render, prepare, train with every seed, evaluate, and write the table with its pictures."""
    out.mkdir(parents=True, exist_ok=True)
    for name in PROPERTIES:
        run(out, "datagen", "render", "--property", name, *RENDER)
    for sample in SAMPLES:
        kind, source, *options = sample.prepare
        run(out, "trainer", "prepare", kind, str(data / source), "--out", f"{sample.name}.zarr", *options)
    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(lambda name: learn_expert(out, name), PROPERTIES))
        numbers = range(1, seeds + 1)
        runs = {each.name: [pool.submit(trained, out, each, seed) for seed in numbers] for each in SAMPLES}
        found = {name: [each.result() for each in of_seeds] for name, of_seeds in runs.items()}
    for sample in SAMPLES:
        picture = RESULTS / f"samples-{sample.name}.gif"
        start = first_test_sequence(out, sample)
        chosen = ("--start", str(start), "--count", "2", "--overwrite", "--out", str(picture.resolve()))
        run(out, "trainer", "predict", f"runs/{sample.name}-1", f"{sample.name}.zarr", *chosen)
    (RESULTS / "samples.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "samples.md").write_text(page(found, seeds), encoding="utf-8")


def learn_expert(out: Path, name: str) -> None:
    """Train one of the experts, which all data sets share."""
    chosen = ("--phase", "experts", "--expert", name, "--out", EXPERTS)
    run(out, "trainer", "fit", "--config", f"{SAMPLES[0].name}-small", *chosen)


def trained(out: Path, sample: Sample, seed: int) -> dict[str, Any]:
    """Train gates and the whole network with a seed, and return its scores on the test split."""
    folder = f"runs/{sample.name}-{seed}"
    chosen = ("--experts-from", EXPERTS, "--seed", str(seed), "--out", folder)
    run(out, "trainer", "fit", "--config", f"{sample.name}-small", *chosen)
    if not (out / folder / "evaluation.json").exists():
        run(out, "trainer", "evaluate", folder)
    scores: dict[str, Any] = json.loads((out / folder / "evaluation.json").read_text(encoding="utf-8"))
    names = sample.scores.values()
    means = {who: {name: each[name]["mean"] for name in names} for who, each in scores["scores"].items()}
    return {"sequences": scores["sequences"], "scores": means}


def first_test_sequence(out: Path, sample: Sample) -> int:
    """Return the first sequence that nothing was learnt from."""
    split = zarr.open_group(out / f"{sample.name}.zarr", mode="r")["split"]
    return int(np.flatnonzero(np.asarray(split) == SPLIT_VALUES["test"])[0])


def page(found: Mapping[str, Sequence[Mapping[str, Any]]], seeds: int) -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION.format(seeds=seeds)]
    for sample in SAMPLES:
        runs = found[sample.name]
        picture = f"samples-{sample.name}"
        shown = f"![{sample.title}]({picture}.gif)\n\n![Which expert counts where]({picture}-gates.gif)"
        parts.append(f"## {sample.title}\n\n{table(sample, runs)}\n\n{shown}\n")
    return "\n".join(parts)


def table(sample: Sample, runs: Sequence[Mapping[str, Any]]) -> str:
    """Return what the model of every seed scores beside what learns nothing."""
    rows = [f"| | {' | '.join(sample.scores)} |", f"| --- |{' ---: |' * len(sample.scores)}"]
    for who in runs[0]["scores"]:
        cells = [cell([each["scores"][who][name] for each in runs]) for name in sample.scores.values()]
        rows.append(f"| {'STMoE-kinematic' if who == 'model' else who} | {' | '.join(cells)} |")
    first = next(iter(sample.scores.values()))
    ratios = ", ".join(f"{each['scores']['model'][first] / each['scores']['persistence'][first]:.2f}" for each in runs)
    rows.append(f"\n{runs[0]['sequences']} test sequences; error / that of persistence, by seed: {ratios}.")
    return "\n".join(rows)


def cell(values: Sequence[float]) -> str:
    """Return the mean, with the least and the largest where they differ."""
    mean = f"{sum(values) / len(values):.3g}"
    return mean if min(values) == max(values) else f"{mean} ({min(values):.3g} to {max(values):.3g})"


def run(folder: Path, program: str, *arguments: str) -> str:
    """Run a command in a folder; return what it prints."""
    sys.stderr.write(f"{program} {' '.join(arguments)}\n")
    command = [str(PROGRAMS / program), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603, ours
    return done.stdout


INTRODUCTION = """# Real samples

What the shipped configurations `pedestrian-small`, `traffic-small` and `radar-small` make of a few clips, in
minutes on two cores: experts learnt once, on 4,000 synthetic sequences of each property at 32x32, then gates and
the whole network on the samples at 64x64. Mean over {seeds} seeds, with the least and the largest. The samples are
far too small to compare models; the table shows that the path from files to a forecast works. Videos are split in
time with a gap, since there is one of each; radar by event. MSE of videos is the squared error summed over a frame
with full scale 1; SSIM has 7x7 uniform windows. CSI is for rain of at least so many mm/h; `extrapolation` is the
optical flow of pysteps.

Made by `python docs/samples.py DATA OUT`, where DATA holds `kth/`, `traffic/crosswalk/` and `radar/`.
"""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 3)
