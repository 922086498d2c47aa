"""Selection of trials: a table of a subject's trials, filters with counts, and expressions."""
