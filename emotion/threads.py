"""How threads behave that share a machine with others."""

import os


def wait_quietly() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user says otherwise; before torch is imported.

    By default they spin. On a machine whose cores are busy with something else that multiplies the time of small
    operations: composing beside two busy processes on two cores took 46 s spinning and 26 s asleep. See
    OMP_WAIT_POLICY in https://gcc.gnu.org/onlinedocs/libgomp/.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
