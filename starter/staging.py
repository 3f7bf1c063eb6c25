"""Files of this machine among a request's media: found, looked at, and brought to where the provider can fetch them."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from manxue.problem import Problem, problem
from manxue.request import FIRST_NAMES, LAST_NAMES, REFERENCE_LIMITS
from media.staging import Content, FileUnusable, Staging, bucket_staging, folder_staging, read_content
from settings import Settings
from starter import display
from starter.inputs import REQUEST_OPTIONS
from starter.local_state import LocalState
from workflows.rendering import whole_pick

_MEDIA_FIELDS = (*FIRST_NAMES, *LAST_NAMES, *REFERENCE_LIMITS)
_OPTIONS = {field: option for option, field in REQUEST_OPTIONS.items()}
_NO_PLACE = (
    "is a file of this machine, which the provider cannot reach: set MANXUE_STAGING to an object store prefix that it "
    "may be put under, such as s3://bucket/staging/, or give a URL"
)
_NO_FILE_OF_MANY = (
    "is no URL, and a file of this machine cannot have placeholders in its path: name the files in a list of "
    "`template.lists` and pick one, as in `{{ pick(images) }}`"
)


def staging_place(settings: Settings, stack: LocalState | None) -> Staging | None:
    """Where files go: with the emulator to a directory that it serves, so that nothing leaves this machine."""
    if stack and stack.emulator_url and stack.staging_folder:
        return folder_staging(Path(stack.staging_folder), f"{stack.emulator_url}/staging/")
    return bucket_staging(settings.staging) if settings.staging else None


def local_path(text: object, folder: Path) -> Path | None:
    """The file that a media reference names on this machine, relative to `folder`; None for a URL, and for nothing."""
    if not isinstance(text, str) or not text.strip() or text.startswith("data:"):
        return None
    if text.lower().startswith("file://"):
        parts = urlsplit(text)
        return Path(unquote(parts.path)) if parts.netloc in ("", "localhost") else None
    if "://" in text:
        return None
    try:
        return folder / Path(text).expanduser()
    except RuntimeError:  # a `~name` of nobody
        return folder / text


class LocalMedia:
    """Exchanges files for references, and remembers what is to be uploaded and what is wrong."""

    def __init__(self, place: Staging | None, *, templates: bool = False) -> None:
        """With `templates`, placeholders stand for files or URLs that are told elsewhere."""
        self._place = place
        self._templates = templates
        self._contents: dict[str, Content] = {}
        self._read = cache(read_content)  # many requests of a batch may share one large file
        self.problems: list[Problem] = []

    @property
    def names(self) -> dict[str, str]:
        """Reference -> what tells the content from others, wherever it is staged."""
        return {reference: content.name for reference, content in self._contents.items()}

    def names_of(self, references: Iterable[str]) -> dict[str, str]:
        """As `names`, for those of `references` that are staged."""
        return {reference: self._contents[reference].name for reference in references if reference in self._contents}

    def in_request(self, body: Any, options: Mapping[str, Any], folder: Path) -> Any:
        """A create-task body with references in place of files: those of `options` relative to the current directory,
        the others to `folder`."""
        if not isinstance(body, dict):
            return body
        return {
            field: self._in_field(field, value, options, folder) if field in _MEDIA_FIELDS else value
            for field, value in body.items()
        }

    def in_template(self, template: Any, body: Any, folder: Path) -> Any:
        """A template with references in the lists that media of `body` are picked from, or `body` as a whole."""
        lists = template.get("lists") if isinstance(template, dict) else None
        if not isinstance(lists, dict):
            return template
        picked = {whole_pick(text) for text in _media_texts(body)}

        def exchanged(name: str, entries: Any) -> Any:
            if name in picked:
                return self._nested(entries, f"template.lists.{name}", folder)
            if name == whole_pick(body) and isinstance(entries, list):
                return [self.in_request(entry, {}, folder) for entry in entries]
            return entries

        return {**template, "lists": {name: exchanged(name, entries) for name, entries in lists.items()}}

    def reference(self, text: Any, field: str, folder: Path) -> Any:
        """What stands for one file, called `field` in problems; whatever is no file of this machine as it is."""
        path = local_path(text, folder)
        if path is None:
            return text
        if self._templates and "{{" in text:
            if not whole_pick(text):
                self.problems.append(problem(field, "file", text, _NO_FILE_OF_MANY))
            return text
        try:
            content = self._read(path)
        except FileUnusable as error:
            hint = f"the file {error}; give the path of a file, or a URL with its scheme"
            self.problems.append(problem(field, "file", text, hint))
        else:
            if self._place:
                reference = self._place.reference(content)
                self._contents[reference] = content
                return reference
            self.problems.append(problem(field, "staging", text, _NO_PLACE))
        return f"s3://nowhere/{quote(str(path), errors='replace')}"  # only so that the rules find what else is wrong

    async def upload(self) -> None:
        """Bring every file to its place that is not there yet. Raises StagingFailed."""
        place = self._place
        for reference, content in self._contents.items():
            assert place
            with _progress() as progress:
                bar = progress.add_task(content.path.name, total=content.size)
                new = await place.put(content, partial(progress.advance, bar))
            done = f"uploaded, {display.size(content.size)}" if new else "is there already"
            display.say(f"{content.path.name}: {done}: {reference}", "dim")

    def _nested(self, value: Any, path: str, folder: Path) -> Any:
        if isinstance(value, list):
            return [self._nested(entry, f"{path}[{i}]", folder) for i, entry in enumerate(value)]
        return self.reference(value, path, folder)

    def _in_field(self, field: str, value: Any, options: Mapping[str, Any], folder: Path) -> Any:
        option = _OPTIONS.get(field, "")
        given = bool(options.get(option))
        folder, name = (Path(), f"--{option.replace('_', '-')}") if given else (folder, field)
        if not isinstance(value, list):
            return self.reference(value, name, folder)
        return [self.reference(item, name if given else f"{name}[{i}]", folder) for i, item in enumerate(value)]


def _media_texts(body: Any) -> Iterator[Any]:
    for field, value in body.items() if isinstance(body, dict) else ():
        if field in _MEDIA_FIELDS:
            yield from value if isinstance(value, list) else [value]


def _progress() -> Progress:
    """A bar while bytes go, on a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=display.console, transient=True, disable=not display.is_moving())
