"""Makes what is measured: the compiled workloads and the native runtime, below build/bench.

Both are rebuilt only when the sources they come from have changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import async_nodes
import nodes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = ROOT / "build" / "bench"
RUNTIME = OUT / "runtime"
"""Where the native runtime is installed; goes first on `sys.path`."""
IMPORTED = "one"
"""A graph whose import is measured, too."""
GRAPHS = tuple(dict.fromkeys((*nodes.GRAPHS, *async_nodes.GRAPHS, IMPORTED)))
_SHIPPED = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "py.typed", "__init__.py")
_FOLDERS = ("compiler", "runtime", "templates")


def build_modules(native: bool) -> None:
    """Compiles the graphs into one package of interpreted and, if wanted, one of native modules.

    Args:
        native: whether there is a C compiler.
    """
    if not native:
        shutil.rmtree(OUT / "modules_native", ignore_errors=True)
    for mode in ("interpreted", "native") if native else ("interpreted",):
        compile_graphs(sys.executable, OUT, mode)


def compile_graphs(python: str, out: Path, mode: str) -> None:
    """Compiles the graphs with the lgc of one Python, unless they are current.

    Args:
        python: an interpreter in whose environment lgc and its compiler are installed.
        out: `modules_<mode>` in it is the package that is written.
        mode: "interpreted" or "native".

    Raises:
        SystemExit: lgc refused.
    """
    print(f"compiling the {mode} modules", file=sys.stderr)
    targets = [f"workloads:{name}" for name in GRAPHS]
    how = "--require-native" if mode == "native" else "--no-native"
    package = str(out / f"modules_{mode}")
    command = [python, "-m", "lgc", "compile", *targets, "--root", str(HERE), "-o", package, how]
    # In a directory without packages: `-m` makes it the first place of imports.
    out.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=out, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def build_runtime() -> None:
    """Builds the wheel with the native runtime from a clean copy and installs it into RUNTIME."""
    key = _hash(_sources())
    stamp = RUNTIME / "sources.txt"
    if stamp.exists() and stamp.read_text() == key:
        return
    print("building the native runtime", file=sys.stderr)
    shutil.rmtree(RUNTIME, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory(prefix="lgc-bench-") as folder:
        copy = Path(folder, "source")
        for source in _sources():
            target = copy / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        wheel = [*pip, "wheel", "--no-deps", "--wheel-dir", folder, str(copy)]
        subprocess.run(wheel, check=True, env={**os.environ, "LGC_NATIVE": "1"})
        wheel_file = next(Path(folder).glob("*.whl"))
        subprocess.run(
            [*pip, "install", "--no-deps", "--target", str(RUNTIME), str(wheel_file)], check=True
        )
    stamp.write_text(key)


def _sources() -> list[Path]:
    top = [ROOT / name for name in (*_SHIPPED, "cli.py", "backend.py")]
    below = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.*")]
    return sorted(p for p in (*top, *below) if p.is_file() and "__pycache__" not in p.parts)


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
