"""Everything of a lab as files that anybody can read: docs/export.md describes them."""
