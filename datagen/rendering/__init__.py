"""The pure core: (spec, i) to arrays. No files, no logging, no state."""
