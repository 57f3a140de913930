"""The sections of a report, each from the data it needs to HTML; one that has nothing to say is empty."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.rain import RAIN_THRESHOLDS, UNIT
from trainer.evaluation.arrows import LENGTH, draw_motions
from trainer.evaluation.attribution import TIE
from trainer.evaluation.curves import Chart, attribution_chart, loss_charts, score_chart
from trainer.evaluation.evaluate import EXTRAPOLATION, MODEL, PERSISTENCE
from trainer.evaluation.figures import contact_sheet, draw_charts, moving_picture
from trainer.evaluation.markup import (
    MISSING,
    Cell,
    animation,
    chart,
    code,
    escaped,
    folded,
    interval,
    number,
    paragraph,
    percent,
    picture,
    table,
)
from trainer.evaluation.panels import (
    GREY,
    Clock,
    Look,
    expert_colour,
    expert_legend,
    forecast_panels,
    frames_panel,
    gate_panels,
    part_panels,
    tinted_panel,
)
from trainer.evaluation.rain_look import RAIN
from trainer.evaluation.report_data import Example, ReportData

HEADLINE = {"mse_sum": "squared error of a frame", "ssim": "SSIM", "psnr": "PSNR, dB"}
"""Scores that are shown large, and as charts by lead time."""
HEADLINE_OF_RAIN = {"b_mse": "B-MSE, (mm/h)^2", "mse_mean": "squared error, (mm/h)^2", "csi_2": "CSI at 2 mm/h"}
CONTINGENCY = {"csi": "CSI", "pod": "POD", "far": "FAR"}
"""Scores that each threshold of rain has."""
LOWEST = {"mse_sum": 0.0, "b_mse": 0.0, "mse_mean": 0.0}
"""Where their axes begin, if not a little below the values."""
ERRORS = ("mse_sum", "b_mse", "mse_mean")
"""Scores that are worth a ratio, too."""
TITLES = {MODEL: "forecast", PERSISTENCE: "persistence", EXTRAPOLATION: "optical flow"}
"""Of what is scored."""


def summary(data: ReportData) -> str:
    """Return what was evaluated on what, and the scores that matter most."""
    about = (
        "The network of the phase {phase}, step {step}, forecasts {horizon} frames from {input_frames} in each of the "
        "{sequences} sequences of the {split} split of {store}. Persistence repeats the last input."
    ).format_map(data.evaluation)
    if EXTRAPOLATION in data.evaluation["scores"]:
        about += " Optical flow moves it on (pysteps: Lucas-Kanade, semi-Lagrangian)."
    tiles = "\n".join(_tile(title, name, data.evaluation["scores"]) for name, title in _headline(data).items())
    return f'{paragraph(about)}\n<dl class="tiles">\n{tiles}\n</dl>'


def forecasts(data: ReportData) -> str:
    """Return truth, forecast, persistence and error of every example, moving and frame by frame."""
    figures = []
    for example in data.examples:
        panels = forecast_panels(example.inputs, example.truth, example.frames, _look(data))
        figures.append(
            animation(
                moving_picture([panels], _clock(example), "webp", _look(data).legend),
                contact_sheet(panels, _clock(example), _look(data).legend),
                f"sequence {example.number}, {len(example.inputs)} inputs and {len(example.frames)} lead times: truth, "
                "forecast, persistence and absolute error",
                f"Sequence {example.number}. Error: {_look(data).error_is}.",
            )
        )
    return "\n".join(figures)


def experts(data: ReportData) -> str:
    """Return what every expert makes of every example, and where it counts; nothing for a single expert."""
    if len(data.experts) == 1:
        return ""
    legend, look = {**expert_legend(data.experts), **_look(data).legend}, _look(data)
    figures = []
    for example in data.examples:
        inputs, clock = example.inputs[:0], Clock(inputs=0, horizon=len(example.frames))
        parts = part_panels(inputs, example.parts, data.experts, look)
        gates = gate_panels(inputs, example.gates, data.experts)
        forecast = frames_panel(inputs, example.frames, "forecast", look)
        tinted = tinted_panel(inputs, example.frames, example.gates, look)
        figures.append(
            animation(
                moving_picture([[*parts, forecast], [*gates, tinted]], clock, "webp", legend),
                contact_sheet([forecast, tinted, *parts, *gates], clock, legend),
                f"sequence {example.number}, {len(example.frames)} lead times: {', '.join(data.experts)} alone, their "
                "gates, and the forecast tinted by them",
                f"Sequence {example.number}.",
            )
        )
    words = (
        "Above, what each expert alone would show next, decoded from its features; below, how much it counts at each "
        "pixel, from black (not at all) to its colour (alone). The forecast at the right is tinted by the same weights."
    )
    return "\n".join([paragraph(words), *figures])


def errors(data: ReportData) -> str:
    """Return scores by lead time as charts, and all scores as tables."""
    evaluation = data.evaluation
    charts = [_score_chart(evaluation, name, title) for name, title in _headline(data).items()]
    words = f"{' and '.join(_titles(evaluation).values())} by lead time; the numbers are in the tables below"
    return "\n".join(
        [
            chart(draw_charts(charts, "scores"), words, "Mean over sequences, with its 95 % interval."),
            _score_table(evaluation),
            folded("what the scores are", _definitions(evaluation)),
            folded("all scores by lead time", _lead_time_table(evaluation)),
        ]
    )


def rain(data: ReportData) -> str:
    """Return how well rain above each threshold is foreseen, by lead time; nothing where there is none."""
    evaluation = data.evaluation
    if evaluation["unit"] != UNIT:
        return ""
    charts = [
        _score_chart(evaluation, f"{score}_{threshold:g}", f"{title} at {threshold:g} {UNIT}")
        for threshold in RAIN_THRESHOLDS
        for score, title in CONTINGENCY.items()
    ]
    words = (
        "Of the pixels at or above a threshold in the forecast, in the truth, or in either: CSI is the share of either "
        "that is both, POD the share of the truth that was forecast, FAR the share of the forecast that was false."
    )
    caption = "Over all pixels of the split; a line ends where there is no such rain."
    svg = draw_charts(charts, "rain")
    return "\n".join([paragraph(words), chart(svg, "CSI, POD and FAR by threshold and lead time", caption)])


def attribution(data: ReportData) -> str:
    """Return which expert the gates prefer where which property acts; nothing where the truth is not known."""
    found: Mapping[str, Any] | None = data.evaluation["attribution"]
    if not found:
        return ""
    words = (
        "Share of the pixels on which one property alone acts (as the store knows it, of the object in front) whose "
        f"largest weight is the right expert's. Chance gives {percent(1 / len(data.experts))}."
    )
    svg = draw_charts([attribution_chart(found, len(data.experts))], "shares", columns=2)
    leads = [f"+{lead + 1}" for lead in range(data.evaluation["horizon"])]
    shares = [
        [name, percent(entry["share"]), *(percent(share) for share in entry["per_lead_time"]), f"{entry['pixels']:,}"]
        for name, entry in found.items()
    ]
    return "\n".join(
        [
            paragraph(words),
            chart(svg, "share of pixels given to the right expert by lead time", "The numbers are in the table below."),
            table("Given to the right expert, by lead time", ["property", "all", *leads, "pixels"], shares),
            table("Who has the largest weight", ["property", *data.experts, TIE], _winner_rows(found, data.experts)),
        ]
    )


def motion(data: ReportData) -> str:
    """Return what kinematic experts estimate, as arrows and against the truth; nothing where there are none."""
    found: Mapping[str, Any] | None = data.evaluation["motion"]
    shown = [example for example in data.examples if example.motions]
    if not shown:
        return ""
    words = (
        "What each kinematic expert takes the motion at the newest input frame to be. An arrow is as long as things "
        f"move in {LENGTH} frames, and the paler the less sure the expert is of the place."
    )
    pictures = [
        picture(
            draw_motions(_look(data).brightness(example.inputs[-1]), example.motions, example.true_motion),
            f"sequence {example.number}: arrows of the motion that {', '.join(example.motions)} estimate",
            f"Sequence {example.number}.",
        )
        for example in shown
    ]
    rows = [
        [
            name,
            f"{entry['quantity']}, {entry['units']}",
            number(entry["error"]),
            number(entry["usual"]),
            f"{entry['objects']:,}",
        ]
        for name, entry in (found or {}).items()
    ]
    head = ["expert", "quantity", "error", "error if nothing moved", "objects"]
    caption = "Root mean square error of an object's estimate against the parameter table"
    return "\n".join([paragraph(words), *pictures, *([table(caption, head, rows)] if rows else [])])


def training(data: ReportData) -> str:
    """Return the curves of every phase, and what it took."""
    charts = loss_charts(data.log, tuple(data.training))
    rows = [
        [
            name,
            f"{phase.steps:,}" + ("" if phase.finished else ", not finished"),
            f"{phase.best_step:,}",
            number(phase.best),
            _duration(phase.seconds),
            _duration(phase.cpu_seconds),
        ]
        for name, phase in data.training.items()
    ]
    head = ["phase", "steps", "best step", "its validation error", "time", "CPU time"]
    drawn = []
    if charts:
        caption = (
            "A validation error is that of free-running forecasts: squared, summed over a frame, mean over frames."
        )
        drawn = [chart(draw_charts(charts, "losses", columns=4), "losses of every phase by step", caption)]
    return "\n".join([*drawn, table("What each phase took", head, rows)])


def run(data: ReportData) -> str:
    """Return how the run came to be: commands, seed, versions, sizes, times and configuration."""
    provenance = data.provenance
    commands = [f"{item['command']}    # {item['time']}" for item in provenance.get("commands", [])]
    versions = {**provenance.get("versions", {}), "machine": provenance.get("machine", MISSING)}
    total = sum(data.parameters.values())
    parameters = [[name, f"{count:,}"] for name, count in {**data.parameters, "all": total}.items()]
    evaluation = data.evaluation
    facts = {
        "seed": data.seed,
        "evaluated": f"{evaluation['split']} split of {evaluation['store']}",
        "its digest": evaluation["digest"],
        "training time": _duration(sum(phase.seconds for phase in data.training.values())),
    }
    return "\n".join(
        [
            "<h3>Commands</h3>",
            code("\n".join(commands) or "not recorded"),
            table("Facts", ["what", "value"], [[name, Cell(str(value), "text")] for name, value in facts.items()]),
            table(
                "Versions", ["of", "version"], [[name, Cell(str(value), "text")] for name, value in versions.items()]
            ),
            table("Parameters", ["part", "number"], parameters),
            folded("configuration", code(data.config)),
        ]
    )


def _headline(data: ReportData) -> Mapping[str, str]:
    return HEADLINE_OF_RAIN if data.evaluation["unit"] == UNIT else HEADLINE


def _look(data: ReportData) -> Look:
    return RAIN if data.evaluation["unit"] == UNIT else GREY


def _titles(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """Return what was scored, by its name in the evaluation."""
    return {model: TITLES[model] for model in TITLES if model in evaluation["scores"]}


def _score_chart(evaluation: Mapping[str, Any], name: str, title: str) -> Chart:
    lines = {words: evaluation["scores"][model][name] for model, words in _titles(evaluation).items()}
    lowest = 0.0 if name.split("_")[0] in CONTINGENCY else LOWEST.get(name)
    return score_chart(f"{title} ({evaluation['metrics'][name]['better']} is better)", lines, lowest)


def _clock(example: Example) -> Clock:
    return Clock(inputs=len(example.inputs), horizon=len(example.frames))


def _tile(title: str, name: str, scores: Mapping[str, Mapping[str, Any]]) -> str:
    model, persistence = scores[MODEL][name], scores[PERSISTENCE][name]
    beside = f"persistence {number(persistence['mean'])}"
    if name in ERRORS and model["mean"] is not None and persistence["mean"]:
        beside = f"{model['mean'] / persistence['mean']:.2f} of persistence's {number(persistence['mean'])}"
    lines = (number(model["mean"]), f"95 %: {interval(model['interval'])}", beside)
    return f"<div><dt>{escaped(title)}</dt>{''.join(f'<dd>{escaped(line)}</dd>' for line in lines)}</div>"


def _score_table(evaluation: Mapping[str, Any]) -> str:
    titles = _titles(evaluation)
    columns = (*(evaluation["scores"][model] for model in titles), evaluation["difference"])
    rows = [
        [name, metric["unit"], metric["better"], *(_with_interval(column[name]) for column in columns)]
        for name, metric in evaluation["metrics"].items()
    ]
    head = ["score", "unit", "better", *titles.values(), "forecast - persistence"]
    return table(
        "Mean over all lead times and sequences, and its 95 % interval; differences are taken in pairs", head, rows
    )


def _with_interval(entry: Mapping[str, Any]) -> str:
    return f"{number(entry['mean'])} ({interval(entry['interval'])})"


def _definitions(evaluation: Mapping[str, Any]) -> str:
    rows = [[name, Cell(metric["definition"], "text")] for name, metric in evaluation["metrics"].items()]
    return table("Definitions", ["score", "is"], rows)


def _lead_time_table(evaluation: Mapping[str, Any]) -> str:
    head = ["score", "", *(f"+{lead + 1}" for lead in range(evaluation["horizon"]))]
    rows = [
        [name, Cell(title, "text"), *map(number, evaluation["scores"][model][name]["per_lead_time"])]
        for name in evaluation["metrics"]
        for model, title in _titles(evaluation).items()
    ]
    return table("Scores by lead time", head, rows)


def _winner_rows(found: Mapping[str, Any], names: Sequence[str]) -> list[list[str | Cell]]:
    colours = {name: expert_colour(place) for place, name in enumerate(names)}
    return [
        [
            row,
            *(
                Cell(percent(share), "right" if name == row else "", colours.get(name), share or 0)
                for name, share in entry["winners"].items()
            ),
        ]
        for row, entry in found.items()
    ]


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f"{seconds:.3g} s"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
