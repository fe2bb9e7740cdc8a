"""Drawing of the window: its layout, its words, and shapes at any scale."""
