"""Agents of langchain and langgraph-prebuilt: the same results, chunks, states and histories.

Each scenario runs without a saver, compiled ahead of time and in this process, and on a thread
of a saver, where it is streamed in all modes, read, and run a second time.
"""

# Tools and middleware are told by their annotations, so those are no strings here.

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from agents import Scenario, Scripted, calls, compare_threads
from inprocess import compile_in_process
from langchain.agents import AgentState, create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolEmulator,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolErrorMiddleware,
    ToolRetryMiddleware,
    after_agent,
    after_model,
    before_agent,
    before_model,
    dynamic_prompt,
    hook_config,
    wrap_model_call,
    wrap_tool_call,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, RemoveMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.config import get_config, get_store, get_stream_writer
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime
from langgraph.prebuilt import create_react_agent as create_prebuilt
from langgraph.runtime import get_runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt
from parity import BOTH, INVOKE, UPDATES, VALUES, Call, Log, compare
from pydantic import BaseModel
from threads import Answers, Step

import lgc

DONE = AIMessage("done")
ADD = ("add", {"a": 1, "b": 2})


def tools_of(log: Log) -> list[BaseTool]:
    """Tools of every kind; what they are given is noted."""

    @tool
    def add(a: int, b: int) -> int:
        """Adds."""
        log.note(f"add {a} {b}", "given", get_config()["metadata"]["langgraph_step"])
        return a + b

    @tool
    def fail(text: str) -> str:
        """Fails."""
        raise ValueError(text)

    @tool
    def state_of(state: Annotated[Any, InjectedState], n: int = 0) -> str:
        """Tells the whole state."""
        log.note("state_of", "state", state)
        return f"{len(state['messages'])} messages, {sorted(state)}"

    @tool
    def messages_of(messages: Annotated[list, InjectedState("messages")]) -> str:
        """Tells a part of the state."""
        return f"{[message.type for message in messages]}"

    @tool
    def remember(text: str, store: Annotated[Any, InjectedStore()]) -> str:
        """Stores."""
        assert store is get_store()
        store.put(("notes",), text, {"text": text})
        return f"{store.get(('notes',), text).value} stored"

    @tool
    def look(runtime: ToolRuntime, deep: bool = False) -> str:
        """Tells all that a tool can see of its run."""
        config = runtime.config
        conf = config["configurable"]
        log.note("look", "state", runtime.state)
        log.note("look", "context", runtime.context)
        log.note("look", "call", runtime.tool_call_id)
        log.note("look", "tools", [each.name for each in runtime.tools])
        log.note("look", "info", (runtime.execution_info, runtime.server_info))
        log.note("look", "keys", sorted(conf))
        log.note("look", "metadata", dict(sorted(config["metadata"].items())))
        log.note("look", "place", [conf.get(k) for k in ("checkpoint_ns", "thread_id", "mine")])
        log.note("look", "runtime", (get_runtime().context, get_runtime().store is runtime.store))
        runtime.stream_writer({"looked": 1})
        get_stream_writer()({"looked": 2})
        return "looked"

    @tool
    def update(text: str, call: Annotated[str, InjectedToolCallId]) -> Command:
        """Updates the state."""
        return Command(update={"note": text, "messages": [ToolMessage(text, tool_call_id=call)]})

    @tool
    def leave(call: Annotated[str, InjectedToolCallId]) -> Command:
        """Goes to the end."""
        message = ToolMessage("left", tool_call_id=call)
        return Command(goto="__end__", update={"messages": [message]})

    @tool
    def several(call: Annotated[str, InjectedToolCallId]) -> list:
        """A Command and a message."""
        return [
            Command(update={"note": "several"}),
            ToolMessage("several", tool_call_id=call),
        ]

    @tool(return_direct=True)
    def direct(text: str) -> str:
        """Returns directly."""
        return f"direct {text}"

    @tool
    def ask(question: str) -> str:
        """Asks somebody."""
        log.note(f"ask {question}", "asks", None)
        return f"answered {interrupt({'question': question})}"

    return [add, fail, state_of, messages_of, remember, look, update, leave, several, direct, ask]


