"""Help, examples and completion: what a shell and a newcomer see of the command line."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from starter.cli import app
from starter.cli.examples import EXAMPLES
from starter.cli.lazy import LazyCommand
from tests.support.processes import BIN, ROOT

GROUP: Any = typer.main.get_command(app)


def examples() -> Iterator[str]:
    for lines in EXAMPLES.values():
        yield from lines


@pytest.mark.parametrize("example", list(examples()))
def test_every_example_in_the_help_is_a_command_line_that_is_understood(example: str) -> None:
    program, *words = shlex.split(example)
    assert program == "manxue"
    context = GROUP.make_context("manxue", words)
    while hasattr(context.command, "resolve_command"):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def test_every_command_has_a_sentence_and_examples() -> None:
    for name, command in GROUP.commands.items():
        assert isinstance(command, LazyCommand)
        assert command.real.help, name
        assert command.said == command.real.help
        assert "manxue " + name in command.real.epilog


def test_bash_completes_commands_their_options_and_their_values() -> None:
    offers = {
        "manxue re": ["result", "resolve"],
        "manxue assets f": ["forget"],
        "manxue list --phase needs": ["needs_decision"],
        "manxue generate --first": ["--first-image"],
    }
    script = ['eval "$(manxue --show-completion bash)"', "complete -p manxue >/dev/null || exit 1"]
    for line in offers:
        words = line.split()
        script += [f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _manxue_completion manxue"]
        script += ['echo "${COMPREPLY[@]}"']
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    told = subprocess.run(
        ["bash", "-c", "\n".join(script)], env=environment, capture_output=True, text=True, check=True
    )
    assert [line.split() for line in told.stdout.splitlines()] == list(offers.values())


@pytest.mark.parametrize(
    ("arguments", "environment", "shown"),
    [
        ([], {"_MANXUE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "manxue st"}, '"status"'),
        (["--help"], {}, "Show where a run is."),
    ],
)
def test_names_and_the_help_come_without_heavy_imports(
    arguments: list[str], environment: dict[str, str], shown: str
) -> None:
    code = f"""
        import atexit, json, os, sys
        sys.argv = ["manxue", *{arguments}]
        atexit.register(lambda: print(json.dumps([m.partition(".")[0] for m in sys.modules]), file=sys.stderr))
        os._exit = sys.exit
        from starter.cli import main
        main()
    """
    told = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown in told.stdout
    assert not {"temporalio", "httpx", "obstore", "av", "workflows"} & set(json.loads(told.stderr))
