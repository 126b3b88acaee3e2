# `make run` starts everything; `make test` runs the tests. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test fuzz test-long lint lint-ops screenshots audit rehearse schema token bench bench-bearer lock clean

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

# Real API clients that are Node programs: tested only where Node is installed.
tests/clients/node_modules: tests/clients/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix tests/clients --silent && touch $@; fi

test: .venv/.dev tests/clients/node_modules  ## all tests but the long ones, with branch coverage
	$(BIN)/python -m pytest -n 4 -m "not long and not rehearsal" --cov --cov-report=term:skip-covered

test-long: .venv/.dev tests/clients/node_modules  ## the long tests: axe on every page, guides as pasted, schemathesis, a backup under load
	$(BIN)/python -m pytest -n 4 -m long

fuzz: .venv/.dev  ## thousands of requests that schemathesis makes from the OpenAPI document, all its checks
	FUZZ_EXAMPLES=150 $(BIN)/python -m pytest -q -s tests/test_fuzz.py

lint: .venv/.dev  ## format check, ruff, mypy --strict
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

.venv/.ops: .venv/.runtime requirements-ops.txt
	$(PYTHON) -m venv .venv/ops
	.venv/ops/bin/pip install --quiet --disable-pip-version-check --require-hashes --prefer-binary -r requirements-ops.txt
	@touch $@

lint-ops: .venv/.ops  ## Dockerfile, compose, workflows, alert rules; secrets in the code
	.venv/ops/bin/hadolint Docker/Dockerfile
	.venv/ops/bin/actionlint
	.venv/ops/bin/zizmor --offline --quiet .github
	.venv/ops/bin/check-jsonschema --builtin-schema vendor.compose-spec Docker/compose.yaml
	.venv/ops/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	git ls-files -z -- ':!requirements*.txt' ':!*tests*' | xargs -0 .venv/ops/bin/detect-secrets-hook \
		--disable-plugin KeywordDetector --disable-plugin Base64HighEntropyString --disable-plugin HexHighEntropyString
	@if command -v promtool >/dev/null; then promtool check rules deploy/alerts.yml && promtool test rules deploy/alerts_test.yml; \
	else echo "promtool is not installed (Debian: apt-get install prometheus): the alert rules are not checked."; fi

audit: .venv/.ops  ## known vulnerabilities of the locked dependencies; asks PyPI
	.venv/ops/bin/pip-audit --disable-pip --require-hashes -r requirements.txt

rehearse: .venv/.dev  ## outages and a migration of 1,000,000 orders, under load: 10 minutes, prints the figures
	$(BIN)/python -m pytest -s -m rehearsal tests/test_rehearsals.py tests/test_migrate.py tests/test_books.py

screenshots: .venv/.dev  ## take the pictures in docs/ anew, with chromium
	$(BIN)/python manage.py shell -v 0 -c "from tests.browser import screenshots; screenshots.take_all()"

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
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header --no-annotate --group ops -o requirements-ops.txt

clean:  ## remove what make made, the data folder excepted
	rm -rf .venv benchmarks/.venv .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov
