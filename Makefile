# Two commands do everything: `make run` (hub, broker and a small drill, with a sign-in link) and `make test`.
.PHONY: run test chance faults bench web lock clean

run:
	@tools/setup.sh run
	@exec .venv/bin/python -m sim demo $(ARGS)

test:
	@tools/setup.sh test
	@tools/test.sh $(ARGS)

# the generated tests with examples that no run has seen; what it finds becomes an example in `make test`
chance:
	@tools/setup.sh test
	@PATH="$(CURDIR)/.venv/bin:$$PATH:/usr/sbin:/sbin" .venv/bin/pytest -n 2 -m "not slow" --hypothesis-profile=chance $(ARGS)

# the long form of the campaign of faults; writes the table of docs/reliability.md: make faults SEED=7 MINUTES=5
faults:
	@tools/setup.sh test
	@PATH="$(CURDIR)/.venv/bin:$$PATH:/usr/sbin:/sbin" SEED=$(or $(SEED),20261124) MINUTES=$(or $(MINUTES),20) \
		.venv/bin/pytest tests/faults $(ARGS)

# measured figures for tests/bench/RESULTS.md; takes about ten minutes
bench:
	@tools/setup.sh test
	@.venv/bin/python tests/bench/run.py $(ARGS)

# rebuild the screen into hub/static
web:
	@tools/setup.sh test
	@cd hub/web && PATH="$(CURDIR)/.venv/bin:$$PATH" sh -c 'npm ci --no-audit --no-fund && npm run build'

# pin the dependencies anew; needs uv
lock:
	@tools/lock.sh --upgrade

clean:
	rm -rf .venv .data build dist hub/web/node_modules tests/artifacts .mypy_cache .ruff_cache .pytest_cache
