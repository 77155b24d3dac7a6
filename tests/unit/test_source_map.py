"""Positions of builder calls and definitions, read from source text."""

import textwrap

import pytest

from lgc.compiler.source_map import SourceMap


@pytest.fixture
def source_map(tmp_path):
    """A function from source text to its SourceMap."""

    def make(text, encoding="utf-8"):
        path = tmp_path / "graph.py"
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding=encoding)
        return SourceMap.of_file(path)

    return make


def marked(span):
    """The line number and the marked text of `span`."""
    assert span is not None
    return span.line, span.text[span.column - 1 : span.end_column - 1]


def test_statements(source_map, tmp_path):
    m = source_map("""
        from langgraph.graph import END, START, StateGraph
        import langgraph.constants as c
        NAME = "named"
        builder = StateGraph(S, context_schema=C)
        builder.add_node("a", f)
        builder.add_node(g)
        builder.add_node(NAME, f); builder.add_node(nodes.h)
        builder.add_node(node="kw", action=f)
        builder.add_edge(START, "a")
        builder.add_edge("a", NAME)
        builder.add_edge(["a", "g"], c.END)
        builder.add_edge(start_key="g", end_key="h")
        builder.add_conditional_edges("a", route, ["g"])
        builder.add_conditional_edges("a", path=other)
        builder.set_node_defaults(timeout=3)
        graph = builder.compile(interrupt_before=["a"])
    """)
    assert m.constructor().file == str(tmp_path / "graph.py")
    assert marked(m.constructor()) == (4, "StateGraph(S, context_schema=C)")
    assert m.constructor().column == 11
    assert marked(m.node("a")) == (5, 'builder.add_node("a", f)')
    assert marked(m.node("g")) == (6, "builder.add_node(g)")
    assert marked(m.node("named")) == (7, "builder.add_node(NAME, f)")
    assert marked(m.node("h")) == (7, "builder.add_node(nodes.h)")
    assert marked(m.node("kw")) == (8, 'builder.add_node(node="kw", action=f)')
    assert m.node("f") is None
    assert marked(m.call("set_node_defaults"))[0] == 15
    assert marked(m.call("compile")) == (16, 'builder.compile(interrupt_before=["a"])')
    assert m.call("set_entry_point") is None


def test_sequence(source_map):
    m = source_map("""
        b.add_sequence([
            one,
            ("two", lambda s: s),
            make(),
            mod.three,
        ])
    """)
    assert marked(m.node("one")) == (2, "one")
    assert marked(m.node("two")) == (3, '"two", lambda s: s')
    assert marked(m.node("three")) == (5, "mod.three")


def test_chain_starts_at_the_method(source_map):
    m = source_map("""
        graph = (
            StateGraph(S)
            .add_node("a", f)
            .add_node(
                "b",
                g,
                retry_policy=RetryPolicy(),
            )
            .add_edge(START, "a").add_edge("a", "b")
            .compile()
        )
    """)
    assert marked(m.constructor()) == (2, "StateGraph(S)")
    assert marked(m.node("a")) == (3, 'add_node("a", f)')
    assert marked(m.node("b")) == (4, "add_node(")
    assert marked(m.node("b", keyword="retry_policy")) == (7, "retry_policy=RetryPolicy()")
    assert marked(m.node("b", keyword="timeout")) == (4, "add_node(")
    assert marked(m.call("compile")) == (10, "compile()")


def test_receiver_is_not_a_name(source_map):
    m = source_map("""
        self.builder.add_node("a", f)
        builders["x"].add_node("b", f)
        get().add_node("c", f)
    """)
    assert marked(m.node("a"))[1] == 'self.builder.add_node("a", f)'
    assert marked(m.node("b"))[1] == 'add_node("b", f)'
    assert marked(m.node("c"))[1] == 'add_node("c", f)'


