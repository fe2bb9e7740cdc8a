"""What the system does to long work: full disks, crashes, signals."""
