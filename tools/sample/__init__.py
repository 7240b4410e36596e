"""Makes the sample catalog that ships inside Morelli; run by `tools/make_sample.py`, not part of the install."""
