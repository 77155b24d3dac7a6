"""Makes what is measured: the compiled workloads and the native runtime, below build/bench.

Both are made again only when the sources they come from have changed.
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

from lgc.compiler.native import building
from lgc.compiler.pipeline import Options, compile_targets

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = ROOT / "build" / "bench"
RUNTIME = OUT / "runtime"
"""Where the native runtime is installed; goes first on `sys.path`."""
WORKLOADS = ("chain10", "chain100", "loop50", "fanout10", "send100", "react20")
IMPORTED = "one"
"""A workload of which only the import is measured."""
_SHIPPED = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "py.typed", "__init__.py")
_FOLDERS = ("compiler", "runtime", "templates")


def package(mode: str) -> str:
    """The package of the compiled workloads: "modules_interpreted" or "modules_native"."""
    return f"modules_{mode}"


def build_modules(native: bool) -> None:
    """Compiles the workloads into one package of interpreted and, if wanted, one of native modules.

    Args:
        native: whether there is a C compiler.
    """
    if not native:
        shutil.rmtree(OUT / package("native"), ignore_errors=True)
    for name in (*WORKLOADS, IMPORTED):
        options = Options((f"workloads:{name}",), HERE, HERE, OUT, name)
        text = compile_targets(options)[0].text
        write_module(package("interpreted"), name, text, native=False)
        if native:
            write_module(package("native"), name, text, native=True)


def write_module(where: str, name: str, text: str, *, native: bool) -> None:
    """Writes one module below build/bench unless it is there already."""
    directory = OUT / where
    directory.mkdir(parents=True, exist_ok=True)
    source = directory / f"{name}.py"
    built = list(directory.glob(f"{name}.*.so")) + list(directory.glob(f"{name}.*.pyd"))
    if source.exists() and source.read_text(encoding="utf-8") == text and bool(built) == native:
        return
    for stale in built:
        stale.unlink()
    source.write_text(text, encoding="utf-8")
    if native:
        print(f"building {where}.{name}", file=sys.stderr)
        with building(source, name) as made:
            shutil.copy(made, directory)


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
        made = next(Path(folder).glob("*.whl"))
        subprocess.run(
            [*pip, "install", "--no-deps", "--target", str(RUNTIME), str(made)], check=True
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
