"""Media references as the provider can fetch them: private buckets are presigned in the activity that sends them."""

import asyncio
from datetime import timedelta

from activities.errors import final
from manxue.failure import FailureType
from manxue.url import is_object_store
from media.presign import PresignFailed, presign

LIFETIME = timedelta(hours=24)
"""For as long as the provider may need: it fetches when a renderer is free, which can be hours later."""


async def reachable(references: list[str]) -> dict[str, str]:
    """Reference -> URL to send. The values may be secrets: they must not leave the activity.

    Fails with MediaRejected.
    """
    private = [reference for reference in references if is_object_store(reference)]
    try:
        signed = await asyncio.gather(*(presign(reference, LIFETIME) for reference in private))
    except PresignFailed as error:
        raise final(FailureType.MEDIA_REJECTED, f"{error}; nothing was sent") from None
    return {reference: reference for reference in references} | dict(zip(private, signed, strict=True))
