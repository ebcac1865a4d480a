"""How fast the hot paths are, beside a ceiling measured on the same table in the same run."""
