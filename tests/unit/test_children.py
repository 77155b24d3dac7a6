"""Compiled graphs that are nodes: in the IR, for `lgc explain`, in diagnostics."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from child_project import THREE, Compile, compiling, loaded
from click.testing import CliRunner
from small_ir import graph, node, start

from lgc import cli
from lgc.compiler.diagnostics import CompileError, Diagnostic
from lgc.compiler.ir import ChildIR, GraphIR, Superstep
from lgc.compiler.ir_text import to_text
from lgc.compiler.passes import run_passes
from lgc.compiler.passes.check_ir import InvalidIR, check


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compile]:
    """Compiles a target of a project with these modules."""
    yield from compiling(tmp_path, monkeypatch)


def refused(project: Compile, **modules: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileError) as caught:
        project(**modules)
    return caught.value.diagnostics


def marked(diagnostic: Diagnostic) -> tuple[str, str]:
    """The file's name and the marked text."""
    span = diagnostic.span
    assert span is not None
    return Path(span.file).name, span.text[span.column - 1 : span.end_column - 1]


# -- the IR ------------------------------------------------------------------------------------


def test_a_compiled_graph_is_read_as_a_child(project: Compile) -> None:
    ir = project(app=THREE).ir
    paths = [path for path, _ in ir.graphs()]
    assert paths == [("research", "search"), ("research",), ()]
    node, (child,) = ir.node("research"), ir.children
    assert (node.call, node.child, node.subgraph) == (None, "research", True)
    assert (child.name, child.nodes) == ("research", ("research",))
    (deep,) = child.graph.children
    assert deep.graph.name == "deep" and deep.graph.settings == (("checkpointer", "True"),)
    for each in (child.graph, deep.graph):
        assert each.supersteps and each.nodes[1].triggers
        assert (each.target, each.langgraph, each.imports) == ("", "", ())
        assert each.channels[0].operator == "+"


def test_one_object_is_one_child(project: Compile) -> None:
    ir = project(
        app="""
        inner, again = one("i", work), one("i", work).compile()
        inner = inner.compile()
        builder = one("a", inner).add_node("b", inner).add_node("c", again)
        builder.add_edge("a", "b").add_edge("b", "c")
        """
    ).ir
    assert [child.nodes for child in ir.children] == [("a", "b"), ("c",)]
    assert [ir.node(name).child for name in "abc"] == ["a", "a", "c"]


@pytest.mark.parametrize(
    ("compiled", "settings"),
    [
        ("inner.compile()", {}),
        ("inner.compile(checkpointer=False)", {"checkpointer": "False"}),
        # Under a parent, what the parent lends takes the place of a child's own.
        ("inner.compile(checkpointer=InMemorySaver(), store=InMemoryStore())", {}),
        (
            'inner.compile(interrupt_before=["i"], interrupt_after="*", debug=True)',
            {"interrupt_before": '["i"]', "interrupt_after": '"*"', "debug": "True"},
        ),
        (
            'inner.compile().with_config(tags=["t"], recursion_limit=7)',
            {"config": '{"tags": ["t"], "recursion_limit": 7}'},
        ),
        ('inner.compile().copy({"step_timeout": 2.5})', {"step_timeout": "2.5"}),
        ('inner.compile().copy({"stream_mode": "values"})', {"stream_mode": '"values"'}),
    ],
)
def test_what_a_child_was_compiled_with(project: Compile, compiled: str, settings: Any) -> None:
    result = project(app=f'inner = one("i", work)\nbuilder = one("n", {compiled})\n')
    (child,) = result.ir.children
    assert dict(child.graph.settings) == settings
    assert [d.code for d in result.diagnostics] == []
    section = result.text.partition("n_graph = abi.compiled(")[2].partition("# The graph")[0]
    for keyword in settings:
        assert f"    {keyword}=" in section


def test_a_config_without_a_source_is_taken_from_the_object(
    project: Compile, tmp_path: Path
) -> None:
    compiled = project(
        "app:bound",
        app="""
        client = object()
        deep = one("i", work).compile().with_config(configurable={"deep": client})
        inner = one("d", deep).compile().with_config(configurable={"inner": client}, tags=["t"])
        builder = one("n", inner)
        bound = builder.compile().with_config(metadata={"client": client})
        bound = bound.with_types().with_config(recursion_limit=9)
        """,
    )
    for line in (
        'config=abi.config_of(BUILDER, "n", "d"),',
        'config=abi.config_of(BUILDER, "n"),',
        "config=abi.config_of(BUILDER),",
    ):
        assert f"    {line}\n" in compiled.text
    assert to_text(compiled.ir).count("\n  config = what is bound to the object\n") == 3
    # The note says where the module goes for it, once for each graph.
    assert [d.code for d in compiled.diagnostics] == ["LGC301"] * 3
    assert compiled.diagnostics[2].message.startswith("in node `n`: in node `d`: something in ")
    graph = loaded(compiled, tmp_path)
    client = importlib.import_module("app").client
    inner = graph.program.by_name["n"].body
    assert graph.config == {"metadata": {"client": client}, "recursion_limit": 9}
    assert inner.config == {"configurable": {"inner": client}, "tags": ["t"]}
    assert inner.program.by_name["d"].body.config == {"configurable": {"deep": client}}


