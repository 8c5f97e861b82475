"""Metrics: one SQL file per dimension, and the code that runs them into one matrix."""
