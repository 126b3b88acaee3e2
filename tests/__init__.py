"""Tests across the apps: the service as a process tree, and the specification, example by example."""
