"""Signed URLs for objects in private buckets, so that the provider can fetch them."""

from datetime import timedelta
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store, from_url

from media.bucket import RETRIES


class PresignFailed(Exception):
    """No signed URL could be made: no credentials, or the store refused."""


async def presign(reference: str, lifetime: timedelta) -> str:
    """A signed GET URL for an `s3://`, `gs://` or `az://` object.

    A secret: it must never be logged or handed to a workflow. Raises PresignFailed.
    """
    parts = urlsplit(reference)
    try:
        store = from_url(f"{parts.scheme}://{parts.netloc}", retry_config=RETRIES)
        if not isinstance(store, S3Store | GCSStore | AzureStore):
            raise PresignFailed(f"{reference} is in no object store that signs URLs")
        return await obstore.sign_async(store, "GET", unquote(parts.path).lstrip("/"), lifetime)
    except (BaseError, OSError, ValueError) as error:
        raise PresignFailed(f"{reference} cannot be presigned: {type(error).__name__}") from None
