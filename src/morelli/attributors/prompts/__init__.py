"""Attributors that are told for which prompt an image was made, and have references of just this prompt."""
