"""Files that bring clusters up, and the versions they pin."""
