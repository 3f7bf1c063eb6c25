"""One account of the provider, told apart from others without showing its key."""

import hashlib


def account_digest(base_url: str, api_key: str) -> str:
    """Twelve characters for workflow ids: what belongs to an account is shared by all workers that use it."""
    return hashlib.sha256(f"{base_url}\0{api_key}".encode()).hexdigest()[:12]
