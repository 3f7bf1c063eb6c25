"""What lies beside a video never decides about it."""

from pathlib import Path

from temporalio.testing import ActivityEnvironment

from activities.sidecars import deliver_pictures
from media.storage import Directory
from media.verify import Pictures

PICTURES = Pictures(b"poster", b"contact sheet")


async def test_pictures_that_cannot_be_put_are_a_warning(tmp_path: Path) -> None:
    away = Directory(tmp_path / "away")
    preview, (warning,) = await ActivityEnvironment().run(deliver_pictures, away, "a.mp4", PICTURES)
    assert preview is None
    assert warning.field == "preview"
    assert warning.hint.startswith("the video was delivered without pictures: ")
    assert warning.hint.endswith("away cannot be written: No such file or directory")


async def test_pictures_that_were_put_before_a_crash_are_found_again(tmp_path: Path) -> None:
    for _ in range(2):
        preview, warnings = await ActivityEnvironment().run(deliver_pictures, Directory(tmp_path), "a.b.mp4", PICTURES)
        assert warnings == []
        assert preview
        assert preview.poster_uri == (tmp_path / "a.b.poster.jpg").as_uri()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.b.poster.jpg": b"poster",
        "a.b.contact-sheet.jpg": b"contact sheet",
    }
