"""The Splits tab: description and measures of a split, and a form to make another."""
