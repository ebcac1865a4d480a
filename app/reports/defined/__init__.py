"""The figures in words: what each is called, counts in, means, and where it is asked."""
