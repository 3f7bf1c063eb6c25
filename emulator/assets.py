"""The asset library: media are fetched at upload, reviewed for a while, then `Active` or `Failed`."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import ConfigDict

from emulator.config import EmulatorConfig
from emulator.faults import Faults
from emulator.fetching import UNMEASURED, Fetcher, FetchFailed, Recording
from emulator.kept import Kept
from emulator.rules import RuleBroken, is_web_url
from manxue.vocabulary import ASSET_SCHEME

KINDS = {"imageUrls": "Image", "videoUrls": "Video", "audioUrls": "Audio"}

REFUSED_WORD = "refuse"
"""An asset whose URL has this word in its path ends `Failed`."""

_SLOW = 10
"""Times the ordinary review, for the fault `slow`."""


@dataclass(frozen=True)
class Asset:
    """One submitted medium."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    id: str
    kind: str
    url: str
    content: bytes
    """An image's bytes. Videos and audios are measured but not kept."""
    submitted: float
    """Unix seconds."""
    fault: str | None = None
    """One of the kind `asset` of `emulator.faults`."""
    recording: Recording = UNMEASURED
    """Of a video or an audio."""


class Assets:
    """All assets of the one account that the emulator has."""

    def __init__(self, config: EmulatorConfig, fetcher: Fetcher, faults: Faults) -> None:
        self._faults = faults
        self._looked_up: set[str] = set()
        self._config = config
        self._fetcher = fetcher
        self._kept = Kept(Asset, config.state and config.state / "assets")
        self._assets = self._kept.all()

    async def upload(self, body: object) -> dict[str, Any]:
        """The `data` of the answer to an upload. Raises RuleBroken."""
        urls = [(kind, url) for name, kind in KINDS.items() for url in _strings(body, name)]
        if not urls:
            raise RuleBroken(f"at least one of {', '.join(KINDS)} must not be empty")
        outcomes = await asyncio.gather(*(self._submit(kind, url) for kind, url in urls))
        return {
            "items": [
                {"assetType": asset.kind, "originalUrl": asset.url, "assetId": asset.id, "status": "submitted"}
                for asset in outcomes
                if isinstance(asset, Asset)
            ],
            "failedItems": [
                {"originalUrl": url, "errorMessage": str(failure)}
                for (_, url), failure in zip(urls, outcomes, strict=True)
                if isinstance(failure, FetchFailed)
            ],
        }

    async def states(self, body: object) -> dict[str, Any]:
        """The `data` of the answer to a status call. Raises RuleBroken."""
        asset_ids = _strings(body, "assetIds")
        if not asset_ids:
            raise RuleBroken("assetIds must not be empty")
        known = [asset_id for asset_id in asset_ids if self._is_found(asset_id)]
        unknown = [asset_id for asset_id in asset_ids if asset_id not in known]
        return {
            "items": [{"assetId": asset_id, "status": self._state(self._assets[asset_id])} for asset_id in known],
            "failedItems": [{"assetId": asset_id, "errorMessage": "asset not found"} for asset_id in unknown],
        }

    def _is_found(self, asset_id: str) -> bool:
        """Whether a look-up of it succeeds; the fault `failed-lookup` makes the first one fail."""
        asset, again = self._assets.get(asset_id), asset_id in self._looked_up
        self._looked_up.add(asset_id)
        return asset is not None and (again or asset.fault != "failed-lookup")

    def find_active(self, reference: str, kind: str) -> Asset:
        """The asset behind an `asset://` reference. Raises RuleBroken unless it is of that kind and `Active`."""
        asset = self._assets.get(reference.removeprefix(ASSET_SCHEME))
        if asset is None or asset.kind != kind:
            raise RuleBroken(f"{reference} is not a known {kind.lower()} asset")
        if (state := self._state(asset)) != "Active":
            raise RuleBroken(f"{reference} is not Active but {state}")
        return asset

    async def _submit(self, kind: str, url: str) -> Asset | FetchFailed | None:
        content, recording, fault = b"", UNMEASURED, self._faults.next("asset", url, url)
        if fault == "omitted":
            return None
        try:
            if fault == "refused":
                raise FetchFailed("the content policy refused it")
            if not is_web_url(url):
                raise FetchFailed("not an http(s) URL")
            if kind == "Image":
                content = await self._fetcher.picture(url)
            else:
                recording = await self._fetcher.recording(url)
        except FetchFailed as failure:
            return failure
        asset = Asset(f"asset-{uuid4().hex}", kind, url, content, time.time(), fault, recording)
        self._assets[asset.id] = asset
        self._kept.put(asset.id, asset)
        return asset

    def _state(self, asset: Asset) -> str:
        patience = self._config.review_seconds / self._config.speed * (_SLOW if asset.fault == "slow" else 1)
        if time.time() - asset.submitted < patience:
            return "Processing"
        if asset.fault == "expired":
            return "EXPIRED"
        return "Failed" if REFUSED_WORD in urlsplit(asset.url).path else "Active"


def _strings(body: object, name: str) -> list[str]:
    values = body.get(name) if isinstance(body, dict) else None
    if not isinstance(values, list | None) or not all(isinstance(value, str) for value in values or ()):
        raise RuleBroken(f"{name} must be an array of strings")
    return values or []
