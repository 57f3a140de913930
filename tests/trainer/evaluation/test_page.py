"""A page stands alone, says what its data say, and nothing in a name can break it."""

import base64
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from schemas.store import PROPERTY_BITS
from tests.trainer.evaluation.pages import Page
from trainer.evaluation.arrows import Motion
from trainer.evaluation.attribution import Attribution
from trainer.evaluation.markup import MISSING, interval, number, percent
from trainer.evaluation.page import page_of
from trainer.evaluation.report_data import Example, ReportData, Training
from trainer.evaluation.scores import Scores

EXPERTS = ("translation", "rotation", "intensity")
INPUTS, HORIZON, SIDE = 2, 3, 16
RNG = np.random.default_rng(6)


def example(number_: int) -> Example:
    weights = RNG.random((HORIZON, 3, SIDE, SIDE))
    return Example(
        number=number_,
        inputs=RNG.random((INPUTS, SIDE, SIDE)),
        truth=RNG.random((HORIZON, SIDE, SIDE)),
        frames=RNG.random((HORIZON, SIDE, SIDE)),
        gates=weights / weights.sum(1, keepdims=True),
        parts=RNG.random((HORIZON, 3, SIDE, SIDE)),
        motions={},
        true_motion=None,
    )


def evaluation() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    model, persistence = Scores(thresholds=(128.0,)), Scores(thresholds=(128.0,))
    truth = torch.rand(5, HORIZON, 1, SIDE, SIDE, generator=generator)
    model.update(truth + 0.1 * torch.randn(truth.shape, generator=generator), truth)
    persistence.update(truth.flip(0), truth)
    attribution = Attribution(EXPERTS, PROPERTY_BITS, HORIZON)
    log_weights = torch.randn(5, HORIZON, 3, SIDE, SIDE, generator=generator).log_softmax(2)
    attribution.update(log_weights, torch.randint(0, 4, (5, HORIZON, SIDE, SIDE), generator=generator))
    return {
        "phase": "joint",
        "step": 40,
        "store": "clips.zarr",
        "digest": "0" * 64,
        "split": "test",
        "sequences": 5,
        "input_frames": INPUTS,
        "horizon": HORIZON,
        "unit": "grey level",
        "metrics": {name: metric._asdict() for name, metric in model.metrics.items()},
        "scores": {"model": model.summary(0), "persistence": persistence.summary(0)},
        "difference": {name: model.paired(persistence, name, 0) for name in model.metrics},
        "attribution": attribution.summary(),
        "motion": None,
    }


@pytest.fixture(scope="module")
def data() -> ReportData:
    taken = Training(steps=50, best_step=40, best=8.25, seconds=175.6, cpu_seconds=7300, finished=True)
    return ReportData(
        title="stmoe-id on clips.zarr",
        evaluation=evaluation(),
        examples=[example(3), example(17)],
        experts=EXPERTS,
        training={"gates": taken, "joint": replace(taken, finished=False)},
        log=[{"phase": "joint", "step": step, "loss": 1 / step, "validation": 9.0} for step in range(10, 50, 10)],
        parameters={"expert rotation": 1200, "gates": 34},
        config="seed: 5\n",
        seed=5,
        provenance={
            "commands": [{"time": "2026-01-01", "command": "trainer fit --seed 5"}],
            "versions": {"torch": "2.13"},
        },
        created="2026-01-02T03:04:05+00:00",
    )


@pytest.fixture(scope="module")
def page(data: ReportData) -> Page:
    return Page(page_of(data))


def pictures_of(page: Page, kind: str) -> list[list[np.ndarray]]:
    found = []
    for source in page.attributes("src"):
        mime, _, content = source.partition(";base64,")
        if mime == f"data:image/{kind}":
            with Image.open(io.BytesIO(base64.b64decode(content))) as image:
                found.append([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])
    return found


def test_page_refers_to_nothing_outside_itself(page: Page) -> None:
    assert {source.partition(",")[0] for source in page.attributes("src")} == {
        "data:image/webp;base64",
        "data:image/png;base64",
    }
    references = [*page.attributes("href"), *page.attributes("xlink:href")]
    assert {reference[0] for reference in references if reference != "data:,"} == {"#"}
    assert not {"script", "iframe", "object", "form"} & {name for name, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style
    assert not re.search(r"url\(|@import", style[1])


def test_identifiers_are_unique_and_references_lead_to_them(page: Page) -> None:
    identifiers = page.attributes("id")
    assert len(set(identifiers)) == len(identifiers)
    wanted = {reference[1:] for reference in page.attributes("href") if reference.startswith("#")}
    assert wanted | set(page.attributes("aria-labelledby")) <= set(identifiers)
    assert {"forecasts", "experts", "errors", "attribution", "training", "run"} <= wanted


def test_every_picture_has_words_and_the_page_its_language_and_headings(page: Page) -> None:
    images = [attributes for name, attributes in page.elements if name == "img"]
    assert images
    assert all(image["alt"] for image in images)
    assert all(attributes.get("aria-label") for name, attributes in page.elements if name == "svg")
    assert page.elements[0] == ("html", {"lang": "en"})
    assert [name for name, _ in page.elements if name in ("h1", "h2")] == ["h1"] + ["h2"] * 6


def test_numbers_are_those_of_the_evaluation(data: ReportData, page: Page) -> None:
    (table,) = (rows for caption, rows in page.tables.items() if caption.startswith("Mean over all lead times"))
    found = {row[0]: row[3:] for row in table[1:]}
    assert list(found) == list(data.evaluation["metrics"])
    for name, cells in found.items():
        scores = data.evaluation["scores"]
        entries = (scores["model"][name], scores["persistence"][name], data.evaluation["difference"][name])
        assert cells == [f"{number(entry['mean'])} ({interval(entry['interval'])})" for entry in entries]
    leads = {(row[0], row[1]): row[2:] for row in page.tables["Scores by lead time"][1:]}
    for model, title in (("model", "forecast"), ("persistence", "persistence")):
        for name, entry in data.evaluation["scores"][model].items():
            assert leads[name, title] == [number(value) for value in entry["per_lead_time"]]


def test_ratio_to_persistence_is_in_the_summary(data: ReportData, page: Page) -> None:
    model, persistence = (data.evaluation["scores"][name]["mse_sum"]["mean"] for name in ("model", "persistence"))
    assert f"{model / persistence:.2f} of persistence's {number(persistence)}" in page.words


def test_attribution_has_shares_by_lead_time_and_winners(data: ReportData, page: Page) -> None:
    shares = {row[0]: row[1:] for row in page.tables["Given to the right expert, by lead time"][1:]}
    winners = {row[0]: row[1:] for row in page.tables["Who has the largest weight"][1:]}
    for name, entry in data.evaluation["attribution"].items():
        expected = [percent(entry["share"]), *map(percent, entry["per_lead_time"]), f"{entry['pixels']:,}"]
        assert shares[name] == expected
        assert winners[name] == [percent(share) for share in entry["winners"].values()]
    assert shares["intensity"] == [MISSING] * 4 + ["0"]


def test_run_is_described(page: Page) -> None:
    for said in ("trainer fit --seed 5", "seed: 5", "1,234", "2.13", "2 min 56 s", "2 h 1 min", "50, not finished"):
        assert said in page.words


def test_animations_have_all_frames_and_sheets_stand_beside(page: Page) -> None:
    animations, sheets = pictures_of(page, "webp"), pictures_of(page, "png")
    assert [len(frames) for frames in animations] == [INPUTS + HORIZON] * 2 + [HORIZON] * 2
    assert len(sheets) == len(animations)


def test_text_is_escaped_wherever_it_comes_from(data: ReportData) -> None:
    bad = "</title></style><script>alert('\"&')</script>"
    experts = (bad, "rotation", "intensity")
    found = {bad: data.evaluation["attribution"]["rotation"]}
    page = Page(
        page_of(
            replace(
                data,
                title=bad,
                examples=data.examples[:1],
                config=bad,
                created=bad,
                experts=experts,
                evaluation={**data.evaluation, "store": bad, "split": bad, "attribution": found},
                provenance={"commands": [{"time": bad, "command": bad}], "versions": {bad: bad}},
                parameters={bad: 1},
                training={bad: data.training["gates"]},
                log=[{"phase": bad, "step": 1, "loss": 1.0}],
            )
        )
    )
    assert not [name for name, _ in page.elements if name == "script"]
    assert page.words.count(bad) >= 10


def test_estimated_motion_is_drawn_beside_the_true_one_and_compared(data: ReportData, page: Page) -> None:
    assert "motion" not in page.attributes("id")
    field = np.full((2, SIDE, SIDE), 2, np.float32)
    motions = {"rotation": Motion(velocity=field, deviation=np.zeros((SIDE, SIDE), np.float32))}
    entry = {"quantity": "angular velocity", "units": "rad/frame", "objects": 12, "error": 0.0625, "usual": 0.25}
    examples = [replace(one, motions=motions, true_motion=field) for one in data.examples]
    found = {**data.evaluation, "motion": {"rotation": entry}}
    shown = Page(page_of(replace(data, examples=examples, evaluation=found)))
    assert "motion" in shown.attributes("id")
    assert all(text in shown.words for text in ("0.0625", "0.25", "angular velocity, rad/frame", "12"))
    (picture, _) = pictures_of(shown, "png")[-2:]
    yellow, blue = (240, 228, 66), (86, 180, 233)
    middle = picture[0].shape[1] // 2
    for colour, half in ((yellow, picture[0][:, :middle]), (blue, picture[0][:, middle:])):
        assert (np.abs(half.astype(int) - colour).sum(-1) < 30).sum() > 50


def test_single_network_and_real_data_have_no_sections_of_experts_and_attribution(data: ReportData) -> None:
    alone = replace(data, experts=("all",), evaluation={**data.evaluation, "attribution": None}, log=[], provenance={})
    page = Page(page_of(alone))
    assert not {"experts", "attribution"} & set(page.attributes("id"))
    assert len(pictures_of(page, "webp")) == len(data.examples)
    assert "not recorded" in page.words


def test_missing_scores_are_a_dash(data: ReportData) -> None:
    nothing = {"mean": None, "interval": None, "per_lead_time": [None] * 3, "per_lead_time_interval": [None] * 3}
    changed = {model: {**entries, "csi_128": nothing} for model, entries in data.evaluation["scores"].items()}
    page = Page(page_of(replace(data, evaluation={**data.evaluation, "scores": changed}, examples=data.examples[:1])))
    (table,) = (rows for caption, rows in page.tables.items() if caption.startswith("Mean over all lead times"))
    (row,) = (row for row in table if row[0] == "csi_128")
    assert row[3] == f"{MISSING} ({MISSING})"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, MISSING), (0, "0"), (0.123456, "0.1235"), (-3.5, "\N{MINUS SIGN}3.5"), (18152.4, "18,152"), (9999, "9999")],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text
