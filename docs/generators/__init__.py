"""What the generated pages of the documentation say: one module a page."""
