"""What people look at or take away: pictures, files for other programs, and a lazy array."""
