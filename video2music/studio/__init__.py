"""What the page needs and what can be tested without it: wishes, composing, judging, batches, views, serving."""