class NoteState(AgentState):
    """A state with a key that tools write."""

    note: str


def agent(*script: Any, **options: Any) -> Any:
    """What makes an agent with a scripted model and all the tools."""

    def make(log: Log) -> Any:
        made = {k: v(log) if k in ("middleware", "tools") else v for k, v in options.items()}
        tools = made.pop("tools", None)
        model = Scripted(log, *script)
        return create_agent(model, tools_of(log) if tools is None else tools, **made)

    return make


def given(*values: Any) -> tuple[Step, ...]:
    """The steps that resume with these answers, each streamed."""
    modes = (("stream_mode", ["values", "updates", "custom"]),)
    return tuple(Step("stream", Answers((value,)), options=modes) for value in values)


# -- middleware of one's own ---------------------------------------------------------------------


def hooks(log: Log) -> list[Any]:
    """Every hook, as functions; each notes and writes."""

    @before_agent
    def begin(state, runtime):
        log.note("begin", "sees", (state, runtime.context))
        runtime.stream_writer("begin")
        return {"note": "begun"}

    @before_model
    def before(state, runtime):
        log.note("before", "sees", (len(state["messages"]), runtime.execution_info))
        return {"note": f"before {len(state['messages'])}"}

    @after_model
    def after(state, runtime):
        log.note("after", "sees", (state["messages"][-1].type, get_config()["metadata"]))
        return None

    @after_agent
    def finish(state, runtime):
        return {"messages": [AIMessage("finished")]}

    @wrap_model_call
    def around(request, handler):
        log.note("around", "sees", (len(request.messages), len(request.tools), request.state))
        request.runtime.stream_writer("around")
        return handler(request.override(messages=request.messages[-2:]))

    @wrap_tool_call
    def around_tool(request, handler):
        who = f"around {request.tool.name}"
        log.note(who, "sees", (request.tool_call, request.state))
        found = handler(request)
        log.note(who, "got", found)
        return found

    @dynamic_prompt
    def prompt(request):
        return f"prompt {len(request.messages)} {request.runtime.context}"

    class Typed(AgentMiddleware):
        state_schema = NoteState

    return [Typed(), begin, before, after, finish, around, around_tool, prompt]


class Jumps(AgentMiddleware):
    """Jumps from each hook: back to the model once, and to the end."""

    state_schema = NoteState

    @hook_config(can_jump_to=["end", "model"])
    def after_model(self, state, runtime):
        """After the first answer once more, after that to the end."""
        if state.get("note") == "again":
            return {"jump_to": "end", "messages": [AIMessage("jumped")]}
        return {"jump_to": "model", "note": "again"}


class Stops(AgentMiddleware):
    """Ends the run before the model is asked."""

    @hook_config(can_jump_to=["end"])
    def before_agent(self, state, runtime):
        """To the end."""
        return {"jump_to": "end", "messages": [AIMessage("not today")]}


class ToTools(AgentMiddleware):
    """Jumps to the tools from before the model."""

    @hook_config(can_jump_to=["tools"])
    def before_model(self, state, runtime):
        """With a call of its own, the first time."""
        if len(state["messages"]) == 1:
            return {"jump_to": "tools", "messages": [calls(ADD)]}
        return None


def own_tools(log: Log) -> list[Any]:
    """Middleware that brings a tool, a state and a node that writes everything anew."""

    @tool
    def extra(runtime: ToolRuntime) -> Command:
        """Of the middleware's."""
        text = f"extra {runtime.state.get('note')}"
        message = ToolMessage(text, tool_call_id=runtime.tool_call_id)
        return Command(update={"messages": [message], "note": "extra"})

    class Brings(AgentMiddleware):
        state_schema = NoteState
        tools = (extra,)

        def before_model(self, state, runtime):
            if len(state["messages"]) > 2:
                return {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), *state["messages"][-2:]]}
            return {"note": "brought"}

    return [Brings()]


