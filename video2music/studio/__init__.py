"""What the page needs and what can be tested without it: score_form, composing, judging, batches, views, serving."""
