"""How threads behave that share a machine with others."""

import os


def wait_quietly() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user says otherwise; before torch is imported.

    By default they spin, which multiplies the time of small operations on a machine whose cores are busy with something
    else. See OMP_WAIT_POLICY in https://gcc.gnu.org/onlinedocs/libgomp/.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
