"""The section that a compiled graph has in the module of the graph whose node it is."""

from __future__ import annotations

import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from child_project import HEAD, THREE, Compile, compiling, loaded, write


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compile]:
    """Compiles a target of a project with these modules."""
    yield from compiling(tmp_path, monkeypatch)


def names_in(text: str) -> list[str]:
    """What a module defines."""
    return re.findall(r"^(?:def )?(\w+)(?=\(| = |: abi)", text, re.MULTILINE)


def test_sections_of_the_module(project: Compile, tmp_path: Path) -> None:
    compiled = project(app=THREE)
    assert re.findall("# The graph .*", compiled.text) == [
        "# The graph of node search in node research.",
        "# The graph of node research.",
        "# The graph that holds these.",
    ]
    own = ("supersteps", "apply", "keys", "nodes", "graph", "compile")
    parts = ("supersteps_{}", "apply_{}", "keys_{}", "nodes_{}", "{}_graph")
    assert names_in(compiled.text.partition("__file__)")[2]) == [
        *(part.format("research_search") for part in parts),
        *(part.format("research") for part in parts),
        *own,
    ]
    # Everything has a name, so the builder is not needed.
    assert "BUILDER" not in compiled.text
    graph = loaded(compiled, tmp_path)
    deep = graph.program.by_name["research"].body.program.by_name["search"].body
    assert (deep.name, deep.checkpointer) == ("deep", True)
    assert graph.invoke({"x": []}) == {"x": ["work", "other"]}


def test_what_has_no_name_is_taken_from_the_childs_builder(
    project: Compile, tmp_path: Path
) -> None:
    app = """
        def make():
            deep = one("look", lambda state: {"x": ["deep"]})
            deep.add_conditional_edges("look", lambda state: END)
            return one("a b", one("search", deep.compile()).compile())
        """
    compiled = project("app:make", app=app)
    assert '\nA_B_SEARCH_BUILDER = abi.builder_in(BUILDER, "a b", "search")\n' in compiled.text
    assert "\nA_B_BUILDER" not in compiled.text
    assert 'abi.function_of(A_B_SEARCH_BUILDER, "look")' in compiled.text
    assert loaded(compiled, tmp_path).invoke({"x": []}) == {"x": ["deep"]}
    # A child that has changed makes the module stale.
    write(tmp_path, "app", HEAD + textwrap.dedent(app).replace('"look"', '"see"'))
    words = "has no function of node 'look' in node 'search' in node 'a b', which it had"
    with pytest.raises(ImportError, match=words):
        loaded(compiled, tmp_path)
    write(tmp_path, "app", f'{HEAD}def make(): return one("other", work)')
    words = "has no graph in node 'search' in node 'a b', which it had"
    with pytest.raises(ImportError, match=words):
        loaded(compiled, tmp_path)


def test_names_of_a_section_do_not_depend_on_others(project: Compile) -> None:
    app = """
        inner = one("worker", one("i", work).compile()).compile()
        builder = one("team", inner).add_node("class", one("i", other).compile())
        builder.add_node("1st", one("j", other).compile())
        """
    before = project(app=app).text
    more = (
        app
        + """
        again = one("team", one("i", lambda state: {}).compile()).compile()
        builder.add_node("other", again).add_node("last", one("k", other).compile())
        """
    )
    after = project(app=more).text
    assert set(names_in(before)) < set(names_in(after))
    for name in ("team", "team_worker", "class", "1st"):
        assert f"def nodes_{name}()" in before
    assert "\nclass_graph = " in before and "\n_1st_graph = " in before
    section = before[before.index("# The graph of node team.") : before.index("# The graph that")]
    assert section in after


def test_names_of_the_outer_graph_do_not_depend_on_children(project: Compile) -> None:
    """Where both have a long join to a node of one name, or a function that injects."""
    names = [f"a node of a join, number {number}" for number in range(3)]
    app = f"""
        from langchain_core.runnables import RunnableConfig
        def told(state, config: RunnableConfig): return {{"x": []}}
        def joined():
            b = StateGraph(State).add_node("end", work)
            for name in {names}:
                b.add_node(name, work).add_edge(START, name)
            return b.add_edge({names}, "end")
        builder = joined().add_node("n_f", told)
        builder.add_node("n", work)
        """
    before = project(app=app).text
    child = 'joined().add_node("f", told).compile()'
    after = project(app=app.replace('"n", work', f'"n", {child}')).text
    own = {name for name in names_in(before) if "JOIN" in name or "n_f" in name}
    assert own == {"JOIN_END", "WITH_A_NODE_OF_A_JOIN__NUMBER_0", "node_n_f"}
    section = after.partition("# The graph that holds these.")[2]
    assert own <= set(names_in(section))
    assert {"JOIN_N_END", "WITH_N_A_NODE_OF_A_JOIN__NUMBER_0", "node_n_f_2"} <= set(names_in(after))


def test_names_that_are_in_use(project: Compile, tmp_path: Path) -> None:
    """By imports, by the graph itself, by another graph."""
    compiled = project(
        app="""
        def nodes_a(state): return {"x": ["nodes_a"]}
        def b_graph(state): return {"x": ["b_graph"]}
        a = one("f", nodes_a).compile()
        b = one("c", one("f", b_graph).compile()).compile()
        builder = one("a", a).add_node("b", b).add_node("b_c", one("g", work).compile())
        builder.add_edge("a", "b").add_edge("b", "b_c")
        """
    )
    for name in ("nodes_a_2", "b_graph_2", "nodes_b_c", "nodes_b_c_2"):
        assert name in names_in(compiled.text)
    assert len(names_in(compiled.text)) == len(set(names_in(compiled.text)))
    wanted = importlib.import_module("app").builder.compile().invoke({"x": []})
    assert loaded(compiled, tmp_path).invoke({"x": []}) == wanted


def test_a_child_that_reads_and_injects(project: Compile, tmp_path: Path) -> None:
    """Its own schemas, functions with a config, and what the parent hands it."""
    compiled = project(
        app="""
        from dataclasses import dataclass
        from langchain_core.runnables import RunnableConfig
        @dataclass
        class Part:
            x: list[str]
        def told(state: Part, config: RunnableConfig): return {"x": [*state.x, "told"]}
        def route(state: Part, config: RunnableConfig): return END
        inner = StateGraph(Part).add_node("i", told).add_edge(START, "i")
        inner.add_conditional_edges("i", route)
        builder = one("n", inner.compile(), input_schema=State)
        """
    )
    assert "\ndef node_n_i(state: Any, task: Any) -> Any:\n" in compiled.text
    assert "\ndef branch_n_i_route(state: Any, task: Any) -> Any:\n" in compiled.text
    assert "    state_schema=Part,\n" in compiled.text
    assert loaded(compiled, tmp_path).invoke({"x": ["a"]}) == {"x": ["a", "a", "told"]}
