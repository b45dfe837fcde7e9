# The menu. Two commands do everything: `make demo` and `make test`.
.PHONY: help setup demo test test-crash check check-leak bench-understanding bench-intents bench-mail bench-reliability \
	release lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help:
	@echo "make demo    set up and show the service at work on fifteen emails"
	@echo "make test    set up everything that the tests need, and run them"
	@echo "make setup   make $(VENV) with the command $(BIN)/triage"
	@echo "make check   format, lint, types, architecture"
	@echo "make test-crash     kill the worker KILLS=300 times over EMAILS=1000 emails (SEED=1); one line of JSON"
	@echo "make bench-understanding | bench-intents | bench-mail    print figures beside their floors and aims, as JSON"
	@echo "make bench-reliability    the same for kills, latency and memory; FULL=1 takes about two hours"
	@echo "make release train, calibrate and put the result into models/release"
	@echo "make lock    write the lock files anew (maintainers; needs uv)"
	@echo "make clean   remove what the commands made"

# --- environments -----------------------------------------------------------------------------------------------------

setup: $(VENV)/run.done

$(VENV)/run.done: requirements/run.txt pyproject.toml
	@sh tests/servers/debian.sh venv
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/test.done: $(VENV)/run.done requirements/test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/check.done: $(VENV)/test.done requirements/check.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/check.txt
	@touch $@

# --- the two commands -------------------------------------------------------------------------------------------------

demo: setup
	$(BIN)/triage demo

test: $(VENV)/test.done
	@sh tests/servers/debian.sh test
	$(BIN)/python -m pytest

KILLS ?= 300
EMAILS ?= 1000
SEED ?= 1
WORKERS ?= 1

test-crash: $(VENV)/test.done
	@sh tests/servers/debian.sh test
	$(BIN)/python -m tests.crash --kills $(KILLS) --emails $(EMAILS) --seed $(SEED) --workers $(WORKERS)

check-leak: setup
	@test -n "$(DEV)" || { echo "make check-leak DEV=PATH: name the labelled emails that we measure with" >&2; exit 2; }
	$(BIN)/python -m triage.classifier.leak models/examples/*.jsonl -- $(DEV)

# --- figures ----------------------------------------------------------------------------------------------------------

# What we measure with lies beside the checkout and is no part of it.
bench-understanding: DEV ?= ../shared/data/dev-emails.jsonl
bench-understanding bench-intents: INTENTS ?= ../shared/data/intents
bench-mail: CASES ?= ../shared/data/mail-cases
MODEL ?= release

bench-understanding: setup
	$(BIN)/python -m tests.bench.understanding --dev $(DEV) --intents $(INTENTS) --model $(MODEL)

bench-intents: setup
	$(BIN)/python -m tests.bench.intents --data $(INTENTS)

bench-mail: setup
	$(BIN)/python -m tests.bench.mail $(CASES)

bench-reliability: $(VENV)/test.done
	@sh tests/servers/debian.sh test
	$(BIN)/python -m tests.bench.reliability --model $(MODEL) --seed $(SEED) $(if $(FULL),--full)

release: setup
	$(BIN)/triage train
	$(BIN)/triage calibrate
	rm -rf models/release && cp -r models/built/latest models/release

# --- for developers ---------------------------------------------------------------------------------------------------

check: $(VENV)/check.done
	$(BIN)/ruff format --check triage tests models
	$(BIN)/ruff check triage tests models
	$(BIN)/mypy
	$(BIN)/lint-imports

UV_COMPILE = uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
	pyproject.toml requirements/build.in

lock:
	$(UV_COMPILE) -o requirements/run.txt
	$(UV_COMPILE) --extra report --extra test -o requirements/test.txt
	$(UV_COMPILE) --extra report --extra test --extra check -o requirements/check.txt

clean:
	rm -rf $(VENV) build var models/built models/cache
