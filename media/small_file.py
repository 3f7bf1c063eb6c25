"""Small files read whole, from a directory or an object store."""

import asyncio
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from media.bucket import RETRIES


async def read_small(uri: str, most: int) -> bytes | None:
    """The content of a `file://`, `s3://`, `gs://` or `az://` file of at most `most` bytes; None without it."""
    parts = urlsplit(uri)
    try:
        if parts.scheme == "file":
            return await asyncio.to_thread(_read, Path(unquote(parts.path)), most)
        store = from_url(f"{parts.scheme}://{parts.netloc}", retry_config=RETRIES)
        answer = await obstore.get_async(store, unquote(parts.path).lstrip("/"))
        return bytes(await answer.bytes_async()) if answer.meta["size"] <= most else None
    except (BaseError, OSError, ValueError):
        return None


def _read(path: Path, most: int) -> bytes | None:
    return path.read_bytes() if path.is_file() and path.stat().st_size <= most else None
