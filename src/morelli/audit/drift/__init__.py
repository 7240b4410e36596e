"""Has a model changed? Two samples of its images compared, and a stream of verdicts watched."""
