"""Each file answers the question in its name; each has a --quick mode."""
