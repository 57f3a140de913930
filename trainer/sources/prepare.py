"""From files to a store: clips are decoded side by side into a folder of work, then their windows are written."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schemas.errors import InputError
from schemas.model import digest
from schemas.real_store import VALID, VALID_TIME, Contents, RealStoreAttributes
from schemas.recipe import Recipe, SplitBy
from schemas.render import SCHEMA_VERSION
from schemas.store import SPLIT_VALUES
from trainer.machine import version_of
from trainer.sources.clips import Clip
from trainer.sources.decoding import Decoded, decode, frames_of, read_decoded
from trainer.sources.found import found
from trainer.sources.place import (
    clip_folder,
    files_digest,
    locked,
    one_line_for_the_disk,
    refuse_other,
    remove,
    remove_work,
    work_folder,
)
from trainer.sources.splitting import Division, Segment, divide
from trainer.sources.windows import Window
from trainer.sources.writing import Writer, empty_rows, stored_attributes


class Progress(NamedTuple):
    """How far a preparation is: so many of so many clips decoded, or of so many sequences written."""

    doing: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a store holds, and what it does not."""

    path: Path
    sequences: Mapping[str, int]
    """By split."""
    sources: int
    """Clips that have sequences."""
    by: SplitBy | None
    """How they came into splits; None where the store was there already."""
    too_short: int
    """Runs of frames that hold no whole sequence."""
    skipped: Sequence[str]
    """What could not be read, and why."""


def prepare(
    source: Path,
    recipe: Recipe,
    out: Path,
    *,
    workers: int,
    overwrite: bool = False,
    show: Callable[[Progress], None] = lambda _progress: None,
) -> Report:
    """
    Make a store of the sequences in a folder's files, or go on with one that was begun.

    An interrupt or a kill does no harm: what is decoded and written stays, and the same call goes on with the rest.
    Every array object of the store depends on the recipe and the files alone.

    Parameters
    ----------
    source : folder or file
    recipe : how files become sequences
    out : local path of the store; beside it lies `out`.work until it is complete
    workers : processes that decode, >= 1
    overwrite : whether to delete what lies there
    show : is called after every clip and every unit

    Raises
    ------
    InputError
        the files are not as the recipe has it, hold no sequence, or cannot be read; something else lies at `out`; or
        it cannot be written.
    LockedStoreError
        another process prepares this store.
    """
    with one_line_for_the_disk(out), locked(out):
        clips = found(source, recipe)
        files = files_digest(clips)
        if overwrite:
            remove(out)
        attributes = stored_attributes(out)
        refuse_other(out, attributes, recipe, files)
        if attributes is not None and attributes["complete"]:
            remove_work(out)  # where a kill came between the store and its end
            return _report_of(out, attributes)
        work = work_folder(out, recipe, files)
        decoded = _decode_all(clips, recipe, work, workers, show)
        division = divide(_segments(clips, decoded), recipe)
        return _write(out, _Job(clips, decoded, division, recipe, work), files, show)


class _Job(NamedTuple):
    """All that is known once everything is decoded."""

    clips: Sequence[Clip]
    decoded: Sequence[Decoded]
    division: Division
    recipe: Recipe
    work: Path


def _decode_all(
    clips: Sequence[Clip], recipe: Recipe, work: Path, workers: int, show: Callable[[Progress], None]
) -> list[Decoded]:
    decoded: dict[int, Decoded] = {}
    missing = []
    for number in range(len(clips)):
        if clip_folder(work, number).exists():
            decoded[number] = read_decoded(clip_folder(work, number))
        else:
            missing.append(number)
    for number, result in _side_by_side(clips, missing, recipe, work, workers):
        decoded[number] = result
        show(Progress("clips decoded", len(decoded), len(clips)))
    return [decoded[number] for number in range(len(clips))]


def _side_by_side(
    clips: Sequence[Clip], missing: Sequence[int], recipe: Recipe, work: Path, workers: int
) -> Iterator[tuple[int, Decoded]]:
    if min(workers, len(missing)) < 2:
        for number in missing:
            yield number, decode(clips[number], recipe, clip_folder(work, number))
        return
    pool = ProcessPoolExecutor(min(workers, len(missing)), multiprocessing.get_context("spawn"))
    try:
        running = {pool.submit(decode, clips[number], recipe, clip_folder(work, number)): number for number in missing}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool:
        raise InputError(
            "a process that decodes was killed, maybe for want of memory; give fewer --workers, what is decoded is kept"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _segments(clips: Sequence[Clip], decoded: Sequence[Decoded]) -> list[Segment]:
    segments = []
    for number, (clip, known) in enumerate(zip(clips, decoded, strict=True)):
        for run in known.runs:
            part = f"{clip.name}:{run[0]}" if clip.apart else clip.source or clip.name
            segments.append(Segment(clip=number, run=run, source=part, split=clip.split))
    problems = [problem for known in decoded for problem in known.problems]
    if problems and not segments:
        more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise InputError(f"nothing could be read: {problems[0]}{more}")
    return segments


def _write(out: Path, job: _Job, files: str, show: Callable[[Progress], None]) -> Report:
    windows = job.division.windows
    used = sorted({window.clip for window in windows})
    places = {clip: place for place, clip in enumerate(used)}
    splits = {
        split: [job.clips[clip].name for clip in sorted({w.clip for w in windows if w.split == split})]
        for split in SPLIT_VALUES
    }
    attributes = RealStoreAttributes(
        schema_version=SCHEMA_VERSION,
        recipe=job.recipe.model_dump(mode="json"),
        digest=digest(job.recipe),
        files_digest=files,
        n=len(windows),
        sources=[job.clips[clip].name for clip in used],
        splits=splits,
        scaling=job.recipe.rain,
        skipped=[problem for known in job.decoded for problem in known.problems],
        package_version=version_of(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        produced_by="trainer prepare",
        complete=False,
    )
    contents = _contents(job, used)
    writer = Writer(out, attributes, job.recipe, contents)
    writer.begin()
    for start, stop in writer.missing():
        writer.write(start, _rows(job, windows[start:stop], places, contents))
        show(Progress("sequences written", stop, len(windows)))
    writer.complete()
    remove_work(out)
    return _report(out, job, attributes)


def _contents(job: _Job, used: Sequence[int]) -> Contents:
    """Return which arrays the clips that are used fill."""
    decoded = [job.decoded[clip] for clip in used]
    return Contents(
        dtype="uint8" if all(known.dtype == "uint8" for known in decoded) else "float32",
        timed=any(job.clips[clip].epoch is not None for clip in used),
        masked=any(known.masked for known in decoded),
    )


def _rows(job: _Job, windows: Sequence[Window], places: Mapping[int, int], contents: Contents) -> dict[str, Any]:
    """Return the arrays of some sequences."""
    rows = empty_rows(job.recipe, contents, len(windows))
    mapped: dict[int, Any] = {}
    for row, (clip, start, split) in enumerate(windows):
        known = job.decoded[clip]
        if clip not in mapped:
            mapped[clip] = frames_of(clip_folder(job.work, clip), known, job.recipe)
        frames = mapped[clip][start : start + job.recipe.frames]
        frames = frames if frames.dtype == contents.dtype else frames / np.float32(255)
        rows["frames"][row] = np.nan_to_num(frames) if known.masked else frames
        rows["split"][row] = SPLIT_VALUES[split]
        rows["source_file"][row] = places[clip]
        rows["first_frame"][row] = known.kept[start]
        rows["cadence"][row] = np.nan if known.cadence is None else known.cadence
        if contents.masked:
            rows[VALID][row] = ~np.isnan(frames)
        if contents.timed:
            rows[VALID_TIME][row] = _times(job.clips[clip], known.kept[start : start + job.recipe.frames])
    return rows


def _times(clip: Clip, pictures: Sequence[int]) -> list[float]:
    """Return when each of some pictures was taken, s since 1970; NaN where it is unknown."""
    if clip.epoch is None:
        return [np.nan] * len(pictures)
    return [clip.epoch + clip.stamps[picture] for picture in pictures]


def _report(out: Path, job: _Job, attributes: RealStoreAttributes) -> Report:
    return Report(
        path=out,
        sequences={split: sum(w.split == split for w in job.division.windows) for split in SPLIT_VALUES},
        sources=len(attributes.sources),
        by=job.division.by,
        too_short=job.division.too_short,
        skipped=attributes.skipped,
    )


def _report_of(out: Path, attributes: Mapping[str, Any]) -> Report:
    """Return what is known of a store that was complete before."""
    from trainer.data.stores import open_store

    column = open_store(out)["split"].rows(0, attributes["n"])
    return Report(
        path=out,
        sequences={split: int((column == value).sum()) for split, value in SPLIT_VALUES.items()},
        sources=len(attributes["sources"]),
        by=None,
        too_short=0,
        skipped=attributes["skipped"],
    )
