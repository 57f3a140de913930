"""An S3 server (moto) in a process of its own on loopback, for tests that write to object storage."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import boto3
from botocore.exceptions import ClientError

BUCKET = "bucket"
REGION = "us-east-1"

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()  # ends when the test process does, however it does
"""


class ObjectStorage:
    """A server with one bucket; credentials are not checked unless a test asks for it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        host, port = process.stdout.readline().split()
        self.process = process
        self.endpoint = f"http://{host}:{port}"
        self.client = self._client_of("s3")
        self.client.create_bucket(Bucket=BUCKET)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to reach the server, and nothing that lies on this machine."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix, without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return [item["Key"].removeprefix(f"{prefix}/") for page in pages for item in page.get("Contents", [])]

    def holds(self, key: str) -> bool:
        """Return whether an object is there."""
        try:
            self.client.head_object(Bucket=BUCKET, Key=key)
        except ClientError:
            return False
        return True

    def get(self, key: str) -> bytes:
        """Return an object."""
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def put(self, key: str, data: bytes) -> None:
        """Put an object."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Return what the arrays of a store hold, object by object."""
        return {key: self.get(f"{prefix}/{key}") for key in self.keys(prefix) if not key.endswith("zarr.json")}

    @contextmanager
    def checking_credentials(self) -> Iterator[tuple[str, str]]:
        """Check credentials while the block runs; yield key and secret of a user who may do nothing."""
        iam = self._client_of("iam")
        iam.create_user(UserName="stranger")
        key = iam.create_access_key(UserName="stranger")["AccessKey"]
        self._check_after("0")
        try:
            yield key["AccessKeyId"], key["SecretAccessKey"]
        finally:
            self._check_after("inf")
            iam.delete_access_key(UserName="stranger", AccessKeyId=key["AccessKeyId"])
            iam.delete_user(UserName="stranger")

    def _check_after(self, requests: str) -> None:
        headers = {"Content-Type": "text/plain"}
        request = Request(f"{self.endpoint}/moto-api/reset-auth", requests.encode(), headers, method="POST")
        with urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    def _client_of(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="tester",
            aws_secret_access_key="secret",
        )


@contextmanager
def serving() -> Iterator[ObjectStorage]:
    """Serve while the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield ObjectStorage(process)
    finally:
        process.kill()
        process.communicate()
