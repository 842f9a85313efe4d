# One command per task. `make dev` and `make test` need only Rust, Python, a C compiler and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# The Python that users run: its version decides which extension module is built.
PYTHON ?= python3
CARGO ?= cargo
# `--locked` where a stale Cargo.lock must fail (.ci/run) instead of being brought up to date.
CARGO_FLAGS ?=
# A Worker's folder for `make dev`, and further flags for it.
WORKER ?= examples/hello
FLAGS ?=

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
TARGET := $(or $(CARGO_TARGET_DIR),target)
REQUIREMENTS := requirements/runtime.txt requirements/test.txt
# The crates that link against Python: pytest covers them through the extension module.
PYTHON_CRATES := isthmus-bridge isthmus-embed isthmus-isolate isthmus-native

.PHONY: dev build test check bench performance sanitize soak soak-ffi wpt wheel rust-tests python-tests clean

dev: build
	$(VENV)/bin/isthmus dev $(WORKER) $(FLAGS)

build: $(VENV)/.installed
	$(CARGO) build $(CARGO_FLAGS) --release -p isthmus-native
	@suffix=$$($(VENV_PYTHON) -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))'); \
	so=python/isthmus/_native$$suffix; \
	if ! cmp -s $(TARGET)/release/libisthmus_native.so $$so; then \
		cp $(TARGET)/release/libisthmus_native.so $$so.new; mv $$so.new $$so; \
	fi

# Linux distributions ship Python without pip; each way out is tried before we give up.
$(VENV)/.installed: $(REQUIREMENTS) tools/install_editable.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Isthmus needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.13" >&2; exit 1; }
	@if [ ! -x $(VENV_PYTHON) ] || ! $(VENV_PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 \
		|| { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV_PYTHON) install -q pip; } >/dev/null 2>&1 \
		|| { command -v uv >/dev/null && uv venv -q --clear --seed --python "$$(command -v $(PYTHON))" $(VENV); } \
		|| { rm -rf $(VENV); echo "$(PYTHON) can make no virtual environment with pip. On Debian: apt install python3-venv" >&2; exit 1; }; \
	fi
	$(VENV_PYTHON) -m pip install --disable-pip-version-check -q $(addprefix -r ,$(REQUIREMENTS))
	$(VENV_PYTHON) tools/install_editable.py
	@touch $@

test: build rust-tests python-tests

rust-tests: $(VENV)/.installed
	$(CARGO) test $(CARGO_FLAGS) --release --workspace $(addprefix --exclude ,$(PYTHON_CRATES))

python-tests: build
	$(VENV_PYTHON) -m pytest tests $(PYTEST_FLAGS)

# What must hold before every commit; minutes less than `test`.
check: build
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(CARGO_FLAGS) --release --workspace --all-targets -- -D warnings
	$(VENV_PYTHON) -m pytest tests -q -m "not slow"

bench: build
	$(VENV_PYTHON) benches/ffi/run.py
	$(VENV_PYTHON) benches/http/run.py

# Writes docs/performance.md; with ISTHMUS_PYODIDE=folder (benches/ffi/reference.py) Pyodide runs beside it.
performance: build
	$(VENV_PYTHON) benches/ffi/run.py --write --http --passes 3

# The public web-platform tests of the checkout $ISTHMUS_WPT (tests/wpt/README.md); WPT=areas, files or options.
wpt:
	@test -n "$$ISTHMUS_WPT" || { echo "ISTHMUS_WPT names no checkout; see tests/wpt/README.md" >&2; exit 1; }
	$(CARGO) test $(CARGO_FLAGS) --release -p isthmus-web --test wpt -- $(WPT)

# Random programs of proxy operations against a model, for so many seconds from this seed on.
fuzz: build
	$(VENV_PYTHON) fuzz/run.py --seconds $(or $(SECONDS),60) --seed $(or $(SEED),$$(date +%s))

# Every kind of crossing a million times: memory in the end within 5 % of that after a tenth.
soak-ffi: build
	$(VENV_PYTHON) tests/bridge/soak.py

# Every store: the host killed 200 times under load (`make test`: 10 times); KILLS and SEED choose otherwise.
soak: build
	ISTHMUS_KILLS=$(or $(KILLS),200) ISTHMUS_SEED=$(SEED) $(VENV_PYTHON) -m pytest tests/durability -q -s $(PYTEST_FLAGS)

# The bridge under valgrind (tools/sanitize.sh says why not AddressSanitizer); not part of `test`.
asan: sanitize

sanitize: build
	tools/sanitize.sh

wheel: $(VENV)/.installed requirements/wheel.txt
	$(VENV_PYTHON) -m pip install --disable-pip-version-check -q -r requirements/wheel.txt
	$(VENV_PYTHON) -m maturin build --release --locked --out dist

clean:
	rm -rf $(VENV) target dist python/isthmus/_native*.so
