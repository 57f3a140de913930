"""Radar composites as maps of rain rate, each by its owner's own relation; what has no data is no zero."""
