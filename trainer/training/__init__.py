"""Fitting networks: losses, phases as data, the loop that runs them, checkpoints and logs."""
