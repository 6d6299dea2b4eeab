DROP TABLE availability_snapshots;
DROP TABLE drift_findings;
DROP TABLE reconciliation_runs;
