"""Files that bring clusters up, their check, and the versions they pin."""
