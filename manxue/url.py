"""Which media references the provider, or this worker on its behalf, can use; and whom it can notify."""

from unicodedata import category
from urllib.parse import urlsplit

OBJECT_STORE_SCHEMES = ("s3", "gs", "az")
"""Private buckets: the worker presigns such a reference inside the activity that sends it."""

_LONGEST_RECEIVER = 2000
"""Characters."""

_ALLOWED = "give an http(s):// URL, an asset:// id, or an s3://, gs:// or az:// reference"


def is_http(reference: str) -> bool:
    """Whether the reference is a plain http or https URL."""
    return reference.split("://", 1)[0].lower() in ("http", "https")


def is_object_store(reference: str) -> bool:
    """Whether the reference names an object in a bucket that must be presigned before it is sent."""
    return reference.split("://", 1)[0].lower() in OBJECT_STORE_SCHEMES


def media_url_problem(reference: str) -> str | None:
    """What is wrong with a media reference, as a hint; None when it can be used."""
    if not reference.strip():
        return f"must not be empty; {_ALLOWED}"
    if any(c.isspace() or category(c) in ("Cc", "Cs") for c in reference):
        return "contains white space, a control character or half a surrogate pair; percent-encode it"
    if reference.startswith("asset://"):  # its id is the provider's, and need not look like a host
        return None if reference[8:].strip("/") else "has no asset id; write asset://{assetId}"
    try:
        parts = urlsplit(reference)
        host, port = parts.hostname, parts.port
    except ValueError:
        return f"has no valid host and port; {_ALLOWED}"
    match parts.scheme.lower():
        case "http" | "https":
            if not host or port == 0:
                return "has no valid host and port; give the whole URL, such as https://example.com/a.png"
        case "asset":
            return "write asset://{assetId}, in small letters"
        case "assetid":
            return "assetId:// belongs to another product of the vendor; this API takes asset://{assetId}"
        case "s3" | "gs" | "az":
            if not parts.netloc or not parts.path.strip("/"):
                return f"must name a bucket and a key, such as {parts.scheme}://bucket/path/image.png"
        case "file" | "data" | "":
            return f"cannot be reached by the provider; {_ALLOWED}"
        case _:
            return f"this scheme is not supported; {_ALLOWED}"
    return None


def receiver_problem(url: str) -> str | None:
    """What is wrong with the URL of somebody who is to be notified, as a hint; None when it can be used."""
    if not is_http(url) or media_url_problem(url):
        return "must be an http:// or https:// URL with a host, without white space, such as https://example.com/hook"
    if len(url) > _LONGEST_RECEIVER:
        return f"must be at most {_LONGEST_RECEIVER} characters"
    if "@" in urlsplit(url).netloc:
        return "must have no user name or password in it: every notification is signed instead"
    return None
