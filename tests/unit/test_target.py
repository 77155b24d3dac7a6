"""Parsing a TARGET and loading what it names, with the messages for everything that can fail."""

import sys
import types

import pytest

from lgc.compiler.diagnostics import CompileError
from lgc.compiler.target import Target, default_name, load, parse_target


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty root that is the working directory; imports below it are undone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def failure(call, *args):
    """The one diagnostic of the CompileError that `call` raises."""
    with pytest.raises(CompileError) as caught:
        call(*args)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def load_failure(root, text):
    return failure(load, parse_target(text, root), root)


# parse_target


def test_dotted(root):
    assert parse_target("app.graph:builder", root) == Target("app.graph", "builder")
    assert parse_target("agent:Factory.graph", root) == Target("agent", "Factory.graph")
    assert str(parse_target("a.b:c.d", root)) == "a.b:c.d"


def test_path(root):
    write(root, {"app/graph.py": "", "app/__init__.py": "", "top.py": ""})
    assert parse_target("app/graph.py:g", root) == Target("app.graph", "g")
    assert parse_target("./top.py:g", root) == Target("top", "g")
    assert parse_target("app/../app/graph.py:g", root) == Target("app.graph", "g")
    assert parse_target(f"{root}/app/graph.py:g", root) == Target("app.graph", "g")
    assert parse_target("app/__init__.py:g", root) == Target("app", "g")
    assert parse_target("app/graph.py:g", root / "app") == Target("graph", "g")


def test_path_below_the_root_when_not_in_the_working_directory(root, monkeypatch):
    write(root, {"app/graph.py": "", "other/x": ""})
    monkeypatch.chdir(root / "other")
    assert parse_target("app/graph.py:g", root) == Target("app.graph", "g")


def test_linked_package_and_linked_root(root):
    write(root, {"real/pkg/graph.py": "", "proj/x": ""})
    (root / "proj" / "pkg").symlink_to(root / "real" / "pkg")
    (root / "link").symlink_to(root / "real")
    assert parse_target("proj/pkg/graph.py:g", root / "proj") == Target("pkg.graph", "g")
    assert parse_target("real/pkg/graph.py:g", root / "link") == Target("pkg.graph", "g")


@pytest.mark.parametrize("text", ["app.graph", ":g", "app:", "", "app/graph.py"])
def test_incomplete(root, text):
    d = failure(parse_target, text, root)
    assert d.code == "LGC105"
    assert d.message == f"malformed target {text!r}: it needs a module and an attribute"
    assert d.help == "write pkg.mod:attr or path/file.py:attr, for example app.graph:builder"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("my-app.graph:g", "'my-app' is not a Python name"),
        ("app..graph:g", "a name is empty"),
        (".graph:g", "a name is empty"),
        ("app:g.", "a name is empty"),
        ("app:g()", "'g()' is not a Python name"),
        ("app.class:g", "'class' is not a Python name"),
        ("app/graph:g", "app/graph is not a .py file"),
    ],
)
def test_malformed(root, text, problem):
    d = failure(parse_target, text, root)
    assert (d.code, d.message) == ("LGC105", f"malformed target {text!r}: {problem}")


def test_path_that_has_no_dotted_name(root):
    write(root, {"my-app/graph.py": ""})
    d = failure(parse_target, "my-app/graph.py:g", root)
    assert d.message == "malformed target 'my-app/graph.py:g': 'my-app' is not a Python name"
    assert d.help.startswith("rename it to an identifier")


def test_missing_file_and_file_outside_the_root(root):
    write(root, {"graph.py": "", "sub/x": ""})
    assert failure(parse_target, "nope.py:g", root).message == "no such file: nope.py"
    d = failure(parse_target, "graph.py:g", root / "sub")
    assert (d.code, d.message) == ("LGC105", "graph.py is outside the root sub")
    assert "--root" in d.help


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("app.graph:graph", "app_graph"),
        ("app.graph:builder", "app_graph"),
        ("app.graph:app", "app_graph"),
        ("app.graph:workflow", "app_graph"),
        ("agent:graph", "agent_graph"),
        ("a.b.c:graph", "a_b_c"),
        # Another attribute is another graph of the module.
        ("app.graph:supervisor", "app_graph_supervisor"),
        ("agent:make", "agent_make"),
        ("agent:Factory.graph", "agent_Factory_graph"),
    ],
)
def test_default_name(target, name):
    assert default_name(Target(*target.split(":"))) == name


# load: the module


