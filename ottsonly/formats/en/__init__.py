"""English as in India."""
