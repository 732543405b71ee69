"""Many clips, each through `pipeline.compose`: resumable, on this machine's cores or on a Ray cluster.

jobs      what to score: clips from folders, patterns and files, each with its options, folder name and key
journal   results: one line per clip in OUT, flushed to the disk, which a later run reads
scoring   what a worker does with a clip, and the scratch folder from which the clip moves to OUT in one step
workers   workers as processes of this machine, or as Ray actors
running   hands clips to workers, replaces those that are late or dead
summary   the tables at the end
"""

TIMEOUT_S = 600.0  # for a clip; extracting a minute of it with the largest encoder takes four on two cores
