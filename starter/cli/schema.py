"""`manxue schema`: the published contract, for programs."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from starter import display
from starter.cli.exit_codes import BAD_INPUT, Stopped
from starter.contract_schemas import PUBLISHED, VERSION, schema_of
from starter.schema_changes import breaks
from starter.schema_making import Schema


def schema(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help=f"One of {', '.join(PUBLISHED)}.")] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write all of them below DIR, unless one there would break its callers."),
    ] = None,
) -> None:
    """Print the JSON Schema of something that callers send or get; without a name, the names."""
    if name is not None and name not in PUBLISHED:
        raise typer.BadParameter(f"must be one of {', '.join(PUBLISHED)}", param_hint="NAME")
    if write is not None:
        _write(write / VERSION)
    elif name is not None:
        sys.stdout.write(as_text(schema_of(name)))
    else:
        display.put("\n".join(PUBLISHED))


def _write(folder: Path) -> None:
    """Raises Stopped, having written nothing, when the file of a published schema would break its callers."""
    made = {name: schema_of(name) for name in PUBLISHED}
    broken = []
    for name in made:
        path = folder / f"{name}.json"
        if path.exists():
            told = breaks(json.loads(path.read_text()), made[name], PUBLISHED[name].side)
            broken += [f"  {path}: {what}" for what in told]
    if broken:
        way_out = (
            f"Add beside what is there, or publish a new version: VERSION in starter/contract_schemas.py is {VERSION}."
        )
        raise Stopped(BAD_INPUT, "\n".join(["error: callers of the published contract would break:", *broken, way_out]))
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in made.items():
        (folder / f"{name}.json").write_text(as_text(schema))


def as_text(schema: Schema) -> str:
    """As it stands in a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
