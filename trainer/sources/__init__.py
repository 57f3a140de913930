"""Files that hold real frames: videos, image folders and arrays."""
