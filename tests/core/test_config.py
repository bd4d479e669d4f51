"""Settings: defaults, aliases, lists in both spellings, bounds, and secrets that are none."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from storage_service.app.core.config import (
    BadSettings,
    Settings,
    WeakSecret,
    check_secret,
    is_loopback,
    load,
)
from storage_service.app.core.setting_types import SeedBucket

SECRET = "Zq7-vW2_kT9pLx4RbN8mYc3HsJ6fGd1A"
OTHER = "Pw5_rE8-uI1oKj6HgF3dSa9ZxC2vBn4M"


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the developer's, no `.env` of the project's."""
    for name, field in Settings.model_fields.items():
        choices = getattr(field.validation_alias, "choices", [])
        for variable in [name, *choices]:
            monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in ({"SECRET_KEY": SECRET} | variables).items():
        monkeypatch.setenv(name, value)
    return load()


def test_defaults_are_those_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert settings.storage_path == Path("/data/storage")
    assert settings.algorithm == "HS256"
    assert settings.storage_service_public_url == "http://localhost:8001"
    assert settings.permanent_url == "http://localhost:8001"
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8001, 1)
    assert settings.durability == "power-safe"
    assert settings.max_object_bytes == 5 * 2**40
    assert settings.default_bucket_public and settings.upload_direct_enabled
    assert settings.cors_origins == ("*",)
    assert settings.anon_key is None and settings.storage_service_api_key is None
    assert not (settings.storage_buckets or settings.storage_admins or settings.trusted_proxies)


def test_every_field_says_what_it_is() -> None:
    unsaid = [name for name, field in Settings.model_fields.items() if not field.description]
    assert unsaid == []


@pytest.mark.parametrize(
    ("field", "names", "values"),
    [
        (
            "storage_service_public_url",
            ["STORAGE_SERVICE_PUBLIC_URL", "STORAGE_SERVICE_EXTERNAL_URL"],
            ["https://a.example", "https://b.example"],
        ),
        ("port", ["PORT", "STORAGE_PORT"], ["9000", "9001"]),
        ("algorithm", ["ALGORITHM", "JWT_ALGORITHM"], ["HS384", "HS512"]),
        ("cors_origins", ["CORS_ORIGINS", "ALLOWED_CORS"], ["https://a.example", "https://b.b"]),
        ("secret_key", ["SECRET_KEY", "JWT_SECRET_KEY"], [SECRET, OTHER]),
        ("storage_service_api_key", ["STORAGE_SERVICE_API_KEY", "API_KEY"], [SECRET, OTHER]),
    ],
)
def test_alias_is_read_and_the_first_name_wins(
    monkeypatch: pytest.MonkeyPatch, field: str, names: list[str], values: list[str]
) -> None:
    base = {} if field == "secret_key" else {"SECRET_KEY": "Zq7" * 20}

    def shown(**variables: str) -> str:
        with monkeypatch.context() as inner:
            for name, value in (base | variables).items():
                inner.setenv(name, value)
            value = getattr(load(), field)
        return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)

    first, second = dict(zip(names, values, strict=True)).items()
    assert values[1] in shown(**dict([second]))
    assert values[0] in shown(**dict([second, first]))


def test_base_url_is_what_permanent_links_begin_with(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, BASE_URL="https://files.example.org/s3/")
    assert settings.permanent_url == "https://files.example.org/s3"


