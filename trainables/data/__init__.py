"""Images on disk to memory-mapped packs, and augmentation in the graph."""
