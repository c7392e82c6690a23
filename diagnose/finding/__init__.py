"""Findings: causes of failures, with their evidence."""
