"""What counts as a file of this machine, what it is called where it is staged, and what is served of it."""

import hashlib
import os
import re
from pathlib import Path

import httpx
import pytest

from emulator.app import create_app
from emulator.config import EmulatorConfig
from emulator.ledger import Ledger
from media.staging import Content, FileUnusable, StagingFailed, bucket_staging, folder_staging, read_content
from settings import Settings, SettingsError, load
from starter.request_file import read_document
from starter.staging import LocalMedia, local_path, staging_place

HERE = Path("/here")
CONTENT = b"a face"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("face.png", "/here/face.png"),
        ("./a b/face.png", "/here/a b/face.png"),
        ("/tmp/face.png", "/tmp/face.png"),
        ("~/face.png", "/home/of/face.png"),
        ("~nobody-of-that-name/face.png", "/here/~nobody-of-that-name/face.png"),
        ("file:///tmp/a%20b.png", "/tmp/a b.png"),
        ("file://elsewhere/tmp/a.png", None),
        ("https://a.example/face.png", None),
        ("s3://bucket/face.png", None),
        ("asset://asset-1", None),
        ("data:image/png;base64,AAAA", None),
        ("  ", None),
        (7, None),
    ],
)
def test_what_has_no_scheme_is_a_path(monkeypatch: pytest.MonkeyPatch, text: object, path: str | None) -> None:
    monkeypatch.setenv("HOME", "/home/of")
    assert local_path(text, HERE) == (path and Path(path))


@pytest.mark.parametrize(
    ("file", "suffix"),
    [("a.png", ".png"), ("b.PNG", ".png"), ("c", ""), ("d.tar.gz", ".gz"), ("e.p?g", ""), ("f.é", ""), (".png", "")],
)
def test_a_name_is_the_content_with_a_harmless_suffix(tmp_path: Path, file: str, suffix: str) -> None:
    (tmp_path / file).write_bytes(CONTENT)
    content = read_content(tmp_path / file)
    assert (content.name, content.size) == (SHA256 + suffix, len(CONTENT))


def test_a_path_without_content_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe")
    said = {
        "none.png": "does not exist",
        ".": "is a directory",
        "empty.png": "is empty",
        "pipe": "is not a regular file",
        "a\0b": "cannot be read: (embedded null byte|stat: embedded null character in path)",
        "x" * 300: "cannot be read: File name too long",
        "empty.png/a.png": "cannot be read: Not a directory",
    }
    for name, why in said.items():
        with pytest.raises(FileUnusable) as raised:
            read_content(tmp_path / name)
        assert re.fullmatch(why, str(raised.value))


@pytest.mark.parametrize(
    ("url", "reference"),
    [
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/", "s3://bucket/"),
        ("gs://bucket/a/b", "gs://bucket/a/b/"),
        ("az://container/a%20b/", "az://container/a%20b/"),
    ],
)
def test_references_lie_under_the_prefix(url: str, reference: str) -> None:
    assert bucket_staging(url).reference(Content(Path("a.png"), 6, SHA256)) == f"{reference}{SHA256}.png"


@pytest.mark.parametrize("value", ["/tmp", "https://a.example/", "s3://", "s3://a b/", "s3://a/?x=1", "file:///tmp/"])
def test_a_staging_that_is_no_prefix_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MANXUE_STAGING", value)
    with pytest.raises(SettingsError, match="MANXUE_STAGING: must be an object store prefix"):
        load(Settings)


async def test_content_is_put_once(tmp_path: Path) -> None:
    file, sent = tmp_path / "a.png", list[int]()
    file.write_bytes(CONTENT)
    place = folder_staging(tmp_path / "staging", "http://127.0.0.1:1/staging/")
    assert [await place.put(read_content(file), sent.append) for _ in range(2)] == [True, False]
    assert sum(sent) == len(CONTENT)
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "staging").iterdir()] == [(f"{SHA256}.png", CONTENT)]


@pytest.mark.parametrize("size", [6, 12_000_000])
async def test_a_file_that_changes_meanwhile_is_not_put_under_the_name_of_what_it_was(
    tmp_path: Path, size: int
) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"1" * size)
    content = read_content(file)
    file.write_bytes(b"2" * size)
    place = folder_staging(tmp_path / "staging", "http://127.0.0.1:1/staging/")
    with pytest.raises(StagingFailed, match="was changed while it was read"):
        await place.put(content, lambda count: None)
    file.unlink()
    with pytest.raises(StagingFailed, match=r"a\.png cannot be read: No such file"):
        await place.put(content, lambda count: None)
    assert list((tmp_path / "staging").iterdir()) == []


def test_each_file_is_named_as_it_was_given_and_relative_to_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option is relative to the current directory and called by its name, a field to its file and by its own."""
    monkeypatch.chdir(tmp_path)
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    (scenes / "scene.yaml").write_text("image: face.png\nreferenceImages: [https://a.example/a.png, gone.png]\n")
    (scenes / "face.png").write_bytes(CONTENT)
    document = read_document("scenes/scene.yaml")
    media = LocalMedia(bucket_staging("s3://bucket/staging"))
    body = {**document.fields["request"], "last_image": "face.png", "referenceAudios": ["gone.mp3", 5]}
    options = {"last_image": "face.png", "reference_audio": ["gone.mp3"], "reference_image": []}
    staged = media.in_request(body, options, document.folder)
    assert staged["image"] == f"s3://bucket/staging/{SHA256}.png"
    assert staged["referenceImages"][0] == "https://a.example/a.png"
    assert staged["referenceAudios"][1] == 5
    told = [(problem.field, problem.rule, problem.given) for problem in media.problems]
    assert told == [
        ("referenceImages[1]", "file", "gone.png"),
        ("--last-image", "file", "face.png"),
        ("--reference-audio", "file", "gone.mp3"),
    ]


def test_without_a_place_the_file_and_the_setting_are_named(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(CONTENT)
    media = LocalMedia(staging_place(Settings(), None))
    media.reference("face.png", "--first-image", tmp_path)
    (found,) = media.problems
    assert (found.field, found.rule, found.given) == ("--first-image", "staging", "face.png")
    assert "MANXUE_STAGING" in found.hint


async def test_an_emulator_serves_what_is_staged_and_nothing_else_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    folder.mkdir()
    (folder / f"{SHA256}.png").write_bytes(CONTENT)
    (folder / "other.png").write_bytes(CONTENT)
    (tmp_path / SHA256).write_bytes(CONTENT)

    async def answers(config: EmulatorConfig, *names: str) -> list[int]:
        transport = httpx.ASGITransport(create_app(config, Ledger()))
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator") as http:
            return [(await http.get(f"/staging/{name}")).status_code for name in names]

    names = (f"{SHA256}.png", "other.png", f"..%2F{SHA256}", "0" * 64)
    assert await answers(EmulatorConfig(staging=folder), *names) == [200, 404, 404, 404]
    assert await answers(EmulatorConfig(), *names) == [404] * 4
