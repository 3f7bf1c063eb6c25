"""Every setting of the worker and the command line, from the environment. The only reader of our own variables.

The Temporal connection is not here: it follows Temporal's own standard (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
profiles), see starter/client.py. Object stores read their usual variables (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
"""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from manxue.url import is_object_store, media_url_problem
from manxue.vocabulary import DEFAULT_BASE_URL

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


S = TypeVar("S", bound="EncryptionSettings")


class SettingsError(Exception):
    """A setting is missing or wrong; the text names the variable and says what to do."""


@dataclass(frozen=True)
class EncryptionKey:
    """One key of AES-256, by the name that payloads remember it by."""

    id: str
    secret: bytes = field(repr=False)


class EncryptionSettings(BaseSettings):
    """Settings of who only reads or writes payloads."""

    # A process reads one class of these, and builds no validators of the others.
    model_config = SettingsConfigDict(
        env_prefix="MANXUE_", env_ignore_empty=True, frozen=True, extra="ignore", defer_build=True
    )

    encryption_keys: Annotated[tuple[EncryptionKey, ...], NoDecode] = ()
    """The first encrypts, all of them decrypt; without any nothing is encrypted."""

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        keys = [_key(part.strip()) for part in value.split(",") if part.strip()]
        if len({key.id for key in keys}) < len(keys):
            raise ValueError("two keys must not have the same id")
        return keys


class Settings(EncryptionSettings):
    """Settings that a starter needs as well as a worker."""

    task_queue: str = "manxue"
    base_url: str = DEFAULT_BASE_URL
    output: str = "./videos"
    """Where videos go when a request names no `output`: a directory or an object store prefix."""
    staging: str | None = None
    """Object store prefix that the command line puts local files under; the worker signs URLs of them."""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("task_queue")
    @classmethod
    def _name(cls, value: str) -> str:
        if value != value.strip() or not re.fullmatch(r'[^"\\\x00-\x1f\x7f]{1,900}', value):
            raise ValueError("must be 1 to 900 characters without quotes, backslashes, and white space around them")
        return value

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// (or http:// for a local stand-in)")
        if not _is_plain(value):
            raise ValueError("must be an address to which paths can be added: no user, query, fragment or white space")
        return value.rstrip("/")

    @field_validator("staging")
    @classmethod
    def _prefix(cls, value: str | None) -> str | None:
        usable = value is None or (is_object_store(value) and not media_url_problem(f"{value.rstrip('/')}/name"))
        if not usable or set(value or "") & set("?#"):
            raise ValueError("must be an object store prefix: s3://bucket/prefix/, gs://bucket/… or az://container/…")
        return value


