"""What pages ask of many runs: tables, groups, formulas, searches, differences, exports."""
