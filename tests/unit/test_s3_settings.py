"""Addresses of buckets, with their credentials and options."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.store.s3.settings import S3Settings


def test_an_address_says_where_the_bucket_is() -> None:
    settings = S3Settings.of("s3://files/labs/one/?endpoint=http://s3:9000&region=eu&path-style=no&downloads=signed")
    assert (settings.bucket, settings.prefix, settings.endpoint, settings.region) == (
        "files",
        "labs/one",
        "http://s3:9000",
        "eu",
    )
    assert settings.name == "s3://files/labs/one" and settings.key("lab") == "labs/one/lab"
    assert S3Settings.of("s3://files").key("lab") == "lab"


def test_options_come_before_those_of_the_address() -> None:
    assert S3Settings.of("s3://files?region=a", {"region": "b"}).region == "b"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("files", "s3://BUCKET/PREFIX"),
        ("https://files", "s3://BUCKET/PREFIX"),
        ("s3://", "s3://BUCKET/PREFIX"),
        ("s3://key:hunter2@files", "without credentials"),
        ("s3://F", "3 to 63"),
        ("s3://files/a//b", "prefix"),
        ("s3://files/a b", "prefix"),
        ("s3://files?speed=1", "no option 'speed'"),
        ("s3://files?endpoint=s3.example.org", "endpoint is a URL"),
        ("s3://files?endpoint=https://a:b@s3.example.org", "endpoint is a URL"),
        ("s3://files?path-style=1", "yes or no"),
        ("s3://files?encryption=rot13", "AES256"),
        ("s3://files?kms-key=k", "encryption=aws:kms"),
        ("s3://files?downloads=fast", "lab or signed"),
        ("s3://files?signed-s=0", "seconds"),
        ("s3://files?signed-s=soon", "seconds"),
        ("s3://files?access-key-file=/a", "belong together"),
    ],
)
def test_a_wrong_address_is_refused_in_one_line(address: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        S3Settings.of(address)
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)


def test_credentials_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("key\n")
    settings = S3Settings.of("s3://files", {"access-key-file": f"{tmp_path}/a", "secret-key-file": f"{tmp_path}/b"})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        settings.credentials()
    (tmp_path / "b").write_text("secret\n")
    assert settings.credentials() == ("key", "secret")
    assert S3Settings.of("s3://files").credentials() is None
