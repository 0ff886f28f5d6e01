"""The task hub in Azure Storage: queues, tables and blobs laid out as the official backend lays them out."""
