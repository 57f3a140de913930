"""The shell around the renderer: stores on disk, in object storage and on clusters."""