def asking(log: Log) -> list[Any]:
    """Asks in a hook and around a tool."""

    class Asks(AgentMiddleware):
        state_schema = NoteState

        def before_model(self, state, runtime):
            return {"note": interrupt(f"at {len(state['messages'])}")}

        def wrap_tool_call(self, request, handler):
            args = interrupt({"tool": request.tool_call["name"]})
            call = {**request.tool_call, "args": args}
            return handler(request.override(tool_call=call))

    return [Asks()]


# -- structured output ---------------------------------------------------------------------------


class Weather(BaseModel):
    """The weather."""

    city: str
    degrees: float


@dataclass
class Wind:
    """The wind."""

    speed: int


_WEATHER = ("Weather", {"city": "Bern", "degrees": 21.5})
_SAID = AIMessage('{"city": "Oslo", "degrees": 9}')


@dataclass
class Context:
    """Who asks."""

    user: str = "nobody"


def selecting(log: Log) -> list[Any]:
    """A model of its own selects the tools."""
    choice = calls(("ToolSelectionResponse", {"tools": ["add", "look"]}))
    return [LLMToolSelectorMiddleware(model=Scripted(log, choice, name="selector"), max_tools=2)]


def named(state: Any) -> Any:
    return [("system", f"prebuilt {len(state['messages'])}"), *state["messages"]]


def prebuilt(*script: Any, **options: Any) -> Any:
    """What makes an agent of langgraph-prebuilt."""

    def make(log: Log) -> Any:
        made = {k: v(log) if k.endswith("hook") else v for k, v in options.items()}
        return create_prebuilt(Scripted(log, *script), made.pop("tools", tools_of)(log), **made)

    return make


def noting_hook(log: Log) -> Any:
    def hook(state):
        log.note("hook", "sees", state)
        return {"llm_input_messages": state["messages"][-3:]}

    return hook


_HITL = {"add": True, "look": {"allowed_decisions": ["approve", "reject", "respond"]}}
_TODO = [{"content": "a", "status": "in_progress"}, {"content": "b", "status": "pending"}]
_CONTEXT = (("context", Context("u")),)

