"""What is measured of the speed and memory of this project, as ratios to plain references; see README.md."""
