# Everything runs in virtual environments of this checkout; only Python 3.10 to 3.14, git and,
# for native code, a C compiler have to be on the machine.
PYTHON ?= python3
BENCH_ARGS ?=
UPSTREAM_ARGS ?=
MINUTES ?= 10
# How pytest shares the tests out; `PYTEST_ARGS=` runs them in one process.
PYTEST_ARGS ?= -n 2 --dist worksteal
# The LangGraph whose own tests run; of the command line only, for the environment may have another.
VERSION := $(shell sed -n 's/^NEWEST = "\(.*\)"/\1/p' tests/upstream/sdist.py)

SOURCES := pyproject.toml setup.py $(wildcard __init__.py __main__.py backend.py caches.py cli.py savers.py serde.py templates/*.j2) \
	$(shell find compiler runtime -name '*.py')
# What the installed native package is held to; the rest of the tests looks at the compiler.
NATIVE_TESTS := $(wildcard tests/parity tests/golden tests/crash)
# What `make check` runs of the tests, with a twentieth of the seeds.
CHECKED := tests/unit tests/upstream $(addprefix tests/parity/test_,graphs.py saved.py features.py \
	traps.py sends.py contract.py messages.py channels.py)
TYPED := -p lgc.compiler -p lgc.runtime $(addprefix -m lgc.,__main__ backend caches cli savers serde)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: venv check test test-all test-interpreted test-native test-postgres parity-full crash-full explore fuzz lint golden corpus upstream demo bench soak clean
.NOTPARALLEL:

venv: .venv/.installed

.venv/.installed: pyproject.toml setup.py
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	LGC_NATIVE=0 .venv/bin/pip install --quiet --editable '.[compiler,test,types]'
	touch $@

# The wheel is built from a clean directory: setuptools ships whatever an earlier build left there.
.venv-native/.installed: $(SOURCES)
	test -x .venv-native/bin/python || $(PYTHON) -m venv .venv-native
	rm -rf build/lib* build/bdist* build/wheel
	LGC_NATIVE=1 .venv-native/bin/pip wheel --quiet --no-deps --wheel-dir build/wheel .
	.venv-native/bin/pip install --quiet "$$(echo build/wheel/*.whl)[compiler,test]"
	.venv-native/bin/pip install --quiet --no-deps --force-reinstall build/wheel/*.whl
	touch $@

check: lint
	LGC_SCALE=0.05 LGC_EXPECT=interpreted .venv/bin/pytest $(PYTEST_ARGS) -q $(CHECKED)

# With a C compiler, each test of parity and crash runs in one of the two suites (tests/conftest.py),
# and a part of the random ones in both: `make test-all` has the whole of both.
test: lint
	@if .venv/bin/python -c 'import sys; from lgc.compiler.native import find_compiler; \
	sys.exit(find_compiler() is None)'; then \
		LGC_SHARE=1/2 LGC_SCALE=$${LGC_SCALE:-0.25} $(MAKE) --no-print-directory test-interpreted && \
		LGC_SHARE=2/2 LGC_SCALE=$${LGC_SCALE:-0.2} $(MAKE) --no-print-directory test-native; \
	else \
		$(MAKE) --no-print-directory test-interpreted && \
		echo "make test: no C compiler with Python's headers; tested interpreted only"; \
	fi

test-all: lint test-interpreted test-native

test-interpreted: venv
	LGC_EXPECT=interpreted .venv/bin/pytest $(PYTEST_ARGS)

# A third of what is drawn: the interpreted run has more of it.
test-native: .venv-native/.installed
	LGC_SCALE=$${LGC_SCALE:-0.35} LGC_EXPECT=native .venv-native/bin/pytest $(PYTEST_ARGS) $(NATIVE_TESTS)

# Starts a PostgreSQL of its own; without one, `make test` skips these tests.
test-postgres: venv
	LGC_EXPECT=interpreted .venv/bin/python tests/support/postgres.py \
		.venv/bin/pytest $(PYTEST_ARGS) -k postgres tests/parity/test_postgres.py tests/parity/test_saver_errors.py \
		tests/parity/test_cross_engine.py tests/parity/test_async_savers.py tests/crash/test_crash.py

parity-full: venv .venv-native/.installed
	LGC_SCALE=4 LGC_EXPECT=interpreted .venv/bin/pytest $(PYTEST_ARGS) tests/parity
	LGC_SCALE=4 LGC_EXPECT=native LGC_NATIVE_GRAPHS=1600 .venv-native/bin/pytest $(PYTEST_ARGS) tests/parity

crash-full: venv .venv-native/.installed
	LGC_SCALE=3 LGC_EXPECT=interpreted .venv/bin/pytest $(PYTEST_ARGS) tests/crash
	LGC_SCALE=3 LGC_EXPECT=native .venv-native/bin/pytest $(PYTEST_ARGS) tests/crash

explore: venv
	.venv/bin/python tests/support/explore.py --minutes $(MINUTES)

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

.venv-upstream-%/.installed: pyproject.toml setup.py tests/upstream/requirements.txt \
		tests/upstream/langgraph-%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	LGC_NATIVE=0 $(@D)/bin/pip install --quiet --editable '.[compiler]' \
		--requirement tests/upstream/langgraph-$*.txt
	touch $@

upstream: .venv-upstream-$(VERSION)/.installed
	$(if $(UPSTREAM_ARGS),,.venv-upstream-$(VERSION)/bin/python tests/upstream/checkpoint.py)
	.venv-upstream-$(VERSION)/bin/python tests/upstream/run.py $(UPSTREAM_ARGS)

demo: venv
	bash demo/run.sh

bench: venv
	.venv/bin/python bench/run.py $(BENCH_ARGS)

soak: venv
	.venv/bin/python bench/soak.py

clean:
	rm -rf .venv .venv-native .venv-upstream-* build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
