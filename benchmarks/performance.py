"""Turn performance.json into a page: the machine, all ratios, cost against n and workers, and what a data set takes."""

import json
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from timing import HEADER, Row

from datagen.storage.shards import object_layouts
from datagen.storage.units import unit_count
from schemas.render import RenderSpec

SPEC = RenderSpec(property="rotation")
"""What `datagen render --property rotation` makes, and `workers.py` times."""
SIZES = tuple(10**power for power in range(4, 10))
DAY = 24 * 3600
MICROSECONDS = 1e6

INTRODUCTION = """\
# Performance

Written by `benchmarks/run`; do not edit. Both sides of a ratio are measured in turn in one run, so that it holds on a
shared machine; times are this machine's."""
AGAINST_N = """\
## Cost against n

![]({file})

The whole time of a store divided by its sequences; they are small, so that what is not rendering shows: below ten
thousand, the files of a store cost more than its frames."""
AGAINST_WORKERS = """\
## Cost against workers

![]({file})

Dotted: the cost with one worker, divided by their number. This machine has {cores} cores."""
SIZING = """\
## Sizing

One core renders and writes {rate:,.0f} sequences of 10x128x128 a second ({cost:.0f} µs each: one worker above), and one
takes {size:,} bytes with its parameters. So n sequences are n x {size:,} bytes and n x {cost:.0f} µs / 3600 core-hours.
Both grow with frames x height x width.

| sequences | bytes | files | core-hours | workers for one day |
| --- | --- | --- | --- | --- |
{rows}

Reckoned from the rate of one core: more cores than this machine's were not measured. What is not worth storing need not
be: `datagen serve` renders the chunks of a store when they are read."""


def write_page(record: Path, page: Path) -> None:
    """
    Write the page and its plots beside it.

    Parameters
    ----------
    record : JSON of `benchmarks/run`
    page : Markdown file to write; the plots are `NAME-n.png` and `NAME-workers.png`
    """
    content = json.loads(record.read_text(encoding="utf-8"))
    machine, scripts = content["machine"], {each["script"]: each for each in content["scripts"]}
    lines = [line for each in scripts.values() for line in lines_of(each)]
    parts = [INTRODUCTION, machine_part(machine), "\n".join(["## Ratios", "", HEADER, *lines])]
    if "scaling" in scripts:
        file = page.with_name(f"{page.stem}-n.png")
        draw(points_of(scripts["scaling"]), file, "sequences in the store", "µs a sequence of 4x16x16")
        parts.append(AGAINST_N.format(file=file.name))
    if "workers" in scripts:
        file, points = page.with_name(f"{page.stem}-workers.png"), points_of(scripts["workers"])
        draw(points, file, "worker threads", "µs a sequence of 10x128x128", ideal=True)
        parts += [AGAINST_WORKERS.format(file=file.name, cores=machine["cores"]), sizing_part(dict(points)[1])]
    page.write_text("\n\n".join([*parts, when_part(scripts)]) + "\n", encoding="utf-8")


def machine_part(machine: dict[str, Any]) -> str:
    """Say where it was measured."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']},"
        f" Python {machine['python']}, {packages}."
    )


def lines_of(script: dict[str, Any]) -> list[str]:
    """Return the table's lines of a script."""
    return [Row(**{name: value for name, value in row.items() if name != "met"}).markdown() for row in script["rows"]]


def points_of(script: dict[str, Any]) -> list[tuple[float, float]]:
    """Return the curve of a script."""
    return next([(x, y) for x, y in row["points"]] for row in script["rows"] if row["points"])


def sizing_part(cost: float) -> str:
    """
    Reckon what data sets of 10x128x128 take.

    Parameters
    ----------
    cost : core-microseconds of a sequence
    """
    layouts = object_layouts(SPEC)
    size = sum(layout.sequence_bytes for layout in layouts)
    rows = []
    for n in SIZES:
        hours, files = n * cost / MICROSECONDS / 3600, unit_count(SPEC, n) * len(layouts)
        workers = math.ceil(hours * 3600 / DAY)
        rows.append(f"| 10^{round(math.log10(n))} | {amount(n * size)} | {files:,} | {hours:,.3g} | {workers} |")
    return SIZING.format(rate=MICROSECONDS / cost, cost=cost, size=size, rows="\n".join(rows))


def when_part(scripts: dict[str, dict[str, Any]]) -> str:
    """Say which code was measured, when, and how long it took."""
    lines = [
        f"| `benchmarks/{name}.py` | {each['commit']} | {each['time']} | {each['seconds']:.0f} s |"
        for name, each in scripts.items()
    ]
    return "\n".join(["## Runs", "", "| script | code | time | took |", "| --- | --- | --- | --- |", *lines])


def amount(count: float) -> str:
    """Return bytes as text in decimal units."""
    power = min(int(math.log10(count) // 3), 5)
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"


def draw(points: list[tuple[float, float]], file: Path, x: str, y: str, *, ideal: bool = False) -> None:
    """Draw a curve over a logarithmic axis."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    across, up = zip(*points, strict=True)
    axes.plot(across, up, "o-", color="#22577a")
    if ideal:
        axes.plot(across, [up[0] / count for count in across], ":", color="grey")
    axes.set(xlabel=x, ylabel=y, xscale="log", ylim=(0, None))
    axes.set_xticks(across, [f"{each:,.0f}" for each in across])
    axes.minorticks_off()
    figure.savefig(file, dpi=120, metadata={"Software": None})
    plt.close(figure)
