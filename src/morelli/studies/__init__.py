"""Studies: every experiment is a list of trials, and what they found."""
