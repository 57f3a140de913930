"""The table as a Markdown page."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from trainer.reproduction.plan import PERSISTENCE

REFERENCE: Final = "mim-real"
"""The row that errors are compared with: the paper's are on another scale (models.md 3.9)."""
_DIGITS = {"mse_sum": 2, "mse_mean": 0, "ssim": 3, "mse_first": 2, "mse_last": 2, "cpu_seconds": 0}
_VERDICTS = (
    "A verdict is computed from the seeds. `holds`: the mean meets the limit, and the worst seed of the one is better "
    "than the best of the other; of gates, every seed meets it. `within the noise`: only the mean meets it. "
    "`does not`: the mean misses it. In brackets are the ratios of best to worst and of worst to best seed."
)


def as_markdown(table: Mapping[str, Any], pictures: Collection[str]) -> str:
    """
    Return the table as a Markdown page.

    Parameters
    ----------
    table : as `table_of` returns it
    pictures : names of those there are, in the same folder
    """
    lines = [
        "# Table 1: Dynamic MNIST",
        "",
        _setting(table),
        "",
        *_picture(pictures, "table1-rows.png", "error and SSIM of every row, a dot for every seed, beside the paper's"),
        *_rows(table),
        "",
        *_notes(table),
        "## Claims",
        "",
        *_claims(table),
        "",
        *_picture(pictures, "table1-lead-times.png", "error by lead time"),
        *_picture(pictures, "table1.gif", "forecasts of test sequences"),
        "## How it was made",
        "",
        *_origin(table),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _setting(table: Mapping[str, Any]) -> str:
    return (
        f"Scale `{table['scale']}`, {table['seeds']} seeds of the whole pipeline: the mean over seeds, and from the "
        "least to the largest. MSE is the squared error summed over a frame with full scale 1, MSE 255 its mean over "
        "pixels with full scale 255, both means over frames and test sequences; SSIM has 7x7 uniform windows and data "
        "range 1. Parameters and CPU seconds are of a whole model and its training. The paper's errors are on a scale "
        "of their own: in brackets is their ratio to its MIM on real sequences alone, as `of MIM` has it of ours."
    )


def _picture(pictures: Collection[str], name: str, text: str) -> list[str]:
    return [f"![{text}]({name})", ""] if name in pictures else []


def _rows(table: Mapping[str, Any]) -> list[str]:
    rows = {row["name"]: row for row in table["rows"]}
    horizon = max((len(s["per_lead_time"]) for row in rows.values() for s in row["seeds"].values()), default=0)
    header = (
        "",
        "parameters",
        "CPU s",
        "MSE",
        "of MIM",
        "MSE 255",
        "SSIM",
        "MSE t+1",
        f"MSE t+{horizon}",
        "paper: MSE / SSIM (of MIM)",
    )
    cells = [_cells(row, rows.get(REFERENCE)) for row in rows.values()]
    return [_line(header), _line(["---", *["---:"] * (len(header) - 1)]), *map(_line, cells)]


def _cells(row: Mapping[str, Any], reference: Mapping[str, Any] | None) -> list[str]:
    summary, paper = row["summary"], row["paper"]
    published = "" if paper is None else f"{paper['mse']:g} / {paper['ssim']:.3f}"
    if paper is not None and reference is not None and reference["paper"]:
        published += f" ({paper['mse'] / reference['paper']['mse']:.2f})"
    if not summary:
        return [row["title"], f"{row['parameters']:,}", "not run", *[""] * 6, published]
    of_reference = ""
    if reference is not None and reference["summary"]:
        of_reference = f"{summary['mse_sum']['mean'] / reference['summary']['mse_sum']['mean']:.2f}"
    trained = row["name"] != PERSISTENCE
    return [
        row["title"],
        f"{row['parameters']:,}" if trained else "",
        _ranged(summary, "cpu_seconds") if trained else "",
        _ranged(summary, "mse_sum"),
        of_reference,
        *(_ranged(summary, name) for name in ("mse_mean", "ssim", "mse_first", "mse_last")),
        published,
    ]


def _ranged(summary: Mapping[str, Mapping[str, float]], name: str) -> str:
    """Return a mean, and the least and largest where they differ: 9.41 (9.3-9.6)."""
    entry, digits = summary[name], _DIGITS[name]
    low, mean, high = (f"{entry[key]:,.{digits}f}" for key in ("low", "mean", "high"))
    return mean if low == high else f"{mean} ({low}-{high})"


def _notes(table: Mapping[str, Any]) -> list[str]:
    """Say of every row what it lacks and what its numbers leave out."""
    notes = []
    for row in table["rows"]:
        notes += [f"- {row['title']}, seed {seed}: not run, {reason}" for seed, reason in row["missing"].items()]
        if not row["seeds"] and not row["missing"]:
            notes.append(f"- {row['title']}: not run, no seed has what it takes")
        if row["note"]:
            notes.append(f"- {row['title']}: {row['note']}")
    return [*notes, ""] if notes else []


def _claims(table: Mapping[str, Any]) -> list[str]:
    if not table["claims"]:
        return ["None is about these rows alone."]
    lines = [_line(("claim", "measured", "verdict")), _line(("---", "---", "---"))]
    lines += [_line((claim["statement"], _measured(claim), f"**{claim['verdict']}**")) for claim in table["claims"]]
    return [*lines, "", _VERDICTS]


def _measured(claim: Mapping[str, Any]) -> str:
    if not claim["measured"]:
        return str(claim["reason"])
    if claim["kind"] == "comparison":
        return "{mean:.2f} ({low:.2f}-{high:.2f})".format_map(claim["measured"]["ratio"])
    return ", ".join(f"{name} {_share(share)}" for name, share in claim["measured"].items())


def _share(share: Mapping[str, float]) -> str:
    return f"{share['mean']:.0%} ({share['low']:.0%}-{share['high']:.0%})"


def _origin(table: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in table["versions"].items())
    machine = table["machine"]
    parts = [part for part in (machine["processor"], f"{machine['cores']} cores", machine["platform"]) if part]
    return [
        "<!-- not run: it takes hours, and wrote this page -->",
        "",
        *(f"    {command}" for command in table["commands"][-1:]),
        "",
        f"Seeds 1 to {table['seeds']}. {versions}. {', '.join(parts)}. {table['created']}.",
        "What else was tried, and what each change did, is in [recipes.md](recipes.md).",
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
