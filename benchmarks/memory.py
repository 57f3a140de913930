"""Peak memory of the command, as n grows and at the default size."""

from pathlib import Path

from commands import clearing, own_peak_bytes, render
from timing import Row, arguments, report, scratch_directory

SMALL = ("--size", 16, "--frames", 4)
SMALL_COUNTS = (1_000, 10_000, 100_000)
GROWTH_LIMIT = 1.1
PEAK_LIMIT = 700
"""MB."""


def main() -> None:
    """Print the growth over n and the peaks at the default size."""
    options = arguments(__doc__ or "", scratch=True, n=10_000, truth_n=2_000)
    with scratch_directory(options.scratch) as folder:
        rows = [
            growth_row(folder),
            peak_row(folder, options.n, "frames alone"),
            peak_row(folder, options.truth_n, "all truth", "--truth", "all"),
        ]
    report(rows, options)


def growth_row(folder: Path) -> Row:
    """Render more and more small sequences."""
    peaks = {n: peak(folder, "--n", n, *SMALL) for n in SMALL_COUNTS}
    return Row(
        benchmark=f"memory: largest / smallest peak of {', '.join(f'{n:,}' for n in SMALL_COUNTS)} sequences",
        measured=max(peaks.values()) / min(peaks.values()),
        limit=GROWTH_LIMIT,
        detail=f"{', '.join(f'{size:.0f}' for size in peaks.values())} MB; 4x16x16",
    )


def peak_row(folder: Path, n: int, what: str, *options: object) -> Row:
    """Render sequences of the default size."""
    return Row(
        benchmark=f"memory: peak of `datagen render --n {n}`, {what}",
        measured=peak(folder, "--n", n, *options),
        unit="MB",
        limit=PEAK_LIMIT,
        detail=f"10x128x128, all cores; nothing below {own_peak_bytes() / 1e6:.0f} MB could be seen",
    )


def peak(folder: Path, *options: object) -> float:
    """Return the peak of one render in MB."""
    clearing(folder)()
    finished, _ = render(folder / "store.zarr", *options)
    return finished.peak_bytes / 1e6


if __name__ == "__main__":
    main()
