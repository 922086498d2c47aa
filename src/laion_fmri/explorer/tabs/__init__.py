"""The five tabs: Discover, Download, Brain, Trials, Splits."""
