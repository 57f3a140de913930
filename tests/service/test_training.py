"""A trainer that has no store: it learns from virtual ones what it would learn from those on disk, to the bit."""

import signal
from pathlib import Path

import pytest
import yaml

from datagen.client import Client
from tests.reference.specs import spec_of
from tests.service.running import Process
from tests.service.test_access import KEYS, TOKENS
from tests.trainer.commands import run as run_trainer
from tests.trainer.tiny import FRAMES, PROPERTIES, SEQUENCES, SIDE, changed, parameters, render_stores, tiny_fields
from trainer.training.checkpoint import LAST


@pytest.mark.slow
def test_virtual_stores_train_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STMOE_TOKEN", TOKENS["renderer"])
    stores = render_stores(tmp_path)
    few = {kind: {"store": stores[kind], "sequences": SEQUENCES} for kind in PROPERTIES}
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(tiny_fields(stores, data={"synthetic": few})))
    service = Process(tmp_path / "root", {"DATAGEN_KEYS": KEYS})
    try:
        with Client(service.url) as client:
            specs = [spec_of(kind, frames=FRAMES, height=SIDE, width=SIDE) for kind in PROPERTIES]
            addresses = [client.address(client.register(spec).zarr) for spec in specs]
        chosen = [f"--synthetic={kind}={address}" for kind, address in zip(PROPERTIES, addresses, strict=True)]
        for name, options in (("disk", []), ("virtual", chosen)):
            done = run_trainer("fit", "--config", config, *options, "--out", tmp_path / name)
            assert done.code == 0, done.err
    finally:
        code, log = service.end(signal.SIGTERM)
    assert code == 0
    assert "/zarr/frames/c/" in log
    assert TOKENS["renderer"] not in log
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["specs"]
    for phase in ("decoder", "expert-rotation", "joint"):
        assert not changed(parameters(tmp_path / "disk", phase, LAST), parameters(tmp_path / "virtual", phase, LAST))