@pytest.mark.parametrize(
    "node",
    [
        "RunnableLambda(work) | inner",
        "RunnableLambda(calls)",
        "inner.with_types()",
        "flow",
        "changed",
    ],
)
def test_other_graphs_are_invoked(project: Compile, node: str) -> None:
    """And so is what holds one, in LangGraph's form or in one of the user's."""
    ir = project(
        app=f"""
        inner = one("i", work).compile()
        def calls(state): return inner.invoke(state)
        @entrypoint()
        def flow(state): return {{"x": []}}
        class Changed(CompiledStateGraph): pass
        changed = one("i", work).compile()
        changed.__class__ = Changed
        builder = one("n", {node})
        builder.add_conditional_edges("n", inner, [END])
        """
    ).ir
    call = ir.node("n").call
    assert ir.children == () and ir.node("n").child == ""
    assert call is not None and call.invoke
    assert ir.node("n").subgraph == (node != "inner.with_types()")
    assert ir.node("n").branches[0].path.invoke


def test_a_graph_of_lgc_is_invoked(project: Compile, tmp_path: Path) -> None:
    compiled = project(
        app="""
        import lgc
        inner = lgc.compile_graph(one("i", work))
        builder = one("n", inner)
        """
    )
    assert 'abi.Node("n", inner, call=abi.INVOKE, subgraph=abi.graph_in(inner)),' in compiled.text
    assert loaded(compiled, tmp_path).invoke({"x": []}) == {"x": ["work"]}


def test_where_a_child_may_lead_in_its_parent(project: Compile) -> None:
    ir = project(
        app="""
        def up(state): return Command(goto="far", graph=Command.PARENT)
        builder = one("n", one("i", up).compile()).add_node("far", work)
        """
    ).ir
    assert ir.node("n").targets == ("far",)
    assert not ir.children[0].graph.node("i").gotos


def nested(*nodes: Any, child: GraphIR | None = None) -> GraphIR:
    """A graph whose node `n` is a graph."""
    inner = child or graph(start("i"), node("i"))
    holder = dataclasses.replace(node("n"), call=None, child="n", subgraph=True)
    outer = graph(start("n"), holder, *nodes)
    return dataclasses.replace(outer, children=(ChildIR(("n",), inner),))


def test_the_hash_is_that_of_all_graphs() -> None:
    plain = nested()
    other = dataclasses.replace(plain.children[0].graph, name="other")
    again = dataclasses.replace(plain.children[0].graph, langgraph="1.2.99")
    assert nested(child=other).hash != plain.hash
    assert nested(child=again).hash == plain.hash
    assert nested(child=nested()).hash != plain.hash
    annotated = run_passes(plain)[0]
    inner = annotated.children[0]
    without = dataclasses.replace(inner.graph, supersteps=())
    assert (
        inner.graph.supersteps
        and annotated.hash
        == dataclasses.replace(
            annotated, children=(dataclasses.replace(inner, graph=without),)
        ).hash
    )


def test_plain_data() -> None:
    ir = run_passes(nested(child=nested()))[0]
    data = json.loads(json.dumps(ir.to_dict()))
    (child,) = data["children"]
    (deep,) = child["graph"]["children"]
    assert child["nodes"] == deep["nodes"] == ["n"]
    wanted = ir.children[0].graph.children[0].graph.supersteps
    assert tuple(map(Superstep.from_dict, deep["graph"]["supersteps"])) == wanted


@pytest.mark.parametrize(
    ("ir", "words"),
    [
        (dataclasses.replace(nested(), children=()), "the nodes that are graphs"),
        (nested(child=graph(start("i"), node("i", "nowhere"))), "in node n: node i names unknown"),
        (
            nested(child=nested(child=graph(node("i")))),
            "in node n: in node n: the first node is not __start__",
        ),
    ],
)
def test_an_inconsistent_child_is_found(ir: GraphIR, words: str) -> None:
    with pytest.raises(InvalidIR, match=words):
        check(ir, "frontend")


def test_explain_has_a_section_for_each(project: Compile, tmp_path: Path) -> None:
    project(app=THREE)
    result = CliRunner().invoke(cli.main, ("explain", "app:builder", "--root", str(tmp_path)))
    assert result.exit_code == 0, result.output
    sections = re.findall(r"^graph .*?(?=  name)", result.stdout, re.MULTILINE)
    assert sections == [
        "graph app:builder",
        "graph of node research",
        "graph of node search of node research",
    ]
    assert "\n  runs      the graph of node search\n" in result.stdout
    assert "\nsettings\n  checkpointer = True\n" in result.stdout
    assert result.stdout.count("\nstatic supersteps\n") == 3


