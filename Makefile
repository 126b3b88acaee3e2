# `make run` starts everything; `make test` tests everything. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint schema token bench bench-bearer lock clean

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

.venv/.runtime: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: .venv/.runtime  ## the service: web, SMS worker, stand-in gateway, PostgreSQL
	@exec $(BIN)/python manage.py run

test: .venv/.dev  ## all tests, with branch coverage
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

lint: .venv/.dev  ## format check, ruff, mypy --strict
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

schema: .venv/.runtime  ## write database/customer_order_db.sql anew, after a new migration
	@$(BIN)/python manage.py schema

token: .venv/.runtime  ## print an access token for the first administrator
	@$(BIN)/python manage.py token

benchmarks/.venv/.done: benchmarks/requirements.txt
	$(PYTHON) -m venv benchmarks/.venv
	benchmarks/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.txt
	@touch $@

bench: .venv/.runtime benchmarks/.venv/.done  ## the service beside its peers, needs wrk; BENCH="--rounds 2 --big 0" is the short way
	@$(BIN)/python -m benchmarks $(BENCH)

bench-bearer: .venv/.runtime  ## what the Bearer check costs, beside django-oauth-toolkit's own
	$(BIN)/python -m benchmarks.bearer

lock: .venv/.dev  ## lock the dependencies of pyproject.toml anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header --no-annotate pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header --no-annotate benchmarks/requirements.in -c requirements.txt -o benchmarks/requirements.txt

clean:  ## remove what make made, the data folder excepted
	rm -rf .venv benchmarks/.venv .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov
