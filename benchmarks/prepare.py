"""`trainer prepare` against the bare decoding and resizing of the same files, and its memory as a source grows."""

import gzip
import statistics
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from commands import own_peak_bytes, run
from timing import Row, arguments, interleaved, report, scratch_directory, spread

from schemas.recipe import Recipe
from trainer.sources.prepare import prepare
from trainer.sources.radar import fmi

TRAINER = Path(sys.executable).with_name("trainer")
SIDE = 128
CLIPS, LENGTH = 4, 400
MAPS = 48
VIDEO_LIMIT, RADAR_LIMIT = 0.8, 0.5
"""From a half on, decoding takes most of the time."""
BARE = {"video": "decoding and resizing by PyAV", "radar": "decoding"}
MEMORY_LIMIT = 500
"""MB."""
LONG = 8


def main() -> None:
    """Print the share of the bare decoding's speed that is left, and the peaks of a short and of a long video."""
    options = arguments(__doc__ or "", scratch=True, rounds=5)
    with scratch_directory(options.scratch) as folder:
        memory = memory_row(folder)  # first: a child's peak is seen above this process's own
        videos, radar = write_videos(folder / "videos"), write_radar(folder / "radar")
        tasks: dict[str, Callable[[int], object]] = {
            "bare video": lambda _number: [sum(1 for _ in bare_frames(file)) for file in videos],
            "video": preparing("video", folder / "videos", folder / "video.zarr"),
            "bare radar": lambda _number: [fmi.read(file) for file in radar],
            "radar": preparing("radar", folder / "radar", folder / "radar.zarr"),
        }
        seconds = interleaved(tasks, options.rounds)
        rows = [
            speed_row(
                seconds, "video", "bare video", VIDEO_LIMIT, f"{CLIPS} clips of {LENGTH} frames of 360x640, MPEG-4"
            ),
            speed_row(seconds, "radar", "bare radar", RADAR_LIMIT, f"{MAPS} maps of FMI, 1226x760"),
            memory,
        ]
    report(rows, options)


def speed_row(seconds: dict[str, list[float]], name: str, bare: str, limit: float, what: str) -> Row:
    """Compare the speed of one worker with that of the bare task."""
    ratios = [below / above for below, above in zip(seconds[bare], seconds[name], strict=True)]
    means = {task: statistics.median(seconds[task]) for task in (name, bare)}
    return Row(
        benchmark=f"prepare {name}: speed, store included / of bare {BARE[name]}",
        measured=statistics.median(ratios),
        limit=limit,
        at_least=True,
        detail=f"{means[bare]:.2f} s / {means[name]:.2f} s, one worker, quartiles {spread(ratios)}; {what}",
    )


def memory_row(folder: Path) -> Row:
    """Prepare a short and a long video of large frames, each in a process of its own."""
    peaks = []
    for times in (1, LONG):
        file = write_video(folder / f"long{times}" / "a.avi", 100 * times, 720, 1280, seed=1)
        out = folder / f"long{times}.zarr"
        finished = run(TRAINER, "prepare", "video", file.parent, "--out", out, "--workers", 1)
        peaks.append(finished.peak_bytes / 1e6)
    return Row(
        benchmark=f"prepare video: peak memory, {100 * LONG} frames of 720x1280",
        measured=peaks[-1],
        unit="MB",
        limit=MEMORY_LIMIT,
        detail=f"{peaks[0]:.0f} MB for 100; nothing below {own_peak_bytes() / 1e6:.0f} MB could be seen",
    )


def preparing(kind: str, source: Path, out: Path) -> Callable[[int], object]:
    """Return a task that prepares a store anew with one worker in this process."""
    recipe = Recipe.parse({"kind": kind, "height": SIDE, "width": SIDE, "frames": 4, "split_by": "time"})
    return lambda _number: prepare(source, recipe, out, workers=1, overwrite=True)


def bare_frames(file: Path) -> Iterator[object]:
    """Decode a video and let FFmpeg crop nothing, but average areas and convert to grey."""
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            yield frame.reformat(width=SIDE, height=SIDE, format="gray", interpolation="AREA").to_ndarray()


def write_videos(folder: Path) -> list[Path]:
    """Write some clips of a texture that moves."""
    return [write_video(folder / f"{number}.avi", LENGTH, 360, 640, seed=number) for number in range(CLIPS)]


def write_video(file: Path, length: int, height: int, width: int, seed: int) -> Path:
    """Write a smooth texture that moves by a few px a frame, with some grain, as MPEG-4."""
    file.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 200, (height // 20 + 1, width // 20 + 1)).astype(np.uint8)
    texture = coarse.repeat(20, 0).repeat(20, 1)[:height, :width]
    grain = generator.integers(0, 30, (8, height, width)).astype(np.uint8)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = height, width, "yuv420p", 2_000_000
        for number in range(length):
            picture = np.roll(texture, 3 * number, 1) + grain[number % 8]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    return file


def write_radar(folder: Path) -> list[Path]:
    """Write maps of the size of FMI's, a quarter of them without data, with rain in a tenth."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    files: list[Path] = []
    for number in range(MAPS):
        levels = np.where(generator.random((1226, 760)) < 0.1, generator.integers(64, 140, (1226, 760)), 0)
        levels[:, :190] = 255
        time = f"{datetime(2020, 5, 17, tzinfo=UTC) + number * timedelta(minutes=5):%Y%m%d%H%M}"
        files.append(folder / f"{time}_fmi.pgm.gz")
        header = f"P5\n# obstime {time}\n760 1226\n255\n".encode()
        files[-1].write_bytes(gzip.compress(header + levels.astype(np.uint8).tobytes()))
    return files


if __name__ == "__main__":
    main()
