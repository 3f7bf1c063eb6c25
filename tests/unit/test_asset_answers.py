"""What the provider says of assets, read for what can be used of it."""

from typing import Any

import pytest

from manxue.wire import read_upload

URL = "https://media.example.com/a.png"


def answer(asset_id: Any) -> dict[str, Any]:
    return {"code": 0, "data": {"items": [{"originalUrl": URL, "assetId": asset_id}], "failedItems": []}}


@pytest.mark.parametrize("asset_id", ["asset-20260101-x7", "a.b_c", 42])
def test_an_asset_id_is_taken_as_it_is(asset_id: Any) -> None:
    assert read_upload(answer(asset_id), [URL]).accepted == {URL: str(asset_id)}


@pytest.mark.parametrize("asset_id", ["", " ", "a b/../c", "a\n", "x" * 5000, "..", None, True, ["a"], {"id": "a"}])
def test_what_no_request_could_name_counts_as_left_out(asset_id: Any) -> None:
    told = read_upload(answer(asset_id), [URL])
    assert (told.accepted, told.refused) == ({}, {})
