"""S3Settings: where a bucket is and how to speak to it, read from an address: s3://bucket/prefix?option=value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ...errors import ConfigurationError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/-]*")
ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
SIGNED_S_MAX = 7 * 86_400


@dataclass(frozen=True)
class S3Settings:
    """Attributes beside `bucket` and `prefix` are the options of an address, with `-` in place of `_`.

    Attributes:
        endpoint: URL of the server; "": AWS.
        region: "": as the AWS tools find it, else us-east-1.
        access_key_file, secret_key_file: files with the credentials; "": as the AWS tools find them: environment
            variables, ~/.aws, the role of the machine or of the Kubernetes service account.
        path_style: "yes": https://server/bucket/key; "no": https://bucket.server/key; "": yes with an endpoint.
        encryption: what is asked for with each object, one of ENCRYPTIONS; "": what the bucket does by itself.
        kms_key: for aws:kms.
        downloads: "lab": files pass through the lab; "signed": whoever downloads is sent to the bucket.
        signed_s: how long a signed address is good for, seconds.
        public_endpoint: the server as those who download reach it; "": as the lab does.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key_file: str = ""
    secret_key_file: str = ""
    path_style: str = ""
    encryption: str = ""
    kms_key: str = ""
    downloads: str = "lab"
    signed_s: str = "60"
    public_endpoint: str = ""

    @classmethod
    def of(cls, address: str, options: Mapping[str, str] | None = None) -> S3Settings:
        """Read an address. `options` come before those in the address. Raises ConfigurationError."""
        parts = urlsplit(address)
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.fragment:
            raise ConfigurationError(
                "The address of a bucket is s3://BUCKET/PREFIX?endpoint=https://SERVER, without credentials: "
                "write it like that."
            )
        named = {name.replace("_", "-"): name for name in OPTIONS}
        made = cls(parts.netloc, parts.path.strip("/"))
        for option, value in {**dict(parse_qsl(parts.query, keep_blank_values=True)), **(options or {})}.items():
            if option not in named:
                raise ConfigurationError(f"A bucket has no option {option!r}: there are {', '.join(named)}.")
            made = replace(made, **{named[option]: value})
        made._check()
        return made

    def _check(self) -> None:
        def wrong(what: str) -> ConfigurationError:
            return ConfigurationError(f"s3://{self.bucket}: {what}.")

        if not _BUCKET.fullmatch(self.bucket):
            raise wrong("a bucket is named by 3 to 63 of a-z, 0-9, - and .: correct its name")
        if not _PREFIX.fullmatch(self.prefix) or "//" in self.prefix:
            raise wrong("a prefix has letters, digits and any of !_.*'()/- : correct it")
        for name in ("endpoint", "public_endpoint"):
            value = getattr(self, name)
            url = urlsplit(value)
            if value and (url.scheme not in {"http", "https"} or not url.hostname or url.query or "@" in url.netloc):
                raise wrong(f"{name.replace('_', '-')} is a URL such as https://s3.example.org: correct {value!r}")
        if self.path_style not in {"", "yes", "no"}:
            raise wrong("path-style is yes or no")
        if self.encryption not in {"", *ENCRYPTIONS}:
            raise wrong(f"encryption is one of {', '.join(ENCRYPTIONS)}")
        if self.kms_key and not self.encryption.startswith("aws:kms"):
            raise wrong("kms-key is for encryption=aws:kms: set that, too")
        if self.downloads not in {"lab", "signed"}:
            raise wrong("downloads is lab or signed")
        if not self.signed_s.isdecimal() or not 1 <= int(self.signed_s) <= SIGNED_S_MAX:
            raise wrong(f"signed-s is a number of seconds from 1 to {SIGNED_S_MAX}")
        if bool(self.access_key_file) != bool(self.secret_key_file):
            raise wrong("access-key-file and secret-key-file belong together: set both, or neither")

    @property
    def name(self) -> str:
        """Return the name of the bucket for messages."""
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    @property
    def server(self) -> str:
        """Return the name of the server for messages."""
        return self.endpoint or "S3"

    def key(self, name: str) -> str:
        """Return the key of an object below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def credentials(self) -> tuple[str, str] | None:
        """Return both keys from their files; None: the AWS tools' ways. Raises ConfigurationError."""
        if not self.access_key_file:
            return None
        return _secret(self.access_key_file), _secret(self.secret_key_file)


OPTIONS = tuple(field.name for field in fields(S3Settings) if field.name not in {"bucket", "prefix"})


def _secret(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is not text"
        raise ConfigurationError(f"{path} with credentials of S3 cannot be read ({why}): correct the path.") from None
