"""The known ways in which order syncs fail: a test for each, and the proof that each guard against them is needed."""
