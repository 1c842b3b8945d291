"""What every PointStore computes of a series: buckets, summaries, smoothed lines."""
