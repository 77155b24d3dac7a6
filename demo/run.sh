#!/usr/bin/env bash
# Compiles an agent of langchain's create_agent and runs it, then compiles an agent and a service
# whose nodes know nothing of LangGraph, and runs them in an environment in which langgraph is not
# installed. Run by `make demo`, which has set up .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== an agent of langchain: compiled, and run on lgc (its tools and its model are langchain's)"
(cd demo && ../.venv/bin/lgc compile assistant.py:agent -o build)
(cd demo && ../.venv/bin/python ask.py)

echo "== compile (with langgraph)"
(cd demo && ../.venv/bin/lgc compile agent.graph:builder service.graph:builder -o build)

if [ ! -x .venv-demo/bin/python ]; then
  .venv/bin/python -m venv .venv-demo
fi
rm -rf build/lib* build/bdist* build/demo-wheel
.venv-demo/bin/pip wheel --quiet --no-deps --wheel-dir build/demo-wheel .
.venv-demo/bin/pip install --quiet msgpack xxhash
.venv-demo/bin/pip install --quiet --no-deps --force-reinstall build/demo-wheel/*.whl

echo "== production (langgraph is not installed)"
.venv-demo/bin/pip list --format=freeze | grep -v '^pip=\|^setuptools='
(cd demo && ../.venv-demo/bin/python production.py)

echo "== a service (Starlette and uvicorn beside lgc), and its clients"
.venv-demo/bin/pip install --quiet --requirement demo/service/requirements.txt
(cd demo && ../.venv-demo/bin/python -m service.check)