def test_compile_counts_them(project: Compile, tmp_path: Path) -> None:
    project(app=THREE)
    options = ("--root", str(tmp_path), "-o", str(tmp_path / "out"), "--no-native")
    result = CliRunner().invoke(cli.main, ("compile", "app:builder", *options))
    assert result.exit_code == 0, result.output
    assert "\n  1 node, 1 channel, 0 branches, 0 joins, 2 graphs in nodes\n" in result.output


# -- diagnostics -------------------------------------------------------------------------------


def test_a_refusal_says_which_node_and_shows_the_line_of_the_child(project: Compile) -> None:
    (diagnostic,) = refused(
        project,
        app="""
        inner = StateGraph(State)
        inner.add_node("n", work, cache_policy=CachePolicy(ttl=FOREVER))
        inner.add_edge(START, "n")
        builder = StateGraph(State)
        builder.add_node("n", inner.compile())
        builder.add_edge(START, "n")
        """,
    )
    assert diagnostic.code == "LGC207"
    assert diagnostic.message.startswith(
        "in node `n`: cache policy (its ttl is inf) of node `n`: not supported"
    )
    assert marked(diagnostic) == ("app.py", "cache_policy=CachePolicy(ttl=FOREVER)")


@pytest.mark.parametrize(
    "parts",
    [
        # A builder with a name, a graph with one, and one made in a function.
        'b = StateGraph(State)\nb.add_node("n", work, cache_policy=CachePolicy(ttl=FOREVER))\n'
        'b.add_edge(START, "n")\ninner = b.compile()\n',
        'inner = StateGraph(State).add_node("n", work, cache_policy=CachePolicy(ttl=FOREVER))'
        '.add_edge(START, "n").compile()\n',
        "def make():\n    b = StateGraph(State)\n"
        '    b.add_node("n", work, cache_policy=CachePolicy(ttl=FOREVER))\n'
        '    return b.add_edge(START, "n").compile()\ninner = make()\n',
    ],
)
def test_a_child_of_another_module_is_shown_there(project: Compile, parts: str) -> None:
    app = """
        from parts import inner as graph_of_parts
        builder = StateGraph(State)
        builder.add_node("n", graph_of_parts)
        builder.add_edge(START, "n")
        """
    (diagnostic,) = refused(project, app=app, parts=parts)
    assert diagnostic.code == "LGC207"
    assert marked(diagnostic) == ("parts.py", "cache_policy=CachePolicy(ttl=FOREVER)")


def test_no_line_is_better_than_one_of_the_parent(project: Compile) -> None:
    """The child, of a function, is not to be told from others; both have a node of that name."""
    (diagnostic,) = refused(
        project,
        app="""
        def make():
            b = StateGraph(State)
            for each in (work,):
                b.add_node("n", RunnableLambda(each), cache_policy=CachePolicy(ttl=FOREVER))
            return b.add_edge(START, "n").compile()
        builder = StateGraph(State)
        builder.add_node("n", make())
        builder.add_edge(START, "n")
        """,
    )
    assert diagnostic.code == "LGC207"
    assert marked(diagnostic) == ("app.py", 'def work(state): return {"x": ["work"]}')


def test_lint_looks_into_children(project: Compile) -> None:
    compiled = project(
        app="""
        inner = StateGraph(State)
        inner.add_node("i", work)
        inner.add_node("lost", other)
        inner.add_edge(START, "i")
        builder = one("n", inner.compile())
        """
    )
    (diagnostic,) = compiled.diagnostics
    assert diagnostic.code == "LGC401"
    assert diagnostic.message == "in node `n`: no edge leads to node `lost`"
    assert marked(diagnostic) == ("app.py", 'inner.add_node("lost", other)')


def test_a_setting_without_a_source(project: Compile) -> None:
    (diagnostic,) = refused(
        project,
        app="""
        inner = one("i", work).compile().with_config(callbacks=[print])
        builder = StateGraph(State)
        builder.add_node("n", inner)
        builder.add_edge(START, "n")
        """,
    )
    assert diagnostic.code == "LGC219"
    assert diagnostic.message.startswith(
        "in node `n`: config cannot be written as source: ['callbacks'][0] is of type"
    )
    assert marked(diagnostic) == ("app.py", 'builder.add_node("n", inner)')


def test_a_graph_that_was_put_into_its_own_builder(project: Compile) -> None:
    (diagnostic,) = refused(
        project,
        app="""
        builder = one("n", work)
        builder.add_node("again", builder.compile()).add_edge("n", "again")
        """,
    )
    assert diagnostic.code == "LGC221" and diagnostic.message.startswith("in node `again`: nodes")
