"""How the tables of a ledger came to be as they are, for Alembic."""