def test_module_is_imported_once_with_the_root_first(root):
    write(root, {"app/graph.py": "import sys\nPATH = sys.path[0]\ngraph = object()\n"})
    first = load(Target("app.graph", "graph"), root)
    assert first.module.PATH == sys.path[0] == str(root)
    assert first.obj is first.module.graph
    assert first.called == ""
    length = len(sys.path)
    again = load(Target("app.graph", "graph"), root)
    assert again.module is first.module is sys.modules["app.graph"]
    assert len(sys.path) == length


def test_no_such_module(root):
    write(root, {"app/graph.py": "", "src/inner/x.py": ""})
    d = load_failure(root, "app.grpah:g")
    assert (d.code, d.message) == ("LGC101", "no module named 'app.grpah'")
    assert d.help == "did you mean app.graph:g?"
    assert load_failure(root, "ap.graph:g").help == "did you mean app.graph:g?"
    assert load_failure(root, "app.graph.sub:g").code == "LGC101"
    d = load_failure(root, "inner.x:g")
    assert d.message == "no module named 'inner'"
    assert d.help == "it is below src: name that directory with --root"
    d = load_failure(root, "zzz:g")
    assert "looked up below" in d.help and d.span is None


def test_hidden_by_a_module_already_imported(root):
    write(root, {"json/decoder.py": "", "json/mine.py": "", "json/__init__.py": "", "abc.py": ""})
    for name in ("json", "json.decoder", "abc"):
        __import__(name)
    d = load_failure(root, "abc:g")
    assert d.code == "LGC101"
    assert d.message.startswith("abc below ") and "is already imported from" in d.message
    assert load_failure(root, "json.decoder:g").message.startswith("json.decoder below ")
    assert load_failure(root, "json.mine:g").message.startswith("json.mine below ")
    assert load_failure(root, "json.mine:g").help == "rename json below the root"


def test_module_imports_something_missing(root):
    write(root, {"app.py": "import os\nfrom pkg_that_is_missing import x\n"})
    d = load_failure(root, "app:g")
    assert d.code == "LGC104"
    assert d.message == (
        "importing app failed: ModuleNotFoundError: No module named 'pkg_that_is_missing'"
    )
    assert (d.span.file, d.span.line) == (str(root / "app.py"), 2)
    assert "runs its code" in d.help


def test_package_init_imports_the_missing_target(root):
    write(root, {"app/__init__.py": "import app.graph\n"})
    d = load_failure(root, "app.graph:g")
    assert (d.code, d.span.line) == ("LGC104", 1)


def test_exception_points_at_the_deepest_frame_of_the_user(root):
    write(
        root,
        {
            "app/graph.py": "from app.nodes import make\n\ng = make()\n",
            "app/nodes.py": "import json\n\ndef make():\n    return json.loads('{')\n",
        },
    )
    with pytest.raises(CompileError) as caught:
        load(Target("app.graph", "g"), root)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(
        "app/nodes.py:4:5: error LGC104: importing app.graph failed: JSONDecodeError: Expecting"
    )
    assert lines[2:4] == ["4 |     return json.loads('{')", "  |     " + "^" * 22]
    assert "app.graph" not in sys.modules


def test_site_packages_below_the_root_are_not_the_users(root):
    write(
        root,
        {
            ".venv/site-packages/lib_x.py": "def f():\n    raise ValueError('x')\n",
            "app.py": "import sys\nsys.path.append('.venv/site-packages')\n"
            "import lib_x\nlib_x.f()\n",
        },
    )
    d = load_failure(root, "app:g")
    assert (d.span.file, d.span.line) == (str(root / "app.py"), 4)


def test_generated_code_is_not_the_users_file(root):
    write(root, {"app.py": "x = 1\nexec('raise KeyError')\n"})
    d = load_failure(root, "app:g")
    assert d.message == "importing app failed: KeyError"
    assert d.span.line == 2


def test_syntax_error_points_at_its_file(root):
    write(root, {"app.py": "import broken\n", "broken.py": "x = 1\ny = = 2\n"})
    d = load_failure(root, "app:g")
    assert d.message.startswith("importing app failed: SyntaxError: invalid syntax")
    assert (d.span.file, d.span.line, d.span.column) == (str(root / "broken.py"), 2, 5)
    write(root, {"compiles.py": "x = 1\ncompile('y = = 2', '<string>', 'exec')\n"})
    assert load_failure(root, "compiles:g").span.line == 2


