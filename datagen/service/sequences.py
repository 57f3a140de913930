"""Sequences in the same request: arrays for programs, pictures for eyes, parameters alone."""

import io
import json
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray

from datagen.overrides import Overrides, parsed_mix
from datagen.presets import PresetName
from datagen.rendering.sequence import Renderer
from datagen.request import Request as Asked
from datagen.request import resolve
from datagen.service.pool import go_on_unless
from datagen.service.problems import RefusedError, problems
from datagen.service.sprites import renderer_of
from datagen.service.state import charge, state_of
from datagen.views.preview import OVERLAYS, PictureFormat, encode_preview
from schemas.render import MAX_SEQUENCES, PropertyKind, RenderSpec, TruthArray
from schemas.service import Overlay, SequencesRequest

Array = NDArray[Any]
Kind = Literal["npz", "npy", "gif", "webp", "png", "json"]

MEDIA_TYPES: Final[dict[str, Kind]] = {
    "application/x-npz": "npz",
    "application/x-npy": "npy",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/png": "png",
    "application/json": "json",
}
"""What a client may accept; the first is sent to one that does not mind."""
PICTURES: Final = frozenset(get_args(PictureFormat))
_PICTURE_TYPES = ", ".join(name for name, kind in MEDIA_TYPES.items() if kind in PICTURES)
_OF_KIND = {kind: media_type for media_type, kind in MEDIA_TYPES.items()}

router = APIRouter(tags=["sequences"])


@router.post(
    "/v1/sequences",
    response_class=Response,
    responses={
        200: {"content": {name: {} for name in MEDIA_TYPES}, "description": "the sequences"},
        **problems(406, 413, 422, 429),
    },
)
async def post_sequences(request: Request, body: Annotated[SequencesRequest, Body()]) -> Response:
    """
    Render some sequences of a spec and send them: arrays, a picture, or the parameters alone, as `Accept` says.

    An .npz has every array of a store by its name, sequences first; an .npy the frames as (time, sequence, y, x), the
    order of Moving MNIST.
    """
    kind = accepted(request.headers.get("accept", "*/*"))
    if body.start + body.count > MAX_SEQUENCES:
        raise RefusedError(422, f"start + count is {body.start + body.count}; give less than 2**63", field="count")
    if body.overlay and kind not in PICTURES:
        raise RefusedError(422, f"overlay is for pictures alone; accept one of {_PICTURE_TYPES}", field="overlay")
    renderer = await run_in_threadpool(_renderer, body.spec, body.overlay)  # the first may load digits, for seconds
    names = (*_names(renderer, kind), *body.overlay)
    _require_size(request, renderer, names, body.count)
    charge(request, body.count)
    data = await state_of(request).pool.run(
        request, lambda stop: encoded(kind, _rendered(renderer, names, body.start, body.count, stop))
    )
    return Response(data, media_type=_OF_KIND[kind], headers={"Cache-Control": "private, max-age=3600"})


@router.get(
    "/v1/preview.{kind}",
    response_class=Response,
    responses={200: {"content": {f"image/{kind}": {} for kind in ("gif", "webp", "png")}}, **problems(413, 422, 429)},
)
async def get_preview(  # the options of `datagen preview`, with underscores
    request: Request,
    kind: PictureFormat,
    property: PropertyKind | None = None,  # noqa: A002
    preset: PresetName | None = None,
    frames: int | None = None,
    size: int | None = None,
    height: int | None = None,
    width: int | None = None,
    noise_ratio: float | None = None,
    noise_mix: Annotated[str | None, Query(examples=["gaussian=1,perlin=2"], max_length=200)] = None,
    seed: int | None = None,
    start: Annotated[int, Query(ge=0, lt=MAX_SEQUENCES)] = 0,
    count: Annotated[int, Query(ge=1, le=64)] = 1,
    overlay: Annotated[list[Overlay], Query(max_length=len(OVERLAYS))] = [],  # noqa: B006
    scale: Annotated[int | None, Query(ge=1, le=16)] = None,
    duration: Annotated[int, Query(ge=20, le=60_000)] = 100,
) -> Response:
    """Draw some sequences, for an <img>: the options of `datagen preview`, with underscores."""
    overrides = Overrides(
        property=property,
        frames=frames,
        size=size,
        height=height,
        width=width,
        noise_ratio=noise_ratio,
        noise_mix=None if noise_mix is None else parsed_mix(noise_mix),
        seed=seed,
    )
    if property is None and preset is None:
        raise RefusedError(422, "property is missing; give e.g. rotation, or a preset", field="property")
    asked = await run_in_threadpool(resolve, Asked(overrides=overrides, preset=preset))
    renderer = await run_in_threadpool(_renderer, asked.spec, overlay)
    names = ("frames", *overlay)
    _require_size(request, renderer, names, count)
    charge(request, count)

    def drawn(stop: threading.Event) -> bytes:
        return _drawn(kind, _rendered(renderer, names, start, count, stop), scale=scale, duration=duration)

    data = await state_of(request).pool.run(request, drawn)
    return Response(data, media_type=f"image/{kind}", headers={"Cache-Control": "private, max-age=3600"})


