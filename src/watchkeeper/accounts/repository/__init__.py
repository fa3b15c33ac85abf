"""All SQL of accounts, one module for each group of tables. Nothing here commits or decides."""
