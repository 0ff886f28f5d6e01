"""What `func init` and `func new` write: the catalog of templates, the project's files, and edits of Python modules.

The texts themselves are in `cli/templates`.
"""
