"""The development launcher behind `make run`; no app imports it."""
