"""Commands whose modules are imported when they are run: neither help nor completion must wait for half a second."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from starter.cli.examples import epilog
from starter.cli.exit_codes import MEANINGS


@dataclass(frozen=True)
class Source:
    """Where a command is, and where its help stands."""

    place: str
    """`module:attribute`: a function, or a `typer.Typer` of commands."""
    panel: str


class LazyCommand(TyperCommand):
    """Stands for a command until it is run, or asked for its options or its help."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, callback=None, rich_help_panel=source.panel)
        self._source = source

    @cached_property
    def real(self) -> Any:
        """The command itself."""
        module, _, attribute = self._source.place.partition(":")
        target = getattr(import_module(module), attribute)
        if isinstance(target, typer.Typer):
            command: Any = typer.main.get_group(target)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command()(target)
            command = typer.main.get_command(alone)
        command.name, command.epilog = self.name, epilog(str(self.name))
        return command

    @property
    def said(self) -> str:
        """The help of the command itself, out of its source: to import all of them takes a second."""
        module, _, attribute = self._source.place.partition(":")
        for node in _parsed(module).body:
            match node:
                case ast.FunctionDef(name=name) if name == attribute:
                    return ast.get_docstring(node) or ""
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=given)) if name == attribute:
                    return str(next(ast.literal_eval(word.value) for word in given if word.arg == "help"))
        raise AssertionError(self._source.place)

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        """A context of the command itself."""
        return self.real.make_context(*arguments, **named)


class LazyGroup(TyperGroup):
    """A group with the commands of `sources`, and the exit codes at the end of its help."""

    sources: Mapping[str, Source] = {}

    def __init__(self, *, commands: Any = None, **attributes: Any) -> None:
        lazy = {name: LazyCommand(name, source) for name, source in self.sources.items()}
        super().__init__(commands={**lazy, **(commands or {})}, **attributes)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """With what is said of the commands."""
        self.epilog = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + "."
        for command in self.commands.values():
            if isinstance(command, LazyCommand):
                command.help = command.said
        super().format_help(ctx, formatter)


@cache
def _parsed(module: str) -> ast.Module:
    found = find_spec(module)
    assert found
    assert found.origin
    return ast.parse(Path(found.origin).read_text(encoding="utf-8"))


def lazy_group(sources: Sequence[tuple[str, str, str]]) -> type[LazyGroup]:
    """A class for `typer.Typer(cls=...)`, from names, places and panels."""
    table = {name: Source(place, panel) for name, place, panel in sources}
    return type("Commands", (LazyGroup,), {"sources": table})
