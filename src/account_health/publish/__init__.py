"""Publish: the computed health as other systems keep it: a file they import, or written back to them."""
