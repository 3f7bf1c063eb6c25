"""Which place an `output` names."""

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from media.bucket import Bucket
from media.storage import Directory, Output

OBJECT_STORES = ("s3", "gs", "az")


class OutputInvalid(ValueError):
    """The output names no place that files could go to. The text is a hint for its author."""


def output_problem(reference: str) -> str | None:
    """What is wrong with an `output`, as a hint; None when it names a directory or an object store prefix."""
    try:
        parts = urlsplit(reference)
        port = parts.port
    except ValueError as error:
        return f"is not a valid URL ({error})"
    path = unquote(parts.path)
    if parts.query or parts.fragment or any(ord(c) < 0x20 for c in unquote(reference)):
        return "must be a plain URL without query, fragment or control characters"
    if ".." in path.split("/"):
        return "must not contain `..`"
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not path.startswith("/"):
            return "must be an absolute path of the worker's machine, such as file:///videos/"
        return None
    if port is not None or parts.username:
        return "must name a directory or a bucket, without port and user"
    if parts.scheme in OBJECT_STORES:
        return None if parts.netloc and "//" not in path else f"must be like {parts.scheme}://bucket/prefix/"
    return "must be file:///dir/, s3://bucket/prefix/, gs://bucket/prefix/ or az://container/prefix/"


def open_output(reference: str) -> Output:
    """The output that a URL, or a plain local path, names. Raises OutputInvalid or OutputUnavailable."""
    if "://" not in reference:
        return Directory(Path(reference).resolve())
    if hint := output_problem(reference):
        raise OutputInvalid(hint)
    parts = urlsplit(reference)
    if parts.scheme == "file":
        return Directory(Path(unquote(parts.path)))
    return Bucket(reference, Path(tempfile.gettempdir()) / "manxue-worker")
