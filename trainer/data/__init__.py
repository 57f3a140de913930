"""Stores to batches: opened, checked, split, shuffled and streamed."""
