"""Accounts: who may log in, with a password and a second factor; which roles they hold is in the record."""
