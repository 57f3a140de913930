"""Who may come in, with what, and how often; and what the log says of it."""

import hashlib
import json
import logging
import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from datagen.service.app import create_app
from datagen.service.keys import found, keys_in
from datagen.service.server import _Server
from datagen.service.settings import settings_from
from datagen.service.telemetry import LOGGER, JsonLines
from schemas.errors import InputError
from tests.commands import run as run_datagen
from tests.service.running import SMALL, running, settings
from tests.waiting import wait_for

TOKENS = {"reader": "r" * 32, "renderer": "w" * 32, "operator": "o" * 32, "late": "l" * 32, "few": "f" * 32}


def key(name: str, scope: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(TOKENS[name].encode()).hexdigest(), "scope": scope, **fields}


KEYS = json.dumps(
    [
        key("reader", "read"),
        key("renderer", "render"),
        key("operator", "admin"),
        key("late", "admin", expires=(datetime.now(UTC) - timedelta(seconds=1)).isoformat()),
        key("few", "read", requests_per_minute=5, sequences_per_day=4),
    ]
)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("", 421),
        ("[::1].evil.example", 421),
    ],
)
def test_loopback_answers_to_its_own_names_alone(client: httpx2.Client, host: str, status: int) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/healthz", {None, "reader", "renderer", "operator", "late"}),
        ("GET", "/v1/stores", {"reader", "renderer", "operator"}),
        ("GET", "/v1/renders", {"reader", "renderer", "operator"}),
        ("POST", "/v1/renders", {"renderer", "operator"}),
        ("DELETE", "/v1/renders/x", {"renderer", "operator"}),
        ("GET", "/metrics", {"operator"}),
    ],
)
def test_scopes(tmp_path: Path, method: str, path: str, allowed: set[str | None]) -> None:
    with running(tmp_path, keys=KEYS) as client:
        for name in (None, "reader", "renderer", "operator", "late"):
            status = client.request(method, path, headers={} if name is None else bearer(name)).status_code
            if name in allowed:
                assert status not in (401, 403), name
            else:
                assert status == (401 if name in (None, "late") else 403), name


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic eDp5", f"Bearer {'r' * 31}", f"bearer {'r' * 33}", "Bearer é"],
)
def test_no_key_and_a_wrong_one_are_told_alike(tmp_path: Path, header: str) -> None:
    with running(tmp_path, keys=KEYS) as client:
        reply = client.get("/v1/stores", headers={"Authorization": header.encode()})
        none = client.get("/v1/stores")
        assert reply.status_code == none.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.json()["detail"] == none.json()["detail"]


def test_every_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append(a) or a == b)
    keys = keys_in(KEYS, "keys")
    assert found(keys, TOKENS["reader"]) is keys[0]
    assert found(keys, "none") is None
    assert len(compared) == 2 * len(keys)


