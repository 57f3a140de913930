"""Sequences in the same request are those of the renderer, in the form that the client likes best."""

import asyncio
import io
from contextlib import suppress
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from datagen import render_sequences
from datagen.overrides import Overrides
from datagen.request import Request, resolve
from datagen.service import sprites
from datagen.service.problems import RefusedError
from datagen.service.sequences import accepted
from schemas.render import RenderSpec
from tests.service.running import SMALL

SPEC = RenderSpec.parse({**SMALL, "truth": ["clean", "flow", "mask", "property_mask"]})


def posted(client: httpx2.Client, accept: str | None = None, **fields: Any) -> httpx2.Response:
    body = {"spec": SPEC.model_dump(mode="json"), "start": 5, "count": 3, **fields}
    return client.post("/v1/sequences", json=body, headers={} if accept is None else {"Accept": accept})


def test_an_npz_has_every_array_of_the_renderer(client: httpx2.Client) -> None:
    reply = posted(client)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-npz")
    expected = render_sequences(SPEC, 5, 3)
    with np.load(io.BytesIO(reply.content)) as arrays:
        assert np.array_equal(arrays["frames"], expected.frames)
        assert np.array_equal(arrays["flow"], expected.flow)
        for name, column in expected.parameters.items():
            assert np.array_equal(arrays[name], column), name


def test_an_npy_has_the_axes_of_moving_mnist(client: httpx2.Client) -> None:
    reply = posted(client, "application/x-npy")
    frames = np.load(io.BytesIO(reply.content))
    assert np.array_equal(frames, render_sequences(SPEC, 5, 3).frames.swapaxes(0, 1))


def test_json_has_the_parameters_alone(client: httpx2.Client) -> None:
    found = posted(client, "application/json").json()
    expected = render_sequences(SPEC, 5, 3).parameters
    assert found.keys() == expected.keys()
    assert np.array_equal(found["velocity"], expected["velocity"])


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_pictures_are_pictures(client: httpx2.Client, kind: str) -> None:
    reply = posted(client, f"image/{kind}")
    with Image.open(io.BytesIO(reply.content)) as image:
        assert image.format == kind.upper()
        assert len(list(ImageSequence.Iterator(image))) == (1 if kind == "png" else 3)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("*/*", "npz"),
        ("image/*", "gif"),
        ("image/png, application/x-npy;q=0.9", "png"),
        ("image/png;q=0.5, application/x-npy;q=0.9", "npy"),
        ("text/html, application/json", "json"),
        ("application/x-npz;q=0, */*;q=0.1", "npz"),
    ],
)
def test_the_client_chooses(header: str, kind: str) -> None:
    assert accepted(header) == kind


@pytest.mark.parametrize("header", ["text/html", "image/png;q=0", "image/png;q=none", ""])
def test_nothing_that_is_accepted_can_be_sent(header: str) -> None:
    with pytest.raises(RefusedError) as refused:
        accepted(header)
    assert refused.value.status == 406


@pytest.mark.parametrize(
    ("changed", "status", "field", "words"),
    [
        ({"count": 0}, 422, "count", "count is 0; give a whole number from 1"),
        ({"count": 2**19}, 413, "count", "give at most"),
        ({"start": 2**63 - 1}, 422, "count", "start + count is"),
        ({"start": -1}, 422, "start", "start is -1"),
        ({"counts": 1}, 422, None, "counts"),
        ({"spec": {"property": "rotation", "noise": {"ratio": -1}}}, 422, "spec.noise.ratio", "0.26"),
        ({"spec": {"property": "spin"}}, 422, "spec.property.kind", "spin"),
        ({"spec": {"property": "rotation", "frames": 5000}}, 422, "spec.frames", "5000"),
    ],
)
def test_bad_input_is_a_problem_with_its_field(
    client: httpx2.Client, changed: dict[str, Any], status: int, field: str | None, words: str
) -> None:
    reply = posted(client, **changed)
    problem = reply.json()
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert words in problem["detail"]
    assert problem["status"] == status
    if field is not None:
        assert problem["field"] == field
    assert problem["request_id"] == reply.headers["x-request-id"]


def test_a_body_that_is_no_json_is_a_problem(client: httpx2.Client) -> None:
    reply = client.post("/v1/sequences", content=b"{", headers={"Content-Type": "application/json"})
    assert reply.status_code == 422
    assert reply.json()["detail"] == "the body is no JSON; give an object"


