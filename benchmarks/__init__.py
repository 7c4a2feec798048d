"""How fast the pack is: four measurements over the emulator, each comparison made in the same run."""
