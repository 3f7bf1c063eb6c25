"""What the image holds, laid out in a directory: the files that the Dockerfile copies and the packages of the lock."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.deployment import copied, dockerfile, image_environment
from tests.support.processes import ROOT, spawn


class Image:
    """Directories `app`, `packages`, `videos` and `scratch` in place of the image's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app, self.packages = folder / "app", folder / "packages"
        for name in ("videos", "scratch"):
            (folder / name).mkdir()
        self.app.mkdir()
        for name in copied() - {"requirements.lock"}:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.app / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, self.app)
        compiled = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(self.app)]
        subprocess.run([sys.executable, *compiled], check=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.packages], check=True)
        (site,) = self.packages.glob("lib/python*/site-packages")
        for name in _locked():
            installed = distribution(name)
            tops = {Path(file).parts[0] for file in installed.files or []} - {"..", "__pycache__"}
            for top in tops:
                if not (site / top).exists():
                    (site / top).symlink_to(Path(str(installed.locate_file(top))))

    def run(self, log: Path, *command: str, **environment: str) -> "subprocess.Popen[bytes]":
        """The image's entry point, with its own command where none is given and its environment besides the given."""
        given = {word: rest for word, rest in dockerfile() if word in ("ENTRYPOINT", "CMD")}
        words = [*json.loads(given["ENTRYPOINT"]), *(command or json.loads(given["CMD"]))]
        assert words[0] == "python"
        return self.python(log, *words[1:], **environment)

    def python(self, log: Path, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        """The image's `python`."""
        own = {name: self._here(value) for name, value in image_environment().items()}
        path = {"PATH": f"{self.packages / 'bin'}:{os.environ['PATH']}"}
        return spawn([str(self.packages / "bin/python"), *arguments], log, own | path | environment, self.app)

    def files(self) -> set[Path]:
        """All that lies where the image's root is read-only."""
        return {path for folder in (self.app, self.packages) for path in folder.rglob("*")}

    def _here(self, value: str) -> str:
        return str(self.folder / value[1:]) if value in ("/app", "/videos", "/scratch") else value


def _locked() -> list[str]:
    """The packages of requirements.lock that this platform has."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    lines = [line.split(" --hash")[0].strip() for line in text.splitlines() if line and not line.startswith("#")]
    wanted = [Requirement(line) for line in lines]
    return [one.name for one in wanted if one.marker is None or one.marker.evaluate()]
