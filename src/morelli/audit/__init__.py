"""The audit desk: what an organisation runs over its assets, and the record that it keeps of it."""