def test_quotas(tmp_path: Path) -> None:
    with running(tmp_path, keys=KEYS) as client:
        body = {"spec": SMALL, "count": 3}
        assert client.post("/v1/sequences", json=body, headers=bearer("few")).status_code == 200
        over = client.post("/v1/sequences", json=body, headers=bearer("few"))
        assert (over.status_code, "1 of today's 4 are left" in over.json()["detail"]) == (429, True)
        assert int(over.headers["retry-after"]) > 0
        statuses = [client.get("/v1/stores", headers=bearer("few")).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert client.get("/v1/stores", headers=bearer("reader")).status_code == 200


def test_metrics_may_be_open(tmp_path: Path) -> None:
    with running(tmp_path, keys=KEYS, open_metrics=True) as client:
        client.get("/v1/preview.png?property=rotation&size=16", headers=bearer("reader"))
        text = client.get("/metrics").text
        assert 'datagen_requests_total{method="GET",route="/v1/preview.{kind}",status="200"} 1.0' in text
        assert "datagen_sequences_total 1.0" in text
        assert 'datagen_jobs{state="running"} 0.0' in text


def test_logs_have_a_line_for_each_request_and_no_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER), running(tmp_path, keys=KEYS) as client:
        client.get("/v1/stores", headers=bearer("reader"))
        client.get("/v1/stores?token=" + TOKENS["reader"], headers={"Authorization": "Bearer wrong-secret"})
    lines = [JsonLines().format(record) for record in caplog.records if record.name == LOGGER]
    found_lines = [json.loads(line) for line in lines if '"request"' in line]
    assert [(line["status"], line["key"]) for line in found_lines] == [(200, "reader"), (401, None)]
    assert found_lines[0]["path"] == "/v1/stores"
    for secret in (*TOKENS.values(), "wrong-secret", hashlib.sha256(TOKENS["reader"].encode()).hexdigest()):
        assert secret not in caplog.text + "".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no", "is no JSON"),
        ("{}", "is no list"),
        ('[{"name": "a"}]', "key 0: sha256 is missing"),
        ('[{"name": "a b", "sha256": "' + "0" * 64 + '"}]', "key 0: name is a b"),
        (json.dumps([key("reader", "read"), key("reader", "read")]), "two keys of one name"),
        (json.dumps([key("reader", "everything")]), "key 0: scope is everything"),
    ],
)
def test_keys_that_are_none_are_told(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        keys_in(text, "keys.json")


def test_beyond_loopback_keys_are_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are no keys; set DATAGEN_KEYS, or give --keys-file"):
        create_app(settings(tmp_path, host="0.0.0.0"))
    create_app(settings(tmp_path, host="0.0.0.0", allow_anonymous=True))
    create_app(settings(tmp_path, host="0.0.0.0", keys=KEYS))
    done = run_datagen("serve", "--host", "0.0.0.0", "--data-root", tmp_path)
    assert (done.code, done.error.startswith("0.0.0.0 is reached from other machines")) == (1, True)


def test_a_setting_that_is_wrong_is_told_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAGEN_THREADS", "secret")
    with pytest.raises(InputError, match=r"^DATAGEN_THREADS is wrong: input should be a valid integer") as error:
        settings_from()
    assert "secret" not in str(error.value)


def test_bodies_have_a_size_and_come_as_they_are(tmp_path: Path) -> None:
    with running(tmp_path, body_bytes=1000) as client:
        large = b'{"spec": "' + b"x" * 2000 + b'"}'
        headers = {"Content-Type": "application/json"}
        assert client.post("/v1/sequences", content=large, headers=headers).status_code == 413
        assert (
            client.post("/v1/sequences", content=iter([large[:900], large[900:]]), headers=headers).status_code == 413
        )
        zipped = client.post("/v1/sequences", content=b"\x1f\x8b", headers={**headers, "Content-Encoding": "gzip"})
        assert zipped.status_code == 415
        wrong = client.post("/v1/sequences", content=b"a=b", headers={"Content-Type": "text/plain"})
        assert wrong.status_code == 422


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    with running(tmp_path, body_seconds=0.2) as client:
        address = client.base_url.host, client.base_url.port
        with socket.create_connection(address, timeout=10) as slow:  # type: ignore[arg-type]
            slow.sendall(
                b"POST /v1/sequences HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
            begun = time.monotonic()
            assert b"408" in slow.recv(1000).split(b"\r\n")[0]
            assert time.monotonic() - begun < 5


@pytest.mark.parametrize("path", ["/v1/none", "/v1/specs", "/%0d%0aSet-Cookie:%20a=b", "/" + "a" * 5000])
def test_what_is_not_there_is_a_problem(client: httpx2.Client, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code in (404, 405)
    assert reply.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in reply.headers
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_names_are_listed_with_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAGEN_HOSTS", "a.example, b.example")
    monkeypatch.setenv("DATAGEN_TARGETS", "s3://bucket/data")
    found_settings = settings_from()
    assert (found_settings.hosts, found_settings.targets) == (("a.example", "b.example"), ("s3://bucket/data",))


def test_a_quota_that_is_used_up_refuses_no_other_key_that_waits(tmp_path: Path) -> None:
    spec = {**SMALL, "frames": 10, "height": 64, "width": 64}
    with running(tmp_path, keys=KEYS) as client:
        digest = client.post("/v1/specs", json=spec, headers=bearer("reader")).json()["digest"]
        path = f"/v1/specs/{digest}/zarr/frames/c/0/0/0/0"
        assert client.get(path, headers=bearer("few")).status_code == 429  # a chunk is more than its 4 sequences
        assert client.get(path, headers=bearer("reader")).status_code == 200
        assert client.get(path, headers=bearer("few")).status_code == 200  # it is there now, and costs nothing


def test_a_client_that_goes_away_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps({"spec": {**SMALL, "frames": 10, "height": 128, "width": 128}, "count": 300}).encode()
    lines = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}", "", "")
    head = "\r\n".join(("POST /v1/sequences HTTP/1.1", *lines))
    with caplog.at_level(logging.INFO, "datagen"), running(tmp_path) as client:
        with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as one:  # type: ignore[arg-type]
            one.sendall(head.encode() + body)
            time.sleep(0.1)
        wait_for(lambda: any(getattr(record, "fields", {}).get("status") == 499 for record in caplog.records))
        assert client.get("/healthz").status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_stop_while_the_kernels_are_compiled_is_no_failure(tmp_path: Path) -> None:
    server = _Server(uvicorn.Config(create_app(settings(tmp_path))), create_app(settings(tmp_path)))
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit
