"""The smallest complete component of each kind: real code, checked by its contract.

``merc plugins new`` writes these, with ``Example`` replaced by the new component's name; docs/plugins.md shows them.
"""
