"""How long a step waits for its batch: every phase of every small configuration that ships, and at the paper's."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from commands import DATAGEN, run
from timing import Row, arguments, report, scratch_directory

from schemas.run import PROPERTIES, Budget, RunConfig
from trainer.asking import SHIPPED, read_fields
from trainer.training.fit import fit
from trainer.training.recording import read_log

LIMIT = 0.03
REAL = 266
"""Real sequences: 250 for training, 16 for validation."""
PHASES = ("decoder", "mim", "addl", "kinematic", "gates", "joint")
PAPER_BATCH = 4
"""Where the paper's networks are trained on a CPU; a larger one would wait as long for a longer step."""


def main() -> None:
    """Train some steps of each phase on stores of 32x32, and of 128x128 at the scale of the paper."""
    options = arguments(__doc__ or "", scratch=True, steps=40, paper_steps=3, n=2000)
    with scratch_directory(options.scratch) as folder:
        small = rendered(folder, 32, options.n)
        shipped = {file.stem: read_fields(file.stem) for file in sorted(SHIPPED.glob("*.yaml"))}
        runs = {
            name: shortened({**fields, "data": small}, options.steps)
            for name, fields in shipped.items()
            if fields["scale"] == "small"
        }
        paper = {"scale": "paper", "data": rendered(folder, 128, options.n // 20)}
        runs["--scale paper"] = shortened(paper, options.paper_steps, PAPER_BATCH)
        rows = [row_of(name, config, folder / f"run-{number}") for number, (name, config) in enumerate(runs.items())]
    report(rows, options)


def rendered(folder: Path, size: int, n: int) -> dict[str, Any]:
    """Render what a run at this size learns from; return the section `data` of its configuration."""
    stores = {name: folder / f"{name}-{size}.zarr" for name in (*PROPERTIES, "real")}
    for name in PROPERTIES:
        options = ("--property", name, "--size", size, "--n", n, "--truth", "clean,mask")
        run(DATAGEN, "render", *options, "--out", stores[name])
    run(DATAGEN, "render", "--preset", "dynamic-mnist", "--size", size, "--n", REAL, "--out", stores["real"])
    return {"synthetic": {name: str(stores[name]) for name in PROPERTIES}, "real": str(stores["real"])}


def shortened(fields: dict[str, Any], steps: int, batch: int | None = None) -> RunConfig:
    """Return a configuration of few steps a phase, each of which is logged; a batch replaces those of all phases."""
    config = RunConfig.parse(fields, "")

    def short(budget: Budget) -> dict[str, Any]:
        changed = {"steps": steps, "validate_every": steps, "warmup": 0} | ({"batch": batch} if batch else {})
        return {**budget.model_dump(), **changed}

    schedule = {name: short(getattr(config.schedule, name)) for name in PHASES}
    changed = config.model_dump()
    changed["schedule"] |= schedule
    changed["execution"] |= {"log_every": 1, "save_every": 10 * steps}
    return RunConfig.parse(changed, "")


def row_of(name: str, config: RunConfig, out: Path) -> Row:
    """Train, and compare the waiting of all steps but the first with their time: the phase that waits longest."""
    phases = fit(config, out).phases
    log = read_log(out)
    shares = {phase: wait_of([line for line in log if line["phase"] == phase and "loss" in line]) for phase in phases}
    return Row(
        benchmark=f"waiting for data / a step: {name}, the phase that waits longest",
        measured=max(shares.values()),
        limit=LIMIT,
        detail=", ".join(f"{phase} {share:.2%}" for phase, share in shares.items()),
    )


def wait_of(lines: list[dict[str, Any]]) -> float:
    """Return the share of the time between logged steps that was spent waiting."""
    seconds = sum(later["seconds"] - earlier["seconds"] for earlier, later in pairwise(lines))
    return float(sum(line["wait"] for line in lines[1:]) / seconds)


if __name__ == "__main__":
    main()
