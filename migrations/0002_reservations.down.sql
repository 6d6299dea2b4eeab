DROP TABLE reserved_seats;
DROP TABLE reservations;
