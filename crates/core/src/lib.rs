//! Words and mathematics of Custodia: log, custody, exhibits, dossiers. No I/O, clock, randomness or async.