def test_env_file_is_read_the_environment_wins_and_foreign_names_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = f"SECRET_KEY={SECRET} # note\nPORT=9000\nWORKERS=2\nPOSTGRES_DB=selfdb\nANON_KEY=\n"
    (tmp_path / ".env").write_text(lines)
    monkeypatch.setenv("PORT", "9001")
    settings = load()
    assert (settings.port, settings.workers, settings.anon_key) == (9001, 2, None)
    assert settings.secrets == [SECRET]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("STORAGE_ADMINS", "a, b@c.d,", ("a", "b@c.d")),
        ("STORAGE_ADMINS", '["a", "b@c.d"]', ("a", "b@c.d")),
        ("STORAGE_ADMINS", " ", ()),
        ("CORS_ORIGINS", '["https://a.example"]', ("https://a.example",)),
        ("PUBLIC_URLS", "http://a/,https://b:8/x/", ("http://a", "https://b:8/x")),
        ("PUBLIC_URLS", '["http://a"]', ("http://a",)),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8,::1",
            (ip_network("10.0.0.0/8"), ip_network("::1/128")),
        ),
        (
            "STORAGE_BUCKETS",
            "photos:public,drafts, mail:private",
            (
                SeedBucket("photos", True),
                SeedBucket("drafts", False),
                SeedBucket("mail", False),
            ),
        ),
        (
            "STORAGE_BUCKETS",
            '["photos:public", {"name": "drafts"}, {"name": "web", "public": true}]',
            (
                SeedBucket("photos", True),
                SeedBucket("drafts", False),
                SeedBucket("web", True),
            ),
        ),
        ("STORAGE_BUCKETS", '{"name": "web", "public": true}', (SeedBucket("web", True),)),
    ],
)
def test_lists_are_json_or_comma_separated(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: tuple[Any, ...]
) -> None:
    assert getattr(read(monkeypatch, **{name: text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("PORT", "0", "greater than or equal to 1"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("PORT", "http", "valid integer"),
        ("WORKERS", "0", "greater than or equal to 1"),
        ("GRACE_SECONDS", "59", "greater than or equal to 60"),
        ("TRASH_DAYS", "-1", "greater than or equal to 0"),
        ("TRASH_DAYS", "nan", "finite"),
        ("MAX_OBJECT_BYTES", "0", "greater than or equal to 1"),
        ("INLINE_BODY_BYTES", "2000000", "less than or equal to 1048576"),
        ("DURABILITY", "fast", "'power-safe', 'crash-safe' or 'scratch'"),
        ("PRIVATE_READ", "all", "'owner' or 'authenticated'"),
        ("BUCKET_DELETE", "yes", "'reject' or 'cascade'"),
        ("ALGORITHM", "RS256", "must be HS256, HS384 or HS512"),
        ("ALGORITHM", "none", "must be HS256, HS384 or HS512"),
        ("STORAGE_SERVICE_PUBLIC_URL", "localhost:8001", "must be a URL like"),
        ("BASE_URL", "ftp://a", "must be a URL like"),
        ("CDN_URL", "https://a/?x=1", "scheme, host and path only"),
        ("SELFDB_BACKEND_URL", "http://me:pw@a", "scheme, host and path only"),
        ("PUBLIC_URLS", "http://a,b", "must be a URL like"),
        ("STORAGE_ADMINS", '["a"', "neither JSON nor comma separated"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.1/8 is no address or network"),
        ("TRUSTED_PROXIES", "*", "* is no address or network"),
        ("STORAGE_BUCKETS", "Photos", "bucket Photos: Bucket name must be"),
        ("STORAGE_BUCKETS", "photos:open", "stands public or private"),
        ("STORAGE_BUCKETS", '[{"nme": "photos"}]', "a bucket is"),
        ("STORAGE_BUCKETS", '[{"name": "photos", "public": "maybe"}]', "valid boolean"),
        ("STORAGE_BUCKETS", "[7]", "STORAGE_BUCKETS: "),
        ("UPLOAD_DIRECT_ENABLED", "maybe", "valid boolean"),
    ],
)
def test_bad_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, words: str
) -> None:
    with pytest.raises(BadSettings) as raised:
        read(monkeypatch, **{name: text})
    assert all(line.startswith(f"{name}: ") for line in str(raised.value).splitlines())
    assert words in str(raised.value)


def test_missing_secret_is_said_and_all_faults_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    with pytest.raises(BadSettings) as raised:
        load()
    assert sorted(line.partition(":")[0] for line in str(raised.value).splitlines()) == [
        "PORT",
        "SECRET_KEY",
    ]


def test_secrets_stay_out_of_messages_and_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, ANON_KEY=OTHER, SECRET_KEY_PREVIOUS="old" + SECRET)
    assert settings.secrets == [SECRET, "old" + SECRET]
    assert SECRET not in repr(settings) and OTHER not in repr(settings)
    with pytest.raises(BadSettings) as raised:
        read(monkeypatch, ANON_KEY=SECRET)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("name", ["SECRET_KEY", "STORAGE_SERVICE_API_KEY"])
def test_anon_key_may_be_no_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(BadSettings, match="ANON_KEY stands in web pages"):
        read(monkeypatch, **{name: OTHER, "ANON_KEY": OTHER})


def test_root_pair_has_minios_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch).root_key is None
    root = read(monkeypatch, MINIO_ROOT_USER="root@example.org", MINIO_ROOT_PASSWORD=OTHER).root_key
    assert root is not None
    assert (root.access_key, root.secret, root.owner) == ("root@example.org", OTHER, "@service")


@pytest.mark.parametrize(
    "variables",
    [
        {"S3_ROOT_ACCESS_KEY": "root"},
        {"MINIO_ROOT_PASSWORD": OTHER},
        {"MINIO_ROOT_USER": "a/b", "MINIO_ROOT_PASSWORD": OTHER},
    ],
)
def test_half_a_root_pair_or_an_unusable_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    with pytest.raises(BadSettings, match="S3_ROOT_ACCESS_KEY"):
        read(monkeypatch, **variables)


