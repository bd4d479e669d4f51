"""Compose files as people have them for MinIO: with our image in the place of its own, they start.

What is in the files is run, word by word: the command and variables by the entry point, the health check beside it, and
what MinIO's client does of the bucket job by boto3. Only ports and the directory are this machine's.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from tests.container.entrypoint import Container
from tests.support.ready import wait_until_ready
from tests.support.service import REPOSITORY
from tests.support.tools import require_tool

pytestmark = pytest.mark.ci

FILES = Path(__file__).parent / "minio"
READY_SECONDS = 60.0
Start = Callable[..., "subprocess.Popen[str]"]


class Node(NamedTuple):
    """The file's service `minio`, on ports of this machine."""

    words: tuple[str, ...]
    settings: dict[str, str]
    check: list[str]
    job: str
    port: int


def node_of(name: str, data: Path) -> Node:
    found = YAML(typ="safe", pure=True).load((FILES / name).read_text(encoding="utf-8"))["services"]
    minio = found["minio"]
    port, console, own = (free_port() for _ in range(3))

    def here(text: str) -> str:
        return text.replace("0.0.0.0", "").replace("9000", str(port)).replace("9001", str(console))

    said = minio["environment"]
    settings = said if isinstance(said, dict) else dict(line.split("=", 1) for line in said)
    words = tuple(str(data) if word == "/data" else here(word) for word in shlex.split(minio["command"]))
    check = minio.get("healthcheck", {}).get("test", [])
    shell = ["sh", "-c"] if check[:1] == ["CMD-SHELL"] else []
    # Of the image, or this machine's own in its place.
    settings |= {"HOST": "127.0.0.1", "PORT": str(own), "MINIO_ADDRESS": f":{port}", "PUID": str(os.geteuid())}
    job = found.get("createbuckets", {}).get("entrypoint", "")
    return Node(words, settings, [*shell, *map(here, check[1:])], job, port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def container(open_path: Path) -> Container:
    return Container(open_path)


def client_of(node: Node, access_key: str, secret: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{node.port}",
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}),
    )


def check_health(node: Node) -> int:
    """The exit code of the file's own check, as an engine runs it: with the container's variables and programs."""
    path = f"{REPOSITORY / 'deploy'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**node.settings, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(node.check, env=environment, capture_output=True, check=False, timeout=60).returncode


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("single.yml", ("minioadmin", "minioadmin")),
        ("checked.yml", ("minio", "minio123")),
        ("buckets.yml", ("access-key", "password")),
    ],
)
def test_file_starts_with_its_own_words(
    container: Container, start_entrypoint: Start, name: str, pair: tuple[str, str]
) -> None:
    node = node_of(name, container.data)
    if node.check:
        require_tool("curl")
        assert check_health(node) != 0  # nothing answers yet
    start_entrypoint(container.top, node.words, **node.settings)
    wait_until_ready(f"http://127.0.0.1:{node.port}", READY_SECONDS, "/minio/health/ready")
    if node.check:
        assert check_health(node) == 0
    s3 = client_of(node, *pair)
    if node.job:
        do_job(node, s3)
    else:
        s3.create_bucket(Bucket="first")
        s3.put_object(Bucket="first", Key="k", Body=b"data")
        assert s3.get_object(Bucket="first", Key="k")["Body"].read() == b"data"
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client_of(node, pair[0], "another-secret").list_buckets()


def do_job(node: Node, s3: Any) -> None:
    """What MinIO's client sends for each of the job's commands."""
    verbs = re.findall(r"/usr/bin/mc (\S+ \S+)", node.job)
    assert verbs == ["alias set", "mb --ignore-existing", "anonymous set", "version enable"]
    with pytest.raises(ClientError, match="NoSuchBucket"):  # alias set: whether the pair is right
        s3.get_bucket_location(Bucket="probe-bsign-k2j4h6g8")
    s3.create_bucket(Bucket="uploads")
    s3.create_bucket(Bucket="uploads")  # once more at the next start of the job
    everybody = {"Effect": "Allow", "Principal": {"AWS": ["*"]}}
    lists = {"Action": ["s3:GetBucketLocation", "s3:ListBucket"], "Resource": ["arn:aws:s3:::uploads"]}
    reads = {"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::uploads/*"]}
    policy = {"Version": "2012-10-17", "Statement": [{**everybody, **lists}, {**everybody, **reads}]}
    s3.put_bucket_policy(Bucket="uploads", Policy=json.dumps(policy))
    s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="uploads", Key="a.txt", Body=b"data")
    url = f"http://127.0.0.1:{node.port}/uploads"
    assert httpx.get(f"{url}/a.txt").content == b"data"
    assert "<Key>a.txt</Key>" in httpx.get(url).text
    assert httpx.put(f"{url}/b.txt", content=b"x").status_code == httpx.codes.FORBIDDEN


def test_known_pair_is_allowed_to_minios_command_alone(container: Container) -> None:
    pair = {"MINIO_ROOT_USER": "minioadmin", "MINIO_ROOT_PASSWORD": "minioadmin"}
    assert container.told("server", str(container.data), **pair).environment["ALLOW_KNOWN_ROOT_SECRET"] == "true"
    assert "ALLOW_KNOWN_ROOT_SECRET" not in container.told("serve", **pair).environment
    bare = container.told("server", str(container.data)).environment
    assert not {"ALLOW_KNOWN_ROOT_SECRET", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"} & bare.keys()


def test_mc_of_the_image_does_nothing_else() -> None:
    done = subprocess.run(
        [require_tool("sh"), REPOSITORY / "deploy/mc", "--quiet", "ls", "local"], capture_output=True, check=False
    )
    assert (done.returncode, b"mc ready local" in done.stderr) == (1, True)
