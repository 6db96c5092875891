# make install: build the environment. make repro: and run the pipeline. make test: and run the tests.
# make test-all: what takes long too (full-size architectures, the pages, experiments, pretraining).
# make test-litellm: the plugin and the logger in LiteLLM's Router and proxy, which get an environment of their own.
PYTHON ?= python3.11
FAISS ?= cpu
VENV := .venv
READY := $(VENV)/.ready
LITELLM := .venv-litellm
# dvc and the stages' `python` are the environment's own.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: install repro test test-all test-litellm lint docs experiments bundled starter-router clean
install: $(READY)

repro: $(READY)
	dvc repro
	arms report

# The tests of a file stay in one process. --dist=loadgroup does not group under pytest 9.2 (pytest-xdist issue 1386).
PYTEST := python -m pytest -n logical --dist loadfile --no-loadscope-reorder

test: $(READY)
	$(PYTEST)

test-all: $(READY)
	$(PYTEST) -m 'not gpu and not litellm' tests pretrain/tests

test-litellm: $(READY) $(LITELLM)/.ready
	python -m pytest -m litellm tests/integrations

lint: $(READY)
	ruff check .
	ruff format --check .
	mypy

# The pages that are written by a command.
docs: $(READY)
	arms settings --out docs/settings.md
	arms report --out docs/results.md

# The table of experiments: the numbers of metrics/summary.json, and the settings that matter most.
experiments: $(READY)
	dvc exp show --drop '.*' --keep 'Experiment|^(id|ood)\.(base|extended)\.|^(params.yaml:)?(data|encoders|preset|epochs|seed)$$'

# Train the encoders that are to ship with the package, and put them into it.
bundled: $(READY)
	cd pretrain && dvc repro
	cp -r pretrain/output/bundled/. arms/encoders/bundled/

# Put a router trained by `make repro` into the package, in float16: what `arms route` uses where none was trained.
starter-router: $(READY)
	python -m pretrain.starter data/routers/incremental arms/cli/starter

clean:
	rm -rf $(VENV) $(LITELLM) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(FAISS),dev]'
	touch $@

# What ARMS needs comes from the project's environment, behind what LiteLLM brings.
$(LITELLM)/.ready: constraints-litellm.txt $(READY)
	$(PYTHON) -m venv --clear $(LITELLM)
	python -c 'import sysconfig; print(sysconfig.get_path("purelib"), "$(CURDIR)", sep="\n")' \
		> $$($(LITELLM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/arms.pth
	$(LITELLM)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-litellm.txt 'litellm[proxy]'
	touch $@
