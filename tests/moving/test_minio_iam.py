"""MinIO's users and access keys, from the archive of `mc admin cluster iam export`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from storage_service.moving.minio_iam import BadArchive, read_iam
from storage_service.moving.minio_rights import NotExpressible, Rights, rights_of
from tests.moving.conftest import ROOT_KEYS, s3_client
from tests.support.service import Service


def allow(actions: object, *resources: str, **more: Any) -> dict[str, Any]:
    names = [f"arn:aws:s3:::{resource}" for resource in resources]
    return {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": names, **more}]}


ALL = frozenset({"read", "write", "delete", "list"})
RIGHTS = [
    pytest.param([allow(["s3:*"], "*")], Rights((), ALL), id="everything"),
    pytest.param([allow("s3:*", "photos", "photos/*")], Rights(("photos",), ALL), id="one bucket"),
    pytest.param([allow(["s3:GetObject"], "photos/*")], Rights(("photos",), frozenset({"read"})), id="read"),
    pytest.param([allow(["s3:Get*", "s3:List*"], "photos", "photos/in/*")],
                 Rights(("photos/in/",), frozenset({"read", "list"})), id="below a prefix"),
    pytest.param([allow(["s3:*Object"], "a/*", "b/*")],
                 Rights(("a", "b"), frozenset({"read", "write", "delete"})), id="two buckets"),
    pytest.param([allow(["s3:GetObject"], "a/*"), allow(["s3:PutObject"], "a/*")],
                 Rights(("a",), frozenset({"read", "write"})), id="two policies"),
    pytest.param([allow(["s3:*"], "*"), allow(["s3:GetObject"], "a/*")], Rights((), ALL), id="one in the other"),
    pytest.param([allow(["s3:ListBucket"], "a")], Rights(("a",), frozenset({"list"})), id="only a list"),
]  # fmt: skip


@pytest.mark.parametrize(("policies", "rights"), RIGHTS)
def test_rights_of_policies(policies: list[dict[str, Any]], rights: Rights) -> None:
    assert rights_of(policies) == rights


INEXPRESSIBLE = [
    pytest.param(allow(["s3:*"], "photos*"), id="buckets that begin so"),
    pytest.param(allow(["s3:GetObject"], "photos/a.txt"), id="one key"),
    pytest.param(allow(["s3:GetObject"], "photos/*/x"), id="a star in the middle"),
    pytest.param(allow(["s3:GetObject"], "${aws:username}/*"), id="a variable"),
    pytest.param(allow(["s3:GetObject"], "a/*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), id="if"),
    pytest.param({"Statement": [*allow("s3:*", "*")["Statement"],
                                {"Effect": "Deny", "Action": ["s3:DeleteObject"], "Resource": ["arn:aws:s3:::*"]}]},
                 id="deny"),
    pytest.param({"Statement": [*allow(["s3:GetObject"], "a/*")["Statement"],
                                *allow(["s3:PutObject"], "b/*")["Statement"]]}, id="different in different places"),
    pytest.param({"Statement": [{"Effect": "Allow", "NotAction": ["s3:GetObject"], "Resource": ["arn:aws:s3:::*"]}]},
                 id="all but"),
    pytest.param({"Statement": [{"Effect": "Allow", "Action": ["admin:*"]}]}, id="administration alone"),
]  # fmt: skip


@pytest.mark.parametrize("policy", INEXPRESSIBLE)
def test_what_has_no_form_here_is_refused_rather_than_widened(policy: dict[str, Any]) -> None:
    with pytest.raises(NotExpressible):
        rights_of([policy])


def archive(path: Path, **tables: object) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name in ("users", "policies", "groups", "svcaccts", "user_mappings", "group_mappings"):
            made.writestr(f"iam-assets/{name}.json", json.dumps(tables.get(name, {})))
    return path


def account(parent: str, **more: Any) -> dict[str, Any]:
    none = "1970-01-01T00:00:00Z"
    return {
        "parent": parent,
        "secretKey": "secret-of-it",
        "status": "on",
        "sessionPolicy": None,
        "expiration": none,
        **more,
    }


def export(path: Path) -> Path:
    user = {"secretKey": "secret-of-it", "status": "enabled"}
    policies = {"photos": allow(["s3:*"], "moved-keys", "moved-keys/*"), "odd": allow(["s3:*"], "p*")}
    return archive(
        path,
        users={"alice": user, "bob": user, "carol": {**user, "status": "disabled"}, "dave": user, "eve": user},
        policies=policies,
        groups={"team": {"version": 1, "status": "enabled", "members": ["bob"]}},
        user_mappings={
            name: {"policy": policy} for name, policy in (("alice", "photos"), ("carol", "photos"), ("dave", "odd"))
        },
        group_mappings={"team": {"policy": "readonly"}},
        svcaccts={
            "alicekey": account("alice", name="ci"),
            "narrowed": account("alice", sessionPolicy=allow(["s3:GetObject"], "moved-keys/a/*")),
            "ended": account("alice", expiration="2020-01-01T00:00:00Z"),
            "ldapkey": account("uid=x,dc=example"),
            "torn": {"parent": "alice"},
        },
    )


def test_accounts_come_with_their_rights_and_the_others_with_a_reason(tmp_path: Path) -> None:
    iam = read_iam(export(tmp_path / "iam.zip"))
    assert {key.access_key: key.rights for key in iam.keys} == {
        "alice": Rights(("moved-keys",), ALL),
        "bob": Rights((), frozenset({"read"})),
        "alicekey": Rights(("moved-keys",), ALL),
    }
    assert iam.left.keys() == {"carol", "dave", "eve", "narrowed", "ended", "ldapkey", "torn"}
    assert "disabled" in iam.left["carol"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as made:
        made.writestr("x.json", "{}")
    for name in ("text.zip", "other.zip"):
        with pytest.raises(BadArchive):
            read_iam(tmp_path / name)


@pytest.mark.ci
def test_moved_keys_work_at_once_with_their_old_secrets(service: Service, target: Any, tmp_path: Path) -> None:
    target.create_bucket(Bucket="moved-keys")
    target.put_object(Bucket="moved-keys", Key="k", Body=b"x")
    target.create_bucket(Bucket="not-theirs")
    command = [sys.executable, "-m", "storage_service.cli.main", "import", str(export(tmp_path / "iam.zip")), "--json"]
    environment = {"PATH": os.environ["PATH"], "STORAGE_PATH": str(service.data), **ROOT_KEYS}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert {key["access_key"] for key in json.loads(done.stdout)["keys"]} == {"alice", "bob", "alicekey"}
    assert "secret-of-it" not in done.stdout
    alice = s3_client(service.url, "alicekey", "secret-of-it")
    assert alice.get_object(Bucket="moved-keys", Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        alice.put_object(Bucket="not-theirs", Key="k", Body=b"x")
    bob = s3_client(service.url, "bob", "secret-of-it")
    assert bob.get_object(Bucket="moved-keys", Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        bob.put_object(Bucket="moved-keys", Key="k", Body=b"y")
