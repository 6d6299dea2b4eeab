DROP TABLE seats;
DROP TABLE events;
