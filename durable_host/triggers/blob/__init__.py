"""The blob trigger: finds new blobs, puts a message for each into a queue, and invokes a function for each message."""
