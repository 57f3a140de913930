"""The images that a spec names, found where the service has some: scikit-learn's digits."""

from datagen.rendering.sequence import Renderer
from datagen.service.problems import RefusedError
from datagen.storage.sprites import Stack, digits_if_named
from schemas.render import RenderSpec


def sprites_of(spec: RenderSpec) -> Stack | None:
    """
    Return the images that a spec names, or None if it names none.

    Raises
    ------
    RefusedError
        the service has not got them.
    """
    if spec.sprites is None:
        return None
    stack = digits_if_named(spec.sprites)
    if stack is None:
        raise RefusedError(
            422,
            f"sprites.sha256 is {spec.sprites.sha256[:12]}…, which the service has not got; give a spec without "
            "sprites, or one with the digits of the preset dynamic-mnist",
            field="sprites",
        )
    return stack


def renderer_of(spec: RenderSpec) -> Renderer:
    """Return a renderer of a spec; raises RefusedError where its sprites are not to be had."""
    return Renderer(spec, sprites_of(spec))
