"""Names that LangGraph keeps for itself: the same error at compile, in each way to compile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph._internal import _constants
from langgraph.channels import Topic
from langgraph.graph import START, StateGraph
from langgraph.managed import RemainingSteps
from parity import compare

import lgc
import lgc.backend
from lgc.compiler.diagnostics import CompileError
from lgc.compiler.frontend import analyse
from lgc.compiler.target import Target, load

RESERVED = sorted(_constants.RESERVED)
OTHERS = sorted(
    {
        value
        for name, value in vars(_constants).items()
        if name.isupper() and isinstance(value, str) and value not in RESERVED and value
    }
    | {"__start__", "__end__", "__root__", "thread_id", "branch:to:n", "join:n:n", "n", "name"}
)
"""Names that look alike; LangGraph takes most of them."""


def state(**hints: Any) -> Any:
    """A state schema with one key more than `x`."""
    return TypedDict("State", {"x": int, **hints}, total=False)  # type: ignore[operator]


def with_node(name: str) -> Any:
    """A graph with a node of that name."""
    builder = StateGraph(state())
    builder.add_node(name, lambda values: {"x": 1})
    builder.add_edge(START, name)
    return builder


def with_key(name: str) -> Any:
    """A graph with a state key of that name, which a node writes and a router reads."""
    return _with(name, Any)


def with_managed(name: str) -> Any:
    """A graph with a managed value of that name."""
    return _with(name, RemainingSteps)


def with_topic(name: str) -> Any:
    """A graph with a Topic of that name."""
    return _with(name, Annotated[list, Topic(int)])


def _with(name: str, annotation: Any) -> Any:
    builder = StateGraph(state(**{name: annotation}))
    builder.add_node("node", lambda values: {name: 1, "x": 2})
    builder.add_edge(START, "node")
    builder.add_conditional_edges("node", lambda values: "__end__")
    return builder


FORMS = [with_node, with_key, with_managed, with_topic]
ids = [form.__name__ for form in FORMS]


def refusal(compiled: Any, form: Any, name: str) -> Any:
    """The class and the text of what the builder or `compiled` raises, or None."""
    try:
        compiled(form(name))
    except (ValueError, TypeError) as exc:
        return type(exc), str(exc)
    except lgc.Unsupported:
        return None
    return None


@pytest.fixture
def backend() -> Any:
    """LangGraph's own `compile` gives graphs of lgc."""
    lgc.backend.install()
    yield lambda builder: builder.compile()
    lgc.backend.uninstall()


@pytest.mark.parametrize("form", FORMS, ids=ids)
@pytest.mark.parametrize("name", [*RESERVED, *OTHERS])
def test_a_reserved_name_is_refused_as_langgraph_does(backend: Any, form: Any, name: str) -> None:
    lgc.backend.uninstall()
    expected = refusal(lambda builder: builder.compile(), form, name)
    if name in RESERVED:
        assert expected is not None
    assert refusal(lgc.compile_graph, form, name) == expected
    lgc.backend.install()
    assert refusal(backend, form, name) == expected


@pytest.mark.parametrize("form", FORMS, ids=ids)
@pytest.mark.parametrize("name", OTHERS)
def test_a_name_that_only_looks_reserved_runs_as_under_langgraph(form: Any, name: str) -> None:
    """Or is refused by its name: a state key that LangGraph writes to or reads for itself."""
    if refusal(lambda builder: builder.compile(), form, name) is not None:
        return
    try:
        lgc.compile_graph(form(name))
    except lgc.Unsupported as exc:
        assert f"`{name}`" in str(exc)
        assert form is not with_node
        return
    compare(lambda log: form(name), {"x": 1})


@pytest.mark.parametrize(
    ("kind", "name"),
    # The builder itself refuses a node with a separator of namespaces in its name.
    [("node", name) for name in RESERVED if not {"|", ":"}.intersection(name)]
    + [(kind, name) for kind in ("key", "managed") for name in RESERVED],
)
def test_the_compiler_tells_where_a_reserved_name_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    """A coded diagnostic at the line of the node or of the graph."""
    hint = {"node": "", "key": f", {name!r}: int", "managed": f", {name!r}: RemainingSteps"}[kind]
    node = name if kind == "node" else "node"
    file = tmp_path / "reserved_app.py"
    file.write_text(
        "from typing import TypedDict\n"
        "from langgraph.graph import START, StateGraph\n"
        "from langgraph.managed import RemainingSteps\n"
        f"State = TypedDict('State', {{'x': int{hint}}})\n"
        "def run(state):\n    return {}\n"
        "builder = StateGraph(State)\n"
        f"builder.add_node({node!r}, run)\n"
        f"builder.add_edge(START, {node!r})\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    sys.modules.pop("reserved_app", None)
    with pytest.raises(CompileError) as refused:
        analyse(load(Target("reserved_app", "builder"), tmp_path))
    (diagnostic,) = refused.value.diagnostics
    what = {"node": "Node name", "key": "Channel name", "managed": "Managed name"}[kind]
    assert (diagnostic.code, diagnostic.message) == ("LGC111", f"{what} '{name}' is reserved")
    assert diagnostic.span is not None
    assert diagnostic.span.line == (8 if kind == "node" else 7)
