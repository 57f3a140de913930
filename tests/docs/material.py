"""What the documents' commands find in their folder: small stores, footage, and configurations of tiny networks."""

import gzip
import struct
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from datagen import render_store
from tests.commands import ROOT
from tests.docs.blocks import blocks_of
from tests.reference.specs import spec_of
from tests.trainer.sources.footage import folder_of, noise, video_of
from tests.trainer.sources.radar.files import START, fmi_file
from tests.trainer.tiny import PROPERTIES, merged, tiny_fields

SIDE, SEQUENCES = 32, 40
"""Of rendered stores."""
FOOTAGE = (64, 80)
"""(y, x) px."""


def tiny_networks() -> dict[str, Any]:
    """Return the fields of a run that make it a matter of seconds, without its data and its kind of model."""
    fields = tiny_fields(dict.fromkeys((*PROPERTIES, "real"), "x.zarr"))
    model = {name: value for name, value in fields["model"].items() if name != "kind"}
    schedule = {name: {**budget, "steps": 2, "batch": 1} for name, budget in fields["schedule"].items()}
    return {"model": model, "schedule": schedule, "execution": fields["execution"]}


def write_config(file: Path, fields: Mapping[str, Any]) -> None:
    """Write a configuration with tiny networks."""
    file.write_text(yaml.safe_dump(merged(fields, tiny_networks())), encoding="utf-8")


def shipped(name: str) -> dict[str, Any]:
    """Return the fields of a configuration that ships with the package, for stores of `SEQUENCES`."""
    fields: dict[str, Any] = yaml.safe_load((ROOT / f"trainer/configs/{name}.yaml").read_text(encoding="utf-8"))
    fields["data"]["synthetic"] = {kind: f"{kind}.zarr" for kind in fields["data"]["synthetic"]}
    return fields


def render(folder: Path) -> None:
    """Render a store of each property, with what kinematic experts learn from, and Dynamic MNIST's stand-in."""
    size = {"frames": 10, "height": SIDE, "width": SIDE}
    for kind in PROPERTIES:
        render_store(spec_of(kind, **size, truth=("clean", "mask")), SEQUENCES, folder / f"{kind}.zarr", workers=1)
    real = spec_of("mixed", **size, splits={"train": 12, "validation": 4, "test": 4})
    render_store(real, 20, folder / "dynamic-mnist.zarr", workers=1)


def for_readme(folder: Path) -> None:
    """Write the configuration that stands for `dynamic-mnist`."""
    write_config(folder / "small.yaml", shipped("dynamic-mnist"))


def for_training(folder: Path) -> None:
    """Write all that the guide to training starts from."""
    render(folder)
    write_config(folder / "small.yaml", {})
    write_config(folder / "run.yaml", shipped("dynamic-mnist"))
    for name, store in (("pedestrian", "kth.zarr"), ("radar", "rain.zarr")):
        fields = shipped(f"{name}-small")
        fields["data"]["real"] = store
        write_config(folder / f"{name}.yaml", fields)
    _films(folder)
    _rain(folder / "RADAR")
    np.save(folder / "mnist_test_seq.npy", np.random.default_rng(0).integers(0, 255, (20, 6, 64, 64), np.uint8))


def for_recipes(folder: Path) -> None:
    """Write the page's own configuration with tiny networks, and digits in the form of MNIST's file."""
    (fields,) = [
        yaml.safe_load(block.text) for block in blocks_of("docs/results/recipes.md") if block.language == "yaml"
    ]
    write_config(folder / "recipe.yaml", fields)
    digits = np.random.default_rng(0).integers(0, 255, (20, 28, 28), np.uint8)
    header = struct.pack(">4i", 2051, *digits.shape)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + digits.tobytes()))


def _films(folder: Path) -> None:
    """Write three films each as KTH, DTDB and nobody lays them out, and three drives of KITTI."""
    for number, person in enumerate((11, 4, 2)):
        pictures = noise(24, *FOOTAGE, seed=number)
        video_of(folder / f"KTH/walking/person{person:02d}_walking_d1_uncomp.avi", pictures)
        video_of(folder / f"VIDEOS/{number}.avi", pictures)
        folder_of(folder / f"drive{number}", pictures)
    for number, name in enumerate(("train/fire/a", "train/fish/b", "test/fire/c")):
        video_of(folder / f"DTDB/{name}.avi", noise(24, *FOOTAGE, seed=number))
    for number in range(3):
        camera = folder / f"KITTI/2011_09_26/2011_09_26_drive_{number:04d}_sync/image_00"
        camera.mkdir(parents=True)
        (folder / f"drive{number}").rename(camera / "data")
        for picture in (camera / "data").iterdir():
            picture.rename(picture.with_name(f"{int(picture.stem.removeprefix('frame')):010d}.png"))
        stamps = "".join(f"2011-09-26 13:02:{second / 10:012.9f}\n" for second in range(24))
        (camera / "timestamps.txt").write_text(stamps, encoding="utf-8")


def _rain(folder: Path) -> None:
    """Write two hours of maps on each of three days."""
    for day in range(3):
        for step in range(24):
            levels = noise(1, *FOOTAGE, seed=day)[0] // 2 + np.uint8(64 + step)
            fmi_file(folder, START - timedelta(hours=10) + timedelta(days=day, minutes=5 * step), levels)
