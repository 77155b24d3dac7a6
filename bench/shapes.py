"""Which shape should a generated module have? An experiment: `.venv/bin/python bench/shapes.py`.

Three shapes of the same graphs, natively built, on the native runtime:

* tables: what the template emits; a row holds the user's function, and the driver
  does the work;
* functions: a small function a node that calls the user's, and the same rows;
* loop: the module holds the loop over the supersteps, straight-line, and calls the
  runtime for what a superstep of the fast path needs: task, context, channels; what
  the path does for nodes that fail or write something else is left out.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from measure import ratio, sample, use_runtime

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench"
SUPERSTEPS = {"chain100": 100, "loop50": 50}
ROUNDS = 60

_NODE = re.compile(r'abi\.Node\(\s*"(\w+)",\s*(?!None)(\w+),')
_ROW = r'abi.Node("\1", node_\1, call=abi.CALL_WITH_TASK,'
_FUNCTION = """
def node_{name}(state: Any, task: Any) -> Any:
    return {function}(state)

"""

_LOOP_HEAD = """

import time

from lgc.runtime.engine.task import Task, run_node

NODES = {node.name: node for node in graph.program.nodes}
"""

_SUPERSTEP = """
NODE_{name} = NODES["{name}"]


def superstep_{name}(run: Any) -> Any:
    channels = run.channels
    state = {{"count": channels[0].get(), "log": channels[1].get()}}
    task = Task(run, NODE_{name}, state, -1)
    task.started = time.time()
    update = run_node(task)
    {route}
    for key, value in update.items():
        if key == "count":
            channels[0].update_one(value)
        elif key == "log":
            channels[1].update_one(value)
    run.step += 1
    return task
"""

_INVOKE = """

def invoke(value: Any) -> Any:
    run = graph._run(None, "values", KEYS, None, None, silent=True)
    run.start(value)
    run.superstep()
{steps}
    return run.read()
"""


def _unchecked(text: str) -> str:
    """A module that is not the emitter's, without the check that it is."""
    return re.sub(r"abi\.require\([^)]*\)\n", "", text)


def _functions(text: str) -> str:
    """A function for every node, where the emitted row names the user's own."""

    nodes = _NODE.findall(text)
    if len(nodes) < 2:
        raise SystemExit("the template has changed: adapt bench/shapes.py")
    functions = "".join(_FUNCTION.format(name=name, function=function) for name, function in nodes)
    rows = _NODE.sub(_ROW, text)
    head, first_table, tables = rows.partition("\ndef keys()")
    return (head + functions + first_table + tables).replace(
        "from lgc.runtime import abi\n",
        "from lgc.runtime import abi\n\nfrom typing import Any\n",
        1,
    )


def _loop(text: str, workload: str) -> str:
    chain = workload.startswith("chain")
    names = [f"n{i}" for i in range(SUPERSTEPS[workload])] if chain else ["draft", "review"]
    if chain:
        steps = [f"    superstep_{name}(run)" for name in names]
    else:
        steps = [
            '    goto = "branch:to:draft"',
            '    while goto == "branch:to:draft":',
            "        superstep_draft(run)",
            "        goto = superstep_review(run).writes[-1][0]",
        ]
    functions = "".join(
        _SUPERSTEP.format(name=name, route="run.write(task, update)" if name == "review" else "")
        for name in names
    )
    return text + _LOOP_HEAD + functions + _INVOKE.format(steps="\n".join(steps))


def _build(folder: Path, name: str) -> tuple[float, float]:
    """Seconds and peak MB of the native build of a module, beside which it is left."""
    command = [sys.executable, __file__, "build", str(folder), name]
    start = perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return perf_counter() - start, int(done.stdout) / 1024


def _build_here(folder: str, name: str) -> None:
    """The build alone in a process, so that the peak of its children is its own."""
    from lgc.compiler.native import building

    with building(Path(folder, f"{name}.py"), name) as built:
        shutil.copy(built, folder)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def _measure_here(*shapes: str) -> None:
    """Prints, for every workload and shape, µs a superstep and the ratio to the first shape."""
    use_runtime("native")
    nodes: Any = import_module("nodes")
    for workload, supersteps in SUPERSTEPS.items():
        contestants = {}
        for shape in shapes:
            module = import_module(f"shape_{shape}.{workload}")
            invoke = module.invoke if shape == "loop" else module.graph.invoke
            assert invoke(nodes.fresh()) == nodes.WORKLOADS[workload].by_hand(nodes.fresh())
            contestants[shape] = lambda invoke=invoke: invoke(nodes.fresh())
        samples = sample(contestants, ROUNDS)
        for shape, times in samples.items():
            low, middle, high = sorted(ratio(times, samples[shapes[0]]))
            print(workload, shape, median(times) / supersteps, middle, low, high)


def main() -> None:
    """Builds every shape of every workload, measures them and prints a table."""
    from prepare import build_runtime

    from lgc.compiler.pipeline import Options, compile_targets

    build_runtime()
    built = {}
    for workload in SUPERSTEPS:
        options = Options((f"workloads:{workload}",), HERE, HERE, OUT, workload)
        text = compile_targets(options)[0].text
        shapes = {"tables": text, "functions": _functions(_unchecked(text))}
        shapes["loop"] = _loop(_unchecked(text), workload)
        for shape, source in shapes.items():
            folder = OUT / f"shape_{shape}"
            folder.mkdir(parents=True, exist_ok=True)
            Path(folder, f"{workload}.py").write_text(source, encoding="utf-8")
            built[workload, shape] = (source.count("\n"), *_build(folder, workload))
    command = [sys.executable, __file__, "measure", "tables", "functions", "loop"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print("workload  shape      lines  build s  peak MB  µs/superstep  ratio [quartiles]")
    for line in done.stdout.splitlines():
        workload, shape, *figures = line.split()
        lines, seconds, megabytes = built[workload, shape]
        us, middle, low, high = map(float, figures)
        print(
            f"{workload:10}{shape:10}{lines:6}{seconds:9.1f}{megabytes:9.0f}{us:14.2f}"
            f"  {middle:.2f} [{low:.2f}, {high:.2f}]"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["build"]:
        _build_here(*sys.argv[2:])
    elif sys.argv[1:2] == ["measure"]:
        _measure_here(*sys.argv[2:])
    else:
        main()
