"""What client, uploader, lab and command all use, and what knows nothing of runs: threads, files, texts, bars."""