SCENARIOS = {
    "plain": Scenario(agent(DONE, system_prompt="be brief", name="plain")),
    "no tools": Scenario(agent(DONE, tools=lambda log: [])),
    "one tool": Scenario(agent(calls(ADD), DONE)),
    "turns": Scenario(agent(calls(ADD), calls(("look", {})), calls(ADD, said="more"), DONE)),
    "several tools": Scenario(
        agent(
            calls(ADD, ("state_of", {}), ("messages_of", {}), ADD, ("add", {"a": 5, "b": 6})), DONE
        )
    ),
    "tool that is not there": Scenario(agent(calls(("zz", {}), ADD), DONE)),
    "wrong arguments": Scenario(agent(calls(("add", {"a": "x"})), DONE)),
    "tool that fails": Scenario(agent(calls(("fail", {"text": "bad"}))), fails=True),
    "tool error handled": Scenario(
        agent(
            calls(("fail", {"text": "bad"}), ADD),
            DONE,
            middleware=lambda log: [ToolErrorMiddleware(lambda exc, request: f"caught {exc}")],
        )
    ),
    "tool retried": Scenario(
        agent(
            calls(("fail", {"text": "bad"})),
            DONE,
            middleware=lambda log: [ToolRetryMiddleware(max_retries=1, initial_delay=0)],
        )
    ),
    "injected state": Scenario(
        agent(calls(("state_of", {}), ("messages_of", {})), DONE, state_schema=NoteState),
        {"messages": [("user", "hi")], "note": "given"},
    ),
    "injected store": Scenario(
        agent(calls(("remember", {"text": "x"})), calls(("remember", {"text": "y"})), DONE),
        compiled=(("store", None),),
    ),
    "tool runtime": Scenario(
        agent(calls(("look", {})), DONE, context_schema=Context),
        options=_CONTEXT,
        config={"configurable": {"mine": 1, "assistant_id": "a"}, "tags": ["t"]},
    ),
    "command": Scenario(
        agent(calls(("update", {"text": "new"}), ADD), DONE, state_schema=NoteState)
    ),
    "command that leaves": Scenario(agent(calls(("leave", {})), DONE)),
    "several outputs of a tool": Scenario(
        agent(calls(("several", {})), DONE, state_schema=NoteState)
    ),
    "return direct": Scenario(agent(calls(("direct", {"text": "x"})))),
    "return direct beside another": Scenario(agent(calls(("direct", {"text": "x"}), ADD), DONE)),
    "hooks": Scenario(
        agent(calls(ADD), calls(("look", {})), DONE, middleware=hooks, context_schema=Context),
        options=_CONTEXT,
    ),
    "jumps": Scenario(agent(DONE, DONE, middleware=lambda log: [Jumps()])),
    "stops": Scenario(agent(DONE, middleware=lambda log: [Stops()])),
    "jumps to the tools": Scenario(agent(DONE, middleware=lambda log: [ToTools()])),
    "tools of middleware": Scenario(
        agent(calls(("extra", {})), calls(("extra", {}), ADD), DONE, middleware=own_tools)
    ),
    "summarization": Scenario(
        agent(
            calls(ADD),
            calls(ADD),
            DONE,
            middleware=lambda log: [
                SummarizationMiddleware(
                    Scripted(log, AIMessage("in short"), name="summarizer"),
                    trigger=("messages", 4),
                    keep=("messages", 2),
                )
            ],
        )
    ),
    "todo list": Scenario(
        agent(
            calls(("write_todos", {"todos": _TODO})),
            calls(("write_todos", {"todos": _TODO[1:]}), ADD),
            DONE,
            middleware=lambda log: [TodoListMiddleware()],
        )
    ),
    "model call limit": Scenario(
        agent(
            calls(ADD),
            calls(ADD),
            middleware=lambda log: [ModelCallLimitMiddleware(run_limit=2, exit_behavior="end")],
        )
    ),
    "model call limit that raises": Scenario(
        agent(
            calls(ADD),
            middleware=lambda log: [ModelCallLimitMiddleware(run_limit=1, exit_behavior="error")],
        ),
        fails=True,
    ),
    "tool call limit": Scenario(
        agent(
            calls(ADD, ADD),
            calls(ADD),
            DONE,
            middleware=lambda log: [ToolCallLimitMiddleware(run_limit=1, thread_limit=2)],
        )
    ),
    "context editing": Scenario(
        agent(
            calls(ADD),
            calls(ADD),
            calls(ADD),
            DONE,
            middleware=lambda log: [
                ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=1, keep=1)])
            ],
        )
    ),
    "model fallback": Scenario(
        agent(
            ValueError("down"),
            middleware=lambda log: [
                ModelFallbackMiddleware(Scripted(log, calls(ADD), DONE, name="second"))
            ],
        )
    ),
    "model retry": Scenario(
        agent(
            ValueError("down"),
            calls(ADD),
            ValueError("down again"),
            DONE,
            middleware=lambda log: [ModelRetryMiddleware(max_retries=1, initial_delay=0)],
        )
    ),
    "model that fails": Scenario(agent(ValueError("down")), fails=True),
    "pii": Scenario(
        agent(
            calls(ADD, said="write to a@b.org"),
            DONE,
            middleware=lambda log: [PIIMiddleware("email", apply_to_output=True)],
        ),
        {"messages": [("user", "I am x@y.com")]},
    ),
    "tool selector": Scenario(agent(calls(ADD), DONE, middleware=selecting)),
    "tool emulator": Scenario(
        agent(
            calls(ADD),
            DONE,
            middleware=lambda log: [
                LLMToolEmulator(model=Scripted(log, AIMessage("emulated"), name="emulator"))
            ],
        )
    ),
    "tool strategy": Scenario(
        agent(calls(ADD), calls(_WEATHER), response_format=ToolStrategy(Weather))
    ),
    "tool strategy of two": Scenario(
        agent(calls(("Wind", {"speed": 3})), response_format=ToolStrategy(Weather | Wind))
    ),
    "tool strategy, wrong at first": Scenario(
        agent(
            calls(("Weather", {"city": "Bern"})),
            calls(_WEATHER, _WEATHER),
            calls(_WEATHER),
            response_format=ToolStrategy(Weather, tool_message_content="noted"),
        )
    ),
    "tool strategy that raises": Scenario(
        agent(
            calls(("Weather", {"city": "Bern"})),
            response_format=ToolStrategy(Weather, handle_errors=False),
        ),
        fails=True,
    ),
    "provider strategy": Scenario(
        agent(calls(ADD), _SAID, response_format=ProviderStrategy(Weather))
    ),
    "provider strategy that raises": Scenario(
        agent(DONE, response_format=ProviderStrategy(Weather)), fails=True
    ),
    "recursion limit": Scenario(agent(calls(ADD)), config={"recursion_limit": 4}, fails=True),
    "interrupt before": Scenario(
        agent(calls(ADD), DONE, interrupt_before=["tools"]), steps=(Step("stream", None),)
    ),
    "interrupt after": Scenario(
        agent(calls(ADD, ADD), DONE, interrupt_after=["tools", "model"]),
        steps=(Step("get_state"), Step("stream", None), Step("stream", None), Step("stream", None)),
    ),
    "debug": Scenario(agent(calls(ADD), DONE, debug=True)),
    "prebuilt": Scenario(prebuilt(calls(ADD, ADD), calls(("look", {})), DONE, prompt=named)),
    "prebuilt v1": Scenario(prebuilt(calls(ADD, ("state_of", {})), DONE, version="v1")),
    "prebuilt with hooks": Scenario(
        prebuilt(
            calls(ADD), calls(ADD), DONE, pre_model_hook=noting_hook, post_model_hook=noting_hook
        )
    ),
    "prebuilt that answers in a structure": Scenario(
        prebuilt(calls(ADD), DONE, calls(_WEATHER), response_format=Weather)
    ),
    "prebuilt that leaves": Scenario(prebuilt(calls(("leave", {})), DONE)),
    "prebuilt, return direct": Scenario(prebuilt(calls(("direct", {"text": "x"})))),
    "prebuilt, tool errors": Scenario(
        prebuilt(
            calls(("fail", {"text": "bad"}), ("zz", {})),
            DONE,
            tools=lambda log: ToolNode(tools_of(log), handle_tool_errors=True),
        )
    ),
}
"""Run without a saver and with one."""

