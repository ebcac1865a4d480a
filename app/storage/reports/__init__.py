"""The SQL of the figures. Reads only, each figure a statement of its own."""
