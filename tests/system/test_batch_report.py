"""The report of a batch whose videos lie in an object store."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from starter.batch_page import BatchTitle, PageOptions, page
from tests.support.object_store import BUCKET, ObjectStore
from tests.unit.test_batch_page import completed


async def test_its_pictures_are_in_the_page_and_its_videos_only_by_links_that_were_asked_for(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in store.env.items():
        monkeypatch.setenv(name, value)
    poster = BytesIO()
    Image.new("RGB", (64, 36), "teal").save(poster, "JPEG")
    objects = store.at("report/")
    objects.put("a b.mp4", b"the video")
    objects.put("a b.jpg", poster.getvalue())
    lines = [completed(f"s3://{BUCKET}/report/a%20b.mp4", f"s3://{BUCKET}/report/a%20b.jpg")]
    title = BatchTitle("b", "a.csv", "completed")
    without = await page(title, lines, PageOptions(tmp_path))
    assert '<img src="data:image/jpeg;base64,' in without
    assert "Signature" not in without
    with_links = await page(title, lines, PageOptions(tmp_path, timedelta(hours=1)))
    assert "The links to the videos are secrets" in with_links
    link = with_links.partition('<video tabindex="0" muted loop playsinline preload="none" src="')[2].partition('"')[0]
    async with httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(link.replace("&amp;", "&"))).content == b"the video"
    assert f"media-src &#39;self&#39; file: {store.url};" in with_links