class KeySettings(Settings):
    """Settings of who only looks whether the API key is right, where there is one."""

    api_key: SecretStr | None = None

    @field_validator("api_key")
    @classmethod
    def _not_blank(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        key = value.get_secret_value()
        if not key.strip() or not key.isascii() or any(c.isspace() for c in key.strip()):
            raise ValueError("must be the provider's API key: one word of ASCII characters")
        return SecretStr(key.strip())


class CodecServerSettings(Settings):
    """Settings of the codec server."""

    codec_token: SecretStr | None = Field(default=None, min_length=16)
    """What callers of the codec server show that they may read: `Authorization: Bearer TOKEN`."""


class WorkerSettings(KeySettings):
    """Settings of a worker, which alone needs the API key."""

    api_key: SecretStr
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Notifications are signed with each of them, comma-separated `whsec_<base64>`, the current one first."""
    deployment_name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """The Worker Deployment that this worker is a version of; None: it is not versioned, and takes any work."""
    build_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,128}$")
    """Names the code; None: the package's version, and the commit where that is known."""
    allowed_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    """Private networks that media and results may be fetched from, comma-separated CIDRs."""
    keep_assets: timedelta = Field(default=timedelta(days=30), ge=timedelta(0), le=timedelta(days=3650))
    """How long the verdict on an asset is remembered after a run last asked for it: ISO 8601, or seconds."""
    create_timeout: float = Field(default=60.0, ge=1, le=90)
    """Seconds that a create call waits for an answer; giving up on it leaves its outcome unknown."""
    submits_per_second: float | None = Field(default=None, gt=0, le=1000, allow_inf_nan=False)
    """Create calls of all workers of the account together; None is no limit."""
    max_in_flight: int | None = Field(default=None, ge=1, le=1000)
    """Renders of the account that may be unfinished at a time, over all workers; None is no limit."""
    max_downloads: int = Field(default=20, ge=1, le=100)
    """Files that this worker fetches at a time; others wait, and delay nothing else."""
    metrics_address: str | None = None
    """Where metrics and health are served, `host:port`; nowhere without it."""
    max_cached_workflows: int = Field(default=5000, ge=1, le=1_000_000)
    """Runs kept in memory, about 110 kB each; fewer than the runs in flight costs three times the CPU."""
    shutdown_grace: float = Field(default=90.0, ge=0, le=86400)
    """Seconds that a stopping worker waits for activities: more than `longest_create`."""

    @property
    def longest_create(self) -> float:
        """Seconds that a create call can take at most: connecting and sending have their time besides the answer."""
        return 1.25 * self.create_timeout

    @field_validator("metrics_address")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None and not _is_address(value):
            raise ValueError(f"must be host:port, such as 0.0.0.0:9464 or [::]:9464, not {value!r}")
        return value

    @field_validator("allowed_networks", "webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("webhook_secrets")
    @classmethod
    def _webhook_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_is_webhook_secret(secret.get_secret_value()) for secret in value):
            raise ValueError(
                "must be secrets separated by commas, each whsec_ and then 24 to 64 random bytes as base64; "
                'this makes one: echo "whsec_$(openssl rand -base64 32)"'
            )
        return value


def _is_webhook_secret(text: str) -> bool:
    """As Standard Webhooks has them."""
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and 24 <= len(key) <= 64


def load(kind: type[S]) -> S:
    """Read the settings. Raises SettingsError with one line for all that is missing or wrong."""
    try:
        return kind()
    except ValidationError as error:
        lines = [_explain(".".join(map(str, e["loc"][:1])), e["type"], e["msg"]) for e in error.errors()]
        raise SettingsError("; ".join(dict.fromkeys(lines))) from None


def _key(text: str) -> EncryptionKey:
    """`ID:BASE64`. Nothing of it is repeated in an error: it may be the key that stands where the id should be."""
    name, _, secret = text.partition(":")
    try:
        decoded = base64.b64decode(secret, validate=True)
    except binascii.Error:
        decoded = b""
    if not re.fullmatch(r"[\w.-]{1,64}", name, re.ASCII) or len(decoded) != 32:
        raise ValueError(
            "must be ID:KEY, or several of them separated by commas: an id of letters, digits, `.`, `_` and `-`, and "
            "32 random bytes as base64, made by: openssl rand -base64 32"
        )
    return EncryptionKey(name, decoded)


def _is_plain(url: str) -> bool:
    """Whether it has a host, a port that can be, and nothing but a path behind them."""
    try:
        where = urlsplit(url)
        good = bool(where.hostname) and where.port != 0
    except ValueError:
        return False
    return good and "@" not in where.netloc and not re.search(r"[?#\s]", url)


def _is_address(value: str) -> bool:
    try:
        where = urlsplit(f"//{value}")
        return bool(where.hostname and where.port) and where.netloc == value and "@" not in value
    except ValueError:
        return False


def _explain(name: str, kind: str, message: str) -> str:
    variable = f"MANXUE_{name.upper()}"
    if kind == "missing":
        return f"{variable} is not set: export it before starting the worker"
    return f"{variable}: {message.removeprefix('Value error, ')}"
