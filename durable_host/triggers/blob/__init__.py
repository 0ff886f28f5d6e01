"""The blob trigger: finds new blobs, hands them over through a queue, and invokes a function for each."""
