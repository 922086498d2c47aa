"""The Discover tab: the contents of the dataset, and how much of it is downloaded."""
