"""Records that survive a restart of the emulator: one JSON file each, in a directory."""

from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter

Record = TypeVar("Record")


class Kept(Generic[Record]):
    """Records of one dataclass. Without a directory nothing is kept."""

    def __init__(self, kind: type[Record], folder: Path | None) -> None:
        self._adapter = TypeAdapter(kind)
        self._folder = folder
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, record: Record) -> None:
        """Write it, whole or not at all. Blocks for a moment."""
        if self._folder:
            unfinished = self._folder / f"{name}.part"
            unfinished.write_bytes(self._adapter.dump_json(record))
            unfinished.rename(self._folder / f"{name}.json")

    def all(self) -> dict[str, Record]:
        """Every record by its name, as earlier runs left them."""
        files = sorted(self._folder.glob("*.json")) if self._folder else []
        return {file.stem: self._adapter.validate_json(file.read_bytes()) for file in files}