def test_sprites_that_the_service_has_not_are_a_problem(client: httpx2.Client) -> None:
    sprites = {"count": 10, "height": 8, "width": 8, "sha256": "0" * 64}
    spec = {**SMALL, "objects": {"kinds": ["sprite"]}, "sprites": sprites}
    reply = posted(client, spec=spec)
    assert (reply.status_code, reply.json()["field"]) == (422, "sprites")


def test_a_preview_is_that_of_the_command_line_options(client: httpx2.Client) -> None:
    query = {"property": "rotation", "size": 32, "frames": 4, "seed": 3, "noise_mix": "white=1", "noise_ratio": 0.3}
    one, other = (client.get("/v1/preview.png", params={**query, "scale": 1, "start": start}) for start in (0, 1))
    assert one.status_code == 200
    assert one.content != other.content
    fields = {"ratio": 0.3, "gaussian": 0, "white": 1, "perlin": 0}
    spec = RenderSpec.parse(
        {"property": "rotation", "height": 32, "width": 32, "frames": 4, "seed": 3, "noise": fields}
    )
    with Image.open(io.BytesIO(one.content)) as image:
        assert np.array_equal(np.asarray(image)[:32, :32], render_sequences(spec, 0, 1).frames[0, 0])


def test_overlays_are_drawn_and_a_preset_has_digits(client: httpx2.Client) -> None:
    plain = client.get("/v1/preview.gif", params={"preset": "dynamic-mnist", "size": 32})
    drawn = client.get("/v1/preview.gif", params={"preset": "dynamic-mnist", "size": 32, "overlay": ["flow", "mask"]})
    assert (plain.status_code, drawn.status_code) == (200, 200)
    assert plain.content != drawn.content


@pytest.mark.parametrize("overlay", [["flow"], ["mask"], ["mask", "flow"]])
def test_a_picture_of_any_spec_can_have_overlays(client: httpx2.Client, overlay: list[str]) -> None:
    query = {"property": "rotation", "size": 32, "frames": 4, "noise_ratio": 0.3, "count": 2, "overlay": overlay}
    fields = {"property": "rotation", "height": 32, "width": 32, "frames": 4, "noise": {"ratio": 0.3}}
    plain = posted(client, "image/webp", spec=fields, start=0, count=2)
    drawn = posted(client, "image/webp", spec=fields, start=0, count=2, overlay=overlay)
    assert drawn.status_code == 200
    assert drawn.content == client.get("/v1/preview.webp", params=query).content != plain.content


@pytest.mark.parametrize("kind", ["application/x-npz", "application/x-npy", "application/json"])
def test_overlays_are_for_pictures_alone(client: httpx2.Client, kind: str) -> None:
    reply = posted(client, kind, overlay=["flow"])
    assert (reply.status_code, reply.json()["field"]) == (422, "overlay")
    assert "image/webp" in reply.json()["detail"]
    assert posted(client, "image/png", overlay=["depth"]).json()["field"] == "overlay[0]"


def test_digits_are_not_loaded_where_others_wait(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = resolve(Request(overrides=Overrides(size=32), preset="dynamic-mnist")).spec
    found, loops = sprites.digits_if_named, []

    def watched(named: Any) -> Any:
        with suppress(RuntimeError):  # there is none here
            loops.append(asyncio.get_running_loop())
        return found(named)

    monkeypatch.setattr(sprites, "digits_if_named", watched)
    assert posted(client, "image/png", spec=spec.model_dump(mode="json")).status_code == 200
    assert client.get("/v1/preview.png", params={"preset": "dynamic-mnist", "size": 32}).status_code == 200
    assert loops == []


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({}, "property", "property is missing"),
        ({"property": "rotation", "frames": "many"}, "frames", "frames is many"),
        ({"property": "rotation", "count": 65}, "count", "count is 65"),
        ({"property": "rotation", "noise_mix": "pink=1"}, None, "is no mixture"),
        ({"property": "rotation", "overlay": "depth"}, "overlay.0", "depth"),
    ],
)
def test_a_preview_that_cannot_be_is_a_problem(
    client: httpx2.Client, query: dict[str, Any], field: str | None, words: str
) -> None:
    reply = client.get("/v1/preview.gif", params=query)
    assert reply.status_code == 422
    assert words in reply.json()["detail"]
    if field:
        assert reply.json()["field"] == field
