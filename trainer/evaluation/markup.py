"""The few kinds of HTML that a page consists of; every text is escaped here."""

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

MISSING = "\N{EN DASH}"
"""Stands where there is no number."""
MANY = 10_000
"""From here on a number has no digits behind the point."""


class Cell(NamedTuple):
    """A cell of a table that is more than a number."""

    text: str
    kind: Literal["", "text", "right"] = ""
    """Class of the style sheet: words, or a number that stands out."""
    colour: tuple[int, int, int] | None = None
    """Behind the text, as strong as `share`."""
    share: float = 0
    """0 to 1"""


def escaped(text: object) -> str:
    """Return a text as it may stand in an element or an attribute."""
    return html.escape(str(text))


def number(value: float | None) -> str:
    """Return a number with four digits, or all before the point."""
    if value is None:
        return MISSING
    text = f"{value:,.0f}" if abs(value) >= MANY else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}", 1)


def interval(ends: Sequence[float] | None) -> str:
    """Return the ends of an interval."""
    return MISSING if ends is None else f"{number(ends[0])} to {number(ends[1])}"


def percent(share: float | None) -> str:
    """Return a share as a whole number of hundredths."""
    return MISSING if share is None else f"{share:.0%}"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escaped(text)}</p>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> str:
    """Return a table; the first cell of each row is its name."""
    heads = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    body = "\n".join(f"<tr>{_row(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(caption)}"><table>\n'
        f"<caption>{escaped(caption)}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def animation(moving: bytes, still: bytes, words: str, caption: str) -> str:
    """
    Return a figure of an animation (WebP), with all its frames side by side (PNG) to open below.

    Where a reader's system asks for less motion, the animation is not shown.

    Parameters
    ----------
    moving, still : files
    words : what there is to see, for those who cannot
    caption : below it
    """
    return (
        "<figure>\n"
        f'<img class="moves" src="{_data_uri(moving, "image/webp")}" alt="Animation: {escaped(words)}">\n'
        '<p class="still">This figure moves; your system asks for less motion. All its frames are below.</p>\n'
        f"<figcaption>{escaped(caption)}</figcaption>\n"
        "<details><summary>all frames side by side</summary>\n"
        f'<img src="{_data_uri(still, "image/png")}" alt="Frame by frame: {escaped(words)}">\n</details>\n'
        "</figure>"
    )


def picture(still: bytes, words: str, caption: str) -> str:
    """Return a figure of a PNG with a description for those who cannot see it."""
    image = f'<img src="{_data_uri(still, "image/png")}" alt="{escaped(words)}">'
    return f"<figure>\n{image}\n<figcaption>{escaped(caption)}</figcaption>\n</figure>"


def chart(svg: str, words: str, caption: str) -> str:
    """Return a figure of an SVG element with a description for those who cannot see it."""
    named = svg.replace("<svg", f'<svg role="img" aria-label="{escaped(words)}"', 1)
    return f"<figure>\n{named}\n<figcaption>{escaped(caption)}</figcaption>\n</figure>"


def folded(summary: str, body: str) -> str:
    """Return HTML that shows when a reader opens it."""
    return f"<details><summary>{escaped(summary)}</summary>\n{body}\n</details>"


def code(text: str) -> str:
    """Return text as it would be typed."""
    return f"<pre><code>{escaped(text)}</code></pre>"


def _row(cells: Sequence[str | Cell]) -> str:
    name, *values = cells
    first = name.text if isinstance(name, Cell) else name
    return f'<th scope="row">{escaped(first)}</th>' + "".join(_cell(value) for value in values)


def _cell(value: str | Cell) -> str:
    if isinstance(value, str):
        return f"<td>{escaped(value)}</td>"
    kind = f' class="{value.kind}"' if value.kind else ""
    colour = ""
    if value.colour:
        red, green, blue = value.colour
        colour = f' style="background: rgb({red} {green} {blue} / {value.share * 0.6:.2f})"'
    return f"<td{kind}{colour}>{escaped(value.text)}</td>"


def _data_uri(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
