"""Random graphs again, a fixed sample of them, as native modules on the native runtime.

`make parity-full` sets `LGC_NATIVE_GRAPHS` to how many there are; they are built in units of 200.
"""

from __future__ import annotations

import os
import traceback
from functools import cache
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any

import pytest
from langgraph.graph.state import StateGraph
from native_unit import Unit, sample
from parity import COUNTS
from random_graphs import check

import lgc.runtime.channels.base
from lgc.compiler.native import find_compiler
from lgc.runtime.graph import CompiledGraph

if find_compiler() is None:
    pytest.skip("no C compiler with Python's headers", allow_module_level=True)
if Path(lgc.runtime.channels.base.__file__).suffix == ".py":
    pytest.skip("the runtime is interpreted: see make test-native", allow_module_level=True)

SIZE = 200
GRAPHS = int(os.environ.get("LGC_NATIVE_GRAPHS", SIZE))

_sample = cache(sample)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, GRAPHS, SIZE))
def test_random_graphs(first: int, tmp_path: Path) -> None:
    """As `test_graphs`, of a unit of extension modules; all cases that fail are named."""
    drawn = _sample(GRAPHS)
    numbers = range(first, min(first + SIZE, GRAPHS))
    unit = Unit(tmp_path, f"random_graphs_{first}", {i: drawn[i][1] for i in numbers})

    def compiled(builder: StateGraph[Any, Any, Any, Any]) -> CompiledGraph:
        module = unit.module(number, builder)
        assert isinstance(module.__loader__, ExtensionFileLoader)
        assert isinstance(module.nodes, BuiltinFunctionType)
        COUNTS["native modules"] += 1
        graph: CompiledGraph = module.graph
        return graph

    failures = []
    for number in numbers:
        try:
            check(drawn[number][0], compiled)
        except Exception:
            failures.append(f"case {number}: {drawn[number][0]}\n{traceback.format_exc()}")
    assert not failures, f"{len(failures)} of {len(numbers)}\n" + "\n".join(failures)
