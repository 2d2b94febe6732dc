"""What the type checker knows of the MongoDB backend, which ships no types: only what is used."""
