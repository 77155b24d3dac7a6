"""The tests of a source distribution on PyPI, fetched once and unpacked below build/upstream."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

NEWEST = "1.2.24"
"""The LangGraph that expected.txt and uncounted.txt are about."""
SHA256 = {
    "1.2.22": "32700dc34b5cf9ebb397258c2e56392f017d4dbc51c9591339225c3c1b7b5126",
    "1.2.23": "c405d9c750730e252b07f66d78fc3d7ace7d42414172fdf392c97d0143c7b041",
    "1.2.24": "86b0dd611b7201cb393da2de0e064029c1bef520f11a5e6ee04be53c2a815bc7",
}
"""The source distributions of LangGraph whose tests can be run, and their hashes."""

BUILD = Path(__file__).resolve().parents[2] / "build" / "upstream"


@dataclass(frozen=True)
class Sdist:
    """One source distribution.

    Attributes:
        project, version: as on PyPI.
        sha256: of the file.
        folder: where its `tests` are unpacked.
        settings: lines of the pytest.ini there.
    """

    project: str
    version: str
    sha256: str
    folder: Path
    settings: str = ""

    @property
    def file(self) -> Path:
        """Where the distribution is kept."""
        return BUILD / f"{self.project.replace('-', '_')}-{self.version}.tar.gz"

    def unpack(self) -> None:
        """Fetches the file unless it is there, and writes its tests to `folder`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.file.exists():
            self._download()
        if hashlib.sha256(self.file.read_bytes()).hexdigest() != self.sha256:
            sys.exit(f"upstream: {self.file} is not {self.project} {self.version}; delete it")
        shutil.rmtree(self.folder / "tests", ignore_errors=True)
        with tarfile.open(self.file) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if not member.isfile() or path.parts[1:2] != ("tests",) or ".." in path.parts:
                    continue
                target = self.folder.joinpath(*path.parts[1:])
                target.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None  # it is a file
                target.write_bytes(content.read())
        # Makes that directory pytest's root, and keeps lgc's own settings away from it.
        (self.folder / "pytest.ini").write_text(f"[pytest]\n{self.settings}", encoding="utf-8")

    def _download(self) -> None:
        # By pip, because it knows the user's mirrors; it checks the hash before it opens the file.
        wanted = BUILD / f"{self.project}.txt"
        pinned = f"{self.project}=={self.version} --hash=sha256:{self.sha256}\n"
        wanted.write_text(pinned, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        only_sdist = ["--no-binary", self.project, "--require-hashes", "--requirement", str(wanted)]
        subprocess.run([*pip, *only_sdist, "--dest", str(BUILD)], check=True)