def accepted(header: str) -> Kind:
    """
    Return the kind of reply that an Accept header likes best.

    Raises
    ------
    RefusedError
        none can be sent (406).
    """
    best: tuple[float, int, Kind] | None = None
    for part in header.split(","):
        media_type, *parameters = (word.strip() for word in part.lower().split(";"))
        weight = _weight(parameters)
        for place, (name, kind) in enumerate(MEDIA_TYPES.items()):
            if weight > 0 and media_type in (name, f"{name.partition('/')[0]}/*", "*/*"):
                candidate = (weight, -place, kind)
                best = candidate if best is None or candidate[:2] > best[:2] else best
    if best is None:
        raise RefusedError(
            406, f"none of the types that are accepted can be sent; accept one of {', '.join(MEDIA_TYPES)}"
        )
    return best[2]


def encoded(kind: Kind, arrays: Mapping[str, Array]) -> bytes:
    """Return rendered arrays, each (sequence, ...), as the bytes of a file."""
    match kind:
        case "npz":
            file = io.BytesIO()
            np.savez(file, allow_pickle=False, **arrays)
            return file.getvalue()
        case "npy":
            file = io.BytesIO()
            np.save(file, np.ascontiguousarray(arrays["frames"].swapaxes(0, 1)))
            return file.getvalue()
        case "json":
            return json.dumps({name: array.tolist() for name, array in arrays.items()}, allow_nan=False).encode()
        case "gif" | "webp" | "png":
            return _drawn(kind, arrays)


def _drawn(kind: PictureFormat, arrays: Mapping[str, Array], **how: Any) -> bytes:
    """Return the picture of frames, with what else there is drawn over them."""
    return encode_preview(arrays["frames"], kind, flow=arrays.get("flow"), mask=arrays.get("mask"), **how)


def _renderer(spec: RenderSpec, overlays: Sequence[Overlay]) -> Renderer:
    """Return a renderer of a spec that knows what is to be drawn over it: more truth changes no frame."""
    truth = tuple(name for name in get_args(TruthArray) if name in (*spec.truth, *overlays))
    return renderer_of(spec.model_copy(update={"truth": truth}))


def _names(renderer: Renderer, kind: Kind) -> tuple[str, ...]:
    """Return the arrays that a kind of reply is made of."""
    match kind:
        case "npz":
            return tuple(renderer.layouts)
        case "json":
            return tuple(name for name, layout in renderer.layouts.items() if "time" not in layout.dimensions)
        case _:
            return ("frames",)


def _require_size(request: Request, renderer: Renderer, names: tuple[str, ...], count: int) -> None:
    size = count * sum(renderer.layouts[name].sequence_bytes for name in names)
    most = state_of(request).settings.reply_bytes
    if size > most:
        each = size // count
        raise RefusedError(
            413,
            f"count is {count}, with {each:,} bytes a sequence; give at most {most // each}, or render a store",
            field="count",
        )


def _rendered(
    renderer: Renderer, names: tuple[str, ...], start: int, count: int, stop: threading.Event
) -> dict[str, Array]:
    """Render arrays, sequence by sequence, so that work ends soon when nobody waits for it."""
    outputs = {name: np.empty((count, *renderer.layouts[name].shape), renderer.layouts[name].dtype) for name in names}
    renderer.render_each(start, outputs, partial(go_on_unless, stop))
    return outputs


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