def test_system_exit_is_reported_and_keyboard_interrupt_passes(root):
    write(root, {"a.py": "import sys\nsys.exit('done')\n", "b.py": "raise KeyboardInterrupt\n"})
    d = load_failure(root, "a:g")
    assert (d.code, d.message) == ("LGC104", "importing a failed: SystemExit: done")
    with pytest.raises(KeyboardInterrupt):
        load(Target("b", "g"), root)


# load: the attribute


def test_no_such_attribute(root):
    write(root, {"app.py": "builder = 1\nclass Factory:\n    graph = 2\n"})
    d = load_failure(root, "app:bilder")
    assert (d.code, d.message) == ("LGC102", "app has no attribute 'bilder'")
    assert d.help == "did you mean app:builder?"
    d = load_failure(root, "app:Factory.grap")
    assert d.message == "app.Factory has no attribute 'grap'"
    assert d.help == "did you mean app:Factory.graph?"
    assert load_failure(root, "app:zzz").help.startswith("name the StateGraph")


def test_lazy_attributes(root):
    write(
        root,
        {
            "app.py": "def __getattr__(name):\n"
            "    if name == 'bad':\n"
            "        raise ValueError('lazy')\n"
            "    if name == 'graph':\n"
            "        return 5\n"
            "    raise AttributeError(name)\n"
        },
    )
    assert load(Target("app", "graph"), root).obj == 5
    d = load_failure(root, "app:bad")
    assert (d.code, d.message) == ("LGC104", "getting app:bad failed: ValueError: lazy")
    assert d.span.line == 3
    assert load_failure(root, "app:other").code == "LGC102"


FACTORIES = """
import functools

class Graph:
    nodes = {}
    def __call__(self): raise AssertionError
graph = Graph()

class Plain:
    def __call__(self): raise AssertionError
plain = Plain()

def make(x=1, *args, y=2, **kwargs): return graph
async def amake(): return graph
def sync_to_async(): return amake()
def needs(config, *, user): return graph
def fails(): return {}["key"]
def interrupted(): raise KeyboardInterrupt
async def afails(): raise SystemExit(3)
cached = functools.lru_cache(make)
partial = functools.partial(needs, 1, user=2)
apartial = functools.partial(amake)
short = functools.partial(needs, 1)

class Factory:
    def method(self): return graph
    @staticmethod
    def static(): return graph
    @classmethod
    def clsm(cls): return graph
factory = Factory()
"""


@pytest.mark.parametrize(
    ("attr", "called"),
    [
        ("make", "call"),
        ("amake", "async"),
        ("sync_to_async", "async"),
        ("cached", "call"),
        ("partial", "call"),
        ("apartial", "async"),
        ("Factory.static", "call"),
        ("Factory.clsm", "call"),
        ("factory.method", "call"),
    ],
)
def test_functions_are_called(root, attr, called):
    write(root, {"app.py": FACTORIES})
    loaded = load(Target("app", attr), root)
    assert isinstance(loaded.module, types.ModuleType)
    assert (loaded.obj, loaded.called) == (loaded.module.graph, called)


@pytest.mark.parametrize("attr", ["graph", "plain", "Graph", "Factory", "functools"])
def test_other_objects_are_not_called(root, attr):
    write(root, {"app.py": FACTORIES})
    loaded = load(Target("app", attr), root)
    assert (loaded.obj, loaded.called) == (getattr(loaded.module, attr), "")


def test_factory_with_required_parameters(root):
    write(root, {"app.py": FACTORIES})
    d = load_failure(root, "app:needs")
    assert d.code == "LGC106"
    assert d.message == "app:needs cannot be called without arguments: it needs config, user"
    assert d.help == (
        "write a one-line entry function beside it and compile that: "
        "def entry(): return needs(config=..., user=...)"
    )
    assert d.span.text == "def needs(config, *, user): return graph"
    assert load_failure(root, "app:Factory.method").message.endswith("it needs self")
    assert load_failure(root, "app:short").message.endswith("it needs user")


def test_factory_that_fails(root):
    write(root, {"app.py": FACTORIES})
    d = load_failure(root, "app:fails")
    assert (d.code, d.message) == ("LGC106", "calling app:fails failed: KeyError: 'key'")
    assert d.span.text.startswith("def fails()")
    d = load_failure(root, "app:afails")
    assert d.message == "calling app:afails failed: SystemExit: 3"
    assert d.span.text.startswith("async def afails()")
    with pytest.raises(KeyboardInterrupt):
        load(Target("app", "interrupted"), root)
