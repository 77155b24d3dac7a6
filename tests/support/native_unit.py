"""Random graphs as native modules: a fixed sample of cases, and many modules built as one unit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from graph_builder import build
from graph_strategy import cases
from hypothesis import HealthCheck, Phase, assume, given, reject, seed, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider
from inprocess import importable, module_text
from langgraph.graph.state import StateGraph
from parity import Log
from random_graphs import Case

from lgc.compiler.diagnostics import CompileError
from lgc.compiler.native import MYPY_OPTIONS, for_mypyc, mypyc_extensions

_SEED = 1


def sample(size: int) -> list[tuple[Case, str]]:
    """`size` different random cases and their modules: case i's imports from `home(i)`.

    They depend on `size`, the version of hypothesis and the strategy alone.
    """
    drawn: list[tuple[Case, str]] = []
    seen: set[str] = set()

    @seed(_SEED)
    @settings(
        max_examples=size,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def draw(case: Case) -> None:
        assume(repr(case) not in seen)
        try:
            text = module_text(build(case.graph, Log()), home(len(drawn)))
        except CompileError:
            reject()
        seen.add(repr(case))
        drawn.append((case, text))

    # Hypothesis also draws constants from whatever modules happen to be loaded.
    with patch.object(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None):
        draw()
    assert len(drawn) == size
    return drawn


def home(number: int) -> str:
    """The module that the builder of case `number` stands in."""
    return f"random_graph_{number}"


class Unit:
    """Generated modules in one extension file; each can be imported once."""

    def __init__(self, folder: Path, name: str, texts: Mapping[int, str]) -> None:
        """Builds them.

        Args:
            folder: where to work; it is created, and kept.
            name: the name of the unit.
            texts: the modules by the number of their case.

        Raises:
            AssertionError: the build failed.
        """
        source = folder / "source"
        source.mkdir(parents=True)
        for number, text in texts.items():
            Path(source, f"{_name(number)}.py").write_bytes(for_mypyc(text.encode("utf-8")))
        # mypy keeps much memory, and its state is global.
        done = subprocess.run(
            [sys.executable, __file__, name],
            cwd=folder,
            env={key: value for key, value in os.environ.items() if not key.startswith("MYPY")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        for large in ("c", "objects"):
            shutil.rmtree(folder / large)
        library = f"{name}__mypyc"
        self._file = folder / "out" / f"{library}{sysconfig.get_config_var('EXT_SUFFIX')}"
        # The modules ask for the library by its name.
        sys.modules[library] = self._load(library)

    def module(self, number: int, builder: StateGraph[Any, Any, Any, Any]) -> ModuleType:
        """Imports the module of case `number`, whose graph takes what it needs from `builder`."""
        with importable(builder, home(number)):
            return self._load(_name(number))

    def _load(self, name: str) -> ModuleType:
        spec = spec_from_file_location(name, self._file)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def _name(number: int) -> str:
    return f"{home(number)}_lgc"


def _build_here(name: str) -> None:
    """Compiles all of `source` below the working directory into `out` (the child's part)."""
    work = Path.cwd()
    os.chdir(work / "source")  # mypy names modules by their paths
    library, *shims = mypyc_extensions(
        [*MYPY_OPTIONS, *sorted(path.name for path in Path().glob("*.py"))],
        # Each module runs once: more would take longer to build than it could ever save.
        opt_level="0",
        target_dir=str(work / "c"),
        group_name=name,
    )
    os.chdir(work)
    # One file for all of what makes modules importable, in place of an extension for each.
    texts = [Path(file).read_text(encoding="utf-8") for shim in shims for file in shim.sources]
    own = [text.partition("// distutils sometimes")[0] for text in texts]
    joined = work / "c" / "shims.c"
    joined.write_text("".join(own), encoding="utf-8")
    library.sources.append(str(joined))

    from setuptools import setup

    setup(
        name="lgc-random-graphs",
        py_modules=[],
        ext_modules=[library],
        script_args=["build_ext", "--build-lib", "out", "--build-temp", "objects"],
    )


if __name__ == "__main__":
    _build_here(sys.argv[1])
