"""What notebook 14 shows about SGN: its ablations, its tokens over the training, its features, a universal set."""