_APPROVE = {"decisions": [{"type": "approve"}]}
_EDITED = {"name": "add", "args": {"a": 10, "b": 20}}


def human(*script: Any, **options: Any) -> Any:
    """An agent whose tool calls somebody reviews."""
    return agent(*script, middleware=lambda log: [HumanInTheLoopMiddleware(_HITL, **options)])


ON_THREADS = {
    "approved": Scenario(human(calls(ADD), DONE), steps=given(_APPROVE)),
    "edited": Scenario(
        human(calls(ADD), DONE),
        steps=given({"decisions": [{"type": "edit", "edited_action": _EDITED}]}),
    ),
    "rejected, and approved beside": Scenario(
        human(calls(ADD, ("look", {}), ("state_of", {})), DONE),
        steps=(
            Step("get_state"),
            *given({"decisions": [{"type": "reject", "message": "no"}, {"type": "approve"}]}),
        ),
    ),
    "responded": Scenario(
        human(calls(("look", {})), DONE),
        steps=given({"decisions": [{"type": "respond", "message": "mine"}]}),
    ),
    "a decision too few": Scenario(
        human(calls(ADD, ("look", {})), DONE), steps=given(_APPROVE, {"decisions": []})
    ),
    "each call by itself": Scenario(
        human(calls(ADD), DONE, interrupt_mode="per_call"), steps=given({"type": "approve"})
    ),
    "a tool that asks": Scenario(
        agent(calls(("ask", {"question": "why?"}), ADD), DONE), steps=given("because")
    ),
    "several tools that ask": Scenario(
        agent(calls(*[("ask", {"question": f"{i}?"}) for i in range(3)]), DONE),
        steps=(
            Step("get_state"),
            Step(
                "stream",
                Answers(("x", "y", "z"), by_id=True),
                options=(("stream_mode", "updates"),),
            ),
        ),
    ),
    "middleware that asks": Scenario(
        agent(calls(ADD), DONE, middleware=asking),
        steps=given("first", {"a": 7, "b": 8}, "second"),
    ),
    "an update from outside": Scenario(
        agent(calls(ADD), DONE, interrupt_before=["tools"]),
        steps=(
            Step(
                "update_state", {"messages": [AIMessage("mine")]}, options=(("as_node", "model"),)
            ),
            Step("get_state"),
            Step("stream", None),
        ),
    ),
    "an update that calls a tool": Scenario(
        agent(DONE),
        steps=(
            Step("update_state", {"messages": [calls(ADD)]}, options=(("as_node", "model"),)),
            Step("get_state"),
            Step("stream", None, options=(("stream_mode", "updates"),)),
        ),
    ),
    "another turn from an older checkpoint": Scenario(
        agent(calls(ADD), DONE, DONE),
        steps=(Step("stream", {"messages": [("user", "else")]}, at=2), Step("invoke", None, at=3)),
    ),
    "prebuilt, a tool that asks": Scenario(
        prebuilt(calls(("ask", {"question": "why?"})), DONE), steps=given("because")
    ),
    "prebuilt, stopped": Scenario(
        prebuilt(calls(ADD), DONE, interrupt_before=["tools"]), steps=(Step("stream", None),)
    ),
}
"""Run with a saver only."""

