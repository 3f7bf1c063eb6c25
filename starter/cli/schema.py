"""`manxue schema`: the published contract, for programs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from starter import display
from starter.contract_schemas import PUBLISHED, VERSION, schema_of


def schema(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help=f"One of {', '.join(PUBLISHED)}.")] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write all of them as files below this directory.")
    ] = None,
) -> None:
    """Print the JSON Schema of what callers send and get, or the names of all schemas."""
    if name is not None and name not in PUBLISHED:
        raise typer.BadParameter(f"must be one of {', '.join(PUBLISHED)}", param_hint="NAME")
    if write is not None:
        for each in PUBLISHED:
            path = write / VERSION / f"{each}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(schema_of(each), indent=2, ensure_ascii=False) + "\n")
    elif name is not None:
        display.put(json.dumps(schema_of(name), indent=2, ensure_ascii=False))
    else:
        for each in PUBLISHED:
            display.put(each)
