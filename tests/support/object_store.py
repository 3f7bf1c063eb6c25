"""An S3-compatible server, and what a test looks at in it."""

import time
from pathlib import Path

import httpx
from obstore.store import S3Store

from tests.support.processes import BIN, free_port, spawn

BUCKET = "renders"
SECRET = "object-store-secret-key"
_DENY_PUTS = """{"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::read-only/*"}]}"""


class ObjectStore:
    """moto's server with the bucket `BUCKET`, and the bucket `read-only` that denies puts.

    It knows conditional writes and bucket policies and refuses unsigned requests for objects, but checks no signature.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "object-store.log"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.env = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        self.start()

    def start(self) -> None:
        """Start it, with nothing in it: what it holds is gone with a `kill`."""
        command = [str(BIN / "moto_server"), "--host", "127.0.0.1", "--port", str(self._port)]
        self._process = spawn(command, self._log)
        end = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)
        httpx.put(f"{self.url}/{BUCKET}").raise_for_status()
        httpx.put(f"{self.url}/read-only").raise_for_status()
        httpx.put(f"{self.url}/read-only?policy", content=_DENY_PUTS).raise_for_status()

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url).is_success
        except httpx.ConnectError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def at(self, prefix: str) -> S3Store:
        """The objects under a prefix of the bucket, as a client with credentials sees them."""
        return S3Store(
            BUCKET,
            prefix=prefix,
            endpoint=self.url,
            region="us-east-1",
            access_key_id="test",
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def read(self, prefix: str) -> dict[str, bytes]:
        """Name -> content of every object under a prefix."""
        store = self.at(prefix)
        names = [found["path"] for page in store.list() for found in page]
        return {name: bytes(store.get(name).bytes()) for name in names}
