//! A private Postgres that `koyalite dev` owns: found, initialised, started, and taken down with us.
