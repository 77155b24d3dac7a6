# Everything runs in virtual environments of this checkout; only Python 3.10 to 3.13, git and,
# for native code, a C compiler have to be on the machine.
PYTHON ?= python3
BENCH_ARGS ?=
UPSTREAM_ARGS ?=

SOURCES := pyproject.toml setup.py $(wildcard __init__.py cli.py backend.py templates/*.j2) \
	$(shell find compiler runtime -name '*.py')
# What the installed native package is held to; the rest of the tests looks at the compiler.
NATIVE_TESTS := $(wildcard tests/parity tests/golden tests/crash)
TYPED := -p lgc.compiler -p lgc.runtime -m lgc.cli $(if $(wildcard backend.py),-m lgc.backend)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: venv test test-interpreted test-native test-postgres parity-full fuzz lint golden corpus upstream demo bench clean
.NOTPARALLEL:

venv: .venv/.installed

.venv/.installed: pyproject.toml setup.py
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	LGC_NATIVE=0 .venv/bin/pip install --quiet --editable '.[compiler,test]'
	touch $@

# The wheel is built from a clean directory: setuptools ships whatever an earlier build left there.
.venv-native/.installed: $(SOURCES)
	test -x .venv-native/bin/python || $(PYTHON) -m venv .venv-native
	rm -rf build/lib* build/bdist* build/wheel
	LGC_NATIVE=1 .venv-native/bin/pip wheel --quiet --no-deps --wheel-dir build/wheel .
	.venv-native/bin/pip install --quiet "$$(echo build/wheel/*.whl)[compiler,test]"
	.venv-native/bin/pip install --quiet --no-deps --force-reinstall build/wheel/*.whl
	touch $@

test: lint test-interpreted
	@if .venv/bin/python -c 'import sys; from lgc.compiler.native import find_compiler; \
	sys.exit(find_compiler() is None)'; then \
		$(MAKE) --no-print-directory test-native; \
	else \
		echo "make test: no C compiler with Python's headers; tested interpreted only"; \
	fi

test-interpreted: venv
	LGC_EXPECT=interpreted .venv/bin/pytest

test-native: .venv-native/.installed
	LGC_EXPECT=native .venv-native/bin/pytest $(NATIVE_TESTS)

# Starts a PostgreSQL of its own; without one, `make test` skips these tests.
test-postgres: venv
	LGC_EXPECT=interpreted .venv/bin/python tests/support/postgres.py \
		.venv/bin/pytest -k postgres tests/parity/test_postgres.py tests/parity/test_saver_errors.py \
		tests/parity/test_cross_engine.py tests/crash/test_crash.py

parity-full: .venv-native/.installed
	LGC_EXPECT=native LGC_NATIVE_GRAPHS=1600 .venv-native/bin/pytest -v tests/parity/test_native_graphs.py

fuzz: venv
	.venv/bin/python tests/support/fuzz.py

lint: venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	mkdir -p build/stage && ln -sfn ../.. build/stage/lgc
	.venv/bin/mypy $(TYPED)

golden: venv
	.venv/bin/python tests/support/golden.py --write

corpus: venv
	PYTHONPATH=tests/support .venv/bin/python tests/corpus/make.py

.venv-upstream/.installed: pyproject.toml setup.py tests/upstream/requirements.txt
	test -x .venv-upstream/bin/python || $(PYTHON) -m venv .venv-upstream
	LGC_NATIVE=0 .venv-upstream/bin/pip install --quiet --editable '.[compiler]' \
		--requirement tests/upstream/requirements.txt
	touch $@

upstream: .venv-upstream/.installed
	$(if $(UPSTREAM_ARGS),,.venv-upstream/bin/python tests/upstream/checkpoint.py)
	.venv-upstream/bin/python tests/upstream/run.py $(UPSTREAM_ARGS)

demo: venv
	bash demo/run.sh

bench: venv
	.venv/bin/python bench/run.py $(BENCH_ARGS)

clean:
	rm -rf .venv .venv-native .venv-upstream build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
