"""The development and test database: a MongoDB-compatible server as a process of its own.

This package runs and adapts SecantusDB, which is GPL-2.0; nothing else of this project imports
it (but `process.py`, which only starts and stops it); it talks to the application only over the
wire.
"""
