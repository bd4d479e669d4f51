"""What tests of several rooms share: tools of the machine, later servers and disks to cut."""
