"""The golden cases: what compiling and running each one gives, and `--write` to accept it.

A case is `golden/<case>/graph.py` with a `builder`, which may be compiled, and a
`main(graph)` that prints.
`want/` holds the IR as text, the generated module and what `main` printed. A case
is run in a process of its own, because its modules are imported.
The cases of `golden/diagnostics` are those of diagnostic_cases.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import diagnostic_cases

GOLDEN = Path(__file__).resolve().parents[2] / "golden"

# Runs `main` on one engine: argv is the case and "langgraph", or the case, a
# directory that holds the compiled package, and the package's name.
_RUN = """
import importlib, sys
case, where = sys.argv[1:3]
sys.path.insert(0, {golden!r})
module = importlib.import_module(case + ".graph")
if where == "langgraph":
    graph = module.builder if hasattr(module.builder, "invoke") else module.builder.compile()
else:
    sys.path.insert(0, where)
    compiled = importlib.import_module(sys.argv[3] + "." + case + "_graph")
    assert compiled.__file__.endswith(sys.argv[4]), compiled.__file__
    graph = compiled.graph
module.main(graph)
"""


@dataclass(frozen=True)
class Got:
    """What a case gives: file name below `want/` -> text."""

    files: dict[str, str]


def cases() -> list[str]:
    """The names of all cases, sorted."""
    names = {path.parent.name for path in GOLDEN.glob("*/graph.py")}
    return sorted(names - {diagnostic_cases.FOLDER.name})


def compile_case(case: str, tree: Path, *options: str) -> Path:
    """Compiles a case of the tree `tree` with the command line; its package."""
    target = f"{case}.graph:builder"
    _run("-m", "lgc.cli", "compile", target, "-o", f"{case}/want", *options, cwd=tree)
    return tree / case / "want"


def printed(case: str, package: Path | None = None, suffix: str = ".py") -> str:
    """What `main` prints on the compiled package, or on LangGraph when there is none.

    Args:
        case: the case.
        package: the directory it was compiled into.
        suffix: what the module's file must end with, so that a stale one is not run.
    """
    where = ["langgraph"] if package is None else [str(package.parent), package.name, suffix]
    return _run("-c", _RUN.format(golden=str(GOLDEN)), case, *where, cwd=GOLDEN)


def build(case: str, *, native: bool) -> Got:
    """Compiles and runs a case; every engine must print the same.

    Raises:
        AssertionError: two engines print different things.
        subprocess.CalledProcessError: the compiler or a run failed.
    """
    ir = _run("-m", "lgc.cli", "explain", f"{case}.graph:builder", cwd=GOLDEN)
    with tempfile.TemporaryDirectory() as folder:
        # A copy, so that the command in the header is the one for this tree.
        tree = Path(folder, "golden")
        shutil.copytree(GOLDEN / case, tree / case, ignore=shutil.ignore_patterns("want"))
        out = compile_case(case, tree, "--no-native")
        text = Path(out, f"{case}_graph.py").read_text(encoding="utf-8")
        outputs = {"langgraph": printed(case), "interpreted": printed(case, out)}
        if native:
            compile_case(case, tree, "--require-native")
            outputs["native"] = printed(case, out, ".so")
    assert len(set(outputs.values())) == 1, outputs
    return Got({"ir.txt": ir, f"{case}_graph.py": text, "output.txt": outputs["interpreted"]})


def wanted(case: str) -> Got:
    """What is committed for a case."""
    want = GOLDEN / case / "want"
    files = {p.name: p.read_text(encoding="utf-8") for p in want.iterdir() if p.is_file()}
    return Got({name: text for name, text in sorted(files.items()) if name != "__init__.py"})


def _run(*arguments: str, cwd: Path) -> str:
    """Runs Python in a child; what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        raise AssertionError(f"{arguments}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    """Rewrites `want/` of every case, after all of them were built and ran."""
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: golden.py --write")
    said = {case: diagnostic_cases.diagnostics(case) for case in diagnostic_cases.cases()}
    built = {case: build(case, native=True) for case in cases()}
    for case, text in said.items():
        diagnostic_cases.write(case, text)
    for case, got in built.items():
        want = GOLDEN / case / "want"
        want.mkdir(exist_ok=True)
        for old in want.iterdir():
            if old.is_file():
                old.unlink()
        for name, text in got.files.items():
            (want / name).write_text(text, encoding="utf-8")
        print(f"{case}: {', '.join(got.files)}")


if __name__ == "__main__":
    main()
