"""The service: sequences, virtual stores and render jobs over HTTP; the only importer of FastAPI."""
