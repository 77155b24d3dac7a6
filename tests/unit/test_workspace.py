"""Temporary directories: those of killed builds go with the next one, those in use stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from command_line import needs_compiler

from lgc.compiler import native, workspace

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks are of POSIX systems")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary ones, here and in children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


HOLD = """
import time
from lgc.compiler.workspace import workspace
with workspace() as (folder, _):
    (folder / "file").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


def test_killed_owner(temporary: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        workspace.remove_abandoned()
        assert (folder / "file").exists()
        with workspace.workspace() as (other, _):
            assert other.is_dir() and folder.is_dir()
        owner.send_signal(signal.SIGKILL)
    assert folder.is_dir()
    with workspace.workspace() as (other, _):
        assert sorted(temporary.iterdir()) == [other]
    assert list(temporary.iterdir()) == []


def test_child_of_a_killed_owner(temporary: Path) -> None:
    """The C compiler may still write there."""
    with workspace.workspace() as (folder, descriptors):
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=descriptors
        )
        kept = folder.rename(folder.with_name(f"{folder.name}-kept"))
        folder.mkdir()
    workspace.remove_abandoned()
    assert kept.is_dir()
    child.communicate(b"\n")
    workspace.remove_abandoned()
    assert not kept.exists()


def test_directory_without_a_lock(temporary: Path) -> None:
    """It is just being made, or was given up long ago; others' names are not ours."""
    names = ("lgc-build-new", "lgc-build-old", "lgc-other")
    for name in names:
        (temporary / name).mkdir()
    for name in names[1:]:
        os.utime(temporary / name, (time.time() - 7200,) * 2)
    workspace.remove_abandoned()
    assert sorted(p.name for p in temporary.iterdir()) == ["lgc-build-new", "lgc-other"]


@needs_compiler
def test_killed_build(temporary: Path) -> None:
    """A command that is killed while mypyc runs; the next build leaves nothing of it."""
    project = temporary / "project"
    project.mkdir()
    source = project / "one.py"
    source.write_text("X = 1\n")
    script = (
        "import sys\nfrom pathlib import Path\nfrom lgc.compiler.native import building\n"
        "with building(Path(sys.argv[1]), 'one'):\n    pass\n"
    )
    command = [sys.executable, "-c", script, str(source)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:
        deadline = time.monotonic() + 60
        while not list(temporary.glob("lgc-build-*/source")) and time.monotonic() < deadline:
            time.sleep(0.01)
        build.kill()
    assert len(list(temporary.glob("lgc-build-*"))) == 1
    # The child, which nobody listens to, ends by itself.
    while list(temporary.glob("lgc-build-*")) and time.monotonic() < deadline:
        workspace.remove_abandoned()
        time.sleep(0.1)
    assert list(temporary.glob("lgc-build-*")) == []
    with native.building(source, "one", opt_level="0"):
        assert len(list(temporary.glob("lgc-build-*"))) == 1
    assert list(temporary.glob("lgc-build-*")) == []
