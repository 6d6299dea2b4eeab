DROP TABLE stream_positions;
DROP TABLE stream_workers;
