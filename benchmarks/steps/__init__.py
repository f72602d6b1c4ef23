"""What denoising steps and solvers are worth, and which are the fastest that lose nothing."""
