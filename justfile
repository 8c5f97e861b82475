# The verbs of this repository. `just` comes with the test extra; it uses the tools of the environment it lies in.

export PATH := parent_directory(just_executable()) + ":" + env("PATH")

# List the verbs
default:
    @just --list

# Format, and mend what can be mended
format:
    ruff format
    ruff check --fix

# Lint: ruff with every rule, each exception with its reason
lint:
    ruff check
    ruff format --check

# Types: mypy, strict
types:
    mypy

# Layers: who may import whom
layers:
    lint-imports --no-logo

# Write REFERENCE.md and the generated parts of other pages anew
docs:
    python .ci/docs.py

# Are the generated pages what the code would generate?
docs-fresh:
    python .ci/docs.py --check

# Bring the catalogues of other languages up to date, or begin one: `just catalogues de`
catalogues *codes:
    python .ci/catalogues.py {{ codes }}

# Is every text translated into every language?
catalogues-fresh:
    python .ci/catalogues.py --check

# Is SKILL.md a valid Agent Skill?
skill:
    .ci/skill

# Run the tests, or some of them
test *args:
    python -m pytest {{ args }}

# Accept the answers of today as the new snapshots
snap *args:
    python -m pytest --snapshot-update {{ args }}

# Build the wheel and try it in a clean environment
smoke:
    .ci/smoke

# Pack the MCP bundle, dist/account-health.mcpb
bundle:
    .ci/bundle

# End to end against a real CRM, which the first run installs
e2e *args:
    .ci/e2e {{ args }}

# Fetch what the contract tests borrow: a mock server, PostHog's parser, an API document
vendors:
    .ci/vendors

# Ask the judges from outside, or some of them: conformance suites, the Inspector, fuzzers
judges *names:
    .ci/judges {{ names }}

# Measure: one JSON object per figure
bench *names:
    .ci/bench {{ names }}

# Everything that must hold before a change lands
gate:
    .ci/run
