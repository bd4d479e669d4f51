"""mc, MinIO's own client: all of it that is S3."""

import json
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from exercise import Client, main, run, step

CORS = """<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example.org</AllowedOrigin>
<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>"""


class Mc(Client):
    """Its alias stands in the environment, as in a compose file's job."""

    def mc(self, *words: str, data: bytes | None = None) -> bytes:
        scheme, _, host = self.url.partition("://")
        alias = f"{scheme}://{quote(self.access_key, safe='')}:{quote(self.secret, safe='')}@{host}"
        return run("mc", "--disable-pager", "--quiet", *words, environment={"MC_HOST_ours": alias}, data=data)

    def said(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.mc("--json", *words).splitlines()]

    def address(self, key: str) -> str:
        return f"ours/{self.bucket}/{key}"

    def make_bucket(self) -> None:
        self.mc("mb", f"ours/{self.bucket}")
        self.mc("mb", "--ignore-existing", f"ours/{self.bucket}")

    def put(self, key: str, data: bytes) -> None:
        self.mc("pipe", self.address(key), data=data)

    def get(self, key: str) -> bytes:
        return self.mc("cat", self.address(key))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        return self.mc("cat", "--offset", str(start), self.address(key))[: end - start]

    def put_file(self, key: str, path: Path) -> None:
        self.mc("cp", str(path), self.address(key))

    def get_file(self, key: str, path: Path) -> None:
        self.mc("cp", self.address(key), str(path))

    def put_tree(self, prefix: str, directory: Path) -> None:
        self.mc("mirror", str(directory), self.address(prefix))

    def keys(self, prefix: str) -> list[str]:
        return [f"{prefix}{row['key']}" for row in self.said("ls", "--recursive", self.address(prefix))]

    def copy(self, source: str, target: str) -> None:
        self.mc("cp", self.address(source), self.address(target))

    def delete(self, key: str) -> None:
        self.mc("rm", self.address(key))


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def check_bucket_settings(mc: Mc, place: Path) -> None:
    step("anonymous")
    bucket = f"ours/{mc.bucket}"
    assert status(f"{mc.url}/{mc.bucket}/a.txt") == 403
    mc.mc("anonymous", "set", "download", bucket)
    assert status(f"{mc.url}/{mc.bucket}/a.txt") == 200
    assert mc.said("anonymous", "get", bucket)[0]["permission"] == "download"
    mc.mc("anonymous", "set", "private", bucket)
    assert status(f"{mc.url}/{mc.bucket}/a.txt") == 403
    step("share")
    assert status(mc.said("share", "download", mc.address("a.txt"))[0]["share"]) == 200
    step("tags")
    for target in (bucket, mc.address("a.txt")):
        mc.mc("tag", "set", target, "colour=blue&size=1")
        assert mc.said("tag", "list", target)[0]["tagset"] == {"colour": "blue", "size": "1"}
    step("cors")
    (place / "cors.xml").write_text(CORS, encoding="utf-8")
    mc.mc("cors", "set", bucket, str(place / "cors.xml"))
    assert b"https://app.example.org" in mc.mc("cors", "get", bucket)
    step("ilm")
    mc.mc("ilm", "rule", "add", "--expire-days", "30", "--prefix", "old/", bucket)
    (rules,) = mc.said("ilm", "rule", "ls", bucket)
    assert rules["config"]["Rules"][0]["Expiration"]["Days"] == 30, rules


def check_versions(mc: Mc) -> None:
    step("versions")
    bucket = f"ours/{mc.bucket}"
    mc.mc("version", "enable", bucket)
    assert mc.said("version", "info", bucket)[0]["versioning"]["status"] == "Enabled"
    mc.put("a.txt", b"newer")
    assert len(mc.said("ls", "--versions", mc.address("a.txt"))) == 2
    mc.mc("rm", mc.address("a.txt"))
    mc.mc("undo", "--force", mc.address("a.txt"))
    assert mc.get("a.txt") == b"newer"


def check_looks(mc: Mc, place: Path) -> None:
    step("stat, du, find, diff, head")
    (stat,) = mc.said("stat", mc.address("a.txt"))
    assert stat["size"] == 5
    assert mc.said("du", f"ours/{mc.bucket}")[0]["size"] >= 5
    mc.put("b.bin", b"first\nsecond\n")
    assert [row["key"].rpartition("/")[2] for row in mc.said("find", f"ours/{mc.bucket}", "--name", "*.bin")] == [
        "b.bin"
    ]
    assert mc.mc("head", "-n", "1", mc.address("b.bin")) == b"first\n"
    (place / "tree").mkdir()
    (place / "tree" / "only-here").write_bytes(b"x")
    assert b"only-here" in mc.mc("diff", str(place / "tree"), f"ours/{mc.bucket}")
    mc.mc("mv", mc.address("b.bin"), mc.address("c.bin"))
    assert mc.get("c.bin") == b"first\nsecond\n"


def check_locks(mc: Mc) -> None:
    step("locks")
    locking = f"ours/{mc.bucket}-lock"
    mc.mc("mb", "--with-lock", locking)
    mc.mc("retention", "set", "--default", "governance", "1d", locking)
    mc.mc("pipe", f"{locking}/k", data=b"kept")
    assert mc.said("retention", "info", f"{locking}/k")[0]["mode"] == "GOVERNANCE"
    mc.mc("legalhold", "set", f"{locking}/k")
    assert mc.said("legalhold", "info", f"{locking}/k")[0]["legalhold"] == "ON"
    mc.mc("legalhold", "clear", f"{locking}/k")
    mc.mc("rm", "--versions", "--bypass", "--force", f"{locking}/k")
    mc.mc("rb", locking)


def check_the_rest(url: str, access_key: str, secret: str) -> None:
    mc, place = Mc(url, access_key, secret, f"mc-{uuid.uuid4().hex[:10]}"), Path.cwd()
    mc.mc("ready", "ours")
    mc.make_bucket()
    mc.put("a.txt", b"hello")
    check_bucket_settings(mc, place)
    check_versions(mc)
    check_looks(mc, place)
    check_locks(mc)
    step("remove bucket")
    mc.mc("rb", "--force", f"ours/{mc.bucket}")
    assert not [row for row in mc.said("ls", "ours") if row["key"] == f"{mc.bucket}/"]


if __name__ == "__main__":
    check_the_rest(*sys.argv[1:4])
    main(Mc)
