"""
Run every benchmark, print one table, and keep it with a description of the machine: what `benchmarks/run` does.

A script that this commit has already measured on this machine is not run again, so that Ctrl-C costs one script.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from performance import write_page
from timing import HEADER, Row

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "results"
SCRIPTS = (
    "kernel", "peer", "perlin", "store", "workers", "scaling", "memory", "truth", "compression", "startup",
    "stream", "wait", "mim", "execution", "prepare", "service", "service_load",
)  # fmt: skip
CODE = ("benchmarks", "datagen", "schemas", "trainer", "constraints.txt")
PACKAGES = ("numpy", "numba", "zarr", "dask", "torch", "fastapi", "uvicorn")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one script said."""

    script: str
    commit: str
    time: str
    seconds: float
    rows: list[dict[str, Any]] = field(default_factory=list)


def main() -> None:
    """Run what is not yet measured, print the table, and write performance.json and performance.md."""
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help="only these, measured anew (default: all)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of performance.json and performance.md")
    options = parser.parse_args()
    unknown = set(options.scripts) - set(SCRIPTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: no such benchmark; there are {', '.join(SCRIPTS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    record = options.out / "performance.json"
    machine, commit = described(), code_commit()
    done = kept(record, machine, options.scripts)
    for script in options.scripts or SCRIPTS:
        if script not in done or done[script].commit != commit:
            done[script] = measured(script, commit)
            text = json.dumps({"machine": machine, "scripts": [asdict(done[name]) for name in SCRIPTS if name in done]})
            record.with_suffix(".partial").write_text(text + "\n", encoding="utf-8")
            record.with_suffix(".partial").replace(record)
    print_table(done)
    write_page(record, options.out / "performance.md")
    missed = [row for each in done.values() for row in each.rows if not row["met"]]
    sys.exit(f"{len(missed)} limits were missed" if missed else 0)


def measured(script: str, commit: str) -> Measured:
    """Run one script to its end; exit if it fails otherwise than by a missed limit."""
    file = Path(f"/var/tmp/benchmark-{os.getpid()}-{script}.json")  # noqa: S108, its name is this process's own
    print(f"{script} ...", file=sys.stderr, flush=True)
    start = time.perf_counter()
    try:
        code = subprocess.run([sys.executable, HERE / f"{script}.py", "--json", file], stdout=sys.stderr).returncode  # noqa: S603, PLW1510, scripts beside this one; a missed limit ends with 1
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    finally:
        file.unlink(missing_ok=True)
    if code not in (0, 1) or not rows:
        sys.exit(f"{script}.py ended with {code} and {len(rows)} rows; see above")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Measured(script=script, commit=commit, time=now, seconds=time.perf_counter() - start, rows=rows)


def kept(record: Path, machine: dict[str, Any], anew: list[str]) -> dict[str, Measured]:
    """Return what this machine has measured before, less the scripts that are to be measured anew."""
    if not record.exists():
        return {}
    content = json.loads(record.read_text(encoding="utf-8"))
    if content["machine"] != machine:
        return {}
    return {each["script"]: Measured(**each) for each in content["scripts"] if each["script"] not in anew}


def print_table(done: dict[str, Measured]) -> None:
    """Print the rows of all scripts as one table."""
    print(HEADER)
    for script in (name for name in SCRIPTS if name in done):
        for row in done[script].rows:
            print(Row(**{name: value for name, value in row.items() if name != "met"}).markdown())


def described() -> dict[str, Any]:
    """Describe the machine and what it runs."""
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in information.splitlines() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def code_commit() -> str:
    """Return the last commit that changed what is measured, with a plus where files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(HERE.parent), *arguments, "--", *CODE]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, no input

    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


if __name__ == "__main__":
    main()
