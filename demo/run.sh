#!/usr/bin/env bash
# Compiles the demo agent, then runs it in an environment in which langgraph is not installed.
# Run by `make demo`, which has set up .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== compile (with langgraph)"
(cd demo && ../.venv/bin/lgc compile agent.graph:builder -o build)

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
