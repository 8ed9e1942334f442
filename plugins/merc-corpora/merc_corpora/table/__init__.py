"""People's own tables: files in several forms, columns with roles, conversations."""
