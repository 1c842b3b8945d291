"""What client, uploader, lab and command all use, and what knows nothing of runs: descriptors, threads, texts, bars."""