@pytest.mark.parametrize(
    "text",
    [
        f"backup:{OTHER}:ann:r:photos/2026/",
        f'[{{"access_key": "backup", "secret_key": "{OTHER}", "owner": "ann", "buckets": ["photos/2026/"],'
        ' "actions": ["read", "list"]}]',
    ],
)
def test_keys_in_both_spellings(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    settings = read(monkeypatch, STORAGE_KEYS=text)
    (key,) = settings.storage_keys
    assert (key.access_key, key.secret, key.owner) == ("backup", OTHER, "ann")
    assert key.scope is not None
    assert (key.scope.places, key.scope.actions) == ((("photos", "2026/"),), {"read", "list"})
    assert OTHER not in repr(settings)


def test_unreadable_key_is_refused_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings, match=r"STORAGE_KEYS: .*rights are r") as raised:
        read(monkeypatch, STORAGE_KEYS=f"backup:{OTHER}:ann:x")
    assert OTHER not in str(raised.value)


def test_settings_do_not_change() -> None:
    settings = load(secret_key=SECRET)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_relative_path_is_made_absolute_once(tmp_path: Path) -> None:
    assert load(secret_key=SECRET, storage_path="data").storage_path == tmp_path / "data"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.1", False),
        ("localhost.example.org", False),
        ("storage", False),
        ("", False),
    ],
)
def test_loopback_hosts(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


WEAK = [
    ("SECRET_KEY", "your_secret_key", "is a known example"),
    ("SECRET_KEY", "changeme", "is a known example"),
    ("SECRET_KEY", "changeme_super_secret_jwt_key_32_bytes_long", "is a known example"),
    ("SECRET_KEY", "Your-Super-Secret-JWT-Key-Change-In-Production", "is a known example"),
    ("SECRET_KEY", SECRET[:31], "is shorter than 32 bytes"),
    ("SECRET_KEY", "0" * 64, "is one character repeated"),
    ("SECRET_KEY_PREVIOUS", OTHER[:8], "is shorter than 32 bytes"),
    ("STORAGE_SERVICE_API_KEY", "your_storage_api_key", "is a known example"),
    ("STORAGE_SERVICE_API_KEY", OTHER[:15], "is shorter than 16 bytes"),
    ("S3_ROOT_SECRET_KEY", "minioadmin", "is a known example"),
    ("S3_ROOT_SECRET_KEY", "the-root-key", "is a known example"),
    ("S3_ROOT_SECRET_KEY", OTHER[:7], "is shorter than 8 characters"),
]


@pytest.mark.parametrize(("name", "value", "fault"), WEAK)
def test_weak_secret_stops_a_service_that_others_reach(name: str, value: str, fault: str) -> None:
    root = {"s3_root_access_key": "the-root-key", "s3_root_secret_key": OTHER}
    settings = load(**{"secret_key": SECRET} | root | {name.lower(): value})
    with pytest.raises(WeakSecret) as raised:
        check_secret(settings, "0.0.0.0")
    for text in (str(raised.value), check_secret(settings, "127.0.0.1") or ""):
        assert f"{name} {fault}" in text
        assert value not in text
        assert "openssl rand" in text


@pytest.mark.parametrize(
    ("user", "secret"), [("minioadmin", "minioadmin"), ("minio", "minio123"), ("same.as.it", "same.as.it")]
)
def test_known_root_secret_starts_only_where_it_is_allowed(user: str, secret: str) -> None:
    pair = {"secret_key": SECRET, "s3_root_access_key": user, "s3_root_secret_key": secret}
    with pytest.raises(WeakSecret):
        check_secret(load(**pair), "0.0.0.0")
    warning = check_secret(load(**pair, allow_known_root_secret=True), "0.0.0.0")
    assert warning is not None
    assert "S3_ROOT_SECRET_KEY is a known example" in warning
    with pytest.raises(WeakSecret, match="SECRET_KEY is shorter"):
        check_secret(load(**{**pair, "secret_key": "short"}, allow_known_root_secret=True), "0.0.0.0")
    with pytest.raises(WeakSecret, match="shorter than 8"):
        check_secret(load(**{**pair, "s3_root_secret_key": "x1"}, allow_known_root_secret=True), "0.0.0.0")


def test_strong_secrets_start_anywhere() -> None:
    settings = load(secret_key=SECRET, storage_service_api_key=OTHER, secret_key_previous=OTHER)
    for host in ("0.0.0.0", "127.0.0.1"):
        assert check_secret(settings, host) is None


def test_secret_of_the_other_tests_is_no_known_example(
    service_environment: dict[str, str],
) -> None:
    names = ("SECRET_KEY", "STORAGE_SERVICE_API_KEY")
    settings = load(**{name.lower(): service_environment[name] for name in names})
    assert check_secret(settings, "0.0.0.0") is None