CUSTOM = Call("stream", (("stream_mode", ["values", "updates", "custom"]),))
_WAYS = {"ahead of time": compile_in_process, "in process": lgc.compile_graph}


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_agent(name: str, way: str) -> None:
    """Without a saver: invoked, and streamed in the usual modes."""
    scenario = SCENARIOS[name]

    def make(log: Log) -> Any:
        made = scenario.make(log)
        return made.copy({"store": InMemoryStore()}) if scenario.compiled else made

    def compiled(target: Any) -> Any:
        graph = _WAYS[way](target)
        # A module's graph has no store of its own.
        return graph if graph.store else graph.compile(store=target.store)

    for call in (INVOKE, UPDATES, VALUES, BOTH, CUSTOM):
        asked = Call(call.method, (*call.arguments, *scenario.options))
        # Built anew: some agents keep state in their tools, stores and middleware.
        (seen,) = compare(make, scenario.input, scenario.config, asked, compiled=compiled)
        assert (seen["error"] is not None) == scenario.fails, seen["error"]


@pytest.mark.parametrize("name", [*SCENARIOS, *ON_THREADS])
def test_agent_on_a_thread(name: str) -> None:
    """With a saver: streamed in all modes, resumed, read, and run a second time."""
    scenario = {**SCENARIOS, **ON_THREADS}[name]
    if scenario.compiled:
        scenario = Scenario(scenario.make, compiled=(("store", InMemoryStore()),))
    for durability, kind in (("async", "MemorySaver"), ("sync", "UpstreamMemorySaver")):
        seen = compare_threads(scenario, ("UpstreamMemorySaver", kind), durability)
        assert (seen[0]["error"] is not None) == scenario.fails, seen[0]["error"]
        assert seen[-3]["result"]["messages"] if not scenario.fails else True


def test_enough_scenarios() -> None:
    """Agents of create_agent alone are more than twenty."""
    assert sum("prebuilt" not in name for name in SCENARIOS) > 20
