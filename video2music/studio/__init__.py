"""What the page needs and what can be tested without it: forms, composing, judging, batches, views, serving."""
