"""Chains of imports that lead to langgraph, found without importing anything."""

import importlib
import sys

import pytest

from lgc.compiler import langgraph_chain as chains
from lgc.compiler.langgraph_chain import langgraph_chain


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes files below a directory on sys.path; imports from it are undone afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        importlib.invalidate_caches()

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def chain_of(project, text, **more):
    project({"app_m.py": text, **more})
    return langgraph_chain(["app_m"])


@pytest.mark.parametrize(
    "text",
    [
        "import langgraph.types",
        "import os, langgraph.types as t",
        "from langgraph.types import Send",
        "if x:\n    pass\nelse:\n    from langgraph.types import Send",
        "try:\n    import a\nexcept ImportError:\n    from langgraph.types import Send",
        "try:\n    pass\nfinally:\n    from langgraph.types import Send",
        # The module cannot do without it.
        "try:\n    import langgraph.types\nexcept ValueError:\n    pass",
        "try:\n    import langgraph.types\nfinally:\n    pass",
        "try:\n    import langgraph.types\nexcept ImportError:\n    raise SystemError('x')",
        "try:\n    import langgraph.types\nexcept ImportError:\n    print()\n    sys.exit(1)",
        "try:\n    import a\nexcept ImportError:\n    pass\nelse:\n    import langgraph.types",
        "with suppress(ValueError):\n    import langgraph.types",
        "if find_spec('other'):\n    import langgraph.types",
        "if not find_spec('langgraph'):\n    pass\nelse:\n    import langgraph.types",
        "with x:\n    import langgraph.types",
        "class C:\n    import langgraph.types",
        "match x:\n    case 1:\n        import langgraph.types",
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    pass\nelse:\n    import langgraph.types",
        "if not TYPE_CHECKING:\n    import langgraph.types",
    ],
)
def test_module_level_imports(project, text):
    assert chain_of(project, text) == ("app_m", "langgraph.types")


@pytest.mark.parametrize(
    "text",
    [
        "import os.path, json",
        "def f():\n    import langgraph.types",
        "async def f():\n    import langgraph.types",
        "class C:\n    def f(self):\n        import langgraph.types",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import langgraph.types",
        "import typing\nif typing.TYPE_CHECKING and x:\n    import langgraph.types",
        "if __name__ == '__main__':\n    import langgraph.types",
        "import langgraph_lookalike",
        # The module does without it.
        "try:\n    from langgraph.types import interrupt\nexcept ImportError:\n"
        "    from lgc import interrupt",
        "try:\n    import langgraph.types\nexcept ModuleNotFoundError as e:\n    x = None",
        "try:\n    import langgraph.types\nexcept (ValueError, ImportError):\n    x = None",
        "try:\n    import langgraph.types\nexcept Exception:\n    x = None",
        "try:\n    import langgraph.types\nexcept:\n    x = None",
        "try:\n    import langgraph.types\nexcept builtins.ImportError:\n    x = None",
        "try:\n    import langgraph.types\nexcept KeyError:\n    raise\n"
        "except ImportError:\n    x = None",
        "try:\n    import langgraph\nexcept ImportError:\n    pass\n"
        "else:\n    import langgraph.types",
        "try:\n    if x:\n        import langgraph.types\nexcept ImportError:\n    pass",
        "with contextlib.suppress(ImportError):\n    import langgraph.types",
        "if importlib.util.find_spec('langgraph') is not None:\n    import langgraph.types",
        "if find_spec('langgraph'):\n    import langgraph.types",
        "import no_such_module_x.y",
        "from . import beyond_the_top",
        "x = 'import langgraph'",
        "not python",
    ],
)
def test_no_chain(project, text):
    assert chain_of(project, text) is None


def test_module_that_does_without_what_imports_langgraph(project):
    project(
        {
            "app_w/__init__.py": "",
            "app_w/nodes.py": "try:\n    from . import extra\nexcept ImportError:\n    extra = 0",
            "app_w/extra.py": "import langgraph.graph",
        }
    )
    assert langgraph_chain(["app_w.nodes"]) is None


def test_shortest_chain_and_order_of_sources(project):
    project(
        {
            "app_p/__init__.py": "",
            "app_p/nodes.py": "from app_p import deep\nfrom app_p.tools import t\n",
            "app_p/deep.py": "import app_p.deeper",
            "app_p/deeper.py": "import langgraph.graph",
            "app_p/tools.py": "from langgraph.types import Send",
            "app_p/clean.py": "import json",
        }
    )
    chain = ("app_p.nodes", "app_p.tools", "langgraph.types")
    assert langgraph_chain(["app_p.clean", "app_p.nodes"]) == chain
    assert langgraph_chain(["app_p.nodes", "app_p.tools"]) == chain[1:]
    assert langgraph_chain(["app_p.clean"]) is None
    assert langgraph_chain([]) is None
    assert not [name for name in sys.modules if name.startswith("app_p")]


def test_relative_imports_and_packages(project):
    project(
        {
            "app_q/__init__.py": "from .sub import thing",
            "app_q/nodes.py": "x = 1",
            "app_q/sub/__init__.py": "from . import leaf\nthing = 1",
            "app_q/sub/leaf.py": "from ..other import x",
            "app_q/other.py": "from langgraph import graph",
        }
    )
    assert langgraph_chain(["app_q.nodes"]) == (
        "app_q.nodes",
        "app_q",
        "app_q.sub",
        "app_q.sub.leaf",
        "app_q.other",
        "langgraph",
    )


def test_namespace_package(project):
    project({"app_n/a.py": "from app_n import b", "app_n/b.py": "import langgraph.graph"})
    assert langgraph_chain(["app_n.a"]) == ("app_n.a", "app_n.b", "langgraph.graph")


def test_cycle(project):
    project({"app_a.py": "import app_b", "app_b.py": "import app_a"})
    assert langgraph_chain(["app_a"]) is None


def test_loaded_modules_are_read_where_they_were_loaded_from(project, tmp_path, monkeypatch):
    project({"app_l.py": "import json"})
    importlib.import_module("app_l")
    other = tmp_path / "other"
    other.mkdir()
    (other / "app_l.py").write_text("import langgraph.graph")
    monkeypatch.syspath_prepend(str(other))
    assert langgraph_chain(["app_l"]) is None


def test_broken_finder_is_ignored(project, monkeypatch):
    class Broken:
        @staticmethod
        def find_spec(name, path=None, target=None):
            raise RuntimeError(name)

    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    assert chain_of(project, "import langgraph.types") == ("app_m", "langgraph.types")


def test_gives_up_after_many_modules(project, monkeypatch):
    monkeypatch.setattr(chains, "_MODULE_LIMIT", 3)
    project({f"app_c{i}.py": f"import app_c{i + 1}" for i in range(3)})
    project({"app_c3.py": "import langgraph.graph"})
    assert langgraph_chain(["app_c0"]) is None
    assert langgraph_chain(["app_c3"]) == ("app_c3", "langgraph.graph")


def test_standard_library_is_not_read(project, monkeypatch):
    read = []
    monkeypatch.setattr(chains, "_statements", lambda file: read.append(file) or (("os", ()),))
    assert chain_of(project, "import asyncio") is None
    assert len(read) == 1
