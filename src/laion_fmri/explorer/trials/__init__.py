"""The Trials tab: images, masks, captions and responses by trial."""
