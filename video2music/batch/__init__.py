"""Many clips, each through `pipeline.compose`: resumable, on this machine's cores or on a Ray cluster.

jobs      what is to be done: clips from folders, patterns and files, each with its options, name and key
journal   what was done: one line a clip in OUT, flushed to the disk, which a later run reads
places    where a clip is scored before it is moved to its folder in OUT in one step
scoring   what happens in a worker; local, cluster: workers as processes here, or as Ray actors
running   who does what next, who is late or dead, and when to stop
summary   the tables at the end
"""

TIMEOUT_S = 600.0  # for a clip; watching a minute of it with the largest encoder takes four on two cores