def test_scope_chooses_between_graphs(source_map):
    m = source_map("""
        first = StateGraph(S)
        first.add_node("a", f)
        chained = StateGraph(S).add_node("a", f).compile()
        second = StateGraph(S)
        second.add_node("a", f)
        graph = second.compile()

        def make():
            builder = StateGraph(S)
            builder.add_node("a", f)
            return builder

        made = make().compile()

        class Factory:
            def graph(self):
                builder = StateGraph(S)
                builder.add_node("a", f)
    """)
    lines = {"": 2, "first": 2, "chained": 3, "second": 5, "graph": 5, "make": 10, "made": 10}
    assert {scope: m.node("a", scope=scope).line for scope in lines} == lines
    assert m.node("a", scope="Factory.graph").line == 18
    assert m.node("a", scope="unknown") is None
    assert m.constructor(scope="graph").line == 4
    assert m.constructor(scope="make").line == 9


def test_renamed_imports(source_map):
    m = source_map("""
        from langgraph.graph import END as FINISH, START as S0, StateGraph as SG
        from app.nodes import work as do_work
        def make():
            b = SG(S)
            b.add_node(do_work)
            b.add_conditional_edges(S0, route)
            b.add_edge("work", FINISH)
    """)
    assert marked(m.constructor()) == (4, "SG(S)")
    assert m.node("work").line == 5


def test_names_that_are_not_one_string(source_map):
    m = source_map("""
        TWICE = "a"
        TWICE = "b"
        COMPUTED = make()
        b.add_node(TWICE, f)
        b.add_node(COMPUTED, f)
        b.add_node(f"n{1}", f)
        b.add_node(b"raw", f)
        b.add_node("jo" "ined", f)
        b.add_node(*args)
        b.add_node()
    """)
    assert [m.node(name) for name in ("a", "b", "n1", "raw")] == [None] * 4
    assert m.node("joined").line == 8


def test_re_compile_is_not_a_graph(source_map):
    m = source_map("""
        import re
        WORD = re.compile("a")
        graph = builder.compile()
    """)
    assert m.call("compile").line == 3


def test_definition(source_map):
    m = source_map("""
        builder = 1
        a, (b, c) = 1, (2, 3)
        typed: int = 1
        declared: int
        @decorated
        async def make(): inner = 1
        class Factory:
            graph = 1
            def build(self): ...
        if a:
            late = 1
        builder = builder.compile()
    """)
    assert marked(m.definition("builder")) == (12, "builder")
    assert marked(m.definition("c")) == (2, "c")
    assert marked(m.definition("typed")) == (3, "typed")
    assert marked(m.definition("make")) == (6, "make")
    assert marked(m.definition("Factory.graph")) == (8, "graph")
    assert marked(m.definition("Factory.build")) == (9, "build")
    assert marked(m.definition("late")) == (11, "late")
    assert m.definition("inner") is None
    assert m.definition("declared") is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_columns_count_characters(source_map, encoding):
    m = source_map("s = 'é名'; b.add_node('名', f)\r\nb.add_node('x', f)\r\n", encoding)
    assert marked(m.node("名")) == (1, "b.add_node('名', f)")
    assert m.node("名").column == 11
    assert m.node("x").text == "b.add_node('x', f)"


def test_form_feed_and_separators_do_not_shift_lines(source_map):
    m = source_map("x = '\u2028 \x85'\n\x0c\nb.add_node('a', f)\n")
    assert marked(m.node("a")) == (3, "b.add_node('a', f)")


@pytest.mark.parametrize("content", [b"def (:", b"\xff\xfe\x00", b"# coding: nonsense\n", b""])
def test_unreadable_text_gives_an_empty_map(tmp_path, content):
    path = tmp_path / "broken.py"
    path.write_bytes(content)
    m = SourceMap.of_file(path)
    assert m.node("a") is m.constructor() is m.definition("a") is None


def test_missing_file_gives_an_empty_map(tmp_path):
    assert SourceMap.of_file(tmp_path / "none.py").constructor() is None
    assert SourceMap.of_file(tmp_path).constructor() is None


def test_a_chain_too_long_for_the_parser_gives_no_exception(tmp_path):
    path = tmp_path / "long.py"
    path.write_text("b = (StateGraph(S)" + ".add_node('a', f)" * 400 + ")\n")
    SourceMap.of_file(path).node("a")


def test_cached_by_path(tmp_path):
    path = tmp_path / "graph.py"
    path.write_text("b.add_node('a', f)\n")
    assert SourceMap.of_file(path) is SourceMap.of_file(path)
