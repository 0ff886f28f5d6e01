"""The code behind `func init` and `func new`: the template catalog, project files, and edits of Python modules.

The templates are in `cli/templates`.
"""
