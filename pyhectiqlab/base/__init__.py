"""What client, uploader, lab and command all use, and that knows nothing of runs: descriptors, threads, texts, bars."""
