"""What the judges from outside need: a server with what their suites call by name, and how their verdicts are read."""
